"""Who should see which jobs, and whom to invite for a job: lists from any fitted model.

Letters for axes: B candidates of a block, C candidates, J jobs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse
from tqdm import tqdm

from matcher.base import Matcher, Pairs, blocks, candidates_at_once, top_jobs
from matcher.data import Action, BoolArray, FloatArray, IntArray, MatchData, Profiles
from matcher.sequences import under_way
from tagger.errors import DataError

DONE = (Action.APPLY, Action.REPLY, Action.DISMISS)
"""What keeps a job from being recommended to a candidate."""


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
    """Also jobs that the candidate has applied to or dismissed."""
    jobs: BoolArray | None = None
    """Shape (J,): the jobs to choose from; None: all."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise DataError(f"a list must have a place or more, got {self.k}")
        if self.jobs is not None and not self.jobs.any():
            raise DataError("no job is left to recommend: all are too old, or not posted yet")


def iter_jobs_for(
    model: Matcher, data: MatchData, candidates: IntArray, wanted: Wanted
) -> Iterator[tuple[IntArray, list[Place]]]:
    """The best jobs of each candidate, block by block; of reposts only the best stands in a list.

    Of a model that does not rank jobs: those under way alone.

    Yields
    ------
    Candidates of a block, and their places in order.
    """
    done = None if wanted.with_done else _done(data)
    judged = None if model.ranks_jobs else _under_way(data)
    reposts = _Reposts(data.groups)
    for block in blocks(candidates, candidates_at_once(data)):
        scores = _scores(model, data, block)
        if wanted.jobs is not None:
            scores[:, ~wanted.jobs] = -np.inf
        best = reposts.best(scores)
        if done is not None:
            best[done[block].nonzero()] = -np.inf
        if judged is not None:
            best[~judged[block].toarray()] = -np.inf
        yield block, list(_listed(scores, best, reposts, block, wanted.k))


def candidates_for(
    model: Matcher, data: MatchData, job: int, wanted: Wanted, *, show_progress: bool = False
) -> list[Place]:
    """The candidates to whom a job suits best, best first.

    A probability can be compared between candidates. Other scores can't: there, a candidate's
    number is the share of all jobs that this one is ahead of, for this candidate, in [0, 1]. A
    model that does not rank jobs is asked only about those who are under way with this one.
    """
    people = np.arange(len(data.candidates))
    if not wanted.with_done:
        people = people[_done(data)[:, [data.groups[job]]].toarray().ravel() == 0]
    moment = np.nan
    if not model.ranks_jobs:
        moment = np.inf  # what the two did with each other is all that it goes by
        people = people[_under_way(data)[people][:, [data.groups[job]]].toarray().ravel()]
    if model.gives_probability or not model.ranks_jobs:
        n = len(people)
        scores = model.score_pairs(data, Pairs(people, np.full(n, job), np.full(n, moment)))
    else:
        scores = np.empty(len(people))
        with tqdm(
            total=len(people), desc="candidates", disable=None if show_progress else True
        ) as bar:
            for rows in blocks(np.arange(len(people)), candidates_at_once(data)):
                scores[rows] = _shares(_scores(model, data, people[rows]), job)
                bar.update(len(rows))
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


class _Reposts:
    """Jobs by what they repeat; G groups, most of them of one job."""

    def __init__(self, groups: IntArray) -> None:
        self._order = np.argsort(groups, kind="stable")
        self._starts = np.flatnonzero(np.r_[True, np.diff(groups[self._order]) != 0])
        self._ends = np.r_[self._starts[1:], len(groups)]
        self._none = bool((groups == np.arange(len(groups))).all())

    def best(self, scores: FloatArray) -> FloatArray:
        """The highest score of each group: from shape (B, J) to shape (B, G)."""
        if self._none:
            return scores
        return np.asarray(np.maximum.reduceat(scores[:, self._order], self._starts, axis=1))

    def first(self, group: int, scores: FloatArray) -> int:
        """The job of a group that has its highest score; scores of shape (J,)."""
        if self._none:
            return group
        jobs = self._order[self._starts[group] : self._ends[group]]
        return int(jobs[scores[jobs].argmax()])


def _listed(
    scores: FloatArray, best: FloatArray, reposts: _Reposts, candidates: IntArray, k: int
) -> Iterator[Place]:
    """Places of each row, best first; what has -inf is left out."""
    for row, groups in enumerate(top_jobs(best, k)):
        groups = groups[np.isfinite(best[row, groups])]
        for rank, group in enumerate(groups.tolist(), start=1):
            job = reposts.first(group, scores[row])
            yield Place(int(candidates[row]), job, float(scores[row, job]), rank)


def _done(data: MatchData) -> sparse.csr_array:
    """Which groups of reposts each candidate has applied to a job of: shape (C, G)."""
    events = data.events.of(*DONE)
    groups = replace(events, jobs=data.groups[events.jobs])
    return groups.matrix(len(data.candidates), int(data.groups.max(initial=-1)) + 1)


def _under_way(data: MatchData) -> sparse.csr_array:
    """Which groups of reposts each candidate has taken steps with so far: shape (C, G)."""
    pairs = under_way(data, np.inf)
    shape = (len(data.candidates), int(data.groups.max(initial=-1)) + 1)
    cells = (np.ones(len(pairs), bool), (pairs.candidates, data.groups[pairs.jobs]))
    return sparse.csr_array(cells, shape=shape)
