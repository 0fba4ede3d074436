"""The gate: a challenger goes live if it is likely to be better, than the best model so far, too.

Both models answer about the same people's labels, each as it stood before it had seen them
(`tagger.comparison`). What is measured on few labels is weighed against what is known before: one
model differs little from the next, and more labels help.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, isnan, log2, sqrt
from statistics import NormalDist
from typing import Any, ClassVar, Protocol

from db.errors import StoreError

PRIOR_SPREAD = 0.02
"""Standard deviation of how much mean average precision changes from one model to the next."""
GAIN_PER_DOUBLING = 0.02
"""What twice as many labels are expected to bring, before anything is measured."""
FIRST_LABELS = 8
"""What tags are called is worth about so many labelled jobs."""
EVEN_ODDS = 0.5
"""Probability of being better that is enough for a challenger that brings tags: what it is worth
on tags without labels can't be measured."""
MAX_F1_DROP = 0.04
"""Macro F1 hangs on thresholds and jumps: it may seem to fall by so much."""
MAX_BELOW_NAMES = 0.02
"""A first model may be believed to be so far below what the tags are called."""
MIN_TAG_YES = 10
"""Judging jobs with a tag from which it is looked at by itself."""
_LEAST_SPREAD = 0.001
_TO_DEVIATION = 2 * 1.96  # width of a 95 % interval, in standard deviations


