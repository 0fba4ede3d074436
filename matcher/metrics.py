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


def ranking_auc(ranks: FloatArray, n_jobs: IntArray | int) -> FloatArray:
    """Share of the other jobs that the held-out one is ahead of, in [0, 1]."""
    return np.asarray(1 - (ranks - 1) / np.maximum(np.asarray(n_jobs) - 1, 1))


def group_auc(y: BoolArray, scores: FloatArray, groups: npt.NDArray[Any]) -> float:
    """Mean AUC within groups (candidates), weighted by their pairs; nan if none has both answers.

    References
    ----------
    Zhu et al., Optimized Cost per Click in Taobao Display Advertising, 2017.
    """
    from scipy.stats import rankdata

    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.r_[True, groups[order][1:] != groups[order][:-1]])
    total = weight = 0.0
    for part in np.split(order, starts[1:]):
        n_yes = int(y[part].sum())
        n_no = len(part) - n_yes
        if n_yes and n_no:
            won = rankdata(scores[part])[y[part]].sum() - n_yes * (n_yes + 1) / 2
            total += len(part) * won / (n_yes * n_no)
            weight += len(part)
    return total / weight if weight else np.nan


def calibration_error(y: BoolArray, proba: FloatArray, n_bins: int = 10) -> float:
    """Expected calibration error over bins with equally many pairs, in [0, 1].

    References
    ----------
    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015; bins of
    equal mass: Nguyen and O'Connor, Posterior calibration and exploratory analysis, 2015.
    """
    order = np.argsort(proba, kind="stable")
    bins = [part for part in np.array_split(order, n_bins) if len(part)]
    gaps = [len(part) * abs(y[part].mean() - proba[part].mean()) for part in bins]
    return float(np.sum(gaps) / len(y))


def bootstrap(
    values: FloatArray, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `values`, shape (Q,), drawn again with replacement.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    if not len(values):
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), n_resamples)
    low, high = np.percentile(draws @ values / len(values), [50 - 50 * level, 50 + 50 * level])
    return float(low), float(high)
