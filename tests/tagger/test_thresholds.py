"""Calibration, thresholds and review bands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from tagger.thresholds import (
    MIN_EXAMPLES,
    cross_fitted_decisions,
    f1_threshold,
    fit_decisions,
    learnable,
    platt,
    review_bands,
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
    for logits in (np.zeros((200, 1)), np.random.default_rng(0).normal(size=(200, 1))):
        decisions = fit_decisions(Y, logits)
        assert decisions.decide(decisions.proba(logits)).sum() <= 2 * 20


def test_neighbouring_floats_are_told_apart() -> None:
    above = np.nextafter(0.5, 1)
    assert f1_threshold(np.array([True, False]), np.array([above, 0.5])) == above


def data(n: int = 400, n_tags: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits that are three times too sure of themselves."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, n_tags))
    Y = (rng.random((n, n_tags)) < expit(truth - 1)).astype(np.int8)
    return Y, 3 * truth


def test_platt_undoes_what_was_done_to_the_logits() -> None:
    Y, logits = data(5000, 1)
    slope, offset = platt(Y[:, 0] == 1, logits[:, 0])
    assert slope == pytest.approx(1 / 3, rel=0.15)
    assert offset == pytest.approx(-1, abs=0.15)


@given(st.lists(st.tuples(st.booleans(), st.floats(-50, 50)), min_size=2, max_size=30))
def test_probabilities_never_fall_as_logits_rise(cells: list[tuple[bool, float]]) -> None:
    yes = np.array([yes for yes, _ in cells])
    slope, offset = platt(yes, np.array([logit for _, logit in cells]))
    assert slope >= 0
    assert np.isfinite([slope, offset]).all()


def test_logits_that_rank_the_wrong_way_round_are_ignored() -> None:
    yes = np.arange(40) < 20
    assert platt(yes, np.where(yes, -1.0, 1.0))[0] == pytest.approx(0, abs=1e-6)


def test_separable_examples_are_not_certain() -> None:
    yes = np.arange(10) < 5
    slope, offset = platt(yes, np.where(yes, 100.0, -100.0))
    proba = expit(slope * np.array([-100, 100]) + offset)
    assert 0.01 < proba[0] < 0.3
    assert 0.7 < proba[1] < 0.99


def test_a_tag_without_enough_examples_is_never_given_nor_reviewed() -> None:
    Y, logits = data()
    Y[:, 1] = 0
    Y[: MIN_EXAMPLES - 1, 1] = 1
    decisions = fit_decisions(Y, logits)
    assert np.isnan(decisions.threshold).tolist() == [False, True, False]
    assert np.isnan(decisions.band[1]).all()
    proba = decisions.proba(np.full((5, 3), 99.0))
    assert proba[0, 1] == pytest.approx(Y[:, 1].mean(), abs=0.01)
    assert not decisions.decide(proba)[:, 1].any()
    assert not decisions.review(proba)[:, 1].any()


@pytest.mark.parametrize(("n_yes", "n_no"), [(5, 4), (4, 5), (0, 9), (9, 0)])
def test_it_takes_five_of_each(n_yes: int, n_no: int) -> None:
    column = np.array([1] * n_yes + [0] * n_no + [-1] * 20, np.int8)
    assert not learnable(column[:, None]).any()
    assert learnable(np.append(column, [1, 0]).astype(np.int8)[:, None]).all() == (n_yes * n_no > 0)


def test_a_tag_learned_elsewhere_needs_one_of_each_here() -> None:
    Y, logits = data()
    Y[:, :2] = 0
    Y[:2, 1] = 1
    decisions = fit_decisions(Y, logits, learned=np.array([True, True, False]))
    assert np.isnan(decisions.threshold).tolist() == [True, False, True]


def test_what_stands_in_unknown_cells_changes_nothing() -> None:
    Y, logits = data()
    Y[::3, 0] = Y[1::3, 2] = -1
    other = np.where(Y == -1, -logits * 7 + 3, logits)
    a, b = fit_decisions(Y, logits), fit_decisions(Y, other)
    for name in ("slope", "offset", "threshold"):
        assert (getattr(a, name) == getattr(b, name)).all()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_the_review_bands_hold_their_share_of_jobs_over_all_tags(share: float) -> None:
    Y, logits = data()
    decisions = fit_decisions(Y, logits, review_share=share)
    reviewed = decisions.review(decisions.proba(logits)).any(axis=1)
    assert reviewed.sum() == round(share * len(Y))
    assert (decisions.band[:, 0] <= decisions.threshold).all()
    assert (decisions.threshold <= decisions.band[:, 1]).all()


def test_the_jobs_left_to_a_person_are_the_nearest_to_any_threshold() -> None:
    Y, logits = data()
    decisions = fit_decisions(Y, logits, review_share=0.2)
    proba = decisions.proba(logits)
    distance = np.abs(proba - decisions.threshold).min(axis=1)
    reviewed = decisions.review(proba).any(axis=1)
    assert distance[reviewed].max() < distance[~reviewed].min()


def test_more_tags_do_not_mean_more_jobs_for_a_person() -> None:
    Y, logits = data(400, 12)
    reviewed = [
        fit_decisions(Y[:, :n], logits[:, :n]).review(
            fit_decisions(Y[:, :n], logits[:, :n]).proba(logits[:, :n])
        )
        for n in (2, 12)
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
