"""Bootstrap intervals of a tagger's scores, and of how far one tagger is ahead of another.

Axes: N jobs, T tags, S resamples. `Y`, `P` and `D` are those of `tagger.metrics`. A resample draws
groups of jobs with replacement; as arrays it is how often each job was drawn, its weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError
from tagger.metrics import (
    BoolArray,
    FloatArray,
    LabelArray,
    check_scores,
    divide,
    weighted_average_precision,
)

_CELLS_PER_CHUNK = 2_000_000  # 16 MB of float64 weights, whatever the number of jobs


@dataclass(frozen=True, slots=True)
class Interval:
    """A score and the bounds of its bootstrap interval; all nan where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Bootstrap intervals of scores, or of differences between two taggers' scores."""

    mean_average_precision: Interval
    macro_f1: Interval
    micro_f1: Interval
    average_precision: tuple[Interval, ...]
    """One per tag, in column order."""


@dataclass(frozen=True, slots=True)
class SampledScores:
    """Scores of S weightings of the same jobs; nan where a weighting leaves none defined."""

    mean_average_precision: FloatArray
    """Shape (S,)."""
    macro_f1: FloatArray
    """Shape (S,)."""
    micro_f1: FloatArray
    """Shape (S,)."""
    average_precision: FloatArray
    """Shape (S, T)."""

    def __sub__(self, other: "SampledScores") -> "SampledScores":
        """Differences, weighting by weighting."""
        return SampledScores(
            self.mean_average_precision - other.mean_average_precision,
            self.macro_f1 - other.macro_f1,
            self.micro_f1 - other.micro_f1,
            self.average_precision - other.average_precision,
        )


