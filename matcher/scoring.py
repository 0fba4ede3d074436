"""Scores with bootstrap intervals: of ranks, question by question, and of pairs, yes or no.

A resample draws candidates with replacement. The same seed draws the same ones for every model, so
that the interval of a difference is that of the differences.
Letters for axes: Q questions, P pairs, N candidates, M metrics, S resamples.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matcher import metrics
from matcher.data import BoolArray, FloatArray, IntArray

N_RESAMPLES = 1000
N_PAIR_RESAMPLES = 200
CELLS_AT_ONCE = 2_000_000
PERCENTS = (1, 2, 5, 10, 20, 30, 50, 70, 100)
CURVE_POINTS = 120
SMALLEST = 1e-7
"""A probability nearer to 0 or 1 counts as this near, so that no single pair has endless loss."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score and the bounds of its 95 % interval; nan where it is not defined."""

    value: float
    low: float = np.nan
    high: float = np.nan


NO_SCORE = Score(np.nan)


# ---- ranks


def question_values(
    ranks: FloatArray, n_rivals: FloatArray, ks: Sequence[int]
) -> dict[str, FloatArray]:
    """Each metric of a ranking for each question: name -> shape (Q,).

    With one held-out job for each question the hit rate is also the recall.
    """
    at_k = {
        "hit_rate": metrics.hit_rate,
        "precision": metrics.precision,
        "ndcg": metrics.ndcg,
        "mrr": metrics.reciprocal_rank,
    }
    values = {f"{name}@{k}": of(ranks, k) for k in ks for name, of in at_k.items()}
    values["mrr"] = metrics.reciprocal_rank(ranks)
    values["rank_auc"] = metrics.ranking_auc(ranks, n_rivals)
    return values


def resampled_means(values: FloatArray, *, seed: int) -> FloatArray:
    """Means of columns, shape (Q, M), on resamples of rows: shape (S, M)."""
    means = [weights.T @ values / len(values) for weights in _weights(len(values), seed)]
    return np.concatenate(means)


