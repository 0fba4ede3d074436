"""Scores of rankings and of predicted probabilities: pure functions over arrays.

Letters for axes: Q questions (one held-out job each), P pairs, S resamples.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from matcher.data import BoolArray, FloatArray, IntArray


def ranks(scores: FloatArray, jobs: IntArray, allowed: BoolArray | None = None) -> FloatArray:
    """Rank of one job of each row, 1 for the best.

    Parameters
    ----------
    scores
        Shape (Q, J). nan counts as the lowest score.
    jobs
        Shape (Q,): the job asked for.
    allowed
        Shape (Q, J): which jobs it competes with; by default all.

    Returns
    -------
    Shape (Q,). Among equal scores the mean rank, so that a constant score is no better than chance.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    own = scores[np.arange(len(jobs)), jobs][:, None]
    competes = np.ones(scores.shape, bool) if allowed is None else allowed.copy()
    competes[np.arange(len(jobs)), jobs] = False
    better = ((scores > own) & competes).sum(axis=1)
    equal = ((scores == own) & competes).sum(axis=1)
    return np.asarray(1 + better + equal / 2)


def hit_rate(ranks: FloatArray, k: int) -> FloatArray:
    """Whether the job is among the first `k`; with one held-out job this is also recall at k."""
    return np.asarray(ranks <= k, np.float64)


def precision(ranks: FloatArray, k: int) -> FloatArray:
    """Share of the first `k` that is the held-out job: at most 1/k."""
    return hit_rate(ranks, k) / k


def ndcg(ranks: FloatArray, k: int) -> FloatArray:
    """Normalised discounted cumulative gain at `k` with one relevant job, in [0, 1].

    References
    ----------
    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002.
    """
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


def reciprocal_rank(ranks: FloatArray, k: int | None = None) -> FloatArray:
    """1 / rank, in (0, 1]; 0 beyond `k` where that is given.

    References
    ----------
    Voorhees, The TREC-8 Question Answering Track Report, 1999.
    """
    return np.where(ranks <= (np.inf if k is None else k), 1 / ranks, 0.0)


def ranking_auc(ranks: FloatArray, n_jobs: IntArray | FloatArray | int) -> FloatArray:
    """Share of the other jobs that the held-out one is ahead of, in [0, 1]."""
    return np.asarray(1 - (ranks - 1) / np.maximum(np.asarray(n_jobs) - 1, 1))


def group_auc(y: BoolArray, scores: FloatArray, groups: npt.NDArray[Any]) -> float:
    """Mean AUC within groups (candidates), weighted by their pairs; nan if none has both answers.

    References
    ----------
    Zhu et al., Optimized Cost per Click in Taobao Display Advertising, 2017.
    """
    areas, n_pairs = group_aucs(y, scores, groups)
    counts = np.where(np.isnan(areas), 0, n_pairs)
    return float(np.nansum(areas * counts) / counts.sum()) if counts.any() else np.nan


def group_aucs(
    y: BoolArray, scores: FloatArray, groups: npt.NDArray[Any]
) -> tuple[FloatArray, IntArray]:
    """AUC within each group, nan without both answers, and its pairs; groups in order of value.

    Pairs of equal score count half; nan is the lowest score.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    _, place = np.unique(groups, return_inverse=True)
    order = np.lexsort((scores, place))
    place, ordered, yes = place[order], scores[order], y[order].astype(bool)
    rank = _mean_places(place, ordered)
    n_pairs = np.bincount(place)
    n_yes = np.bincount(place[yes], minlength=len(n_pairs))
    first = np.cumsum(n_pairs) - n_pairs
    places = np.bincount(place[yes], (rank - first[place])[yes], minlength=len(n_pairs))
    with np.errstate(invalid="ignore"):
        return (places - n_yes * (n_yes - 1) / 2) / (n_yes * (n_pairs - n_yes)), n_pairs


def _mean_places(groups: IntArray, scores: FloatArray) -> FloatArray:
    """Place of each, from 0; the mean of them for a run of equal scores in one group."""
    is_new = (groups[1:] != groups[:-1]) | (scores[1:] != scores[:-1])
    starts = np.flatnonzero(np.r_[True, is_new][: len(groups)])
    ends = np.r_[starts[1:], len(groups)]
    return np.repeat((starts + ends - 1) / 2, ends - starts)


def calibration_error(y: BoolArray, proba: FloatArray, n_bins: int = 10) -> float:
    """Expected calibration error, in [0, 1]; nan without pairs. Bins as `calibration_bins`.

    References
    ----------
    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015; bins of
    equal mass: Nguyen and O'Connor, Posterior calibration and exploratory analysis, 2015.
    """
    promised, came, n_pairs = calibration_bins(y, proba, n_bins)
    return float(np.abs(promised - came) @ n_pairs / len(y)) if len(y) else np.nan


def calibration_bins(
    y: BoolArray, proba: FloatArray, n_bins: int = 10
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Mean probability, share of yes and pairs of bins with about equally many pairs.

    Pairs of equal probability share a bin: else their order would decide, and a constant could
    look badly calibrated.
    """
    order = np.argsort(proba, kind="stable")
    ordered = proba[order]
    at = np.linspace(0, len(y), n_bins + 1).astype(np.intp)[:-1]
    starts = np.unique(np.searchsorted(ordered, ordered[at])) if len(y) else at[:0]
    n_pairs = np.diff(starts, append=len(y))
    sums = (np.add.reduceat(values, starts) for values in (ordered, y[order].astype(np.float64)))
    promised, came = (values / n_pairs for values in sums) if len(y) else (ordered, ordered)
    return promised, came, n_pairs


def bootstrap(
    values: FloatArray, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `values`, shape (Q,), drawn again with replacement.

    The same seed and Q draw the same resamples, so the interval of a difference is that of the
    differences.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    if not len(values):
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(n_resamples)]
    low, high = np.percentile(means, [50 - 50 * level, 50 + 50 * level])
    return float(low), float(high)


def gini(counts: FloatArray) -> float:
    """Gini coefficient of how often each job was shown: 0 all alike, near 1 a few take all.

    References
    ----------
    Gini, Variabilità e mutabilità, 1912.

    Examples
    --------
    >>> gini(np.array([5.0, 5.0])), gini(np.array([0.0, 0.0, 0.0, 8.0]))
    (0.0, 0.75)
    """
    ordered = np.sort(counts)
    if not ordered.sum():
        return np.nan
    places = 2 * np.arange(1, len(ordered) + 1) - len(ordered) - 1
    return float(places @ ordered / (len(ordered) * ordered.sum()))