def bootstrap(
    Y: LabelArray,
    P: FloatArray,
    D: BoolArray,
    *,
    groups: npt.NDArray[np.generic] | None = None,
    n_samples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Percentile bootstrap intervals of the scores.

    Parameters
    ----------
    Y, P, D : shape (n_jobs, n_tags)
    groups : shape (n_jobs,)
        Jobs of equal value (reposts, say) are drawn together; each job alone by default.
    n_samples
        Resamples, at least 1.
    level
        Share of the resamples inside the interval, in (0, 1).

    Raises
    ------
    DataError
        If the arrays do not fit together or an option is out of range.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    sampled = resampled_scores(Y, P, D, groups=groups, n_samples=n_samples, seed=seed)
    return intervals(point_scores(Y, P, D), sampled, level=level)


def paired_bootstrap(
    Y: LabelArray,
    P_a: FloatArray,
    D_a: BoolArray,
    P_b: FloatArray,
    D_b: BoolArray,
    *,
    groups: npt.NDArray[np.generic] | None = None,
    n_samples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Intervals of the differences a - b of two taggers on the same jobs.

    Both are scored on the same resamples, so what makes a resample easy or hard cancels out.
    A positive `low` says that a is better; the options are those of `bootstrap`.
    """
    a = resampled_scores(Y, P_a, D_a, groups=groups, n_samples=n_samples, seed=seed)
    b = resampled_scores(Y, P_b, D_b, groups=groups, n_samples=n_samples, seed=seed)
    return intervals(point_scores(Y, P_a, D_a) - point_scores(Y, P_b, D_b), a - b, level=level)


def intervals(points: SampledScores, sampled: SampledScores, *, level: float = 0.95) -> Intervals:
    """Put the scores (S = 1) beside the percentiles of their resamples."""
    if not 0 < level < 1:
        raise DataError(f"level must be in (0, 1), got {level}")
    return Intervals(
        _interval(points.mean_average_precision, sampled.mean_average_precision, level),
        _interval(points.macro_f1, sampled.macro_f1, level),
        _interval(points.micro_f1, sampled.micro_f1, level),
        tuple(
            _interval(point, samples, level)
            for point, samples in zip(
                points.average_precision.T, sampled.average_precision.T, strict=True
            )
        ),
    )


def point_scores(Y: LabelArray, P: FloatArray, D: BoolArray) -> SampledScores:
    """Scores of the jobs as they are, as one weighting (S = 1)."""
    check_scores(Y, P, D)
    ones = np.ones((Y.shape[0], 1))
    return _averaged(_weighted_tags(Y, P, D, ones), [_weighted_micro_f1(Y, D, ones)])


def resampled_scores(
    Y: LabelArray,
    P: FloatArray,
    D: BoolArray,
    *,
    groups: npt.NDArray[np.generic] | None = None,
    n_samples: int = 500,
    seed: int = 0,
) -> SampledScores:
    """Scores of bootstrap resamples; equal groups and seed give the same resamples.

    In a resample that misses every yes (or no) of a scored tag, the means take the tag's score on
    all jobs. Without it they would jump whenever a rare, badly scored tag drops out.
    """
    check_scores(Y, P, D)
    if n_samples < 1:
        raise DataError(f"n_samples must be at least 1, got {n_samples}")
    groups = np.arange(Y.shape[0]) if groups is None else groups
    if groups.shape != Y.shape[:1]:
        raise DataError(f"groups must have shape (n_jobs,) = {Y.shape[:1]}, got {groups.shape}")
    per_tag, micro_f1 = [], []
    for weights in _iter_weights(groups, n_samples, seed):
        per_tag.append(_weighted_tags(Y, P, D, weights))
        micro_f1.append(_weighted_micro_f1(Y, D, weights))
    whole = _weighted_tags(Y, P, D, np.ones((Y.shape[0], 1)))
    return _averaged(np.concatenate(per_tag, axis=1), micro_f1, fallback=whole)


def _weighted_tags(Y: LabelArray, P: FloatArray, D: BoolArray, weights: FloatArray) -> FloatArray:
    """Average precision and F1, shape (2, S, T), for weights (N, S); nan where not scored."""
    ap = np.empty((weights.shape[1], Y.shape[1]))
    for t in range(Y.shape[1]):
        known = np.flatnonzero(Y[:, t] >= 0)
        ap[:, t] = weighted_average_precision(Y[known, t], P[known, t], weights[known])
    f1 = divide(*_weighted_counts(Y, D, weights))
    return np.stack([ap, np.where(np.isnan(ap), np.nan, f1)])


def _weighted_micro_f1(Y: LabelArray, D: BoolArray, weights: FloatArray) -> FloatArray:
    """Micro F1, shape (S,), for weights (N, S)."""
    hits, total = _weighted_counts(Y, D, weights)
    return divide(hits.sum(axis=1), total.sum(axis=1))


def _weighted_counts(
    Y: LabelArray, D: BoolArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Numerator and denominator of F1, shape (S, T) each: twice the hits; true plus given."""
    true, given = (Y == 1).astype(np.float64), ((Y >= 0) & D).astype(np.float64)
    return weights.T @ (2 * true * given), weights.T @ (true + given)


def _averaged(
    per_tag: FloatArray, micro_f1: list[FloatArray], *, fallback: FloatArray | None = None
) -> SampledScores:
    """Add the means over tags to average precision and F1 of each, shape (2, S, T)."""
    filled = per_tag if fallback is None else np.where(np.isnan(per_tag), fallback, per_tag)
    scored = ~np.isnan(filled)
    means = divide(np.where(scored, filled, 0.0).sum(axis=2), scored.sum(axis=2))
    return SampledScores(means[0], means[1], np.concatenate(micro_f1), per_tag[0])


def _iter_weights(
    groups: npt.NDArray[np.generic], n_samples: int, seed: int
) -> Iterator[FloatArray]:
    """Yield how often each job was drawn, in chunks of shape (n_jobs, some samples)."""
    _, group_of = np.unique(groups, return_inverse=True)
    n_groups = int(group_of.max()) + 1
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS_PER_CHUNK // len(groups))
    for start in range(0, n_samples, step):
        size = min(step, n_samples - start)
        drawn = rng.integers(n_groups, size=(size, n_groups)) * size + np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n_groups * size)
        yield counts.reshape(n_groups, size)[group_of].astype(np.float64)


def _interval(point: FloatArray, samples: FloatArray, level: float) -> Interval:
    value = float(np.ravel(point)[0])
    defined = samples[~np.isnan(samples)]
    if not defined.size or np.isnan(value):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
