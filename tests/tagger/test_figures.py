"""What single figures show; how they stand in the page: tests/tagger/test_report.py."""

from itertools import count

import numpy as np

from tagger import figures
from tagger.metrics import calibration_curve, precision_recall_steps


def prefixes():
    return (f"f{i}-" for i in count())


def test_every_scored_tag_has_a_curve_that_names_it(make_evaluation):
    evaluation = make_evaluation(tags=["<sales>", "remote", "none"])
    (row, plot), (other, _) = figures.tag_curves(evaluation, prefixes())
    assert (row["tag"], other["tag"]) == ("<sales>", "remote")
    assert f'recall: &lt;sales&gt;, {row["average_precision"]:.3f}"' in plot


def test_a_thinned_curve_keeps_its_ends():
    rng = np.random.default_rng(0)
    proba = rng.random(5000)
    precision, recall = precision_recall_steps((rng.random(5000) < proba).astype(np.int8), proba)
    thin_recall, thin_precision = figures._thinned(recall, precision)
    assert len(thin_recall) == len(thin_precision) == figures.CURVE_POINTS + 1
    assert (thin_recall[0], thin_recall[-1]) == (0, 1)
    assert thin_precision[-1] == precision[np.flatnonzero(recall == 1)[0]]


def test_no_known_label_gives_no_calibration_plot():
    nothing = calibration_curve(np.array([-1]), np.array([0.5]))
    assert figures.calibration(nothing, prefixes()) is None


def test_strips_show_some_jobs_of_each_tag_and_those_without_one(make_evaluation):
    evaluation = make_evaluation()
    *tags, none = figures.code_strips(evaluation, evaluation.codes)
    carried = (evaluation.Y == 1).sum(axis=0)
    assert [(strip["name"], strip["jobs"]) for strip in tags] == [
        ("tag-0", carried[0]),
        ("tag-1", carried[1]),
    ]
    assert all(strip["shown"] == min(strip["jobs"], figures.JOBS_PER_STRIP) for strip in tags)
    assert (none["name"], none["jobs"]) == ("(no tag)", (evaluation.Y == 0).all(axis=1).sum())