class Difference(Protocol):
    """A score of both models, and challenger minus champion with its paired 95 % interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class TagDifference(Protocol):
    """The same for one tag."""

    @property
    def tag(self) -> str: ...
    @property
    def n_yes(self) -> int: ...
    @property
    def average_precision(self) -> Difference: ...


class Comparison(Protocol):
    """Two models on the same jobs: a dataclass, so that it can be stored as JSON."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def n_jobs(self) -> int: ...
    @property
    def mean_average_precision(self) -> Difference:
        """Over all tags that either can give."""

    @property
    def macro_f1(self) -> Difference: ...
    @property
    def shared_average_precision(self) -> Difference:
        """Over the tags that both can give."""

    @property
    def tags(self) -> Sequence[TagDifference]:
        """Tags that either can give and that have a yes and a no."""

    @property
    def new_tags(self) -> Sequence[str]:
        """Tags that only the challenger can give."""

    @property
    def dropped_tags(self) -> Sequence[str]:
        """Tags that only the champion can give."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a challenger must reach."""

    confidence: float = 0.8
    """Probability that its mean average precision is higher. With 0.8, the live model stays within
    0.02 of the best one in 99 of 100 simulated teams over 100 retrains (bench/gate.py)."""
    tag_margin: float = 0.05
    """A tag's average precision may be worse by this: the whole interval must not lie below."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise StoreError(f"confidence must be between 0 and 1, got {self.confidence}")
        if not 0 <= self.tag_margin <= 1:
            raise StoreError(f"a margin is from 0 to 1, got {self.tag_margin}")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says."""

    promote: bool
    reason: str
    is_best: bool = True
    """Whether it is likely to be at least as good as the anchor, and takes its place."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is thought of a difference of mean average precision: normal, by mean and deviation."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, found: Difference, expected: float) -> "Belief":
        """Prior `expected` and `PRIOR_SPREAD`, updated by a measured difference.

        References
        ----------
        Gelman et al., Bayesian Data Analysis, 2013, section 2.5.
        """
        prior = 1 / PRIOR_SPREAD**2
        if isnan(found.value):  # nothing could be measured
            return cls(expected, PRIOR_SPREAD)
        evidence = 1 / _spread(found) ** 2
        total = prior + evidence
        return cls((expected * prior + found.value * evidence) / total, 1 / sqrt(total))

    @property
    def probability_better(self) -> float:
        """That the difference is above 0, in [0, 1]."""
        return 1 - NormalDist(self.mean, self.deviation).cdf(0)


def judge(
    comparison: Comparison | None,
    bar: Bar,
    *,
    anchor: Comparison | None = None,
    n_before: int = 0,
    n_now: int = 0,
    is_first: bool = False,
) -> Judgement:
    """Whether the challenger goes live.

    Its mean average precision must be likely to be higher than the champion's, on all tags and on
    those that both know. No tag with enough examples may be shown to be lost, nor macro F1 be far
    lower. The same must hold against the anchor, so that many small losses do not add up.

    Parameters
    ----------
    comparison
        With the champion; None where there is none.
    anchor
        With the best champion so far; None where that is the champion itself.
    n_before, n_now
        Labelled jobs that the champion and the challenger have learned from.
    is_first
        There is no champion, or it has learned no label: `comparison` is with what the tags are
        called, and the challenger stays out only if it is likely to be worse than that.

    References
    ----------
    Feng, Emerson and Simon, Approval policies for modifications to machine learning-based
    software as a medical device, 2021: repeated non-inferiority creeps.

    Examples
    --------
    >>> judge(None, Bar())
    Judgement(promote=True, reason='there is no champion yet', is_best=True)
    """
    if comparison is None:
        return Judgement(True, "there is no champion yet")
    if is_first:
        return _first(comparison)
    expected = GAIN_PER_DOUBLING * max(0.0, log2(max(n_now, 1) / max(n_before, FIRST_LABELS)))
    problems = _not_better(comparison, bar, expected, "the champion")
    if anchor is not None:
        problems += _not_better(anchor, bar, expected, "the best champion so far")
    if not isnan(comparison.mean_average_precision.value):
        problems += [*_f1_problems(comparison), *_tag_problems(comparison.tags, bar)]
    if comparison.dropped_tags:
        problems.append(f"it can't give {', '.join(comparison.dropped_tags)} any more")
    best = Belief.of((anchor or comparison).mean_average_precision, expected).mean >= 0
    told = _told(comparison)
    if problems:
        return Judgement(False, f"{'; '.join(problems)}. {told}", False)
    return Judgement(True, f"likely better than the champion: {told}", best)


def _first(comparison: Comparison) -> Judgement:
    told = _told(comparison)
    if Belief.of(comparison.mean_average_precision, 0.0).mean < -MAX_BELOW_NAMES:
        worse = (
            "it would be the first with labels, but it is likely to be worse than the tags' names"
        )
        return Judgement(False, f"{worse} alone. {told}", False)
    return Judgement(True, f"the first with labels; beside the tags' names alone: {told}")


def _not_better(comparison: Comparison, bar: Bar, expected: float, versus: str) -> list[str]:
    wanted = min(bar.confidence, EVEN_ODDS) if comparison.new_tags else bar.confidence
    for found, which in (
        (comparison.mean_average_precision, "mean average precision"),
        (comparison.shared_average_precision, "mean average precision of the tags that both know"),
    ):
        belief = Belief.of(found, expected)
        if belief.probability_better < wanted:
            return [
                f"the {which} is higher than that of {versus} with probability "
                f"{belief.probability_better:.0%}, wanted {wanted:.0%}"
                f"{_more_labels(comparison, found, expected, wanted)}"
            ]
    return []


def _more_labels(comparison: Comparison, found: Difference, expected: float, wanted: float) -> str:
    """How many more labelled jobs would decide, if they say the same."""
    if isnan(found.value) or found.value <= 0:
        return ""
    prior, z = 1 / PRIOR_SPREAD**2, NormalDist().inv_cdf(wanted)
    # mean / deviation = z, solved for the evidence w: (e p + v w)^2 = z^2 (p + w)
    a, b, c = (
        found.value**2,
        2 * expected * found.value * prior - z**2,
        (expected * prior) ** 2 - z**2 * prior,
    )
    evidence = (-b + sqrt(max(b**2 - 4 * a * c, 0.0))) / (2 * a)
    missing = ceil(comparison.n_jobs * (evidence * _spread(found) ** 2 - 1))
    return f"; about {missing:,} more labelled jobs would decide" if missing > 0 else ""


def _f1_problems(comparison: Comparison) -> list[str]:
    found = comparison.macro_f1
    if found.value < -MAX_F1_DROP and found.high < 0:
        return [f"macro F1 fell by {-found.value:.3f} ({found.low:+.3f} to {found.high:+.3f})"]
    return []


def _tag_problems(tags: Sequence[TagDifference], bar: Bar) -> list[str]:
    return [
        f"tag {one.tag!r} lost {-one.average_precision.value:.3f} average precision "
        f"({one.average_precision.low:+.3f} to {one.average_precision.high:+.3f})"
        for one in tags
        if one.n_yes >= MIN_TAG_YES and one.average_precision.high < -bar.tag_margin
    ]


def _told(comparison: Comparison) -> str:
    ap, f1 = comparison.mean_average_precision, comparison.macro_f1
    if isnan(ap.value):
        return "nothing could be measured: no tag has both a judging job with it and one without"
    return (
        f"mean average precision {ap.value:+.3f} ({ap.low:+.3f} to {ap.high:+.3f}), macro F1 "
        f"{f1.value:+.3f} ({f1.low:+.3f} to {f1.high:+.3f}) on {comparison.n_jobs:,} labelled jobs"
    )


def _spread(found: Difference) -> float:
    return max((found.high - found.low) / _TO_DEVIATION, _LEAST_SPREAD)


def to_details(comparison: Comparison | None) -> dict[str, Any]:
    """As plain values for `Verdict.details`; nan becomes None."""
    return {} if comparison is None else dict(_plain(asdict(comparison)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value
