"""The gate: a challenger goes live unless it is likely to be worse, and never by small steps.

Both models answer about the same people's labels, each as it stood before it had seen them
(`tagger.comparison`). The question is not whether the challenger is better: it knows more labels,
and mostly is. It is how likely it is to be worse by more than the margin, than the champion and
than the best champion so far, the *anchor*.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, log2, sqrt
from statistics import NormalDist
from typing import Any, ClassVar, Protocol

from db.errors import StoreError

PRIOR_SPREAD = 0.02
"""Standard deviation of how much mean average precision changes from one model to the next."""
GAIN_PER_DOUBLING = 0.01
"""What twice as many labels are expected to bring, before anything is measured."""
FIRST_LABELS = 8
"""What tags are called is worth about so many labelled jobs."""
RISK, FREE_ATTEMPTS, SPENDING = 0.1, 2, 1.5
"""Largest probability of being worse by more than the margin, at the first attempts; at the k-th it
is ``RISK * (FREE_ATTEMPTS / k) ** SPENDING``, so that years of retrains take a bounded risk in all
(bench/gate.py). By then there are labels enough to tell."""
F1_FACTOR = 2.0
"""Macro F1 hangs on thresholds and jumps more: it may fall by so many margins."""
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
    def dropped_tags(self) -> Sequence[str]:
        """Tags that only the champion can give."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse a challenger may be."""

    overall: float = 0.02
    """Of mean average precision."""
    tag: float = 0.05
    """Of a tag's average precision: the whole interval must not lie below minus this."""

    def __post_init__(self) -> None:
        if not (0 <= self.overall <= 1 and 0 <= self.tag <= 1):
            raise StoreError(f"a margin is from 0 to 1, got {self.overall} and {self.tag}")


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
        if found.value != found.value:  # nan: nothing could be measured
            return cls(expected, PRIOR_SPREAD)
        evidence = 1 / _spread(found) ** 2
        total = prior + evidence
        return cls((expected * prior + found.value * evidence) / total, 1 / sqrt(total))

    def probability_below(self, value: float) -> float:
        """In [0, 1]."""
        return NormalDist(self.mean, self.deviation).cdf(value)


def judge(
    comparison: Comparison | None,
    margin: Margin,
    *,
    anchor: Comparison | None = None,
    n_before: int = 0,
    n_now: int = 0,
    attempt: int = 1,
    is_first: bool = False,
) -> Judgement:
    """Whether the challenger goes live.

    Its mean average precision must be more likely higher than lower than the champion's, on all
    tags and on those that both know, and hardly (`risk_at`) worse by more than the margin. No tag
    with enough examples may be shown to be lost, nor macro F1 be far lower. The same must hold
    against the anchor, so that many small losses do not add up.

    Parameters
    ----------
    comparison
        With the champion; None where there is none.
    anchor
        With the best champion so far; None where that is the champion itself.
    n_before, n_now
        Labelled jobs that the champion and the challenger have learned from.
    attempt
        How many challengers have been judged, this one included.
    is_first
        There is no champion: `comparison` is with what the tags are called, and the challenger
        stays out only if it is likely to be worse than that by more than the margin.

    References
    ----------
    Feng, Emerson and Simon, Approval policies for modifications to machine learning-based
    software as a medical device, 2021: repeated non-inferiority creeps.

    Examples
    --------
    >>> judge(None, Margin())
    Judgement(promote=True, reason='there is no champion yet', is_best=True)
    """
    if comparison is None:
        return Judgement(True, "there is no champion yet")
    if is_first:
        return _first(comparison, margin)
    expected = GAIN_PER_DOUBLING * max(0.0, log2(max(n_now, 1) / max(n_before, FIRST_LABELS)))
    found = comparison.mean_average_precision
    risk = risk_at(attempt)
    problems = _worse(comparison, margin, expected, risk, "the champion")
    if anchor is not None:
        problems += _worse(anchor, margin, expected, risk, "the best champion so far")
    if not found.value != found.value:
        problems += [*_f1_problems(comparison, margin), *_tag_problems(comparison.tags, margin)]
    if comparison.dropped_tags:
        problems.append(f"it can't give {', '.join(comparison.dropped_tags)} any more")
    best = Belief.of((anchor or comparison).mean_average_precision, expected).mean >= 0
    told = _told(comparison)
    if problems:
        return Judgement(False, f"{'; '.join(problems)}. {told}", False)
    return Judgement(True, f"not worse than the champion: {told}", best)


def _first(comparison: Comparison, margin: Margin) -> Judgement:
    told = _told(comparison)
    if Belief.of(comparison.mean_average_precision, 0.0).mean < -margin.overall:
        worse = "there is no champion, but it is likely to be worse than the tags' names alone"
        return Judgement(False, f"{worse}. {told}", False)
    return Judgement(True, f"there is no champion yet; beside the tags' names alone: {told}")


def risk_at(attempt: int) -> float:
    """Largest probability of being worse by more than the margin, at the k-th attempt.

    References
    ----------
    Demets and Lan, Interim analysis: the alpha spending function approach, 1994.
    """
    return float(RISK * min(1.0, FREE_ATTEMPTS / max(attempt, 1)) ** SPENDING)


def _worse(
    comparison: Comparison, margin: Margin, expected: float, allowed: float, versus: str
) -> list[str]:
    for found, which in (
        (comparison.mean_average_precision, "mean average precision"),
        (comparison.shared_average_precision, "mean average precision of the tags that both know"),
    ):
        belief = Belief.of(found, expected)
        risk = belief.probability_below(-margin.overall)
        if risk > allowed:
            more = _more_labels(comparison, found, margin, allowed)
            return [
                f"the {which} may be worse than that of {versus} by more than {margin.overall:g}: "
                f"probability {risk:.1%}, allowed {allowed:.1%}{more}"
            ]
        if belief.mean < 0:
            return [f"the {which} is more likely to be lower than that of {versus} than higher"]
    return []


def _more_labels(comparison: Comparison, found: Difference, margin: Margin, allowed: float) -> str:
    """How many more labelled jobs would decide, if they say the same."""
    ahead = found.value + margin.overall
    if not ahead > 0:  # nan, or it looks worse
        return ""
    spread = _spread(found)
    wanted = comparison.n_jobs * (NormalDist().inv_cdf(1 - allowed) * spread / ahead) ** 2
    missing = ceil(wanted) - comparison.n_jobs
    return f"; about {missing:,} more labelled jobs would decide" if missing > 0 else ""


def _f1_problems(comparison: Comparison, margin: Margin) -> list[str]:
    found = comparison.macro_f1
    if found.value < -F1_FACTOR * margin.overall and found.high < 0:
        return [f"macro F1 fell by {-found.value:.3f} ({found.low:+.3f} to {found.high:+.3f})"]
    return []


def _tag_problems(tags: Sequence[TagDifference], margin: Margin) -> list[str]:
    return [
        f"tag {one.tag!r} lost {-one.average_precision.value:.3f} average precision "
        f"({one.average_precision.low:+.3f} to {one.average_precision.high:+.3f})"
        for one in tags
        if one.n_yes >= MIN_TAG_YES and one.average_precision.high < -margin.tag
    ]


def _told(comparison: Comparison) -> str:
    ap, f1 = comparison.mean_average_precision, comparison.macro_f1
    if ap.value != ap.value:
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
