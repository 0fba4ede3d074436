"""Narrower intervals of scores, by what a model says of unlabelled postings (PPI).

Axes: N labelled jobs, U unlabelled jobs, T tags. `Y`, `P` and `D` are those of `tagger.metrics`.

A score is treated as the mean of what each job adds to it (its influence). A model guesses that of
every job, labelled or not; the guesses' mean over many unlabelled jobs, minus their mean over the
labelled ones, corrects the score for which jobs happened to be labelled. How far to trust the
guesses (lambda) is chosen so that the interval is narrowest; 0 gives the plain interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError
from tagger.metrics import BoolArray, FloatArray, LabelArray, check_scores, divide

Groups = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A score (or a difference of two), and what each job adds to it or is guessed to add."""

    value: float
    """On the labelled jobs; nan where it is not defined."""
    labelled: FloatArray
    """Shape (N,): by its labels; the mean is about 0."""
    guessed: FloatArray
    """Shape (N,): of the same jobs, by probabilities."""
    unlabelled: FloatArray
    """Shape (U,): the same of unlabelled jobs."""

    def __sub__(self, other: "Linear") -> "Linear":
        """How much higher this score is, on the same jobs."""
        return Linear(
            self.value - other.value,
            self.labelled - other.labelled,
            self.guessed - other.guessed,
            self.unlabelled - other.unlabelled,
        )


