"""What a simulated job board shows: pages of jobs, chosen by taste, popularity and age.

Letters for axes: S sessions (one page each), K places of a page, J jobs.
"""

import numpy as np

from matcher.data import DAY, BoolArray, FloatArray, IntArray
from matcher.simulated_world import World

SIDEWAYS = 0.3
"""Share of the places meant for a candidate's category that another category beside it gets."""


class Shelf:
    """Jobs in the order in which they are posted, all in one row or a row for each category.

    A job is drawn from those of the last days in time independent of their number: their weights
    stand side by side, so that two binary searches find the days and a third one the job.
    """

    def __init__(self, world: World, *, by_category: bool) -> None:
        row = world.jobs.leaf if by_category else np.zeros(len(world.posted), np.intp)
        self._row_length = float(np.ptp(world.posted)) + 1e9  # longer than any simulation
        self._first = float(world.posted.min())
        keys = row * self._row_length + (world.posted - self._first)
        self._jobs = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = keys[self._jobs]
        self._weights = np.r_[0, np.cumsum(np.exp(1.5 * world.appeal[self._jobs]))]

    def draw(
        self, rows: IntArray, times: FloatArray, days: FloatArray, rng: np.random.Generator
    ) -> IntArray:
        """A job posted in the last `days` before each time, popular ones more often; -1: none."""
        now = np.maximum(times - self._first, 0)
        start = rows * self._row_length
        low = np.searchsorted(self._keys, start + np.maximum(now - DAY * days, 0))
        high = np.searchsorted(self._keys, start + now)  # only what was posted before
        weight = self._weights[low]
        weight = weight + rng.random(len(low)) * (self._weights[high] - weight)
        place = np.clip(np.searchsorted(self._weights, weight, side="right") - 1, low, high - 1)
        return np.where(high > low, self._jobs[place], -1)


def pages(
    world: World,
    shelves: tuple[Shelf, Shelf],
    candidates: IntArray,
    times: FloatArray,
    *,
    page: int,
    taste_share: float,
    job_days: float,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Session and job of every shown job, each job once a page; two columns.

    New jobs are shown more than old ones: a place is filled from the jobs of the last d days, where
    d is drawn evenly up to `job_days`.
    """
    session = np.repeat(np.arange(len(candidates), dtype=np.int32), page)
    who, when = candidates[session], times[session]
    days = rng.uniform(0, job_days, len(session))
    jobs = shelves[0].draw(_sought(world, who, when, rng), when, days, rng)
    other = (rng.random(len(session)) >= taste_share) | (jobs < 0)
    zeros = np.zeros(int(other.sum()), np.intp)
    jobs[other] = shelves[1].draw(zeros, when[other], days[other], rng)
    shown = _first_of_each(session, jobs) & (jobs >= 0)
    return session[shown], jobs[shown]


def _sought(world: World, who: IntArray, when: FloatArray, rng: np.random.Generator) -> IntArray:
    """Category that a place is filled from: what the candidate likes by now, or one beside it."""
    has_moved = rng.random(len(who)) < world.moved(who, when)
    leaf = np.where(has_moved, world.later_leaf[who], world.people.leaf[who])
    beside = rng.random(len(who)) < SIDEWAYS
    n_leaves = int(max(world.jobs.leaf.max(), world.later_leaf.max(), leaf.max())) + 1
    step = rng.integers(-2, 3, len(who))
    return np.where(beside, np.clip(leaf + step, 0, n_leaves - 1), leaf)


def _first_of_each(session: IntArray, jobs: IntArray) -> BoolArray:
    """Whether a job comes for the first time in its session."""
    keys = session.astype(np.int64) * (int(jobs.max(initial=0)) + 2) + jobs
    is_first = np.zeros(len(keys), bool)
    is_first[np.unique(keys, return_index=True)[1]] = True
    return is_first


def places(
    session: IntArray, interest: FloatArray, search_skill: float, rng: np.random.Generator
) -> IntArray:
    """Place of each shown job on its page, from 0: the order that a search would give.

    Its scores correlate with the true interest by `search_skill`, in [0, 1].
    """
    if not len(session):
        return np.zeros(0, np.int8)
    spread = float(interest.std()) or 1.0
    noise = rng.normal(0, 1, len(session))
    score = search_skill * interest / spread + np.sqrt(1 - search_skill**2) * noise
    order = np.lexsort((-score, session))
    starts = np.r_[True, np.diff(session[order]) != 0]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(session)), 0))
    place = np.empty(len(session), np.int8)
    place[order] = np.arange(len(session)) - first
    return place
