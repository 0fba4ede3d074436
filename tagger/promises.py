"""Which tags a model may give by itself, where at most so many may be wrong.

Axes: N judged jobs, T tags. Judged jobs are labelled ones, each with the probabilities of a model
that had not learned its label.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from tagger.errors import DataError
from tagger.metrics import FloatArray, LabelArray

WRONG_AT_MOST, CONFIDENCE = 0.05, 0.9

Counts = npt.NDArray[np.intp]

_LEVELS = 65535
"""Probabilities are kept in so many steps; thresholds lie half way between two."""
_START = 0.25
"""The first threshold tested is passed by this share of the jobs expected to carry the tag, and by
enough to promise anything. Lower thresholds follow in turn. To begin with fewer jobs would let one
wrong label at the top decide; to begin with more, only the best tags could be promised."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Judged jobs, see `tagger.held_out`.

    Raises
    ------
    DataError
        If shapes differ, or a probability is nan or not in [0, 1].
    """

    proba: FloatArray
    """Shape (N, T), in [0, 1]."""
    labels: LabelArray
    """Shape (N, T): 1 yes, 0 no, -1 unknown."""
    groups: npt.NDArray[np.integer[Any]]
    """Shape (N,): equal for jobs that repeat each other."""

    def __post_init__(self) -> None:
        if self.proba.ndim != 2 or self.proba.shape != self.labels.shape:
            raise DataError(
                "probabilities and labels of judged jobs must have one shape (n_jobs, n_tags), "
                f"got {self.proba.shape} and {self.labels.shape}"
            )
        if self.groups.shape != self.proba.shape[:1]:
            raise DataError(f"groups must have {len(self.proba)} values, got {self.groups.shape}")
        n_bad = int((~((self.proba >= 0) & (self.proba <= 1))).sum())  # nan fails too
        if n_bad:
            raise DataError(
                f"{n_bad:,} of {self.proba.size:,} judged probabilities are nan or not in [0, 1]: "
                "train the model again"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What can be promised of one tag."""

    tag: str
    threshold: float | None
    """The model may give the tag by itself from this probability on; None: nowhere."""
    n_judged: int
    """Jobs that say something of the tag; repeats count once here and below."""
    n_given: int
    """Of these, those at or above the threshold; without one, above the model's own threshold."""
    n_wrong: int
    """Of these, those that don't carry the tag."""
    share: float
    """Share of the judged jobs that get the tag by itself, in [0, 1]."""
    missing: int
    """More judged jobs that the model gives the tag to it takes at least, if all are right."""
    reason: str
    """Why there is no threshold; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What can be promised of each tag, taken by itself."""

    wrong_at_most: float
    confidence: float
    least_judged: int
    """Judged jobs given the tag that any promise takes, all of them right."""
    tags: tuple[Promise, ...]

    def thresholds(self) -> FloatArray:
        """Shape (T,): nan for a tag that is never given without a person."""
        limits = [np.nan if tag.threshold is None else tag.threshold for tag in self.tags]
        return np.array(limits, float)

    def told(self) -> str:
        """For how many tags, in one line."""
        n_promised = sum(tag.threshold is not None for tag in self.tags)
        return (
            f"{n_promised:,} of {len(self.tags):,} tags are given without a person, each at most "
            f"{100 * self.wrong_at_most:.3g}% wrong with {100 * self.confidence:.3g}% confidence; "
            "all else goes to review"
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def make_promises(
    judged: Judged,
    tags: Sequence[str],
    given_from: FloatArray,
    *,
    wrong_at_most: float = WRONG_AT_MOST,
    confidence: float = CONFIDENCE,
) -> Promises:
    """Find for each tag the lowest threshold that can be promised.

    The promise: of the postings that get the tag by itself, reposts counted once, at most a share
    `wrong_at_most` is wrong. For any one tag it is kept with at least this confidence, over the
    draw of the judged jobs; to be as sure of all T tags together, ask for 1 - (1 - confidence) / T.

    Learn-then-Test: thresholds are tested from high to low, and the last before the first failure
    is taken. Each is tested by the exact binomial p-value of "more than `wrong_at_most` are wrong".
    Those passed by too few jobs to succeed are skipped, which is sound where below a threshold too
    low, jobs don't become right more often again. Groups of repeats are one draw each: given with
    their first member, wrong with the first wrong member given. Judged jobs are taken for draws
    from the postings to come, and out-of-fold probabilities for those of the final model.

    Parameters
    ----------
    given_from : shape (T,)
        The model's own thresholds, which the promised ones are never below; nan for a tag that is
        never given.

    Raises
    ------
    DataError
        If `wrong_at_most` or `confidence` is not in (0, 1), or the shapes don't fit.

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan and Lei, Learn then Test: Calibrating Predictive Algorithms
    to Achieve Risk Control, 2021.
    """
    least = least_judged(wrong_at_most, confidence)
    if len(tags) != judged.proba.shape[1] or len(tags) != len(given_from):
        raise DataError(
            f"{len(tags)} tags, {len(given_from)} thresholds and judged jobs with "
            f"{judged.proba.shape[1]} tags don't fit together"
        )
    rule = _Rule(wrong_at_most, 1 - confidence, least)
    found = []
    for t, tag in enumerate(tags):
        known = judged.labels[:, t] >= 0
        cells = judged.proba[known, t], judged.labels[known, t] == 1, judged.groups[known]
        found.append(rule.promise(tag, *cells, given_from=float(given_from[t])))
    return Promises(
        wrong_at_most=wrong_at_most,
        confidence=confidence,
        least_judged=least,
        tags=tuple(found),
    )


def least_judged(wrong_at_most: float, confidence: float, *, n_wrong: int = 0) -> int:
    """Judged jobs given the tag that a promise takes, where `n_wrong` of them are wrong.

    Examples
    --------
    >>> least_judged(0.05, 0.9), least_judged(0.05, 0.9, n_wrong=1), least_judged(0.05, 0.95)
    (45, 77, 59)
    """
    for name, value in (("wrong_at_most", wrong_at_most), ("confidence", confidence)):
        if not 0 < value < 1:
            raise DataError(
                f"{name} must lie between 0 and 1 (0.05 is 1 in 20, 0.9 is 90 %), got {value}"
            )
    low, high = n_wrong, n_wrong + 1
    while bdtr(n_wrong, high, wrong_at_most) > 1 - confidence:  # the p-value falls as jobs grow
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        passes = bdtr(n_wrong, middle, wrong_at_most) <= 1 - confidence
        low, high = (low, middle) if passes else (middle, high)
    return high


@dataclass(frozen=True, slots=True)
class _Rule:
    """The test that all tags share."""

    wrong_at_most: float
    delta: float
    least: int

    def promise(
        self,
        tag: str,
        proba: FloatArray,
        yes: npt.NDArray[np.bool_],
        groups: npt.NDArray[np.integer[Any]],
        *,
        given_from: float,
    ) -> Promise:
        """The promise of one tag on its known cells."""
        _, place = np.unique(groups, return_inverse=True)
        n_groups = int(place.max(initial=-1)) + 1
        best, worst = np.full(n_groups, -1.0), np.full(n_groups, -1.0)
        np.maximum.at(best, place, proba)  # where the group is given
        np.maximum.at(worst, place[~yes], proba[~yes])  # where it is wrong
        levels = np.unique(best[best >= given_from])[::-1]  # from high to low
        n_given = n_groups - np.searchsorted(np.sort(best), levels)
        n_wrong = n_groups - np.searchsorted(np.sort(worst), levels)
        expected = np.bincount(place, proba, n_groups) / np.maximum(np.bincount(place), 1)
        most = int(n_given[-1]) if len(levels) else 0
        start = max(self.least, min(round(_START * float(expected.sum())), most))
        tested = np.flatnonzero(n_given >= start)
        passes = bdtr(n_wrong[tested], n_given[tested], self.wrong_at_most) <= self.delta
        n_passed = len(tested) if passes.all() else int(np.argmin(passes))
        at = (tested[max(n_passed - 1, 0)] if len(tested) else len(levels) - 1) if most else None
        n, wrong = (0, 0) if at is None else (int(n_given[at]), int(n_wrong[at]))
        facts: dict[str, Any] = {"tag": tag, "n_judged": n_groups, "n_given": n, "n_wrong": wrong}
        if n_passed:
            limit = max((round(float(levels[at]) * _LEVELS) - 0.5) / _LEVELS, given_from)
            share = n / n_groups
            return Promise(**facts, threshold=limit, share=share, missing=0, reason="")
        tried = tested if len(tested) else np.arange(len(levels))
        return Promise(
            **facts,
            threshold=None,
            share=0.0,
            missing=self._missing(n_given[tried], n_wrong[tried]),
            reason=_reason(n_groups, n, wrong, given_from, is_tested=len(tested) > 0),
        )

    def _missing(self, n_given: Counts, n_wrong: Counts) -> int:
        """How many more right ones the nearest of some thresholds takes."""
        if not len(n_given):
            return self.least
        wrong, place = np.unique(n_wrong, return_inverse=True)
        needed = [
            least_judged(self.wrong_at_most, 1 - self.delta, n_wrong=n) for n in wrong.tolist()
        ]
        return max(int((np.array(needed)[place] - n_given).min()), 1)


def _reason(n_groups: int, n: int, wrong: int, given_from: float, *, is_tested: bool) -> str:
    if not n_groups:
        return "no judged posting says anything of it"
    if np.isnan(given_from):
        return "the model never gives it"
    if not n:
        return f"given to none of {n_groups:,} judged postings"
    if is_tested:
        return f"{wrong:,} of the {n:,} likeliest judged postings lack it"
    return f"given to {n:,} of {n_groups:,} judged postings, {wrong:,} of which lack it"
