"""The figures that are compared between two samples of postings, and which of them have changed.

Letters for axes: N postings.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from db.drift_samples import Sample
from db.permutation import axes_of, compare, spread_of

MAX_SOURCES = 40
"""Sources that are told apart: the most frequent ones."""
OTHER_SOURCES = "(other sources)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was compared."""

    kind: str
    """source, tag, score, words, codes or spread."""
    name: str
    """Of the source or the tag; else empty."""
    before: float
    """In the reference: a share in [0, 1], a mean score (logit), or a mean distance."""
    after: float
    """In the week. For codes: distance of its mean code from the reference's, in deviations."""
    p_value: float
    """Adjusted for the number of figures, in (0, 1]."""
    is_alarm: bool

    @property
    def key(self) -> str:
        """The same for the same change in another week."""
        return f"{self.kind}:{self.name}:{'up' if self.after > self.before else 'down'}"


def compare_samples(
    reference: Sample,
    week: Sample,
    tags: Sequence[str],
    *,
    level: float,
    rng: np.random.Generator,
) -> tuple[Figure, ...]:
    """All figures of a week; each that is an alarm has changed.

    Parameters
    ----------
    level
        Chance that one or more are alarms though nothing has changed.
    """
    by_source = _SourceFlags.of(reference, week)
    given = np.vstack([reference.given, week.given])
    scores = np.vstack([reference.scores, week.scores])
    codes = np.zeros((len(given), 0), np.float32)
    if reference.codes.shape[1] == week.codes.shape[1]:
        codes = np.vstack([reference.codes, week.codes])
    axes = axes_of(codes)
    words = np.concatenate([reference.known_words, week.known_words])[:, None]
    measures = [scores, words]
    names = [("source", name) for name in by_source.names]
    names += [(kind, tag) for kind in ("tag", "score") for tag in tags] + [("words", "")]
    if axes.shape[1]:
        names += [("spread", ""), ("codes", "")]
    flags = np.hstack([by_source.flags, given])
    n = len(reference.ids)
    numbers = np.hstack([flags, *measures, spread_of(axes)])
    found = compare(flags, np.hstack(measures), codes, n, rng=rng)
    before, after = numbers[:n].mean(axis=0).tolist(), numbers[n:].mean(axis=0).tolist()
    if axes.shape[1]:
        apart = axes[n:].mean(axis=0) - axes[:n].mean(axis=0)
        before, after = [*before, 0.0], [*after, float(np.sqrt((apart**2).mean()))]
    return tuple(
        Figure(kind=kind, name=name, before=b, after=a, p_value=float(p), is_alarm=bool(p <= level))
        for (kind, name), b, a, p in zip(names, before, after, found.p_values, strict=True)
    )


class _SourceFlags(NamedTuple):
    """Which postings come from which source."""

    names: tuple[str, ...]
    flags: npt.NDArray[np.bool_]
    """Shape (N, number of names); the most frequent sources, the rest as one."""

    @classmethod
    def of(cls, reference: Sample, week: Sample) -> Self:
        sources = [*reference.sources, *week.sources]
        frequent = [name for name, _ in Counter(sources).most_common(MAX_SOURCES)]
        column = {name: at for at, name in enumerate(frequent)}
        places = np.array([column.get(name, len(frequent)) for name in sources], np.int64)
        names = (*frequent, OTHER_SOURCES)
        flags = places[:, None] == np.arange(len(names))
        there = flags.any(axis=0)
        kept = tuple(name for name, is_there in zip(names, there, strict=True) if is_there)
        if len(kept) == 1:  # a single source has no share that could change
            return cls((), flags[:, :0])
        return cls(kept, flags[:, there])
