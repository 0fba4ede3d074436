"""Candidates, jobs and events as arrays: what every model of `matcher` is fitted on and asked with.

Candidates and jobs are known by their row numbers here; `ids` says whose row it is. Letters for
axes: C candidates, J jobs, E events, D numbers of a code.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.errors import DataError

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

DAY = 86_400.0
"""Seconds."""
MAX_EVENTS = 20_000
"""A candidate with more events is a program: it says nothing of people, and what it met together
would be nearly every pair of jobs."""
FEW_TIMELESS = 0.05
"""A smaller share of events without a time is left out, for the sake of the order of the others."""


class Action(StrEnum):
    """What a candidate did with a job or, a reply, the employer did; in order of interest."""

    DISMISS = "dismiss"
    IMPRESSION = "impression"
    VIEW = "view"
    VISIT = "visit"
    """A look at the employer's page."""
    SAVE = "save"
    APPLY = "apply"
    REPLY = "reply"


ACTIONS = tuple(Action)
"""Place in this tuple = number in `Events.actions`."""
NUMBER = {action: number for number, action in enumerate(ACTIONS)}
TARGETS = (Action.APPLY, Action.REPLY, Action.SAVE, Action.VIEW)
"""What is predicted: the first of these that occurs in the events."""


def rows_of(ids: Iterable[str], known: Iterable[str]) -> IntArray:
    """Where each id stands among the known ones, -1 for an unknown one; shape (len(ids),)."""
    row = {id: number for number, id in enumerate(known)}
    return np.array([row.get(id, -1) for id in ids], np.intp)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profiles:
    """What is known of jobs, or of candidates, besides events. N rows."""

    ids: tuple[str, ...]
    codes: npt.NDArray[np.float32] | None = None
    """Shape (N, D): the tagger's codes; zeros for a row without text, None where there are none."""
    fields: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Name -> N values as they came: numbers, strings, lists of strings, None for unknown.
    A string with semicolons is a list."""
    known_from: FloatArray | None = None
    """Shape (N,): seconds since 1970, when a job was posted; nan for unknown."""
    groups: IntArray | None = None
    """Shape (N,): equal for reposts of one job; None: none repeats another."""

    def __post_init__(self) -> None:
        n = len(self.ids)
        if len(set(self.ids)) != n:
            twice = next(id for id, count in Counter(self.ids).items() if count > 1)
            raise DataError(f"ids must differ, but {twice!r:.60} came twice: leave one out")
        if self.codes is not None and (self.codes.ndim != 2 or len(self.codes) != n):
            raise DataError(f"codes must have shape ({n}, n_numbers), got {self.codes.shape}")
        if self.codes is not None and not np.isfinite(self.codes).all():
            raise DataError("codes hold nan or infinity: make them again from the texts")
        columns = {f"field {name!r}": values for name, values in self.fields.items()}
        for name, values in {
            **columns,
            "known_from": self.known_from,
            "groups": self.groups,
        }.items():
            if values is not None and len(values) != n:
                raise DataError(f"{name} has {len(values)} values for {n} rows")

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, ids: Sequence[str]) -> IntArray:
        """Row of each id, -1 for an unknown one; shape (len(ids),)."""
        return rows_of(ids, self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Who did what with which job, and when. Columns of shape (E,), in order of time."""

    candidates: IntArray
    """Row of the candidate."""
    jobs: IntArray
    """Row of the job."""
    actions: IntArray
    """Place in `ACTIONS`."""
    times: FloatArray
    """Seconds since 1970; nan for unknown."""

    def __len__(self) -> int:
        return len(self.jobs)

    def take(self, which: BoolArray | IntArray | slice) -> "Events":
        """Some of them, in the order given."""
        return Events(
            self.candidates[which], self.jobs[which], self.actions[which], self.times[which]
        )

    def of(self, *actions: Action) -> "Events":
        """Those with one of the actions."""
        return self.take(np.isin(self.actions, [NUMBER[action] for action in actions]))

    def before(self, time: float) -> "Events":
        """Those strictly before a time; those without a time are left out."""
        return self.take(self.times < time)

    def in_order(self) -> "Events":
        """By time; those without one first; otherwise as they came."""
        keys = np.nan_to_num(self.times, nan=-np.inf)
        return self.take(np.argsort(keys, kind="stable"))

    def matrix(self, n_candidates: int, n_jobs: int) -> sparse.csr_array:
        """Shape (C, J), float32: 1 where a candidate did anything with a job."""
        ones = np.ones(len(self), np.float32)
        found = sparse.csr_array((ones, (self.candidates, self.jobs)), shape=(n_candidates, n_jobs))
        found.sum_duplicates()
        found.data[:] = 1
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchData:
    """All that is known at one moment."""

    candidates: Profiles
    jobs: Profiles
    events: Events
    """In order of time."""
    notes: tuple[str, ...] = ()
    """What was left out or is not there, a sentence each."""

    def __post_init__(self) -> None:
        a, b = self.candidates.codes, self.jobs.codes
        if a is not None and b is not None and a.shape[1] != b.shape[1]:
            raise DataError(
                f"candidates have codes of {a.shape[1]} numbers and jobs of {b.shape[1]}: "
                "make both with the same model"
            )

    @cached_property
    def has_times(self) -> bool:
        """Whether every event has a time (and there is one)."""
        return bool(len(self.events)) and bool(np.isfinite(self.events.times).all())

    @cached_property
    def target(self) -> Action:
        """The action that is predicted; DataError if no event is one that can be."""
        present = set(np.unique(self.events.actions).tolist())
        for action in TARGETS:
            if NUMBER[action] in present:
                return action
        raise DataError(
            f"no event can be predicted: there must be one of {', '.join(TARGETS)}, got "
            f"{', '.join(ACTIONS[number] for number in sorted(present)) or 'no events'}"
        )

    @cached_property
    def groups(self) -> IntArray:
        """Equal for reposts of one job, numbers from 0 on; shape (J,)."""
        groups = self.jobs.groups
        if groups is None:
            return np.arange(len(self.jobs))
        return np.unique(groups, return_inverse=True)[1]

    def pair_keys(self, candidates: IntArray, jobs: IntArray) -> IntArray:
        """A number for each pair, equal for one candidate with reposts of one job; shape (P,)."""
        keys: IntArray = candidates.astype(np.int64) * len(self.jobs) + self.groups[jobs]
        return keys

    @cached_property
    def event_keys(self) -> IntArray:
        """Those of the events, shape (E,)."""
        return self.pair_keys(self.events.candidates, self.events.jobs)

    @cached_property
    def met_at(self) -> FloatArray:
        """Time of the first event of each event's pair; all nan if one has no time. Shape (E,)."""
        if not self.has_times:
            return np.full(len(self.events), np.nan)
        _, first, pair = np.unique(self.event_keys, return_index=True, return_inverse=True)
        return self.events.times[first][pair]

    def matrix(self, *actions: Action) -> sparse.csr_array:
        """Shape (C, J): 1 where a candidate did one of the actions; by default the target."""
        chosen = self.events.of(*(actions or (self.target,)))
        return chosen.matrix(len(self.candidates), len(self.jobs))

    def with_events(self, events: Events) -> "MatchData":
        """The same people and jobs, other events."""
        return replace(self, events=events)


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event with the ids of a file or a database."""

    candidate: str
    job: str
    action: str
    time: datetime | float | None = None
    """Seconds since 1970 if a number; a datetime without a zone is in UTC."""


def build(
    candidates: Profiles | None,
    jobs: Profiles,
    raw: Iterable[RawEvent],
    *,
    until: float | None,
    max_events: int = MAX_EVENTS,
) -> MatchData:
    """Events joined to the rows that they name; those that can't be used are counted in `notes`.

    Parameters
    ----------
    candidates
        None: those that the events name.
    until
        Seconds since 1970: later events are left out as errors of a clock; None: all are taken.
    max_events
        Candidates with more lose them all.

    Raises
    ------
    DataError
        If no event is left.
    """
    events = list(raw)
    if candidates is None:
        candidates = Profiles(ids=tuple(dict.fromkeys(event.candidate for event in events)))
    columns = to_events(candidates, jobs, events)
    return join(candidates, jobs, columns, until=until, max_events=max_events)


def to_events(candidates: Profiles, jobs: Profiles, raw: Sequence[RawEvent]) -> Events:
    """Events as columns; -1 for a candidate, a job or an action that is unknown."""
    return Events(
        candidates.rows_of([event.candidate for event in raw]),
        jobs.rows_of([event.job for event in raw]),
        np.array([NUMBER.get(event.action, -1) for event in raw], np.int8),  # type: ignore[call-overload]
        np.array([seconds(event.time) for event in raw], np.float64),
    )


def join(
    candidates: Profiles,
    jobs: Profiles,
    events: Events,
    *,
    until: float | None,
    max_events: int = MAX_EVENTS,
) -> MatchData:
    """The same from arrays, in which -1 stands for what is unknown."""
    person = events.candidates + 1  # 0: not there
    n_each = np.bincount(person, minlength=1)
    notes, usable = [], np.ones(len(events), bool)
    timeless = np.isnan(events.times)
    unusable = {
        "name a candidate that is not there": events.candidates < 0,
        "name a job that is not there": events.jobs < 0,
        "have an unknown action": events.actions < 0,
        "lie in the future": events.times > (np.inf if until is None else until),
        f"are of candidates with more than {max_events:,} each, as only programs have,": (
            n_each[person] > max_events
        ),
        "have no time, while nearly all others do,": timeless
        & (timeless.sum() < FEW_TIMELESS * len(events)),
    }
    for why, bad in unusable.items():
        count = int((bad & usable).sum())
        usable &= ~bad
        if count:
            notes.append(f"{count:,} of {len(events):,} events {why} and were left out")
    if not usable.any():
        raise DataError(f"no event can be used of {len(events)}: {'; '.join(notes) or 'none came'}")
    kept = events.take(usable).in_order()
    notes += _lacks(candidates, jobs, kept)
    return MatchData(candidates=candidates, jobs=jobs, events=kept, notes=tuple(notes))


def seconds(time: datetime | float | None) -> float:
    """Since 1970; nan for what is no moment."""
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return float(time) if time is not None and np.isfinite(time) else np.nan


def _is_broken(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lstrip("+-").lower() in ("nan", "inf", "infinity")
    return isinstance(value, float | np.floating) and not np.isfinite(value)


def _lacks(candidates: Profiles, jobs: Profiles, events: Events) -> list[str]:
    notes = []
    n_timeless = int(np.isnan(events.times).sum())
    if n_timeless:
        some = "no event has" if n_timeless == len(events) else f"{n_timeless:,} events lack"
        notes.append(f"{some} a time: nothing is known of their order")
    for name, side in (("candidates", candidates), ("jobs", jobs)):
        counts = {field: sum(map(_is_broken, values)) for field, values in side.fields.items()}
        broken = [field for field, count in counts.items() if count]
        if broken:
            notes.append(
                f"{sum(counts.values()):,} values of {name} are nan or infinite and count as "
                f"unknown: {', '.join(broken)}"
            )
        if side.codes is None:
            notes.append(f"{name} have no codes: nothing is learned from their text")
    return notes