def _weights(n: int, seed: int, n_resamples: int = N_RESAMPLES) -> Iterator[FloatArray]:
    """How often each of n was drawn, in chunks of shape (n, some resamples)."""
    rng = np.random.default_rng(seed)
    step = max(CELLS_AT_ONCE // max(n, 1), 1)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        drawn = rng.integers(n, size=(size, n))
        counts = [np.bincount(row, minlength=n) for row in drawn]
        yield np.stack(counts, axis=1).astype(np.float64)


def interval(value: float, samples: FloatArray) -> Score:
    """A score with the percentiles of its resamples."""
    samples = samples[np.isfinite(samples)]
    if not len(samples) or not np.isfinite(value):
        return Score(float(value))
    low, high = np.percentile(samples, [2.5, 97.5])
    return Score(float(value), float(low), float(high))


def mean_scores(values: dict[str, FloatArray], *, seed: int) -> dict[str, Score]:
    """The mean of each metric over the questions; empty without a question."""
    columns = np.column_stack(list(values.values()))
    if not len(columns):
        return {}
    samples = resampled_means(columns, seed=seed)
    points = columns.mean(axis=0)
    return {name: interval(points[m], samples[:, m]) for m, name in enumerate(values)}


def by_percentile(ranks: FloatArray, n_rivals: FloatArray) -> list[dict[str, float]]:
    """Precision, recall and MRR when the first so many percent of the jobs are shown.

    References
    ----------
    Talroo's evaluation of its recommender beside its search: figures of precision and MRR over the
    increasing percentile of jobs.
    """
    rows = []
    for percent in PERCENTS:
        n_shown = np.maximum(np.ceil(percent / 100 * n_rivals), 1)
        is_hit = ranks <= n_shown
        rows.append(
            {
                "percent": float(percent),
                "precision": float((is_hit / n_shown).mean()),
                "recall": float(is_hit.mean()),
                "mrr": float((is_hit / ranks).mean()),
            }
        )
    return rows


# ---- pairs


def pair_scores(
    y: BoolArray,
    scores: FloatArray,
    candidates: npt.NDArray[Any],
    *,
    are_probabilities: bool,
    seed: int,
) -> dict[str, Score]:
    """Scores of pairs; accuracy, log loss and calibration only of probabilities.

    `gauc` is the AUC within candidates; `accuracy` that of saying yes from 0.5 on.
    """
    if not len(y):
        return {}
    _, person = np.unique(candidates, return_inverse=True)
    of = [_auc_of(y, scores), _precision_of(y, scores), _gauc_of(y, scores, person)]
    names = ["auc", "average_precision", "gauc"]
    if are_probabilities:
        of += [_mean_of((scores >= 0.5) == y), _mean_of(_losses(y, scores))]
        names += ["accuracy", "log_loss"]
    everyone = np.ones(int(person.max()) + 1)
    points = [one(everyone[person], everyone) for one in of]
    samples = [
        [one(weights[person], weights) for one in of]
        for chunk in _weights(len(everyone), seed, N_PAIR_RESAMPLES)
        for weights in chunk.T
    ]
    columns = np.array(samples).T
    found = {
        name: interval(point, column)
        for name, point, column in zip(names, points, columns, strict=True)
    }
    if are_probabilities:
        found["calibration_error"] = Score(metrics.calibration_error(y, np.nan_to_num(scores)))
    return found


Weighted = Callable[[FloatArray, FloatArray], float]
"""A score for the weights of pairs, shape (P,), and of candidates, shape (N,)."""


def _mean_of(values: npt.NDArray[Any]) -> Weighted:
    return lambda pairs, _: float(values @ pairs / pairs.sum())


def _losses(y: BoolArray, proba: FloatArray) -> FloatArray:
    right: FloatArray = np.where(y, np.nan_to_num(proba), 1 - np.nan_to_num(proba))
    return np.asarray(-np.log(np.clip(right, SMALLEST, 1)))


def _steps(y: BoolArray, scores: FloatArray) -> tuple[IntArray, IntArray]:
    """Order from the highest score down, and where each run of equal scores begins in it."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    return order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _auc_of(y: BoolArray, scores: FloatArray) -> Weighted:
    order, starts = _steps(y, scores)
    yes = y[order].astype(np.float64)

    def score(pairs: FloatArray, _: FloatArray) -> float:
        weights = pairs[order]
        n_yes = np.add.reduceat(weights * yes, starts)
        n_no = np.add.reduceat(weights * (1 - yes), starts)
        total = n_yes.sum() * n_no.sum()
        return float(n_no @ (n_yes.cumsum() - n_yes / 2) / total) if total else np.nan

    return score


def _precision_of(y: BoolArray, scores: FloatArray) -> Weighted:
    """Average precision: the area under the steps of precision over recall."""
    order, starts = _steps(y, scores)
    yes = y[order].astype(np.float64)

    def score(pairs: FloatArray, _: FloatArray) -> float:
        weights = pairs[order]
        n_yes = np.add.reduceat(weights * yes, starts)
        n_all = np.add.reduceat(weights, starts).cumsum()
        if not n_yes.any():
            return np.nan
        precision = n_yes.cumsum() / np.maximum(n_all, 1)
        return float(n_yes @ precision / n_yes.sum())

    return score


def _gauc_of(y: BoolArray, scores: FloatArray, person: IntArray) -> Weighted:
    areas, n_pairs = metrics.group_aucs(y, scores, person)
    counts = np.where(np.isnan(areas), 0, n_pairs)
    areas = np.nan_to_num(areas)

    def score(_: FloatArray, people: FloatArray) -> float:
        weights = people * counts
        return float(weights @ areas / weights.sum()) if weights.any() else np.nan

    return score


def curves(y: BoolArray, scores: FloatArray) -> dict[str, list[list[float]]]:
    """Points of the ROC curve (false and true positive rate) and of precision over recall."""
    if y.all() or not y.any():
        return {"roc": [], "pr": []}
    order, starts = _steps(y, scores)
    n_shown = np.r_[starts[1:], len(y)]
    n_yes = np.cumsum(y[order])[n_shown - 1]
    recall, fall_out = n_yes / y.sum(), (n_shown - n_yes) / (~y).sum()
    kept = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(np.intp))
    precision = n_yes / n_shown
    return {
        "roc": [[0.0, 0.0], *_points(fall_out[kept], recall[kept])],
        "pr": [[0.0, float(precision[0])], *_points(recall[kept], precision[kept])],
    }


def _points(x: FloatArray, y: FloatArray) -> list[list[float]]:
    return [[round(float(a), 5), round(float(b), 5)] for a, b in zip(x, y, strict=True)]


def calibration_rows(y: BoolArray, proba: FloatArray) -> list[dict[str, float]]:
    """Promised probability, share of yes, and pairs of each bin."""
    columns = metrics.calibration_bins(y, np.nan_to_num(proba))
    return [
        {"promised": float(a), "came": float(b), "pairs": int(n)}
        for a, b, n in zip(*columns, strict=True)
    ]
