"""Why a job stands in a candidate's list: sentences that anyone can read, from what is known.

What the sentences say is true of the data, whatever the model; only `Parts` come from the model
itself, where it offers them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np

from matcher.base import Matcher
from matcher.data import ACTIONS, Action, Events, IntArray, MatchData
from matcher.fields import values_of

PAST = {
    Action.APPLY: "applied to",
    Action.REPLY: "got a reply about",
    Action.SAVE: "saved",
    Action.VISIT: "looked up the employer of",
    Action.VIEW: "viewed",
    Action.IMPRESSION: "were shown",
    Action.DISMISS: "dismissed",
}
LIKED = (Action.REPLY, Action.APPLY, Action.SAVE, Action.VISIT, Action.VIEW)
N_NEAREST = 3
MIN_COSINE = 0.2
"""Codes that are less alike have little in common."""
N_SAMPLED = 2000
"""Jobs by which is judged what is usual."""
N_PARTS, MIN_PART = 5, 0.005
"""So many parts of a score are told, if they are not about 0."""
MAX_SHOWN = 40
"""Characters of a value."""


@runtime_checkable
class Parts(Protocol):
    """A model that can say what its score is made of."""

    def explain(self, data: MatchData, candidate: int, job: int) -> Mapping[str, float]:
        """Part -> what it adds to the score."""


Liked = Mapping[int, tuple[Action, float]]
"""Job -> the most that a candidate did with it, and when last."""


class Explainer:
    """Reasons for places in lists, of one model and one state of the data."""

    def __init__(self, model: Matcher, data: MatchData) -> None:
        self.model, self.data = model, data
        self._n_people = np.asarray(data.matrix().sum(axis=0)).ravel().astype(np.intp)
        self._order = np.argsort(data.events.candidates, kind="stable")
        counts = np.bincount(data.events.candidates, minlength=len(data.candidates))
        self._ends = np.cumsum(counts)
        self._usual = {name: _shares(values) for name, values in data.jobs.fields.items()}
        self._liked: tuple[int, Liked] = (-1, {})

    def sentences(self, candidate: int, job: int) -> list[str]:
        """The strongest reasons first; never empty."""
        liked = self.liked(candidate)
        found = [
            *_like_earlier_ones(self.data, liked, job),
            *_like_resume(self.data, candidate, job),
            *_shared_fields(self.data, liked, job, self._usual),
            *_wanted_by_others(self._n_people, PAST[self.data.target], job),
            *_parts(self.model, self.data, candidate, job),
        ]
        if not liked:
            found.append("nothing is known yet of what this candidate looked at")
        return found

    def liked(self, candidate: int) -> Liked:
        """What a candidate did; kept, since most come with all places of their list."""
        if self._liked[0] != candidate:
            start = self._ends[candidate - 1] if candidate else 0
            mine = self._order[start : self._ends[candidate]]  # in order of time
            self._liked = candidate, _most(self.data.events.take(mine))
        return self._liked[1]


def _most(events: Events) -> Liked:
    """Of one candidate's events."""
    rank = {action: place for place, action in enumerate(LIKED)}
    found: dict[int, tuple[Action, float]] = {}
    columns = events.jobs.tolist(), events.actions.tolist(), events.times.tolist()
    for job, number, time in zip(*columns, strict=True):
        action, best = ACTIONS[number], found.get(job)
        if action in rank and (best is None or rank[action] <= rank[best[0]]):
            found[job] = (action, time)
    return found


def _shares(values: Sequence[Any]) -> Mapping[str, float]:
    """Value -> share of some jobs that have it."""
    some = values[:: max(len(values) // N_SAMPLED, 1)]
    counts = Counter(value for one in some for value in values_of(one))
    return {value: count / len(some) for value, count in counts.items()}


def _like_earlier_ones(data: MatchData, liked: Liked, job: int) -> list[str]:
    """The nearest jobs of the history, by code."""
    others = np.array([one for one in liked if one != job], np.intp)
    if data.jobs.codes is None or not len(others):
        return []
    near = _cosines(data.jobs.codes[others], data.jobs.codes[job])
    best = np.argsort(-near, kind="stable")[:N_NEAREST]
    return [
        f"its text is like that of job {data.jobs.ids[others[row]]} ({near[row]:.2f}), which they "
        f"{_did(*liked[int(others[row])])}"
        for row in best
        if near[row] >= MIN_COSINE
    ]


def _did(action: Action, time: float) -> str:
    when = "" if np.isnan(time) else f" on {datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
    return f"{PAST[action]}{when}"


def _like_resume(data: MatchData, candidate: int, job: int) -> list[str]:
    people, jobs = data.candidates.codes, data.jobs.codes
    if people is None or jobs is None:
        return []
    near = float(_cosines(people[candidate][None], jobs[job])[0])
    return [f"its text is like their resume ({near:.2f})"] if near >= MIN_COSINE else []


def _cosines(codes: Any, code: Any) -> Any:
    """Shape (N,); 0 for a code of zeros."""
    length = np.linalg.norm(codes, axis=1) * np.linalg.norm(code)
    return np.divide(codes @ code, length, out=np.zeros(len(codes)), where=length > 0)


def _shared_fields(
    data: MatchData, liked: Liked, job: int, usual: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Values that the job shares with more of their jobs than with jobs at large."""
    others = [one for one in liked if one != job]
    found: list[tuple[float, str]] = []
    for name, values in data.jobs.fields.items():
        theirs = Counter(value for one in others for value in values_of(values[one]))
        for value in sorted(values_of(values[job])):
            more = theirs[value] / max(len(others), 1) - usual[name].get(value, 0.0)
            if theirs[value] and more > 0:
                many = f"{theirs[value]} of their {_counted(len(others), 'job')}"
                found.append((more, f"{name} is {value[:MAX_SHOWN]}, as in {many}"))
    return [sentence for _, sentence in sorted(found, key=lambda one: -one[0])[:N_NEAREST]]


def _wanted_by_others(n_people: IntArray, did: str, job: int) -> list[str]:
    n, rank = int(n_people[job]), int((n_people > n_people[job]).sum()) + 1
    if not n:
        return [f"nobody has {did} it yet"]
    people = _counted(n, "candidate")
    place = "the most" if rank == 1 else f"the {_nth(rank)} most"
    return [f"{people} {did} it, {place} of {_counted(len(n_people), 'job')}"]


def _counted(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n:,} {what}s"


def _nth(n: int) -> str:
    """
    Examples
    --------
    >>> [_nth(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd']
    """
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def _parts(model: Matcher, data: MatchData, candidate: int, job: int) -> list[str]:
    if not isinstance(model, Parts):
        return []
    parts = sorted(model.explain(data, candidate, job).items(), key=lambda part: -abs(part[1]))
    parts = [(name, value) for name, value in parts[:N_PARTS] if abs(value) >= MIN_PART]
    told = ", ".join(f"{name} {value:+.2f}" for name, value in parts)
    return [f"the model's score was moved most by {told}"] if told else []
