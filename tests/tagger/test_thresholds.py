"""Thresholds and review bands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from tagger.thresholds import (
    FEW_EXAMPLES,
    MOST_TIMES_EXPECTED,
    cross_fitted_decisions,
    f1_threshold,
    fit_decisions,
    review_bands,
    unlabelled_decisions,
)

ranked = st.lists(st.tuples(st.booleans(), st.integers(1, 20)), min_size=1, max_size=20)


def f1(yes: np.ndarray, given_: np.ndarray) -> float:
    return float(2 * (yes & given_).sum() / max(yes.sum() + given_.sum(), 1))


@given(ranked.filter(lambda cells: any(yes for yes, _ in cells)))
def test_no_threshold_has_a_better_f1(cells: list[tuple[bool, int]]) -> None:
    yes = np.array([yes for yes, _ in cells])
    proba = np.array([value / 20 for _, value in cells])
    ours = f1(yes, proba >= f1_threshold(yes, proba))
    assert ours == pytest.approx(max(f1(yes, proba >= cut) for cut in np.unique(proba)))


@given(ranked)
def test_the_threshold_lies_between_two_probabilities(cells: list[tuple[bool, int]]) -> None:
    yes = np.array([yes for yes, _ in cells])
    proba = np.array([value / 20 for _, value in cells])
    assert 0 < f1_threshold(yes, proba) < 1
    assert f1_threshold(yes, proba) not in proba


@given(ranked, st.integers(1, 20))
def test_at_most_so_many_jobs_lie_above_the_threshold(
    cells: list[tuple[bool, int]], most: int
) -> None:
    yes = np.array([yes for yes, _ in cells])
    proba = np.array([value / 20 for _, value in cells])
    cut = f1_threshold(yes, proba, most=most)
    assert (proba >= cut).sum() <= most
    allowed = [limit for limit in [*np.unique(proba), 2.0] if (proba >= limit).sum() <= most]
    assert f1(yes, proba >= cut) == pytest.approx(max(f1(yes, proba >= x) for x in allowed))


def test_a_tag_the_model_knows_nothing_of_is_not_given_to_everybody() -> None:
    Y = (np.arange(200) % 10 == 0).astype(np.int8)[:, None]
    noise = 0.1 * np.random.default_rng(0).normal(size=(200, 1))
    for logits in (np.full((200, 1), logit(0.1)), logit(0.1) + noise):
        decided = fit_decisions(Y, logits).decide(expit(logits))
        assert decided.sum() <= MOST_TIMES_EXPECTED * 20 + 1


def test_neighbouring_floats_are_told_apart() -> None:
    above = np.nextafter(0.5, 1)
    assert f1_threshold(np.array([True, False]), np.array([above, 0.5])) == above


def data(n: int = 400, n_tags: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and calibrated logits."""
    logits = np.random.default_rng(seed).normal(size=(n, n_tags)) - 1
    Y = (np.random.default_rng(seed + 1).random((n, n_tags)) < expit(logits)).astype(np.int8)
    return Y, logits


def test_a_tag_with_many_examples_gets_the_threshold_that_its_labels_and_logits_promise() -> None:
    Y, logits = data(5000, 1)
    proba = expit(logits)
    chosen = fit_decisions(Y, logits).threshold[0]
    best = f1_threshold(Y[:, 0] == 1, proba[:, 0])
    yes = Y[:, 0] == 1
    assert f1(yes, proba[:, 0] >= chosen) == pytest.approx(f1(yes, proba[:, 0] >= best), abs=0.01)


def test_one_example_does_not_set_the_threshold_at_itself() -> None:
    logits = np.linspace(-4, 2, 60)[:, None]
    Y = np.zeros((60, 1), np.int8)
    Y[3] = 1  # among the least likely jobs
    assert fit_decisions(Y, logits).threshold[0] > expit(logits[30, 0])


def test_unlabelled_jobs_help_to_choose_only_where_examples_are_few() -> None:
    Y, logits = data(200, 2)
    Y[:, 1] = np.arange(200) < FEW_EXAMPLES - 1
    others = np.random.default_rng(3).normal(size=(300, 2)) - 3
    alone, helped = (fit_decisions(Y, logits, others=of) for of in (None, others))
    assert (alone.threshold == helped.threshold).tolist() == [True, False]


def test_a_tag_of_which_nothing_is_known_has_a_threshold_by_unlabelled_jobs_alone() -> None:
    Y, logits = data(50, 2)
    Y[:, 1] = -1
    found = fit_decisions(Y, logits), fit_decisions(Y, logits, others=logits)
    assert [np.isnan(one.threshold).tolist() for one in found] == [[False, True], [False, False]]
    assert np.isnan(found[0].band[1]).all()
    assert not found[0].decide(np.ones((1, 2)))[0, 1]
    assert not found[0].review(np.ones((1, 2)))[0, 1]


def test_what_stands_in_unknown_cells_changes_no_threshold() -> None:
    Y, logits = data()
    Y[::3, 0] = Y[1::3, 2] = -1
    other = np.where(Y == -1, -logits * 7 + 3, logits)
    a, b = fit_decisions(Y, logits), fit_decisions(Y, other)
    assert (a.threshold == b.threshold).all()


@given(
    st.lists(st.tuples(st.integers(-1, 1), st.floats(-700, 700)), min_size=1, max_size=12),
    st.lists(st.floats(-700, 700), max_size=4),
)
def test_a_threshold_is_a_probability_and_some_known_or_unlabelled_job_reaches_it_or_none_differ(
    cells: list[tuple[int, float]], unlabelled: list[float]
) -> None:
    Y = np.array([[label] for label, _ in cells], np.int8)
    logits, others = np.array([[z] for _, z in cells]), np.array(unlabelled).reshape(-1, 1)
    found = fit_decisions(Y, logits, others=others)
    is_known = bool((Y != -1).any()) or bool(len(others))
    assert np.isnan(found.threshold[0]) == (not is_known)
    if is_known:
        assert 0 <= found.threshold[0] <= 1


