"""Scores of a tagger: pure functions on arrays, counted only where the label is known.

Axes: N jobs, T tags, S bootstrap samples, K bins. Labels `Y` are 1 yes, 0 no, -1 unknown;
`P` are probabilities in [0, 1]; `D` are decisions, True where the tag is given. An unknown
cell never counts, whatever `P` and `D` say there.

A tag is *scored* when its known cells hold at least one yes and one no; means over tags run
over the scored tags only, since the others have no defined average precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError

LabelArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

_CELLS_PER_CHUNK = 2_000_000  # 16 MB of float64 weights, whatever the number of jobs


@dataclass(frozen=True, slots=True)
class TagScores:
    """Scores of one tag on its known cells; nan where a score is not defined."""

    support: int
    """Jobs that carry the tag."""
    known: int
    """Jobs whose label for the tag is known."""
    predicted: int
    """Known jobs to which the tag was given."""
    precision: float
    """Share of the given tags that are right; 0 where none was given."""
    recall: float
    """Share of the true tags that were given; nan without support."""
    f1: float
    """Harmonic mean of both; nan where nothing was true and nothing given."""
    average_precision: float
    """Area under the precision-recall steps; nan without a yes or without a no."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Scores over all tags: `macro` means tags weigh alike, `micro` means cells do."""

    n_jobs: int
    n_tags: int
    n_scored_tags: int
    """Tags with at least one yes and one no; the macro scores are means over these."""
    n_known: int
    """Known cells."""
    n_yes: int
    """Cells labelled yes."""
    mean_average_precision: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    micro_precision: float
    micro_recall: float
    micro_f1: float
    accuracy: float
    """Share of known cells decided rightly. It flatters: most cells are "no"."""
    review_share: float | None
    """Share of all cells, known or not, left to a person; None where no mask was given."""


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


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """Bins of about equal count, from the lowest probability to the highest; shape (K,) each."""

    mean_predicted: FloatArray
    share_yes: FloatArray
    count: npt.NDArray[np.intp]


def check_scores(Y: LabelArray, P: FloatArray, D: BoolArray) -> None:
    """Check labels, probabilities and decisions that belong together.

    Raises
    ------
    DataError
        If the arrays are empty, differ in shape, or hold values out of range.
    """
    if Y.ndim != 2 or not Y.size:
        raise DataError(f"Y must have shape (n_jobs, n_tags), none of them 0, got {Y.shape}")
    for name, values in (("P", P), ("D", D)):
        if values.shape != Y.shape:
            raise DataError(f"{name} must have the shape of Y, {Y.shape}, got {values.shape}")
    if not np.isin(Y, (-1, 0, 1)).all():
        raise DataError("labels must be 1 (yes), 0 (no) or -1 (unknown)")
    if not ((P >= 0) & (P <= 1)).all():  # nan fails too
        raise DataError("probabilities must lie in [0, 1]")
    if D.dtype != np.bool_:
        raise DataError(f"decisions must be bool, got {D.dtype}")


def average_precision(y: LabelArray, proba: FloatArray) -> float:
    """Average precision of one tag: mean precision at each yes, ranked by probability.

    Jobs of equal probability are one step, so their order does not matter.

    Parameters
    ----------
    y, proba : shape (n_jobs,)

    Returns
    -------
    In [0, 1]; nan where the known labels hold no yes or no no.

    References
    ----------
    Zhu, Recall, Precision and Average Precision, University of Waterloo, 2004.

    Examples
    --------
    >>> average_precision(np.array([1, 0, 1, -1]), np.array([0.9, 0.8, 0.7, 0.95]))
    0.8333333333333333
    """
    known = y >= 0
    weights = np.ones((int(known.sum()), 1))
    return float(_weighted_average_precision(y[known], proba[known], weights)[0])