@dataclass(frozen=True, slots=True)
class PpiInterval:
    """A score and its interval; all nan where it is not defined."""

    value: float
    low: float
    high: float
    trust: float
    """Lambda, in [0, 1]: 0 where the guesses help nothing."""
    width_ratio: float
    """Width over that of the same interval without unlabelled jobs, at most 1."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearScores:
    """The scores that reports show."""

    mean_average_precision: Linear
    macro_f1: Linear
    micro_f1: Linear

    def __sub__(self, other: "LinearScores") -> "LinearScores":
        return LinearScores(
            *(getattr(self, f.name) - getattr(other, f.name) for f in fields(LinearScores))
        )


def ppi_interval(
    score: Linear,
    *,
    groups: Groups | None = None,
    unlabelled_groups: Groups | None = None,
    level: float = 0.95,
) -> PpiInterval:
    """Interval of a score, with the trust in guesses that makes it narrowest.

    It holds where the unlabelled jobs are drawn like the labelled ones (see
    `tagger.domain.looks_alike`), and no job was guessed by a model that has learned its label.
    However bad the guesses are, it stays valid, and it is no wider than without them.

    Parameters
    ----------
    score
        By `linear_scores`; the difference of two of them says how far one model is ahead.
    groups, unlabelled_groups : shape (N,), (U,)
        Jobs of equal value repeat each other and count as one draw; each job alone by default.
    level
        In (0, 1).

    Raises
    ------
    DataError
        If shapes don't fit, there is no labelled job, or `level` is out of range.

    References
    ----------
    Angelopoulos, Duchi and Zrnic, PPI++: Efficient Prediction-Powered Inference, 2023.
    """
    if not 0 < level < 1:
        raise DataError(f"level must be in (0, 1), got {level}")
    n, u = len(score.labelled), len(score.unlabelled)
    if not n or len(score.guessed) != n:
        raise DataError(
            f"a score needs as many guesses as labels, got {len(score.guessed)} and {n}"
        )
    if np.isnan(score.value):
        return PpiInterval(*[float("nan")] * 5)
    own = _group_sums(groups, score.labelled, score.guessed - score.guessed.mean())
    variance, covariance, of_guess = (
        float((a * b).sum()) / n**2 * len(own) / max(len(own) - 1, 1)
        for a, b in ((own[:, 0], own[:, 0]), (own[:, 0], own[:, 1]), (own[:, 1], own[:, 1]))
    )
    trust, shift = 0.0, 0.0
    if u:
        others = _group_sums(unlabelled_groups, score.unlabelled - score.unlabelled.mean())
        of_guess += float((others**2).sum()) / u**2 * len(others) / max(len(others) - 1, 1)
        trust = min(max(covariance / of_guess, 0.0), 1.0) if of_guess > 0 else 0.0
        shift = trust * float(score.unlabelled.mean() - score.guessed.mean())
    narrowed = max(variance - 2 * trust * covariance + trust**2 * of_guess, 0.0)
    reach = NormalDist().inv_cdf((1 + level) / 2) * narrowed**0.5
    value = score.value + shift
    ratio = (narrowed / variance) ** 0.5 if variance > 0 else 1.0
    return PpiInterval(value, value - reach, value + reach, trust, ratio)


def linear_scores(
    Y: LabelArray,
    P: FloatArray,
    D: BoolArray,
    unlabelled: tuple[FloatArray, BoolArray],
    *,
    guess: tuple[FloatArray, FloatArray] | None = None,
) -> LinearScores:
    """Scores of a tagger, each with what every job adds to it.

    Parameters
    ----------
    Y, P, D : shape (N, T)
        Of labelled jobs that the tagger has not learned.
    unlabelled
        Probabilities and decisions of U jobs that it has not learned either, shape (U, T) each.
    guess
        Probabilities that stand for labels, shapes (N, T) and (U, T); by default the tagger's own.
        To compare two taggers, give both the same.

    Raises
    ------
    DataError
        If the arrays don't fit together.
    """
    check_scores(Y, P, D)
    P_u, D_u = unlabelled
    Q, Q_u = (P, P_u) if guess is None else guess
    for name, array in (("P", P_u), ("D", D_u), ("guess", Q_u)):
        if array.ndim != 2 or array.shape[1] != Y.shape[1] or len(array) != len(P_u):
            raise DataError(
                f"{name} of unlabelled jobs has shape {array.shape}, not (U, {Y.shape[1]})"
            )
    if Q.shape != Y.shape:
        raise DataError(f"guess must have the shape of Y, {Y.shape}, got {Q.shape}")
    known, yes = Y >= 0, Y == 1
    share = known.mean(axis=0)  # an unlabelled job has all its cells, a labelled one those known
    n_yes = yes.sum(axis=0)
    scored = np.flatnonzero((n_yes > 0) & (n_yes < known.sum(axis=0)))

    def f1(
        labels: FloatArray, given: BoolArray, value: FloatArray | float, total: FloatArray | float
    ) -> FloatArray:
        counted = labels + given
        without = np.maximum(total - counted, 1)  # jackknife: as if the job were left out
        return (2 * labels * given - value * counted) / without

    cells = ((yes.astype(float), D, known), (Q, D, known), (Q_u, D_u, share))
    hits = 2.0 * (yes & D).sum(axis=0)
    total = n_yes + (known & D).sum(axis=0).astype(float)

    of_tag = divide(hits, total)
    macro = _over_tags(
        float(of_tag[scored].mean()) if len(scored) else float("nan"),
        [
            len(Y) * (f1(labels, given, of_tag, total) * weight)[:, scored]
            for labels, given, weight in cells
        ],
        mean=True,
    )
    all_tags = float(hits.sum() / total.sum()) if total.sum() else float("nan")
    micro = _over_tags(
        all_tags,
        [
            len(Y) * f1(labels, given, all_tags, total.sum()) * weight
            for labels, given, weight in cells
        ],
        mean=False,
    )
    return LinearScores(_mean_ap(Y, P, P_u, Q, Q_u, scored, share), macro, micro)


def _mean_ap(
    Y: LabelArray,
    P: FloatArray,
    P_u: FloatArray,
    Q: FloatArray,
    Q_u: FloatArray,
    scored: npt.NDArray[np.intp],
    share: FloatArray,
) -> Linear:
    """Mean average precision of a population: less the optimism of that of the labelled jobs.

    The derivative by each job's weight is linear in its label.
    """
    found = [np.zeros((len(labels), len(scored))) for labels in (Y, Q, Q_u)]
    values = []
    for place, t in enumerate(scored.tolist()):
        known = Y[:, t] >= 0
        curve = _ApCurve(Y[known, t], P[known, t])
        values.append(curve.value - curve.optimism)
        n_yes = int((Y[:, t] == 1).sum())
        scale = len(Y) / np.maximum(n_yes - (Y[known, t] == 1), 1)  # jackknife, as above
        found[0][known, place] = scale * curve.influence(Y[known, t], P[known, t])
        # Guesses know no label, nor a curve that labels drew: those would fit the labelled jobs
        # better than the others.
        guesses = np.concatenate([Q[known, t], Q_u[:, t]]), np.concatenate([P[known, t], P_u[:, t]])
        expected = _ApCurve(*guesses)
        found[1][known, place] = len(Y) / n_yes * expected.influence(Q[known, t], P[known, t])
        found[2][:, place] = len(Y) / n_yes * share[t] * expected.influence(Q_u[:, t], P_u[:, t])
    return _over_tags(float(np.mean(values)) if values else float("nan"), found, mean=True)


class _ApCurve:
    """Average precision of one tag, how far it is above a population's on the mean (`optimism`),
    and how it changes with the weight of a job.

    AP is the mean over yes-jobs of the precision at their probability. One more job of
    probability p adds its own precision, if it is a yes, and moves the precision of all yes-jobs
    at or below p.
    """

    def __init__(self, y: LabelArray | FloatArray, p: FloatArray) -> None:
        levels, place = np.unique(-p, return_inverse=True)  # from the highest probability down
        n_yes = np.bincount(place, y, len(levels))
        n_above = np.cumsum(np.bincount(place, minlength=len(levels)))
        self._levels, self._precision = levels, np.cumsum(n_yes) / n_above
        self.value = float((n_yes * self._precision).sum() / n_yes.sum())
        # A yes-job is among those that its own precision is counted on; in a population it is one
        # of many. This is precision with it minus precision without it.
        by_itself = (1 - self._precision) / np.maximum(n_above - 1, 1)
        self.optimism = float((n_yes * by_itself).sum() / n_yes.sum())
        # sums over the yes-jobs at or below each level, and 0 below them all
        self._gain = _from_below(n_yes / n_above)
        self._cost = _from_below(n_yes * self._precision / n_above)

    def influence(self, labels: FloatArray | LabelArray, p: FloatArray) -> FloatArray:
        """What a job adds, times the number of yes-jobs; `labels` in [0, 1]."""
        below = np.searchsorted(self._levels, -p)
        above = np.searchsorted(self._levels, -p, side="right") - 1
        precision = np.where(above >= 0, self._precision[np.maximum(above, 0)], 1.0)
        gain = precision - self.value + self._gain[below]
        return np.asarray(labels * gain - self._cost[below])


def _from_below(values: FloatArray) -> FloatArray:
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])


def _over_tags(value: float, found: Sequence[FloatArray], *, mean: bool) -> Linear:
    labelled, guessed, unlabelled = (
        (part.mean(axis=1) if mean and part.shape[1] else part.sum(axis=1)) for part in found
    )
    return Linear(value, labelled, guessed, unlabelled)


def _group_sums(groups: Groups | None, *columns: FloatArray) -> FloatArray:
    """Sums over the jobs of each group, shape (n_groups, n_columns); one column is flattened."""
    values = np.stack(columns, axis=1)
    if groups is not None:
        if len(groups) != len(values):
            raise DataError(f"groups must have {len(values)} values, got {len(groups)}")
        _, place = np.unique(groups, return_inverse=True)
        sums = np.zeros((int(place.max(initial=-1)) + 1, values.shape[1]))
        np.add.at(sums, place, values)
        values = sums
    return values if len(columns) > 1 else values[:, 0]