# Without any label


def test_without_labels_a_tag_is_given_to_its_share_of_the_jobs_the_likeliest() -> None:
    logits = np.random.default_rng(0).normal(size=(40, 4))
    decided = unlabelled_decisions(logits, np.array([0.1, 0.5, 0.025, 1.0])).decide(expit(logits))
    assert decided.sum(axis=0).tolist() == [4, 20, 1, 40]
    for tag in range(3):
        assert logits[decided[:, tag], tag].min() > logits[~decided[:, tag], tag].max()


def test_without_labels_a_tag_with_no_share_or_no_difference_between_jobs_is_never_given() -> None:
    rounding = 1e-7 * np.random.default_rng(0).normal(size=20)
    logits = np.stack([np.linspace(-2, 2, 20), np.full(20, -1), -1 + rounding], axis=1)
    decisions = unlabelled_decisions(logits, np.array([0.0, 0.5, 0.5]))
    assert np.isnan(decisions.threshold).all()
    assert np.isnan(decisions.band).all()
    assert not decisions.decide(np.ones((2, 3))).any()


def test_a_tag_of_whose_name_no_job_says_anything_is_never_given() -> None:
    Y, logits = data(60, 3)
    Y[:, :2] = 0
    named = np.array([True, False, False])
    without = unlabelled_decisions(logits, np.full(3, 0.1), named=named)
    assert np.isnan(without.threshold).tolist() == [False, True, True]
    labelled = fit_decisions(Y, logits, others=logits, named=named)
    assert np.isnan(labelled.threshold).tolist() == [False, True, False]  # the last one has yes


@pytest.mark.parametrize("top", [1, 3])
def test_where_jobs_of_equal_probability_are_too_many_none_of_them_is_given_a_tag(top: int) -> None:
    logits = np.array([2.0] * top + [0.0, 0.0, 0.0, -2.0])[:, None]
    decided = unlabelled_decisions(logits, np.array([2 / len(logits)])).decide(expit(logits))
    assert decided[:, 0].sum() == (1 if top == 1 else 0)
    assert decided[:top, 0].all() or top > 2


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=12), st.floats(0, 1))
def test_without_labels_no_tag_is_given_to_more_than_its_share(
    cells: list[int], share: float
) -> None:
    logits = np.array(cells, float)[:, None]
    decided = unlabelled_decisions(logits, np.array([share])).decide(expit(logits))
    assert decided.sum() <= round(share * len(cells))


def test_rounding_tells_no_jobs_apart() -> None:
    Y = np.zeros((60, 1), np.int8)
    logits = 1e-6 * np.random.default_rng(0).normal(size=(200, 1)) - 2
    found = fit_decisions(Y, logits[:60], others=logits)
    assert not found.decide(expit(logits)).any()


# Bands


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_the_review_bands_hold_their_share_of_jobs_over_all_tags(share: float) -> None:
    Y, logits = data()
    decisions = fit_decisions(Y, logits, review_share=share)
    reviewed = decisions.review(expit(logits)).any(axis=1)
    assert reviewed.sum() == round(share * len(Y))
    assert (decisions.band[:, 0] <= decisions.threshold).all()
    assert (decisions.threshold <= decisions.band[:, 1]).all()


def test_the_jobs_left_to_a_person_are_the_nearest_to_any_threshold() -> None:
    Y, logits = data()
    decisions = fit_decisions(Y, logits, review_share=0.2)
    proba = expit(logits)
    distance = np.abs(proba - decisions.threshold).min(axis=1)
    reviewed = decisions.review(proba).any(axis=1)
    assert distance[reviewed].max() < distance[~reviewed].min()


def test_more_tags_do_not_mean_more_jobs_for_a_person() -> None:
    Y, logits = data(400, 12)
    reviewed = [
        fit_decisions(Y[:, :n], logits[:, :n]).review(expit(logits[:, :n])) for n in (2, 12)
    ]
    assert [cells.any(axis=1).sum() for cells in reviewed] == [40, 40]


def test_nobody_looks_at_a_tag_that_tells_no_jobs_apart() -> None:
    proba = np.array([[0.5, 0.1], [0.5, 0.6]])
    bands = review_bands(proba, np.array([np.nan, 0.5]), share=0.5)
    assert np.isnan(bands[0]).all()
    np.testing.assert_allclose(bands[1], [0.4, 0.6])
    assert np.isnan(review_bands(proba, np.array([0.5, 0.5]), share=0)).all()


def test_a_fold_never_chooses_its_own_threshold() -> None:
    Y, logits = data(90, 2)
    folds, proba = np.arange(90) % 3, expit(logits)
    decided, _ = cross_fitted_decisions(Y, proba, folds)
    Y[folds == 0] = 1 - Y[folds == 0]
    again, _ = cross_fitted_decisions(Y, proba, folds)
    assert (decided[folds == 0] == again[folds == 0]).all()
    assert (decided != again).any()


def test_a_tag_that_is_missing_from_the_other_folds_is_not_given() -> None:
    Y = np.array([[1, 1], [0, 1], [0, 0], [0, 1]], np.int8)
    decided, mean = cross_fitted_decisions(Y, np.full((4, 2), 0.5), np.array([0, 0, 1, 1]))
    assert decided[:, 0].tolist() == [False, False, True, True]
    assert mean[0] == pytest.approx(0.25)
