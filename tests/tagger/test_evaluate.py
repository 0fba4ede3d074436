"""Cross-validation, evaluation of a saved model, and the baselines."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from tagger.baselines import (
    LEARNED,
    NAMES_ALONE,
    MaskedLogistic,
    Sample,
    plain_texts,
    simple_baselines,
)
from tagger.errors import DataError
from tagger.evaluate import cross_validate, evaluate_model
from tagger.evaluation import Evaluation
from tagger.features import count_all
from tagger.jobs import Job
from tagger.labels import UNKNOWN, encode_labels
from tagger.report import render_report
from tagger.tagger import JobTagger, TaggerConfig

TAGS = ("care", "driving", "kitchen", "rare", "remote", "software")
OTHERS = tuple(Job(f"u{i}", "Baker", f"bread and cakes, shop {i}") for i in range(3))

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config"),
]


@pytest.fixture(scope="module")
def evaluation(eager: None, tiny_config: TaggerConfig, tiny_jobs: tuple[Job, ...]) -> Evaluation:
    """Two folds of `tiny_jobs`, the first job there twice and one without labels."""
    return cross_validate(with_repeat(tiny_jobs), OTHERS, config=tiny_config, n_folds=2)


def with_repeat(jobs: Sequence[Job]) -> list[Job]:
    return [*jobs, replace(jobs[0], id="again"), Job("unknown", "Baker", "bread and rolls")]


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
def test_every_labelled_job_is_scored_once(evaluation: Evaluation) -> None:
    assert evaluation.tags == TAGS
    assert evaluation.Y.shape == evaluation.proba.shape == (61, 6)
    assert (evaluation.Y == UNKNOWN).any()
    assert "4" in evaluation.info["unlabelled jobs"]
    assert "61, 1 of them" in evaluation.info["labelled jobs"]


def test_a_repeated_posting_is_held_out_with_its_twin(evaluation: Evaluation) -> None:
    assert evaluation.groups is not None
    assert evaluation.groups[0] == evaluation.groups[60]
    np.testing.assert_array_equal(evaluation.proba[0], evaluation.proba[60])


def test_the_text_is_worth_more_than_the_frequency_of_tags(evaluation: Evaluation) -> None:
    scores = {row["method"]: row["mean_average_precision"] for row in evaluation.score_rows}
    assert list(scores)[:3] == ["jobtool", "all negative", "prior"]
    assert min(scores["jobtool"], *(scores[b.name] for b in LEARNED)) > 1.5 * scores["prior"]


def test_a_tag_with_two_examples_is_evaluated_and_says_so(evaluation: Evaluation) -> None:
    rare = TAGS.index("rare")
    assert np.isfinite(evaluation.proba[:, rare]).all()
    assert "2 examples, under 20" in evaluation.remarks["rare"]
    assert "<html" in render_report(evaluation)


def test_names_alone_are_one_of_the_peers(evaluation: Evaluation) -> None:
    scores = {row["method"]: row["mean_average_precision"] for row in evaluation.score_rows}
    assert scores["prior"] < scores[NAMES_ALONE] < scores["jobtool"]


def test_a_held_out_jobs_labels_do_not_reach_its_model(
    evaluation: Evaluation, tiny_config: TaggerConfig, tiny_jobs: tuple[Job, ...]
) -> None:
    jobs = [*tiny_jobs]
    jobs[1] = replace(jobs[1], tags=("kitchen",), not_tags=None)  # it is about software
    changed = cross_validate(with_repeat(jobs), OTHERS, config=tiny_config, n_folds=2)
    np.testing.assert_array_equal(changed.proba[1], evaluation.proba[1])
    for name in (baseline.name for baseline in LEARNED):
        before, after = (e.baselines[name][0] for e in (evaluation, changed))
        np.testing.assert_array_equal(before[1], after[1])
        assert (before != after).any()  # its labels do count in the other fold
    assert (changed.proba != evaluation.proba).any()


@pytest.mark.parametrize("n_folds", [1, 61])
def test_folds_must_fit_the_jobs(tiny_jobs: tuple[Job, ...], n_folds: int) -> None:
    with pytest.raises(DataError, match="n_folds must be from 2 to"):
        cross_validate(tiny_jobs, n_folds=n_folds)


def test_jobs_without_tags_are_an_error(tiny_tagger: JobTagger) -> None:
    with pytest.raises(DataError, match="none of the 3 jobs has a tag"):
        cross_validate(OTHERS)
    with pytest.raises(DataError, match="none of the 3 jobs has labels"):
        evaluate_model(tiny_tagger.model_, OTHERS)


def test_a_saved_model_is_evaluated_by_its_own_thresholds(
    tiny_tagger: JobTagger, tiny_jobs: tuple[Job, ...]
) -> None:
    found = evaluate_model(tiny_tagger.model_, [*tiny_jobs, *OTHERS])
    np.testing.assert_array_equal(found.proba, tiny_tagger.predict_proba(tiny_jobs))
    np.testing.assert_array_equal(found.decisions, tiny_tagger.model_.decide(found.proba))
    assert list(found.baselines) == ["all negative", "prior", NAMES_ALONE]


def test_an_unknown_tag_is_an_error(tiny_tagger: JobTagger) -> None:
    with pytest.raises(DataError, match="astronaut"):
        evaluate_model(tiny_tagger.model_, [Job("1", "", "space", tags=("astronaut",))])


# ---- baselines


def test_simple_baselines_are_never_and_always() -> None:
    found = simple_baselines(np.array([1, 0]), np.array([2, 0]), 3)
    assert not found["all negative"][1].any()
    assert found["prior"][1].all()
    np.testing.assert_allclose(found["prior"][0], [[0.375, 0.5]] * 3)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_unknown_labels_are_left_out_of_the_fit(make: type) -> None:
    X = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    Y = np.array([[1, 1], [0, 1], [1, 1], [0, -1]], np.int8)
    masked = np.vstack([Y, [[-1, -1]]]).astype(np.int8)
    odd = np.vstack([X, [[0, 9]]])
    found = MaskedLogistic(10).fit(make(X), Y).predict_proba(make(X))
    again = MaskedLogistic(10).fit(make(odd), masked).predict_proba(make(X))
    np.testing.assert_allclose(found, again, atol=1e-6)
    assert found[0, 0] > 0.5 > found[1, 0]
    assert (found[:, 1] == 3.5 / 4).all()  # only yes: its prior


@pytest.mark.parametrize("baseline", LEARNED)
def test_learned_baselines_find_obvious_tags(baseline: type, tiny_jobs: tuple[Job, ...]) -> None:
    jobs, more = list(tiny_jobs), count_all(OTHERS)
    sample = Sample(plain_texts(jobs), count_all(jobs))
    fitted = baseline().fit(sample, encode_labels(jobs, TAGS), more)
    new = [Job("n", "Nurse", "hospital ward, patients, shifts")]
    proba = fitted.predict_proba(Sample(plain_texts(new), count_all(new)))
    assert proba.shape == (1, 6)
    assert TAGS[int(proba[0, [0, 1, 2, 5]].argmax())] == "care"


def test_texts_that_share_no_word_are_an_error() -> None:
    jobs = [Job(str(i), "", word, tags=("a",)) for i, word in enumerate(("apple", "pear"))]
    sample = Sample(plain_texts(jobs), count_all(jobs))
    with pytest.raises(DataError, match="no two of 2 jobs share a word"):
        LEARNED[0]().fit(sample, encode_labels(jobs, ("a",)), count_all([]))
