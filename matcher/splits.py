"""Holding events out: what a model may learn from, and what it is then asked.

By time where events have times, else one job of each candidate at random (leave-one-out). Whatever
a candidate did with a held-out job, or with a repost of it, is held out with it.

By time there are two protocols. *Live*: a question may be answered with everything that happened
before it, whoever did it, as on a job board that keeps its events. *Frozen*: with what was known
when the training ended, as lists that were made then. The model is the same; it is asked with
`Split.known` or with `Split.frozen`.
"""

from dataclasses import dataclass, replace

import numpy as np

from matcher.data import NUMBER, BoolArray, FloatArray, IntArray, MatchData, Profiles
from tagger.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What is learned from, and the questions. Q questions, one for each of Q candidates."""

    train: MatchData
    """Only the events that may be learned from; by time as in `as_of`."""
    known: MatchData
    """What questions are answered with: by time all events before the last question, so it must be
    asked with `times`; of each question, what happened then or later does not count. Else the
    events of `train`. All jobs and candidates with all that is known of them."""
    candidates: IntArray
    """Shape (Q,)."""
    jobs: IntArray
    """Shape (Q,): the job that this candidate did the target action with."""
    times: FloatArray
    """Shape (Q,): when the two first met; nan without times."""
    live: BoolArray
    """Shape (J,): the jobs to choose from: all that were known at the last question."""
    is_new_job: BoolArray
    """Shape (Q,): whether the job, and those it repeats, have no event to learn from."""
    is_new_candidate: BoolArray
    """Shape (Q,): whether nothing is known of what the candidate did."""
    end: float = np.inf
    """By time: when the held-out time ends, in seconds since 1970; inf: with the events."""
    notes: tuple[str, ...] = ()
    """Sentences on what else was held out."""

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def by_time(self) -> bool:
        """Whether questions have times: then there are two protocols."""
        return bool(np.isfinite(self.times).all())

    @property
    def frozen(self) -> MatchData:
        """What was known when the training ended: `known` without the events since."""
        return self.known.with_events(self.train.events)


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
        candidate is asked about the last job of theirs that they first met in that time, at the
        moment when they met it (a view just before an apply would give it away); all events
        before it are known, those of others too.
    min_events
        Leave-one-out: candidates with fewer jobs are not asked about.
    cold_share
        Share of the jobs with target events that are held out whole, so that they are new; in
        [0, 1). Their candidates are asked about them alone, by time where there are times.
    max_questions
        Ask only about so many candidates, drawn at random.

    Raises
    ------
    DataError
        If nothing is left to learn from or to ask.
    """
    if not 0 <= cold_share < 1:
        raise DataError(f"cold_share must be in [0, 1), got {cold_share}")
    if max_questions is not None and max_questions < 1:
        raise DataError(f"max_questions must be at least 1, got {max_questions}")
    rng = np.random.default_rng(seed)
    is_cold = _cold_events(data, cold_share, rng)
    if data.has_times:
        window = _bounds(data, test_share, 1)[0]
        found = _by_time(data, *window, max_questions, rng, is_cold)
    else:
        rows, is_train = (
            _one_each(data, min_events, rng) if is_cold is None else _cold(data, is_cold, rng)
        )
        found = _asked(data, _some(rows, max_questions, rng), is_train, is_train)
    if is_cold is None:
        return found
    wanted = data.groups[data.events.jobs[_target_rows(data)]]
    cold = data.groups[data.events.jobs[is_cold]]
    note = (
        f"{len(np.unique(cold)):,} of the {len(np.unique(wanted)):,} jobs with {data.target} "
        "events were held out whole, as if new: every question is about one of them"
    )
    return replace(found, notes=(note,))


def rolling(
    data: MatchData, n_windows: int, *, test_share: float = 0.5, seed: int = 0
) -> list[Split]:
    """The latest target events in windows of equal size, each asked after all that came before it.

    As a program is used that learns again every week.
    """
    if not data.has_times:
        raise DataError("windows of time need events that all have a time")
    if n_windows < 1:
        raise DataError(f"n_windows must be at least 1, got {n_windows}")
    rng = np.random.default_rng(seed)
    bounds = _bounds(data, test_share, n_windows)
    return [_by_time(data, start, end, None, rng, None) for start, end in bounds]


def _bounds(data: MatchData, share: float, n_windows: int) -> list[tuple[float, float]]:
    """Start and end of each window."""
    if not 0 < share < 1:
        raise DataError(f"test_share must be in (0, 1), got {share}")
    times = data.events.times[_target_rows(data)]
    edges = np.quantile(times, np.linspace(1 - share, 1, n_windows + 1)).tolist()
    return list(zip(edges[:-1], [*edges[1:-1], np.inf], strict=True))


