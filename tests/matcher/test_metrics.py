import numpy as np
import pytest
from scipy.stats import rankdata

from matcher import metrics

NAN = np.nan


def ranks(scores, jobs, allowed=None):
    return metrics.ranks(np.array(scores, float), np.array(jobs), allowed).tolist()


def test_the_best_score_has_rank_one():
    assert ranks([[0.2, 0.9, 0.5]] * 3, [1, 2, 0]) == [1, 2, 3]


def test_a_constant_score_gets_the_mean_rank():
    assert ranks([[7, 7, 7, 7, 7]], [2]) == [3]
    assert ranks([[1, 1, 3, 0]], [0]) == [2.5]


def test_nan_is_the_lowest_score():
    assert ranks([[NAN, 0.1, -5.0]], [0]) == [3]
    assert ranks([[NAN, NAN, 1.0]], [0]) == [2.5]
    assert ranks([[NAN, -np.inf, np.inf]], [2]) == [1]


def test_only_allowed_jobs_compete_and_the_asked_one_always_does():
    allowed = np.array([[False, True, False, True]])
    assert ranks([[9, 8, 7, 6]], [2], allowed) == [2]
    assert not allowed[0, 2]  # left as it came


def test_scores_of_ranks_against_values_by_hand():
    found = np.array([1.0, 3.0, 4.0, 10.5])
    assert metrics.hit_rate(found, 3).tolist() == [1, 1, 0, 0]
    assert metrics.precision(found, 4).tolist() == [0.25, 0.25, 0.25, 0]
    assert metrics.ndcg(found, 3).tolist() == [1, 0.5, 0, 0]
    assert metrics.ndcg(found, 4)[2] == pytest.approx(1 / np.log2(5))
    assert metrics.reciprocal_rank(found).tolist() == [1, 1 / 3, 1 / 4, 1 / 10.5]
    assert metrics.reciprocal_rank(found, 3).tolist() == [1, 1 / 3, 0, 0]
    assert metrics.ranking_auc(found, 11).tolist() == pytest.approx([1, 0.8, 0.7, 0.05])


def test_the_only_job_is_ranked_perfectly():
    assert metrics.ranking_auc(np.array([1.0]), 1).tolist() == [1]


def test_group_auc_against_values_by_hand():
    y = np.array([1, 0, 1, 0, 0, 1, 1], bool)
    scores = np.array([0.9, 0.1, 0.3, 0.3, 0.6, 0.5, 0.2])
    groups = np.array(["a", "a", "b", "b", "b", "c", "c"])
    # a: 1 of 1 right, 2 pairs; b: a half of 2, 3 pairs; c has no no.
    assert metrics.group_auc(y, scores, groups) == pytest.approx((2 * 1 + 3 * 0.25) / 5)


def test_group_auc_is_a_rank_sum_of_every_group():
    rng = np.random.default_rng(0)
    y, groups = rng.random(300) < 0.3, rng.integers(20, size=300)
    scores = rng.integers(4, size=300).astype(float)
    areas, counts = metrics.group_aucs(y, scores, groups)
    for group, area, count in zip(np.unique(groups), areas, counts, strict=True):
        own, asked = y[groups == group], scores[groups == group]
        n_yes, n_no = own.sum(), (~own).sum()
        assert count == len(own)
        if n_yes and n_no:
            won = rankdata(asked)[own].sum() - n_yes * (n_yes + 1) / 2
            assert area == pytest.approx(won / (n_yes * n_no))
        else:
            assert np.isnan(area)


def test_group_auc_without_both_answers_anywhere_is_nan():
    assert np.isnan(metrics.group_auc(np.array([True, False]), np.zeros(2), np.array([0, 1])))
    assert np.isnan(metrics.group_auc(np.zeros(0, bool), np.zeros(0), np.zeros(0, int)))


def test_in_group_auc_nan_and_minus_infinity_are_one_lowest_score():
    y, groups = np.array([True, False, False]), np.zeros(3, int)
    assert metrics.group_auc(y, np.array([NAN, -np.inf, 1.0]), groups) == 0.25


def test_calibration_error_against_values_by_hand():
    proba = np.array([0.1, 0.1, 0.1, 0.1, 0.8, 0.8, 0.8, 0.8])
    y = np.array([0, 0, 0, 1, 1, 1, 0, 0], bool)
    # Promised .1, came .25; promised .8, came .5.
    assert metrics.calibration_error(y, proba, 2) == pytest.approx((0.15 + 0.3) / 2)


def test_the_order_of_pairs_of_equal_probability_does_not_matter():
    y = np.array([True] * 50 + [False] * 50)
    assert metrics.calibration_error(y, np.full(100, 0.5)) == 0


def test_calibration_bins_hold_every_pair_once_in_rising_order():
    rng = np.random.default_rng(0)
    proba = np.round(rng.random(1000), 2)
    promised, came, n_pairs = metrics.calibration_bins(rng.random(1000) < proba, proba)
    assert n_pairs.sum() == 1000
    assert len(promised) == 10
    assert (np.diff(promised) > 0).all()
    assert (abs(promised - came) < 0.15).all()


def test_calibration_without_pairs_is_nan():
    assert np.isnan(metrics.calibration_error(np.zeros(0, bool), np.zeros(0)))


def test_fewer_pairs_than_bins():
    assert metrics.calibration_error(np.array([True]), np.array([0.75])) == 0.25


def test_bootstrap_holds_the_mean_and_narrows_with_more_values():
    rng = np.random.default_rng(0)
    few, many = (rng.random(n) < 0.3 for n in (50, 5000))
    widths = []
    for values in (few.astype(float), many.astype(float)):
        low, high = metrics.bootstrap(values)
        assert low <= values.mean() <= high
        widths.append(high - low)
    assert 5 < widths[0] / widths[1] < 20  # about the root of 100


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        low, high = metrics.bootstrap(rng.normal(size=80), n_resamples=200, seed=trial)
        hits += low <= 0 <= high
    assert 87 <= hits <= 100


def test_bootstrap_of_nothing_is_nan_and_of_a_constant_a_point():
    assert np.isnan(metrics.bootstrap(np.zeros(0))).all()
    assert metrics.bootstrap(np.full(9, 0.5)) == (0.5, 0.5)


def test_the_same_seed_draws_the_same_resamples():
    values = np.random.default_rng(1).random(40)
    assert metrics.bootstrap(values, seed=3) == metrics.bootstrap(values, seed=3)
    assert metrics.bootstrap(values, seed=3) != metrics.bootstrap(values, seed=4)
