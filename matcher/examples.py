"""Labelled pairs from events: who was shown a job, and whether the action asked about followed.

Letters for axes: E events, P pairs, J jobs.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from matcher.base import Pairs
from matcher.data import NUMBER, Action, BoolArray, IntArray, MatchData
from matcher.splits import known_from
from tagger.errors import DataError

N_DRAWS = 8
"""How often a drawn job is drawn again because the candidate has met it."""


class Stage(StrEnum):
    """What is asked of a pair, and of which pairs. After 58's CTR, CVR and FBR."""

    TARGET = "target"
    """Any pair with an event: did the target action of the data follow?"""
    CLICK = "click"
    """Any pair with an event: did a view, or more, follow? (click-through rate)"""
    APPLY = "apply"
    """Pairs with a view: did an apply follow? (conversion rate)"""
    REPLY = "reply"
    """Pairs with an apply: did the employer reply? (feedback rate)"""


SHOWN = {Stage.APPLY: Action.VIEW, Stage.REPLY: Action.APPLY}
YES = {Stage.CLICK: Action.VIEW, Stage.APPLY: Action.APPLY, Stage.REPLY: Action.REPLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleConfig:
    """Which pairs become examples."""

    stage: Stage = Stage.TARGET
    """What is asked."""
    n_drawn: int | None = None
    """Jobs drawn as no for each yes, from those known then that the candidate never met. None: 4
    where the events hold no no (applies only), else none."""
    popularity_power: float = 0.0
    """A job is drawn in proportion to (1 + its candidates) to this power; 0: all alike."""
    max_per_candidate: int = 1000
    """The latest so many pairs of a candidate, so that no robot teaches alone."""
    max_pairs: int = 1_000_000
    """The latest so many pairs, before any is drawn."""

    def __post_init__(self) -> None:
        if self.stage not in tuple(Stage):
            raise DataError(f"stage must be one of {', '.join(Stage)}, got {self.stage!r:.40}")
        if self.n_drawn is not None and self.n_drawn < 0:
            raise DataError(f"n_drawn must be at least 0, got {self.n_drawn}")
        if not 0 <= self.popularity_power <= 2:
            raise DataError(f"popularity_power must be in [0, 2], got {self.popularity_power}")
        if min(self.max_per_candidate, self.max_pairs) < 1:
            raise DataError("max_per_candidate and max_pairs must be at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Pairs with an answer, in order of time; those without a time first, shuffled."""

    pairs: Pairs
    """Each asked about when it was first shown: what happened before may be used, all else not."""
    is_yes: BoolArray
    """Shape (P,)."""
    beside: IntArray
    """Shape (P,): the pair's own job, or, for a drawn pair, that of the yes it stands beside.
    Without times the two are to be asked about with the same events hidden: else a yes could be
    told from a no by the count of what is left."""

    def __len__(self) -> int:
        return len(self.is_yes)

    def take(self, which: BoolArray | IntArray | slice) -> "Examples":
        """Some of them, in the order given."""
        return Examples(self.pairs.take(which), self.is_yes[which], self.beside[which])


def levels(data: MatchData, stage: Stage) -> tuple[int, int]:
    """Numbers of the least action that counts as shown, and as yes."""
    yes = YES.get(stage) or data.target
    return NUMBER[SHOWN.get(stage, Action.DISMISS)], NUMBER[yes]


def make_examples(
    data: MatchData, config: ExampleConfig | None = None, *, seed: int = 0
) -> Examples:
    """One example for each pair that was shown, and those drawn.

    Parameters
    ----------
    data
        A candidate and a job with several events, or with events of its reposts, are one pair.

    Raises
    ------
    DataError
        If all answers are the same.
    """
    config = config or ExampleConfig()
    found = shown_pairs(data, config)
    n_drawn = config.n_drawn
    if n_drawn is None:
        n_drawn = 4 if found.is_yes.all() else 0
    rng = np.random.default_rng(seed)
    if n_drawn:
        found = _joined(found, _drawn(data, found, n_drawn, config.popularity_power, rng))
    found = _in_order(found, rng)
    n_yes = int(found.is_yes.sum())
    if n_yes in (0, len(found)):
        raise DataError(
            f"all {len(found):,} examples say {'yes' if n_yes else 'no'}: learning needs pairs "
            f"with and without the action asked about ({config.stage})"
        )
    return found


def shown_pairs(data: MatchData, config: ExampleConfig) -> Examples:
    """The first time that each pair was shown, and what followed."""
    shown, yes = levels(data, config.stage)
    events = data.events.take(data.events.actions >= shown)
    if not len(events):
        raise DataError(f"no pair of a candidate and a job can be asked about ({config.stage})")
    keys = data.pair_keys(events.candidates, events.jobs)
    _, first, pair = np.unique(keys, return_index=True, return_inverse=True)
    is_yes = np.zeros(len(first), bool)
    is_yes[pair[events.actions >= yes]] = True
    order = np.argsort(first)  # events come in order of time
    order = order[_latest(events.candidates[first[order]], config.max_per_candidate)]
    order = order[-config.max_pairs :]
    rows = first[order]
    jobs = events.jobs[rows]
    return Examples(Pairs(events.candidates[rows], jobs, events.times[rows]), is_yes[order], jobs)


def _latest(candidates: IntArray, n: int) -> BoolArray:
    """Which are among the last `n` of their candidate."""
    order = np.argsort(candidates[::-1], kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(candidates[::-1][order]) != 0])
    from_end = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    chosen = np.empty(len(order), bool)
    chosen[order] = from_end < n
    return chosen[::-1]


def _drawn(
    data: MatchData, found: Examples, n: int, power: float, rng: np.random.Generator
) -> Examples:
    """`n` jobs for each yes that were known then and that the candidate never met."""
    beside = found.take(np.repeat(np.flatnonzero(found.is_yes), n))
    people, times = beside.pairs.candidates, beside.pairs.times
    posted = known_from(data)
    order = np.argsort(posted, kind="stable")
    counts = np.asarray(data.matrix().sum(axis=0)).ravel()
    weights = np.cumsum((1 + counts[order]) ** power)
    n_known = np.searchsorted(posted[order], np.nan_to_num(times, nan=np.inf), side="right")
    total = weights[np.maximum(n_known, 1) - 1]
    met = np.unique(data.event_keys)
    jobs = np.full(len(people), -1)
    open_ = np.flatnonzero(n_known > 0)
    for _ in range(N_DRAWS):
        place = np.searchsorted(weights, rng.random(len(open_)) * total[open_], side="right")
        jobs[open_] = order[np.minimum(place, n_known[open_] - 1)]
        open_ = open_[np.isin(data.pair_keys(people[open_], jobs[open_]), met)]
    jobs[open_] = -1
    kept = np.flatnonzero(jobs >= 0)
    pairs = Pairs(people[kept], jobs[kept], times[kept])
    return Examples(pairs, np.zeros(len(kept), bool), beside.pairs.jobs[kept])


def _joined(one: Examples, other: Examples) -> Examples:
    a, b = one.pairs, other.pairs
    pairs = Pairs(np.r_[a.candidates, b.candidates], np.r_[a.jobs, b.jobs], np.r_[a.times, b.times])
    return Examples(pairs, np.r_[one.is_yes, other.is_yes], np.r_[one.beside, other.beside])


def _in_order(found: Examples, rng: np.random.Generator) -> Examples:
    times = np.nan_to_num(found.pairs.times, nan=-np.inf)
    return found.take(np.lexsort((rng.random(len(found)), times)))