def _by_time(
    data: MatchData,
    start: float,
    end: float,
    max_questions: int | None,
    rng: np.random.Generator,
    is_cold: BoolArray | None,
) -> Split:
    """The last pair of each candidate that met in a window, if that led to the target in it."""
    events, met, rows = data.events, data.met_at, _target_rows(data)
    is_open = np.ones(len(events), bool) if is_cold is None else ~is_cold
    rows = rows[(met[rows] >= start) & (events.times[rows] < end)]
    rows = rows if is_cold is None else rows[is_cold[rows]]
    rows = rows[np.argsort(-met[rows], kind="stable")]
    asked = _some(np.sort(rows[first_of(events.candidates[rows])]), max_questions, rng)
    is_known = events.times < met[asked].max(initial=start)
    found = _asked(data, asked, (events.times < start) & is_open, is_known & is_open)
    return replace(found, train=_without_later(data, found.train, start), end=end)


def as_of(data: MatchData, time: float) -> MatchData:
    """What was known just before a moment, in seconds since 1970; nothing can be learned from more.

    Events before it; of jobs posted since (or else met first since) the ids and when that was, of
    candidates who did nothing before the ids alone. Where nothing tells since when one is there, it
    always was.
    """
    return _without_later(data, data.with_events(data.events.before(time)), time)


def _without_later(data: MatchData, past: MatchData, time: float) -> MatchData:
    first = np.full(len(data.candidates), np.inf)
    np.minimum.at(first, data.events.candidates, np.nan_to_num(data.events.times, nan=-np.inf))
    first[first == np.inf] = -np.inf
    since = known_from(data)
    return replace(
        past,
        candidates=_bare(data.candidates, first >= time),
        jobs=_bare(data.jobs, since >= time, since),
    )


def _bare(profiles: Profiles, which: BoolArray, since: FloatArray | None = None) -> Profiles:
    """Some without code and fields; of them, the moment that they are there since."""
    if not which.any():
        return profiles
    codes = None if profiles.codes is None else np.where(which[:, None], 0, profiles.codes)
    hidden = which.tolist()
    fields = {
        name: [None if hides else value for hides, value in zip(hidden, values, strict=True)]
        for name, values in profiles.fields.items()
    }
    known = profiles.known_from
    if since is not None:
        known = np.where(which, since, np.nan if known is None else known)
    return replace(profiles, codes=codes, fields=fields, known_from=known)


def _asked(data: MatchData, rows: IntArray, is_train: BoolArray, is_known: BoolArray) -> Split:
    """The questions that some events pose."""
    events, group = data.events, data.groups
    n_target = int((is_train & (events.actions == NUMBER[data.target])).sum())
    if not len(rows) or not n_target:
        raise DataError(
            f"{len(events):,} events give {len(rows)} questions and {int(is_train.sum())} events "
            f"to learn from, {n_target} of them {data.target}: there are too few to hold some out"
        )
    train = data.with_events(events.take(is_train))
    known = train if is_known is is_train else data.with_events(events.take(is_known))
    times = data.met_at[rows]
    is_seen = np.isin(group, group[train.events.jobs])
    first = np.full(len(data.candidates), np.inf)  # nan, without times: whatever is known counts
    np.minimum.at(first, known.events.candidates, np.nan_to_num(known.events.times, nan=-np.inf))
    is_met = first[events.candidates[rows]] < np.nan_to_num(times, nan=np.inf)
    return Split(
        train,
        known,
        events.candidates[rows],
        events.jobs[rows],
        times,
        known_from(data) <= np.nan_to_num(times.max(), nan=np.inf),
        ~is_seen[events.jobs[rows]],
        ~is_met,
    )


def known_from(data: MatchData) -> FloatArray:
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


def first_of(keys: IntArray) -> IntArray:
    """Where each key comes for the first time, in order."""
    return np.sort(np.unique(keys, return_index=True)[1])


def _target_rows(data: MatchData) -> IntArray:
    """The first target event of each pair."""
    rows = np.flatnonzero(data.events.actions == NUMBER[data.target])
    return rows[first_of(data.event_keys[rows])]


_Held = tuple[IntArray, BoolArray]
"""Rows of the events asked about; which events may be learned from."""


def _one_each(data: MatchData, min_events: int, rng: np.random.Generator) -> _Held:
    """One target event, drawn at random, of each candidate who has enough."""
    rows, keys = _target_rows(data), data.event_keys
    people = data.events.candidates[rows]
    enough = np.bincount(people, minlength=len(data.candidates)) >= max(min_events, 2)
    rows = rng.permutation(rows[enough[people]])
    asked = np.sort(rows[first_of(data.events.candidates[rows])])
    return asked, ~np.isin(keys, keys[asked])


def _cold_events(data: MatchData, share: float, rng: np.random.Generator) -> BoolArray | None:
    """Which events are of jobs that are held out whole; shape (E,). None: no job is."""
    if not share:
        return None
    group = data.groups[data.events.jobs]
    groups = np.unique(group[_target_rows(data)])
    held = rng.choice(groups, max(int(share * len(groups)), 1), replace=False)
    return np.isin(group, held)


def _cold(data: MatchData, is_cold: BoolArray, rng: np.random.Generator) -> _Held:
    """One target event, of each candidate who has one, with a job that is held out whole."""
    rows = _target_rows(data)
    rows = rng.permutation(rows[is_cold[rows]])
    asked = np.sort(rows[first_of(data.events.candidates[rows])])
    return asked, ~is_cold
