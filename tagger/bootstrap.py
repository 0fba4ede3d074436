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
    """Bootstrap intervals of scores in [0, 1], or of differences of scores in [-1, 1]."""

    mean_average_precision: Interval
    macro_f1: Interval
    micro_f1: Interval
    average_precision: tuple[Interval, ...]
    """One per tag, in column order; all nan for a tag that is not scored."""
    f1: tuple[Interval, ...]
    """The same."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledScores:
    """Scores on S samples of the same jobs; nan where a sample leaves none defined."""

    mean_average_precision: FloatArray
    """Shape (S,)."""
    macro_f1: FloatArray
    """Shape (S,)."""
    micro_f1: FloatArray
    """Shape (S,)."""
    average_precision: FloatArray
    """Shape (S, T)."""
    f1: FloatArray
    """Shape (S, T)."""

    def __sub__(self, other: "SampledScores") -> "SampledScores":
        """Differences, sample by sample."""
        return SampledScores(
            self.mean_average_precision - other.mean_average_precision,
            self.macro_f1 - other.macro_f1,
            self.micro_f1 - other.micro_f1,
            self.average_precision - other.average_precision,
            self.f1 - other.f1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """What `resample` gives: scores of one tagger, and what decided the resamples."""

    points: SampledScores
    """On the jobs as they are (S = 1)."""
    samples: SampledScores
    """On each resample. Where one misses every yes (or no) of a scored tag, the means take the
    tag's score on all jobs: else they would jump whenever a rare, badly scored tag drops out."""
    Y: LabelArray
    """Shape (n_jobs, n_tags)."""
    groups: npt.NDArray[np.generic]
    """Shape (n_jobs,): equal for jobs that were drawn together."""
    seed: int

    def intervals(self, *, level: float = 0.95) -> Intervals:
        """The scores and the percentiles of their resamples.

        Parameters
        ----------
        level
            Share of the resamples inside the interval, in (0, 1); DataError if it is not.
        """
        return _intervals(self.points, self.samples, level)


def resample(
    Y: LabelArray,
    P: FloatArray,
    D: BoolArray,
    *,
    groups: npt.NDArray[np.generic] | None = None,
    n_samples: int = 500,
    seed: int = 0,
) -> Resampled:
    """Score a tagger on bootstrap resamples; the same groups and seed draw the same ones.

    Parameters
    ----------
    Y, P, D : shape (n_jobs, n_tags)
    groups : shape (n_jobs,)
        Jobs of equal value (reposts, say) are drawn together; each job alone by default.
    n_samples
        Resamples, at least 1.

    Raises
    ------
    DataError
        If the arrays do not fit together or `n_samples` is below 1.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    check_scores(Y, P, D)
    if n_samples < 1:
        raise DataError(f"n_samples must be at least 1, got {n_samples}")
    groups = np.arange(Y.shape[0]) if groups is None else groups
    if groups.shape != Y.shape[:1]:
        raise DataError(f"groups must have shape (n_jobs,) = {Y.shape[:1]}, got {groups.shape}")
    as_they_are = np.ones((Y.shape[0], 1))
    whole = _weighted_tags(Y, P, D, as_they_are)
    per_tag, micro_f1 = [], []
    for weights in _iter_weights(groups, n_samples, seed):
        per_tag.append(_weighted_tags(Y, P, D, weights))
        micro_f1.append(_weighted_micro_f1(Y, D, weights))
    return Resampled(
        points=_averaged(whole, _weighted_micro_f1(Y, D, as_they_are), fallback=whole),
        samples=_averaged(
            np.concatenate(per_tag, axis=1), np.concatenate(micro_f1), fallback=whole
        ),
        Y=Y,
        groups=groups,
        seed=seed,
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
    """Percentile bootstrap intervals of a tagger's scores: `resample`, then `intervals`."""
    sampled = resample(Y, P, D, groups=groups, n_samples=n_samples, seed=seed)
    return sampled.intervals(level=level)


def paired_bootstrap(a: Resampled, b: Resampled, *, level: float = 0.95) -> Intervals:
    """How much better b is than a on the same jobs: differences b - a, over all and per tag.

    Both were scored on the same resamples, so what makes a resample easy or hard cancels out: the
    interval of a difference is narrower than those of the two scores suggest. A `low` above 0 says
    that b is better, a `high` below 0 that a is. Per tag that holds for each tag by itself: among
    many tags without any difference, about one in twenty shows one at level 0.95.

    Parameters
    ----------
    a, b
        By `resample`, with the same labels, groups, number of resamples and seed.
    level
        Share of the resamples inside the interval, in (0, 1).

    Raises
    ------
    DataError
        If `a` and `b` are not of the same resamples, or `level` is out of range.

    Examples
    --------
    >>> Y = np.array([[1], [0], [1], [0]])
    >>> right, wrong = (resample(Y, P, P > 0.5) for P in (np.abs(Y - 0.2), np.abs(Y - 0.8)))
    >>> paired_bootstrap(wrong, right).macro_f1
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if (
        a.seed != b.seed
        or a.samples.macro_f1.shape != b.samples.macro_f1.shape
        or not np.array_equal(a.Y, b.Y)
        or not np.array_equal(a.groups, b.groups)
    ):
        raise DataError(
            "a and b must be of the same resamples: the same labels, groups, n_samples and seed"
        )
    return _intervals(b.points - a.points, b.samples - a.samples, level)


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


def _averaged(per_tag: FloatArray, micro_f1: FloatArray, *, fallback: FloatArray) -> SampledScores:
    """Add the means over tags to average precision and F1 of each, shape (2, S, T)."""
    filled = np.where(np.isnan(per_tag), fallback, per_tag)
    scored = ~np.isnan(filled)
    means = divide(np.where(scored, filled, 0.0).sum(axis=2), scored.sum(axis=2))
    return SampledScores(means[0], means[1], micro_f1, per_tag[0], per_tag[1])


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


def _intervals(points: SampledScores, samples: SampledScores, level: float) -> Intervals:
    if not 0 < level < 1:
        raise DataError(f"level must be in (0, 1), got {level}")

    def per_tag(points: FloatArray, samples: FloatArray) -> tuple[Interval, ...]:
        pairs = zip(points.T, samples.T, strict=True)
        return tuple(_interval(point, of_tag, level) for point, of_tag in pairs)

    return Intervals(
        _interval(points.mean_average_precision, samples.mean_average_precision, level),
        _interval(points.macro_f1, samples.macro_f1, level),
        _interval(points.micro_f1, samples.micro_f1, level),
        per_tag(points.average_precision, samples.average_precision),
        per_tag(points.f1, samples.f1),
    )


def _interval(point: FloatArray, samples: FloatArray, level: float) -> Interval:
    value = float(np.ravel(point)[0])
    defined = samples[~np.isnan(samples)]
    if not defined.size or np.isnan(value):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
