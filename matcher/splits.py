"""Holding events out: what a model may learn from, and what it is then asked.

By time where events have times, else one job of each candidate at random (leave-one-out). Whatever
a candidate did with a held-out job, or with a repost of it, is held out with it.
"""

from dataclasses import dataclass

import numpy as np

from matcher.data import NUMBER, BoolArray, FloatArray, IntArray, MatchData
from tagger.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What is learned from, and the questions. Q questions, one for each of Q candidates."""

    train: MatchData
    """All jobs and candidates, but only the events that may be learned from."""
    known: MatchData
    """The same, and what each asked candidate did between `train` and the question."""
    candidates: IntArray
    """Shape (Q,)."""
    jobs: IntArray
    """Shape (Q,): the job that this candidate did the target action with."""
    times: FloatArray
    """Shape (Q,): when; nan without times."""
    live: BoolArray
    """Shape (J,): the jobs to choose from: all that were known before the last question."""
    is_new_job: BoolArray
    """Shape (Q,): whether the job, and those it repeats, have no event to learn from."""
    is_new_candidate: BoolArray
    """Shape (Q,): whether nothing is known of what the candidate did."""

    def __len__(self) -> int:
        return len(self.jobs)


def split(
    data: MatchData,
    *,
    test_share: float = 0.2,
    min_events: int = 3,
    cold_share: float = 0.0,
    max_questions: int | None = None,
    seed: int = 0,
) -> Split:
    """By time if every event has one, else leave-one-out.

    Parameters
    ----------
    test_share
        Share of the target events, the latest ones, that are held out by time; in (0, 1). Each
        candidate is asked about the last of theirs; their events before it are known.
    min_events
        Leave-one-out: candidates with fewer jobs are not asked about.
    cold_share
        Share of the jobs whose every event is held out, so that they are new; in [0, 1). Their
        candidates are then asked about them alone.
    max_questions
        Ask only about so many candidates, drawn at random.

    Raises
    ------
    DataError
        If nothing is left to learn from or to ask.
    """
    for name, share in (("test_share", test_share), ("cold_share", cold_share)):
        if not 0 <= share < 1:
            raise DataError(f"{name} must be in [0, 1), got {share}")
    rng = np.random.default_rng(seed)
    if cold_share:
        rows, is_train = _cold(data, cold_share, rng)
    elif data.has_times:
        return _by_time(data, *_bounds(data, test_share, 1)[0], max_questions, rng)
    else:
        rows, is_train = _one_each(data, min_events, rng)
    rows = _some(rows, max_questions, rng)
    return _asked(data, rows, is_train, is_train, np.inf)


def rolling(
    data: MatchData, n_windows: int, *, test_share: float = 0.5, seed: int = 0
) -> list[Split]:
    """The latest target events in windows of equal size, each asked after all that came before it.

    As a program is used that learns again every week.
    """
    if not data.has_times:
        raise DataError("windows of time need events that all have a time")
    rng = np.random.default_rng(seed)
    bounds = _bounds(data, test_share, n_windows)
    return [_by_time(data, start, end, None, rng) for start, end in bounds]


def _bounds(data: MatchData, share: float, n_windows: int) -> list[tuple[float, float]]:
    """Start and end of each window."""
    times = data.events.times[_target_rows(data)]
    if not len(times):
        return [(np.inf, np.inf)]
    edges = np.quantile(times, np.linspace(1 - share, 1, n_windows + 1)).tolist()
    return list(zip(edges[:-1], [*edges[1:-1], np.inf], strict=True))


def _by_time(
    data: MatchData,
    start: float,
    end: float,
    max_questions: int | None,
    rng: np.random.Generator,
) -> Split:
    """The last target event of each candidate in a window, unless the pair was met before."""
    events, keys, rows = data.events, _pair_keys(data), _target_rows(data)
    is_train = events.times < start
    asked = rows[(events.times[rows] >= start) & (events.times[rows] < end)]
    asked = asked[_is_first(data, keys)[asked]]
    asked = asked[::-1][_first_of(events.candidates[asked][::-1])]
    asked = _some(np.sort(asked), max_questions, rng)
    moment = np.full(len(data.candidates), start)
    moment[events.candidates[asked]] = events.times[asked]
    is_known = events.times < moment[events.candidates]
    return _asked(data, asked, is_train, is_known, end)


def _asked(
    data: MatchData, rows: IntArray, is_train: BoolArray, is_known: BoolArray, end: float
) -> Split:
    """The questions that some events pose."""
    if not len(rows) or not is_train.any():
        raise DataError(
            f"{len(data.events):,} events give {len(rows)} questions and {int(is_train.sum())} "
            "events to learn from: there are too few to hold some out"
        )
    events, group = data.events, _groups(data)
    train, known = (data.with_events(events.take(part)) for part in (is_train, is_known))
    is_seen = np.isin(group, group[train.events.jobs])
    is_met = np.isin(np.arange(len(data.candidates)), known.events.candidates)
    return Split(
        train,
        known,
        events.candidates[rows],
        events.jobs[rows],
        events.times[rows],
        _known_from(data) < end,
        ~is_seen[events.jobs[rows]],
        ~is_met[events.candidates[rows]],
    )


def _known_from(data: MatchData) -> FloatArray:
    """When each job was posted, or else met first; long ago where nothing tells. Shape (J,)."""
    first = np.full(len(data.jobs), np.inf)
    np.minimum.at(first, data.events.jobs, np.nan_to_num(data.events.times, nan=-np.inf))
    posted = data.jobs.known_from
    if posted is not None:
        first = np.fmin(posted, first)
    return np.where(first == np.inf, -np.inf, first)


def _some(rows: IntArray, n: int | None, rng: np.random.Generator) -> IntArray:
    if n is None or len(rows) <= n:
        return rows
    return np.sort(rng.choice(rows, n, replace=False))


def _groups(data: MatchData) -> IntArray:
    groups = data.jobs.groups
    return np.arange(len(data.jobs)) if groups is None else groups


def _pair_keys(data: MatchData) -> IntArray:
    """Equal for events of one candidate with one job or its reposts; shape (E,)."""
    _, group = np.unique(_groups(data), return_inverse=True)
    pairs: IntArray = data.events.candidates.astype(np.int64) * (group.max() + 1)
    return pairs + group[data.events.jobs]


def _first_of(keys: IntArray) -> IntArray:
    """Where each key comes for the first time, in order."""
    return np.sort(np.unique(keys, return_index=True)[1])


def _is_first(data: MatchData, keys: IntArray) -> BoolArray:
    """Which events are the first of their pair; shape (E,). Equal times: none is before another."""
    order = np.lexsort((data.events.times, keys))
    starts = np.r_[True, np.diff(keys[order]) != 0]
    earliest = data.events.times[order][starts][np.cumsum(starts) - 1]
    is_first = np.empty(len(keys), bool)
    is_first[order] = data.events.times[order] == earliest
    return is_first


def _target_rows(data: MatchData) -> IntArray:
    """The first target event of each pair."""
    rows = np.flatnonzero(data.events.actions == NUMBER[data.target])
    return rows[_first_of(_pair_keys(data)[rows])]


_Held = tuple[IntArray, BoolArray]
"""Rows of the events asked about; which events may be learned from."""


def _one_each(data: MatchData, min_events: int, rng: np.random.Generator) -> _Held:
    """One target event, drawn at random, of each candidate who has enough."""
    rows, keys = _target_rows(data), _pair_keys(data)
    people = data.events.candidates[rows]
    enough = np.bincount(people, minlength=len(data.candidates)) >= max(min_events, 2)
    rows = rng.permutation(rows[enough[people]])
    asked = np.sort(rows[_first_of(data.events.candidates[rows])])
    return asked, ~np.isin(keys, keys[asked])


def _cold(data: MatchData, share: float, rng: np.random.Generator) -> _Held:
    """One target event, of each candidate who has one, with a job that is held out whole."""
    group, rows = _groups(data), _target_rows(data)
    groups = np.unique(group[data.events.jobs[rows]])
    held = rng.choice(groups, max(int(share * len(groups)), 1), replace=False)
    is_held = np.isin(group[data.events.jobs], held)
    rows = rng.permutation(rows[is_held[rows]])
    asked = np.sort(rows[_first_of(data.events.candidates[rows])])
    return asked, ~is_held
