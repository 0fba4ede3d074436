import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagger import metrics
from tagger.bootstrap import Interval, _iter_weights, bootstrap, paired_bootstrap, resample
from tagger.errors import DataError

SHAPE = (12, 3)
labels = hnp.arrays(np.int8, SHAPE, elements=st.integers(-1, 1))
probas = hnp.arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0]))


@given(Y=labels, P=probas, other=probas)
@settings(max_examples=40, deadline=None)
def test_what_is_said_of_unknown_cells_moves_no_interval(Y, P, other):
    changed = np.where(Y < 0, other, P)
    before, after = (bootstrap(Y, p, p >= 0.5, n_samples=5) for p in (P, changed))
    assert repr(before) == repr(after)  # repr, since nan differs from itself


def test_point_scores_are_those_of_the_summary(random_scores):
    Y, P, D = random_scores(100, 3)
    points, s = resample(Y, P, D, n_samples=1).points, metrics.summary(Y, P, D)
    assert points.mean_average_precision[0] == pytest.approx(s.mean_average_precision)
    assert points.macro_f1[0] == pytest.approx(s.macro_f1)
    assert points.micro_f1[0] == pytest.approx(s.micro_f1)


def test_resampled_scores_are_the_scores_of_the_drawn_jobs(random_scores):
    Y, P, D = random_scores(40, 3)
    sampled = resample(Y, P, D, n_samples=4, seed=7).samples
    weights = np.hstack(list(_iter_weights(np.arange(40), 4, 7)))
    for i, times in enumerate(weights.T.astype(int)):
        s = metrics.summary(*(np.repeat(values, times, axis=0) for values in (Y, P, D)))
        assert sampled.mean_average_precision[i] == pytest.approx(s.mean_average_precision)
        assert sampled.macro_f1[i] == pytest.approx(s.macro_f1)
        assert sampled.micro_f1[i] == pytest.approx(s.micro_f1)


def test_intervals_hold_the_score_and_narrow_with_more_jobs(random_scores):
    widths = []
    for n_jobs in (100, 1600):
        i = bootstrap(*random_scores(n_jobs, 4), n_samples=200)
        for interval in (i.mean_average_precision, i.macro_f1, i.micro_f1, *i.average_precision):
            assert interval.low < interval.value < interval.high
        widths.append(i.macro_f1.high - i.macro_f1.low)
    assert widths[1] < widths[0] / 2


def test_bootstrap_depends_on_the_seed_alone(random_scores):
    data = random_scores(80, 3)
    first = bootstrap(*data, n_samples=50, seed=1)
    assert first == bootstrap(*data, n_samples=50, seed=1)
    assert first != bootstrap(*data, n_samples=50, seed=2)


def test_a_smaller_level_gives_a_narrower_interval(random_scores):
    data = random_scores(80, 3)
    wide = bootstrap(*data, n_samples=100).micro_f1
    narrow = bootstrap(*data, n_samples=100, level=0.5).micro_f1
    assert wide.low < narrow.low < narrow.high < wide.high


def test_resampling_does_not_depend_on_the_size_of_the_chunks(random_scores, monkeypatch):
    data = random_scores(50, 2)
    whole = bootstrap(*data, n_samples=30)
    monkeypatch.setattr("tagger.bootstrap._CELLS_PER_CHUNK", 350)  # seven samples at a time
    assert bootstrap(*data, n_samples=30) == whole


def test_jobs_of_one_group_are_drawn_together():
    groups = np.array(["a", "b", "a", "c"])
    weights = np.hstack(list(_iter_weights(groups, 50, 0)))
    assert (weights[0] == weights[2]).all()
    assert (weights[[0, 1, 3]].sum(axis=0) == 3).all()
    assert weights.std(axis=1).all()


def test_repeating_every_job_moves_no_interval_when_repeats_are_grouped(random_scores):
    data = random_scores(60, 3)
    twice = [np.repeat(values, 2, axis=0) for values in data]
    once = bootstrap(*data, n_samples=40)
    grouped = bootstrap(*twice, groups=np.repeat(np.arange(60), 2), n_samples=40)
    assert grouped.macro_f1.high == pytest.approx(once.macro_f1.high)
    assert grouped.mean_average_precision.low == pytest.approx(once.mean_average_precision.low)


