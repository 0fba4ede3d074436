import json

import numpy as np
import pytest

from tagger.bootstrap import paired_bootstrap, resample
from tagger.errors import DataError


def test_score_rows_lead_with_ours_and_tell_how_far_it_is_ahead(make_evaluation):
    evaluation = make_evaluation()
    ours, other = evaluation.score_rows
    assert (ours["method"], other["method"]) == ("jobtool", "all negative")
    assert ours["ahead"] is None
    gap = ours["mean_average_precision"] - other["mean_average_precision"]
    assert other["ahead"] == pytest.approx(gap)
    methods = (evaluation.baselines["all negative"], (evaluation.proba, evaluation.decisions))
    a, b = (resample(evaluation.Y, *m, groups=evaluation.groups, n_samples=20) for m in methods)
    paired = paired_bootstrap(a, b)
    assert other["ahead_low"] == paired.mean_average_precision.low
    assert other["ahead_low"] < gap < other["ahead_high"]


def test_tag_rows_carry_the_scores_and_explain_a_tag_that_has_none(make_evaluation):
    evaluation = make_evaluation()
    first, _, none = evaluation.tag_rows
    assert first["f1"] == evaluation.tag_scores[0].f1
    assert (first["threshold"], first["remark"]) == (0.5, "a remark")
    assert none["average_precision"] is None
    assert (none["threshold"], none["remark"]) == (None, "no job is known to carry it")


def test_threshold_rows_count_the_jobs_left_to_a_person(make_evaluation):
    evaluation = make_evaluation()
    row = evaluation.threshold_rows[0]
    assert (row["low"], row["high"]) == (0.4, 0.6)
    assert row["review"] == evaluation.review[:, 0].sum() > 0
    assert row["review_share"] == row["review"] / 60


def test_confusion_rows_name_the_most_frequent_pairs_first(make_evaluation):
    evaluation = make_evaluation()
    rows = evaluation.confusion_rows()
    jobs = [row["jobs"] for row in rows]
    assert jobs == sorted(jobs, reverse=True)
    assert jobs[0] == evaluation.confusion_counts.max()
    assert 0 not in jobs
    assert evaluation.confusion_rows(limit=1) == rows[:1]


def test_json_holds_plain_numbers_and_none_for_what_is_not_defined(make_evaluation):
    plain = make_evaluation().to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["tags"][-1]["average_precision"] is None
    assert plain["summary"]["n_jobs"] == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tags": ["one"]}, r"tags must have shape \(3,\), got \(1,\)"),
        ({"thresholds": np.zeros(2)}, r"thresholds must have shape \(3,\)"),
        ({"bands": np.zeros((3, 3))}, r"bands must have shape \(3, 2\)"),
        ({"review": np.zeros((2, 3), bool)}, r"review must have shape \(60, 3\)"),
        ({"groups": np.arange(5)}, r"groups must have shape \(60,\)"),
        ({"codes": np.zeros((5, 8))}, r"codes must have shape \(60, 8\), got \(5, 8\)"),
        ({"proba": np.full((60, 3), 2.0)}, "probabilities must lie"),
        (
            {"baselines": {"prior": (np.zeros((60, 2)), np.zeros((60, 2), bool))}},
            "P must have the shape of Y",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(make_evaluation, changes, message):
    with pytest.raises(DataError, match=message):
        make_evaluation(**changes)
