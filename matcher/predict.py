"""Who should see which jobs, and whom to invite for a job: lists from any fitted model.

Letters for axes: B candidates of a block, C candidates, J jobs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from matcher.base import Matcher, Pairs, blocks, candidates_at_once, top_jobs
from matcher.data import Action, BoolArray, FloatArray, IntArray, MatchData, Profiles
from tagger.errors import DataError

DONE = (Action.APPLY, Action.REPLY)
"""What keeps a job from being recommended again."""


class Place(NamedTuple):
    """A place in a list; rows of `MatchData`."""

    candidate: int
    job: int
    score: float
    rank: int
    """From 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs, or candidates, a list may hold, and how many."""

    k: int = 10
    with_done: bool = False
    """Also jobs that the candidate has applied to already."""
    jobs: BoolArray | None = None
    """Shape (J,): the jobs to choose from; None: all."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise DataError(f"a list must have a place or more, got {self.k}")
        if self.jobs is not None and not self.jobs.any():
            raise DataError("no job is left to recommend: all are too old")


def iter_jobs_for(
    model: Matcher, data: MatchData, candidates: IntArray, wanted: Wanted
) -> Iterator[tuple[IntArray, list[Place]]]:
    """The best jobs of each candidate, block by block; of reposts only the best stands in a list.

    Yields
    ------
    Candidates of a block, and their places in order.
    """
    done = _done(data)
    groups = data.jobs.groups
    for block in blocks(candidates, candidates_at_once(data)):
        scores = _scores(model, data, block)
        if wanted.jobs is not None:
            scores[:, ~wanted.jobs] = -np.inf
        if not wanted.with_done:
            for row, candidate in enumerate(block):
                scores[row, done.get(int(candidate), [])] = -np.inf
        yield block, list(_listed(scores, block, groups, wanted.k))


def candidates_for(model: Matcher, data: MatchData, job: int, wanted: Wanted) -> list[Place]:
    """The candidates to whom a job suits best, best first.

    A probability can be compared between candidates. Other scores can't: there, a candidate's
    number is the share of all jobs that this one is ahead of, for this candidate, in [0, 1].
    """
    people = np.arange(len(data.candidates))
    if not wanted.with_done:
        done = _done(data)
        people = people[[job not in done.get(int(one), ()) for one in people]]
    if model.gives_probability:
        n = len(people)
        scores = model.score_pairs(data, Pairs(people, np.full(n, job), np.full(n, np.nan)))
    else:
        parts = blocks(people, candidates_at_once(data))
        scores = np.concatenate([_shares(_scores(model, data, part), job) for part in parts])
    best = np.argsort(-scores, kind="stable")[: wanted.k]
    return [
        Place(int(people[row]), job, float(scores[row]), rank)
        for rank, row in enumerate(best, start=1)
    ]


def row_of(profiles: Profiles, id: str, what: str) -> int:
    """Row of an id; DataError if there is none."""
    row = int(profiles.rows_of([id])[0])
    if row < 0:
        raise DataError(f"there is no {what} {id!r:.60}: give the id that it came with")
    return row


def _scores(model: Matcher, data: MatchData, candidates: IntArray) -> FloatArray:
    scores = np.array(model.score_jobs(data, candidates), np.float64)
    return np.nan_to_num(scores, copy=False, nan=-np.inf, neginf=-np.inf)


def _shares(scores: FloatArray, job: int) -> FloatArray:
    """Share of the other jobs that one is ahead of, a tie counts half: shape (B,)."""
    own = scores[:, job][:, None]
    ahead = (scores < own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return np.asarray(ahead / max(scores.shape[1] - 1, 1))


def _listed(
    scores: FloatArray, candidates: IntArray, groups: IntArray | None, k: int
) -> Iterator[Place]:
    """Places of each row, best first; left out: -inf, and what repeats a job above."""
    spare = 1 if groups is None else 5  # reposts that may stand above
    tops = top_jobs(scores, k * spare)
    for row, candidate in enumerate(candidates):
        jobs = tops[row][np.isfinite(scores[row, tops[row]])]
        if groups is not None:
            jobs = jobs[np.sort(np.unique(groups[jobs], return_index=True)[1])]
        for rank, job in enumerate(jobs[:k].tolist(), start=1):
            yield Place(int(candidate), job, float(scores[row, job]), rank)


def _done(data: MatchData) -> dict[int, list[int]]:
    """Jobs that each candidate has applied to, and their reposts."""
    events = data.events.of(*DONE)
    pairs = np.unique(np.stack([events.candidates, events.jobs]), axis=1)
    members = _members(data.jobs.groups, len(data.jobs))
    found: dict[int, list[int]] = {}
    for candidate, job in pairs.T.tolist():
        found.setdefault(candidate, []).extend(members.get(job, [job]))
    return found


def _members(groups: IntArray | None, n_jobs: int) -> dict[int, list[int]]:
    """Job -> all jobs of its group, for those that are not alone in it."""
    if groups is None:
        return {}
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    parts = [part.tolist() for part in np.split(order, starts) if len(part) > 1]
    return {job: part for part in parts for job in part}
