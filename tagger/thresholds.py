"""Thresholds per tag, and bands left to a person, from out-of-fold logits.

Letters for axes: N jobs, T tags. Labels are 1 yes, 0 no, -1 unknown.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tagger.labels import UNKNOWN, YES

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]

FEW_EXAMPLES = 20
"""A tag with fewer yes is learned, with a warning: its scores and threshold are rough."""

MOST_TIMES_EXPECTED = 2
"""A tag is given to at most this many times the jobs that have it: where the model knows little,
the best F1 would be that of giving the tag to every job."""

MIN_SPREAD = 1e-3
"""Logits of a tag that differ by less tell no jobs apart: what differs is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """How probabilities become tags, one value per tag."""

    threshold: FloatArray
    """Shape (T,): a tag is given from this probability on; nan for a tag that is never given."""
    band: FloatArray
    """Shape (T, 2): from band[t, 0] to band[t, 1] a person should look; nan for no band. So wide
    that a chosen share of the jobs lies in the band of some tag."""

    def decide(self, proba: FloatArray) -> BoolArray:
        """Which tags are given, (N, T)."""
        return np.asarray(proba >= self.threshold, np.bool_)

    def review(self, proba: FloatArray) -> BoolArray:
        """Which cells lie in the band left to a person, (N, T)."""
        return np.asarray((proba >= self.band[:, 0]) & (proba <= self.band[:, 1]), bool)


def fit_decisions(
    Y: LabelArray,
    logits: FloatArray,
    *,
    others: FloatArray | None = None,
    named: BoolArray | None = None,
    review_share: float = 0.1,
) -> Decisions:
    """Choose thresholds and bands on jobs whose labels the paths have not seen.

    Parameters
    ----------
    Y, logits : shape (N, T)
        Calibrated logits of labelled jobs.
    others : shape (U, T)
        The same of unlabelled jobs. A tag with few examples has its threshold chosen by the F1
        that its probabilities promise on these, too.
    named : shape (T,)
        Tags of whose names or words some job says anything; by default all. A tag that is not
        among them and has no yes is never given: nothing is known of it.
    review_share
        Share of the jobs that a person should look at: see `review_bands`.
    """
    n_tags = Y.shape[1]
    threshold = np.full(n_tags, np.nan)
    unlabelled = np.zeros((0, n_tags)) if others is None else others
    named = np.ones(n_tags, bool) if named is None else named
    for tag in range(n_tags):
        known = Y[:, tag] != UNKNOWN
        yes, z = Y[known, tag] == YES, logits[known, tag]
        if not (yes.any() or named[tag]):
            continue
        # Few examples make a jagged F1: their labels are drawn towards what the model expects.
        trust = yes.sum() / (yes.sum() + FEW_EXAMPLES)
        expected = trust * yes + (1 - trust) * expit(z)
        if yes.sum() < FEW_EXAMPLES:
            expected = np.concatenate([expected, expit(unlabelled[:, tag])])
            z = np.concatenate([z, unlabelled[:, tag]])
        if len(z):
            most = max(round(MOST_TIMES_EXPECTED * float(expected.sum())), 1)
            told_apart = np.ptp(z) >= MIN_SPREAD
            p = expit(z if told_apart else np.full(len(z), z.max()))
            threshold[tag] = f1_threshold(expected, p, most=most)
    band = review_bands(expit(logits), threshold, share=review_share)
    return Decisions(threshold, band)


def unlabelled_decisions(
    logits: FloatArray,
    share: FloatArray,
    *,
    named: BoolArray | None = None,
    review_share: float = 0.1,
) -> Decisions:
    """Thresholds without any label: each tag is given to its share of the jobs, the likeliest.

    Parameters
    ----------
    logits : shape (U, T)
        Of unlabelled jobs.
    share : shape (T,)
        In [0, 1]; rounded to whole jobs. With 0 the tag is never given. Where jobs that can't be
        told apart are too many, none of them gets the tag.
    named : shape (T,)
        Tags of whose names or words some job says anything; by default all. Others are never given.
    """
    proba = expit(logits)
    threshold = np.full(logits.shape[1], np.nan)
    n_given = np.round(share * len(logits)).astype(int)
    for tag in np.flatnonzero(n_given) if named is None else np.flatnonzero(n_given * named):
        ranked = np.sort(proba[:, tag])[::-1]
        if np.ptp(logits[:, tag]) < MIN_SPREAD:
            continue
        above = ranked[: n_given[tag]]
        if n_given[tag] < len(ranked):
            above = above[above > ranked[n_given[tag]]]
        lowest = above[-1] if len(above) else 1.0
        below = ranked[len(above)] if len(above) < len(ranked) else 0.0
        threshold[tag] = (lowest + below) / 2
    return Decisions(threshold, review_bands(proba, threshold, share=review_share))


