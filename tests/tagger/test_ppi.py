"""Prediction-powered intervals: they cover, are never wider, and what they add up is right."""

from typing import Any

import numpy as np
import pytest

from tagger.bootstrap import resample
from tagger.errors import DataError
from tagger.metrics import summary
from tagger.ppi import Linear, LinearScores, linear_scores, ppi_interval

SCORES = ("mean_average_precision", "macro_f1", "micro_f1")


def draw(
    rng: np.random.Generator, n: int, *, bend: float = 1.0, middle: float = -0.5
) -> tuple[Any, Any, Any]:
    """Labels, probabilities (calibrated where `bend` is 1) and decisions for three tags."""
    logits = rng.normal(middle, 2, (n, 3)) + rng.normal(0, 1, (n, 1))
    Y = (rng.random((n, 3)) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    P = 1 / (1 + np.exp(-bend * logits))
    return Y, P, P >= 0.4


def scores(rng: np.random.Generator, n: int, n_others: int, **how: float) -> LinearScores:
    _, P, D = draw(rng, n_others, **how)
    return linear_scores(*draw(rng, n, **how), (P, D))


def test_the_values_are_the_scores() -> None:
    Y, P, D = draw(np.random.default_rng(0), 200)
    Y[::7, 0] = -1
    found, expected = linear_scores(Y, P, D, (P[:5], D[:5])), summary(Y, P, D)
    for name in SCORES:
        assert getattr(found, name).labelled.mean() == pytest.approx(0, abs=0.01)
    for name in ("macro_f1", "micro_f1"):
        assert getattr(found, name).value == pytest.approx(getattr(expected, name))


def test_average_precision_is_that_of_a_population_on_the_mean() -> None:
    """Of few jobs it is too high: each yes-job counts itself among those above it."""
    rng = np.random.default_rng(0)
    right = summary(*draw(rng, 100_000, middle=-4.0)).mean_average_precision
    drawn = [draw(rng, 100, middle=-4.0) for _ in range(300)]
    ours = [linear_scores(*of, of[1:]).mean_average_precision.value for of in drawn]
    plain = [summary(*of).mean_average_precision for of in drawn]
    assert np.nanmean(plain) - right > 0.02
    assert abs(np.nanmean(ours) - right) < 0.01


@pytest.mark.parametrize("name", SCORES)
def test_what_a_job_adds_is_the_change_that_its_weight_makes(name: str) -> None:
    Y, P, D = draw(np.random.default_rng(0), 80)
    P = P.round(1)  # ties
    Y[::7, 0] = -1
    found = getattr(linear_scores(Y, P, D, (P[:5], D[:5])), name)
    many = np.repeat(np.arange(80), 200)
    before, more = (  # job 3 weighs 1/200 more
        getattr(summary(Y[of], P[of], D[of]), name) for of in (many, np.append(many, 3))
    )
    slope = (more - before) * 200 * 80
    assert slope == pytest.approx(found.labelled[3], rel=0.03)


@pytest.mark.parametrize("bend", [1.0, 0.4])
def test_the_truth_lies_inside_as_often_as_it_says(bend: float) -> None:
    rng = np.random.default_rng(1)
    truth = summary(*draw(rng, 200_000, bend=bend))
    inside = dict.fromkeys(SCORES, 0)
    ratios = []
    for _ in range(300):
        found = scores(rng, 400, 3000, bend=bend)
        for name in SCORES:
            interval = ppi_interval(getattr(found, name))
            inside[name] += interval.low <= getattr(truth, name) <= interval.high
            ratios.append(interval.width_ratio)
    assert all(273 <= n <= 297 for n in inside.values())  # 285 expected, 3 standard errors
    assert max(ratios) <= 1
    assert np.mean(ratios) < 0.93


def test_meaningless_guesses_are_not_trusted() -> None:
    rng = np.random.default_rng(0)
    Y, P, D = draw(rng, 500)
    noise = rng.random(P.shape), rng.random((4000, 3))
    _, P_u, D_u = draw(rng, 4000)
    found = linear_scores(Y, P, D, (P_u, D_u), guess=noise)
    assert ppi_interval(found.micro_f1).width_ratio > 0.85  # what was given says something
    others = rng.normal(size=4000)
    interval = ppi_interval(
        Linear(0.5, rng.normal(size=500), rng.normal(size=500), others), level=0.9
    )
    assert interval.trust < 0.15
    assert 0.98 < interval.width_ratio <= 1


def test_without_unlabelled_jobs_it_is_the_plain_interval() -> None:
    Y, P, D = draw(np.random.default_rng(0), 2000)
    none = ppi_interval(linear_scores(Y, P, D, (P[:0], D[:0])).macro_f1)
    assert (none.trust, none.width_ratio) == (0, 1)
    bootstrap = resample(Y, P, D, n_samples=400).intervals().macro_f1
    width = bootstrap.high - bootstrap.low
    assert none.high - none.low == pytest.approx(width, rel=0.15)
    assert none.value == pytest.approx(bootstrap.value)


def test_repeats_add_nothing() -> None:
    rng = np.random.default_rng(0)
    Y, P, D = draw(rng, 300)
    _, P_u, D_u = draw(rng, 900)
    once = ppi_interval(linear_scores(Y, P, D, (P_u, D_u)).macro_f1)
    twice = linear_scores(*(np.repeat(x, 2, axis=0) for x in (Y, P, D)), (P_u, D_u))
    grouped = ppi_interval(twice.macro_f1, groups=np.repeat(np.arange(300), 2))
    for name in ("value", "low", "high", "trust"):
        assert getattr(grouped, name) == pytest.approx(getattr(once, name), rel=0.01)
    ungrouped = ppi_interval(twice.macro_f1)
    assert ungrouped.high - ungrouped.low < 0.8 * (once.high - once.low)


def test_two_models_are_compared_on_the_same_jobs() -> None:
    rng = np.random.default_rng(0)
    Y, P, _ = draw(rng, 600)
    _, P_u, _ = draw(rng, 4000)
    worse, worse_u = (p + 0.3 * rng.random(p.shape) for p in (P, P_u))
    worse, worse_u = worse / 1.3, worse_u / 1.3
    guess = (P, P_u)
    old, new = (
        linear_scores(Y, p, p >= 0.4, (p_u, p_u >= 0.4), guess=guess)
        for p, p_u in ((worse, worse_u), (P, P_u))
    )
    found = ppi_interval((new - old).mean_average_precision)
    assert found.low > 0
    alone = ppi_interval(new.mean_average_precision)
    assert found.high - found.low < alone.high - alone.low


def test_a_score_that_is_not_defined_is_nan() -> None:
    Y, P = np.zeros((5, 1), np.int8), np.full((5, 1), 0.2)
    found = ppi_interval(linear_scores(Y, P, P > 0.5, (P, P > 0.5)).macro_f1)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_what_does_not_fit_is_refused() -> None:
    Y, P, D = draw(np.random.default_rng(0), 20)
    score = linear_scores(Y, P, D, (P, D)).macro_f1
    for level in (0, 1, 95):
        with pytest.raises(DataError, match=r"level must be in \(0, 1\)"):
            ppi_interval(score, level=level)
    with pytest.raises(DataError, match="groups must have 20 values, got 3"):
        ppi_interval(score, groups=np.arange(3))
    with pytest.raises(DataError, match="unlabelled jobs has shape"):
        linear_scores(Y, P, D, (P[:, :1], D[:, :1]))
    with pytest.raises(DataError, match="as many guesses as labels"):
        ppi_interval(Linear(0.5, np.zeros(0), np.zeros(0), np.zeros(4)))
    P[0, 0] = np.nan
    with pytest.raises(DataError, match="probabilities must lie"):
        linear_scores(Y, P, D, (P[1:], D[1:]))