def test_a_resample_without_a_rare_tag_takes_its_score_on_all_jobs_into_the_means():
    Y = np.zeros((30, 2), np.int8)
    Y[:15, 0], Y[0, 1] = 1, 1  # the second tag is missing from a third of the resamples
    P = np.column_stack([Y[:, 0].astype(float), np.zeros(30)])
    sampled = resample(Y, P, P >= 0.5, n_samples=60).samples
    without = np.isnan(sampled.average_precision[:, 1])
    assert 0 < without.sum() < 60
    assert sampled.mean_average_precision[without] == pytest.approx((1 + 1 / 30) / 2)
    assert sampled.macro_f1[without] == pytest.approx(0.5)


def test_scores_that_are_not_defined_have_intervals_of_nan():
    i = bootstrap(np.zeros((4, 1), np.int8), np.zeros((4, 1)), np.zeros((4, 1), bool))
    assert np.isnan([i.macro_f1.value, i.macro_f1.low, i.micro_f1.high]).all()


def test_paired_difference_of_a_tagger_and_itself_is_0(random_scores):
    Y, P, D = random_scores(60, 3)
    a, b = (resample(Y, P, D, n_samples=30) for _ in range(2))
    gap = paired_bootstrap(a, b)
    assert gap.mean_average_precision == gap.macro_f1 == Interval(0, 0, 0)


def test_paired_difference_finds_the_better_tagger_where_separate_intervals_overlap(random_scores):
    Y, P, D = random_scores(300, 4)
    worse = np.clip(P + 0.12 * np.random.default_rng(1).normal(size=P.shape), 0, 1)
    a = resample(Y, P, D, n_samples=200)
    b = resample(Y, worse, worse >= 0.5, n_samples=200)
    gap = paired_bootstrap(b, a)
    a, b = a.intervals(), b.intervals()
    assert a.mean_average_precision.low < b.mean_average_precision.high
    assert gap.mean_average_precision.low > 0
    assert len(gap.average_precision) == 4


def test_paired_difference_is_b_minus_a_over_all_and_per_tag(random_scores):
    Y, P, D = random_scores(80, 3)
    Y[:, 2] = 0  # not scored
    all_given = np.ones_like(D)
    gap = paired_bootstrap(*(resample(Y, P, given, n_samples=20) for given in (D, all_given)))
    before, after = (metrics.summary(Y, P, given) for given in (D, all_given))
    assert gap.macro_f1.value == pytest.approx(after.macro_f1 - before.macro_f1)
    assert gap.micro_f1.value == pytest.approx(after.micro_f1 - before.micro_f1)
    of_tags = zip(metrics.tag_scores(Y, P, D), metrics.tag_scores(Y, P, all_given), strict=True)
    expected = [after.f1 - before.f1 for before, after in of_tags]
    assert [i.value for i in gap.f1[:2]] == pytest.approx(expected[:2])
    assert all(i.low <= i.value <= i.high for i in gap.f1[:2])
    assert gap.average_precision[:2] == (Interval(0, 0, 0),) * 2  # the ranking is the same
    assert np.isnan([gap.f1[2].value, gap.average_precision[2].value]).all()


@pytest.mark.parametrize("changed", ["labels", "groups", "n_samples", "seed"])
def test_scores_of_different_resamples_are_not_paired(random_scores, changed):
    Y, P, D = random_scores(20, 2)
    other = {
        "labels": {"Y": np.where(Y < 0, 0, Y)},
        "groups": {"groups": np.arange(20) // 2},
        "n_samples": {"n_samples": 6},
        "seed": {"seed": 1},
    }
    a, b = (
        resample(**{"Y": Y, "P": P, "D": D, "n_samples": 5, **options})
        for options in ({}, other[changed])
    )
    with pytest.raises(DataError, match="the same labels, groups, n_samples and seed"):
        paired_bootstrap(a, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples must be at least 1, got 0"),
        ({"level": 1.0}, r"level must be in \(0, 1\), got 1.0"),
        ({"groups": np.arange(3)}, r"groups must have shape \(n_jobs,\) = \(5,\), got \(3,\)"),
    ],
)
def test_bootstrap_refuses_options_out_of_range(random_scores, options, message):
    Y, P, D = random_scores(5, 2)
    with pytest.raises(DataError, match=message):
        bootstrap(Y, P, D, **options)