def precision_recall_steps(y: LabelArray, proba: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Precision and recall of one tag at every threshold, from the highest to the lowest.

    Parameters
    ----------
    y, proba : shape (n_jobs,)

    Returns
    -------
    precision, recall : shape (n distinct probabilities,), in [0, 1]; empty without a yes.
    """
    known = y >= 0
    y, proba = y[known], proba[known]
    if not (y == 1).any():
        return np.empty(0), np.empty(0)
    order, ends = _ranked(proba)
    yes = np.cumsum(y[order] == 1)[ends]
    return yes / (ends + 1), yes / yes[-1]


def tag_scores(Y: LabelArray, P: FloatArray, D: BoolArray) -> list[TagScores]:
    """Score each tag.

    Parameters
    ----------
    Y, P, D : shape (n_jobs, n_tags)

    Returns
    -------
    One entry per tag, in column order.

    Raises
    ------
    DataError
        If the arrays do not fit together.
    """
    check_scores(Y, P, D)
    hits = ((Y == 1) & D).sum(axis=0)
    support = (Y == 1).sum(axis=0)
    known = (Y >= 0).sum(axis=0)
    given = ((Y >= 0) & D).sum(axis=0)
    return [
        TagScores(
            support=int(support[t]),
            known=int(known[t]),
            predicted=int(given[t]),
            precision=_ratio(hits[t], given[t], empty=0.0),
            recall=_ratio(hits[t], support[t]),
            f1=_ratio(2 * hits[t], support[t] + given[t]),
            average_precision=average_precision(Y[:, t], P[:, t]),
        )
        for t in range(Y.shape[1])
    ]


def summary(
    Y: LabelArray, P: FloatArray, D: BoolArray, *, review: BoolArray | None = None
) -> Summary:
    """Score all tags together.

    Parameters
    ----------
    Y, P, D : shape (n_jobs, n_tags)
    review : shape (n_jobs, n_tags)
        True where the probability lies in the band that is left to a person.

    Returns
    -------
    Shares in [0, 1]; macro scores are nan where no tag is scored.

    Raises
    ------
    DataError
        If the arrays do not fit together.
    """
    scores = tag_scores(Y, P, D)
    scored = [s for s in scores if 0 < s.support < s.known]
    known = Y >= 0
    hits, n_yes, given = int(((Y == 1) & D).sum()), int((Y == 1).sum()), int((known & D).sum())
    return Summary(
        n_jobs=Y.shape[0],
        n_tags=Y.shape[1],
        n_scored_tags=len(scored),
        n_known=int(known.sum()),
        n_yes=n_yes,
        mean_average_precision=_mean([s.average_precision for s in scored]),
        macro_precision=_mean([s.precision for s in scored]),
        macro_recall=_mean([s.recall for s in scored]),
        macro_f1=_mean([s.f1 for s in scored]),
        micro_precision=_ratio(hits, given, empty=0.0),
        micro_recall=_ratio(hits, n_yes),
        micro_f1=_ratio(2 * hits, n_yes + given),
        accuracy=_ratio(int((known & (D == (Y == 1))).sum()), int(known.sum())),
        review_share=None if review is None else float(review.mean()),
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


def calibration_curve(y: LabelArray, p: FloatArray, n_bins: int = 10) -> CalibrationCurve:
    """Compare what was promised with what came true, in bins of about equal count.

    Equal probabilities stay in one bin, so there may be fewer bins than asked for.

    Parameters
    ----------
    y, p : any shape, the same for both

    Raises
    ------
    DataError
        If `n_bins` is below 1.
    """
    if n_bins < 1:
        raise DataError(f"n_bins must be at least 1, got {n_bins}")
    known = y >= 0
    order, ends = _ranked(-p[known].astype(np.float64))  # lowest probability first
    p, yes = p[known][order].astype(np.float64), (y[known][order] == 1).astype(np.float64)
    if not p.size:
        return CalibrationCurve(np.empty(0), np.empty(0), np.empty(0, dtype=np.intp))
    wanted = np.arange(1, n_bins + 1) * p.size // n_bins - 1
    last = np.unique(ends[np.searchsorted(ends, np.maximum(wanted, 0))])
    first = np.concatenate([[0], last[:-1] + 1])
    count = last - first + 1
    return CalibrationCurve(
        np.add.reduceat(p, first) / count, np.add.reduceat(yes, first) / count, count
    )


def expected_calibration_error(y: LabelArray, p: FloatArray, n_bins: int = 10) -> float:
    """Mean distance between promised and true share of yes, weighted by bin; nan without labels.

    References
    ----------
    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    curve = calibration_curve(y, p, n_bins)
    distance = np.abs(curve.share_yes - curve.mean_predicted)
    return _ratio(float(curve.count @ distance), int(curve.count.sum()))


def confusions(Y: LabelArray, D: BoolArray) -> npt.NDArray[np.intp]:
    """Count the jobs where tag a was missed and tag b wrongly given.

    Parameters
    ----------
    Y, D : shape (n_jobs, n_tags)

    Returns
    -------
    shape (n_tags, n_tags): row a, column b; 0 on the diagonal.

    Examples
    --------
    >>> confusions(np.array([[1, 0], [1, 1]]), np.array([[False, True], [False, True]]))
    array([[0, 1],
           [0, 0]])
    """
    missed = ((Y == 1) & ~D).astype(np.intp)
    wrong = ((Y == 0) & D).astype(np.intp)
    counts: npt.NDArray[np.intp] = missed.T @ wrong
    return counts


def _ranked(p: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Order from the highest value down, and where each run of equal values ends in it."""
    order = np.argsort(-p, kind="stable")
    return order, np.flatnonzero(np.diff(p[order], append=-np.inf))


def _weighted_average_precision(y: LabelArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Average precision of one tag, known cells only, for weights (N, S): shape (S,)."""
    yes = y == 1
    if yes.all() or not yes.any():
        return np.full(weights.shape[1], np.nan)
    order, ends = _ranked(p)
    # Precision counts only where recall grows: cut the ranking after each run of ties that
    # holds a yes. On rare tags this leaves a few sums instead of one per job.
    run_of_yes = np.unique(np.searchsorted(ends, np.flatnonzero(yes[order])))
    first = np.concatenate([[0], ends[run_of_yes][:-1] + 1])
    ranked = weights[order]
    hits = np.add.reduceat(ranked * yes[order, None], first, axis=0)
    # The last segment also holds the "no" ranked below every yes; they cost no precision.
    ranked[ends[run_of_yes][-1] + 1 :] = 0
    seen = np.cumsum(np.add.reduceat(ranked, first, axis=0), axis=0)
    found = np.cumsum(hits, axis=0)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    n_yes, n_all = found[-1], weights.sum(axis=0)
    defined = (n_yes > 0) & (n_yes < n_all)
    return _divide((hits * precision).sum(axis=0), np.where(defined, n_yes, 0))


def _weighted_tags(Y: LabelArray, P: FloatArray, D: BoolArray, weights: FloatArray) -> FloatArray:
    """Average precision and F1, shape (2, S, T), for weights (N, S); nan where not scored."""
    ap = np.empty((weights.shape[1], Y.shape[1]))
    for t in range(Y.shape[1]):
        known = np.flatnonzero(Y[:, t] >= 0)
        ap[:, t] = _weighted_average_precision(Y[known, t], P[known, t], weights[known])
    f1 = _divide(*_weighted_counts(Y, D, weights))
    return np.stack([ap, np.where(np.isnan(ap), np.nan, f1)])


def _weighted_micro_f1(Y: LabelArray, D: BoolArray, weights: FloatArray) -> FloatArray:
    """Micro F1, shape (S,), for weights (N, S)."""
    hits, total = _weighted_counts(Y, D, weights)
    return _divide(hits.sum(axis=1), total.sum(axis=1))


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
    means = _divide(np.where(scored, filled, 0.0).sum(axis=2), scored.sum(axis=2))
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


def _divide(numerator: FloatArray, denominator: npt.NDArray[np.number]) -> FloatArray:
    """Divide, nan where the denominator is 0."""
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _ratio(numerator: float, denominator: float, *, empty: float = float("nan")) -> float:
    return float(numerator / denominator) if denominator else empty


def _mean(values: list[float]) -> float:
    return _ratio(sum(values), len(values))
