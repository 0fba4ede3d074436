import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from tagger import metrics
from tagger.errors import DataError

# Two tags, five jobs. First tag: 2 hits, 1 wrong, 1 missed. Second: nothing given, one unknown.
Y = np.array([[1, 0], [1, 1], [0, 0], [1, 0], [0, -1]], dtype=np.int8)
P = np.array([[0.9, 0.1], [0.8, 0.3], [0.7, 0.4], [0.2, 0.2], [0.1, 0.9]])
D = P >= 0.5

SHAPE = (12, 3)
labels = hnp.arrays(np.int8, SHAPE, elements=st.integers(-1, 1))
# Few distinct values, so that ties are common.
probas = hnp.arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0]))


def test_tag_scores_of_a_small_case_are_those_counted_by_hand():
    first, second = metrics.tag_scores(Y, P, D)
    assert (first.support, first.known, first.predicted) == (3, 5, 3)
    assert (first.precision, first.recall, first.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert first.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    # The unknown job ranks first and was given the tag: neither counts.
    assert (second.known, second.predicted, second.precision, second.recall) == (4, 0, 0, 0)
    assert second.average_precision == pytest.approx(1 / 2)


def test_summary_of_a_small_case_is_the_one_counted_by_hand():
    s = metrics.summary(Y, P, D, review=P == 0.4)
    assert (s.n_jobs, s.n_tags, s.n_scored_tags, s.n_known, s.n_yes) == (5, 2, 2, 9, 4)
    assert (s.micro_precision, s.micro_recall, s.micro_f1) == pytest.approx((2 / 3, 1 / 2, 4 / 7))
    assert (s.macro_precision, s.macro_recall, s.macro_f1) == pytest.approx((1 / 3,) * 3)
    assert s.mean_average_precision == pytest.approx((11 / 12 + 1 / 2) / 2)
    assert (s.accuracy, s.review_share) == pytest.approx((6 / 9, 1 / 5))


def test_a_tag_without_a_yes_or_without_a_no_has_no_average_precision_and_stays_out_of_means():
    alike = np.column_stack([Y, np.zeros(5, np.int8), np.ones(5, np.int8), np.full(5, -1, np.int8)])
    wide_P, wide_D = np.tile(P[:, :1], 5), np.tile(D[:, :1], 5)
    wide_P[:, :2], wide_D[:, :2] = P, D
    scores = metrics.tag_scores(alike, wide_P, wide_D)
    assert np.isnan([s.average_precision for s in scores[2:]]).all()
    assert np.isnan(scores[2].recall)
    s, narrow = metrics.summary(alike, wide_P, wide_D), metrics.summary(Y, P, D)
    assert (s.n_scored_tags, s.macro_f1) == (2, narrow.macro_f1)
    assert s.mean_average_precision == narrow.mean_average_precision


@given(Y=labels, P=probas)
def test_average_precision_equals_that_of_scikit_learn_on_the_known_jobs(Y, P):
    for y, p in zip(Y.T, P.T, strict=True):
        known = y >= 0
        ours = metrics.average_precision(y, p)
        if len(np.unique(y[known])) < 2:
            assert np.isnan(ours)
        else:
            assert ours == pytest.approx(average_precision_score(y[known], p[known]))


def test_macro_and_micro_f1_equal_those_of_scikit_learn_when_all_is_known(random_scores):
    Y, P, D = random_scores(200, 4)
    Y = np.abs(Y)
    s = metrics.summary(Y, P, D)
    expected = [f1_score(Y, D, average=average) for average in ("macro", "micro")]
    assert (s.macro_f1, s.micro_f1) == pytest.approx(expected)


def test_precision_recall_steps_are_those_of_scikit_learn(random_scores):
    Y, P, _ = random_scores(60, 1)
    known = Y[:, 0] >= 0
    precision, recall = metrics.precision_recall_steps(Y[:, 0], P[:, 0].round(1))
    expected = precision_recall_curve(Y[known, 0], P[known, 0].round(1))
    np.testing.assert_allclose(precision[::-1], expected[0][:-1])
    np.testing.assert_allclose(recall[::-1], expected[1][:-1])


def test_precision_recall_steps_are_empty_without_a_yes():
    precision, recall = metrics.precision_recall_steps(np.array([0, -1]), np.array([0.1, 0.2]))
    assert precision.size == recall.size == 0


@given(Y=labels, P=probas, other=probas)
@settings(max_examples=40, deadline=None)
def test_what_is_said_of_unknown_cells_changes_no_score(Y, P, other):
    changed = np.where(Y < 0, other, P)
    for score in (
        lambda p: metrics.summary(Y, p, p >= 0.5),
        lambda p: metrics.tag_scores(Y, p, p >= 0.5),
        lambda p: metrics.confusions(Y, p >= 0.5).tolist(),
        lambda p: metrics.expected_calibration_error(Y, p),
    ):
        # repr, since nan differs from itself
        assert repr(score(P)) == repr(score(changed))


@given(Y=labels)
def test_perfect_scores_give_average_precision_1(Y):
    scores = metrics.tag_scores(Y, np.maximum(Y, 0).astype(float), Y == 1)
    defined = [s for s in scores if 0 < s.support < s.known]
    assert all(s.average_precision == s.f1 == s.precision == s.recall == 1 for s in defined)


@given(Y=labels, P=probas, times=hnp.arrays(np.int64, (SHAPE[0], 2), elements=st.integers(0, 3)))
@settings(deadline=None)
def test_weighted_average_precision_equals_that_of_repeated_rows(Y, P, times):
    y, p = Y[:, 0], P[:, 0]
    known = y >= 0
    weighted = metrics.weighted_average_precision(y[known], p[known], times[known].astype(float))
    repeated = [metrics.average_precision(np.repeat(y, n), np.repeat(p, n)) for n in times.T]
    np.testing.assert_allclose(weighted, repeated)


def test_calibration_curve_of_a_small_case_is_the_one_counted_by_hand():
    y = np.array([1, 0, -1, 1, 0, 1])
    curve = metrics.calibration_curve(y, np.array([0.9, 0.2, 0.5, 0.4, 0.1, 0.8]), n_bins=2)
    assert curve.count.tolist() == [2, 3]
    assert curve.share_yes == pytest.approx([0, 1])
    assert curve.mean_predicted == pytest.approx([0.15, 0.7])


def test_equal_probabilities_stay_in_one_bin():
    y, p = np.array([1, 0, 0, 0, 1]), np.array([0.3, 0.3, 0.3, 0.3, 0.9])
    curve = metrics.calibration_curve(y, p, n_bins=5)
    assert curve.count.tolist() == [4, 1]
    assert curve.share_yes.tolist() == [0.25, 1]


@given(Y=labels, P=probas, n_bins=st.integers(1, 50))
def test_calibration_bins_hold_every_known_cell_once_and_rise(Y, P, n_bins):
    curve = metrics.calibration_curve(Y, P, n_bins)
    assert curve.count.sum() == (Y >= 0).sum()
    assert len(curve.count) <= n_bins
    assert (np.diff(curve.mean_predicted) > 0).all()
    assert curve.count @ curve.share_yes == pytest.approx((Y == 1).sum())


def test_expected_calibration_error_weighs_the_distance_of_each_bin_by_its_count():
    y, p = np.array([0, 0, 0, 1]), np.array([0.2, 0.2, 0.2, 0.6])
    error = metrics.expected_calibration_error(y, p, n_bins=4)
    assert error == pytest.approx(0.75 * 0.2 + 0.25 * 0.4)
    assert np.isnan(metrics.expected_calibration_error(np.array([-1]), np.array([0.5])))


def test_confusions_count_jobs_that_miss_one_tag_and_wrongly_get_another():
    Y = np.array([[1, 0, 0], [1, 0, -1], [0, 1, 0], [1, 1, 0]])
    D = np.array([[0, 1, 1], [0, 1, 1], [0, 1, 1], [1, 1, 0]], dtype=bool)
    # Job 2 misses nothing, so its wrong third tag confuses nothing.
    assert metrics.confusions(Y, D).tolist() == [[0, 2, 1], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Y": Y[:, 0]}, r"Y must have shape \(n_jobs, n_tags\).*got \(5,\)"),
        ({"Y": Y[:0]}, r"none of them 0, got \(0, 2\)"),
        ({"P": P[:3]}, r"P must have the shape of Y, \(5, 2\), got \(3, 2\)"),
        ({"D": D[:, :1]}, r"D must have the shape of Y, \(5, 2\), got \(5, 1\)"),
        ({"Y": Y + 1}, r"labels must be 1 \(yes\), 0 \(no\) or -1"),
        ({"P": P + 0.2}, r"probabilities must lie in \[0, 1\]"),
        ({"P": np.full_like(P, np.nan)}, r"probabilities must lie in \[0, 1\]"),
        ({"D": D.astype(int)}, "decisions must be bool, got int64"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(changed, message):
    with pytest.raises(DataError, match=message):
        metrics.summary(**{"Y": Y, "P": P, "D": D, **changed})


def test_calibration_refuses_no_bins():
    with pytest.raises(DataError, match="n_bins must be at least 1, got 0"):
        metrics.calibration_curve(Y, P, 0)
