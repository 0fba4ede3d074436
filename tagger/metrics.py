"""Scores of a tagger: pure functions on arrays, counted only where the label is known.

Axes: N jobs, T tags, S weightings of the jobs, K bins. Labels `Y` are 1 yes, 0 no, -1 unknown;
`P` are probabilities in [0, 1]; `D` are decisions, True where the tag is given. An unknown
cell never counts, whatever `P` and `D` say there.

A tag is *scored* when its known cells hold at least one yes and one no; means over tags run
over the scored tags only, since the others have no defined average precision.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError

LabelArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


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
    """Share of jobs with a tag that is left to a person; None where no mask was given."""


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
    return float(weighted_average_precision(y[known], proba[known], weights)[0])


def weighted_average_precision(y: LabelArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Average precision of one tag with jobs that count more than once, or not at all.

    Parameters
    ----------
    y, p : shape (n_jobs,)
        Known labels only: 1 yes, 0 no.
    weights : shape (n_jobs, S)
        How often each job counts, at least 0.

    Returns
    -------
    shape (S,), in [0, 1]; nan for a weighting that leaves no yes or no no.
    """
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
    return divide((hits * precision).sum(axis=0), np.where(defined, n_yes, 0))


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
        review_share=None if review is None else float(review.any(axis=1).mean()),
    )


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


def divide(numerator: FloatArray, denominator: npt.NDArray[np.number]) -> FloatArray:
    """Quotients, shape of `numerator`; nan where the denominator, of the same shape, is 0."""
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _ranked(p: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Order from the highest value down, and where each run of equal values ends in it."""
    order = np.argsort(-p, kind="stable")
    return order, np.flatnonzero(np.diff(p[order], append=-np.inf))


def _ratio(numerator: float, denominator: float, *, empty: float = float("nan")) -> float:
    return float(numerator / denominator) if denominator else empty


def _mean(values: list[float]) -> float:
    return _ratio(sum(values), len(values))


def plain(value: Any) -> Any:
    """A score as JSON knows it: a Python number for a NumPy one, None for nan.

    Examples
    --------
    >>> plain(np.float32(0.5)), plain(np.nan)
    (0.5, None)
    """
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value
