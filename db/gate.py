"""The gate: a challenger goes live only when it is shown not to be worse than the champion.

Both are asked about the same people's labels that neither has learned (see `db.snapshot`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from db.errors import StoreError

MIN_JOBS = 30
"""With fewer jobs on the evaluation side, reposts counted once, nothing is shown."""


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
    def average_precision(self) -> Difference: ...


class Comparison(Protocol):
    """Two models on the same jobs: a dataclass, so that it can be stored as JSON."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def n_jobs(self) -> int: ...
    @property
    def mean_average_precision(self) -> Difference: ...
    @property
    def macro_f1(self) -> Difference: ...
    @property
    def tags(self) -> Sequence[TagDifference]:
        """Tags that either has learned and that have a yes and a no."""

    @property
    def dropped_tags(self) -> Sequence[str]:
        """Tags that only the champion has learned."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse a challenger may be."""

    overall: float = 0.02
    """Of mean average precision and of macro F1: the whole interval must lie above minus this."""
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


def judge(
    comparison: Comparison | None, margin: Margin, *, champion_has_labels: bool = True
) -> Judgement:
    """Whether the challenger goes live; `comparison` is None where there is no champion.

    Overall it must be *shown* not to be worse: the lower bound of the paired interval lies above
    minus the margin. A tag has too few examples to show that; there it must not be shown that
    it is worse: the upper bound does not lie below minus the tag's margin.

    A champion that has learned no label was never judged itself. It keeps out a challenger only
    if that can be judged, too: with enough labelled jobs, or by an interval that lies below minus
    the margin as a whole.

    References
    ----------
    Piaggio et al., Reporting of Noninferiority and Equivalence Randomized Trials, JAMA 2012.

    Examples
    --------
    >>> judge(None, Margin())
    Judgement(promote=True, reason='there is no champion yet')
    """
    if comparison is None:
        return Judgement(True, "there is no champion yet")
    if comparison.n_jobs < MIN_JOBS:
        few = f"only {comparison.n_jobs} labelled jobs (reposts counted once) to judge by"
        found = comparison.mean_average_precision
        if champion_has_labels or found.high < -margin.overall:
            return Judgement(False, f"{few}; it takes {MIN_JOBS}: label more")
        return Judgement(True, f"the champion has learned no labels, and there are {few}")
    problems = [*_overall_problems(comparison, margin), *_tag_problems(comparison.tags, margin)]
    if comparison.dropped_tags:
        problems.append(f"it has not learned {', '.join(comparison.dropped_tags)}")
    if problems:
        return Judgement(False, "; ".join(problems))
    found = comparison.mean_average_precision
    return Judgement(
        True,
        f"not worse than the champion: mean average precision {found.value:+.3f} "
        f"({found.low:+.3f} to {found.high:+.3f}), allowed -{margin.overall:g}",
    )


def _overall_problems(comparison: Comparison, margin: Margin) -> list[str]:
    return [
        f"{name} {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) is not shown to be "
        f"within {margin.overall:g} of the champion's"
        for name, found in (
            ("mean average precision", comparison.mean_average_precision),
            ("macro F1", comparison.macro_f1),
        )
        if not found.low >= -margin.overall  # nan is not shown either
    ]


def _tag_problems(tags: Sequence[TagDifference], margin: Margin) -> list[str]:
    return [
        f"tag {one.tag!r} lost {-one.average_precision.value:.3f} "
        f"({one.average_precision.low:+.3f} to {one.average_precision.high:+.3f})"
        for one in tags
        if one.average_precision.high < -margin.tag
    ]


def to_details(comparison: Comparison | None) -> dict[str, Any]:
    """As plain values for `Verdict.details`; nan becomes None."""
    return {} if comparison is None else dict(_plain(asdict(comparison)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value