def review_bands(proba: FloatArray, threshold: FloatArray, *, share: float) -> FloatArray:
    """Bands around the thresholds, all of one width, that hold a tag of a `share` of the jobs.

    The jobs that come nearest to any threshold are the ones left to a person. One width for all
    tags, and not the nearest jobs of each: with many tags, that would soon be every job.

    Parameters
    ----------
    proba : shape (N, T)
        Of jobs that the model has not seen. What is known of their tags plays no part.
    threshold : shape (T,)
        nan for a tag without a band.
    share
        In [0, 1]. Rounded to whole jobs; jobs at the same distance go together.

    Returns
    -------
    shape (T, 2): lowest and highest probability; nan where a tag has no band.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.55, 0.2], [0.1, 0.9], [0.9, 0.4]])
    >>> review_bands(proba, np.array([0.5, 0.5]), share=0.25).round(3)
    array([[0.45, 0.55],
           [0.45, 0.55]])
    """
    reach, n_jobs = np.nan, round(share * len(proba))
    has_band = ~np.isnan(threshold)
    if n_jobs and has_band.any():
        distance = np.abs(proba[:, has_band] - threshold[has_band]).min(axis=1)
        reach = np.sort(distance)[n_jobs - 1] + 1e-12  # the last one itself, after rounding
    return np.stack([threshold - reach, threshold + reach], axis=1).clip(0, 1)


def f1_threshold(yes: npt.NDArray[Any], proba: FloatArray, *, most: int | None = None) -> float:
    """Threshold with the best F1, half way to the next lower probability.

    Parameters
    ----------
    yes : shape (N,)
        True and False, or how likely each is a yes, in [0, 1]: then the best expected F1.
    proba : shape (N,)
    most
        At most so many jobs lie above the threshold.

    References
    ----------
    Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1, 2014.

    Examples
    --------
    >>> f1_threshold(np.array([True, True, False]), np.array([0.9, 0.5, 0.25]))
    0.375
    """
    order = np.argsort(-proba, kind="stable")
    ranked, hits = proba[order], np.cumsum(yes[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # equal probabilities can't be told apart
    best = int(np.argmax(f1[:most]))
    if f1[best] < 0:
        return float((ranked[0] + 1) / 2)  # jobs are not told apart: none is above
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    half = float((ranked[best] + below) / 2)
    return half if half > below else float(ranked[best])  # neighbouring floats: no half


def cross_fitted_decisions(
    Y: LabelArray, proba: FloatArray, folds: npt.NDArray[np.intp]
) -> tuple[BoolArray, FloatArray]:
    """Decisions on each fold by thresholds chosen on the other folds, for comparing methods.

    Returns
    -------
    Decisions (N, T), and the thresholds' mean over folds (T,), nan where none was chosen.
    """
    decided = np.zeros(Y.shape, bool)
    chosen = np.full((int(folds.max()) + 1, Y.shape[1]), np.nan)
    for fold in range(len(chosen)):
        other = folds != fold
        for tag in range(Y.shape[1]):
            known = other & (Y[:, tag] != UNKNOWN)
            yes = Y[known, tag] == YES
            if yes.any() and not yes.all():
                chosen[fold, tag] = f1_threshold(yes, proba[known, tag])
        decided[~other] = proba[~other] >= chosen[fold]
    counted = np.maximum((~np.isnan(chosen)).sum(axis=0), 1)
    mean = np.where(np.isnan(chosen).all(axis=0), np.nan, np.nansum(chosen, axis=0) / counted)
    return decided, mean
