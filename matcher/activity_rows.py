"""What aggregations of activity learn from: jobs that people took or turned down, and what they did
before.

Letters for axes: N rows, S steps, M jobs of a row (the one met, then random negatives).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matcher.activity import ActivityConfig, Sequences, sequences
from matcher.data import DAY, NUMBER, Action, BoolArray, FloatArray, IntArray, MatchData
from tagger.errors import DataError

LIKED = (Action.SAVE, Action.APPLY)
"""Positive beside the target action, where there are such events."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Histories and the jobs that came next."""

    candidates: IntArray
    """Shape (N,)."""
    times: FloatArray
    """Shape (N,): when candidate and job met; nan without times."""
    history: Sequences
    jobs: IntArray
    """Shape (N, M): the job that came next, then random negatives."""
    labels: npt.NDArray[np.float32]
    """Shape (N, M): 1 for a job that was taken."""
    weights: npt.NDArray[np.float32]
    """Shape (N, M)."""
    min_actions: int
    """Of the shortest window that was let in, the last action counted."""

    def __len__(self) -> int:
        return len(self.jobs)

    def take(self, which: Any) -> "Rows":
        return Rows(
            self.candidates[which],
            self.times[which],
            self.history.take(which),
            self.jobs[which],
            self.labels[which],
            self.weights[which],
            self.min_actions,
        )

    def split(self, n_asked: int, *, share: float = 0.2, seed: int = 0) -> tuple["Rows", "Rows"]:
        """Rows to learn from, and positive ones to choose settings by, at most `n_asked`.

        The latest ones are to choose by; without times, or with one time for all, those of some
        candidates drawn at random.
        """
        rng = np.random.default_rng(seed)
        moments = np.unique(self.times)  # nan last
        if len(moments) > 1 and np.isfinite(moments[-1]):
            held = self.times > min(np.quantile(self.times, 1 - share), moments[-2])
        else:
            people = np.unique(self.candidates)
            n = max(int(share * len(people)), 1)
            held = np.isin(self.candidates, rng.choice(people, n, replace=False))
        asked = np.flatnonzero(held & (self.labels[:, 0] > 0))
        if len(asked) > n_asked:
            asked = np.sort(rng.choice(asked, n_asked, replace=False))
        return self.take(~held), self.take(asked)


def training_rows(data: MatchData, config: ActivityConfig, *, seed: int = 0) -> Rows:
    """A row for each job that someone took or turned down, with what they did before they met it.

    These are windows that slide by one action, so that people with long histories give many rows.
    A job is positive if it was applied to or saved (or got the target action), negative if
    it was only dismissed; for each positive one come random negatives, drawn uniformly from the
    jobs that anyone met on the same day.

    Raises
    ------
    DataError
        If there is no window: nobody did anything before they met such a job.

    References
    ----------
    Improving job matching with machine-learned activity features, LinkedIn Engineering, 2022.
    """
    rng = np.random.default_rng(seed)
    candidates, jobs, times, label = _outcomes(data)
    history = sequences(data, candidates, times, config=config, without=jobs)
    n_before, min_actions = history.lengths, config.min_actions
    while min_actions > 2 and (n_before >= min_actions - 1).sum() < config.min_rows:
        min_actions -= 1
    kept = np.flatnonzero(n_before >= min_actions - 1)
    if not len(kept):
        raise DataError(
            "no candidate did anything in the days before they met a job that they took or turned "
            "down: there is no activity to learn from (do all events have the same time?)"
        )
    if len(kept) > config.max_rows:
        kept = np.sort(rng.choice(kept, config.max_rows, replace=False))
    candidates, jobs, times, label = candidates[kept], jobs[kept], times[kept], label[kept]
    negatives = _random_negatives(data, times, config, rng)  # (N, M - 1)
    # A job that the candidate ever met, as itself or as a repost, is no negative.
    is_met = np.isin(data.pair_keys(candidates[:, None], negatives), data.event_keys)
    usable = label[:, None] & ~is_met
    weights = np.where(usable, config.negative_weight / config.n_negatives, 0)
    return Rows(
        candidates,
        times,
        history.take(kept),
        np.column_stack([jobs, negatives]),
        np.column_stack([label, np.zeros(negatives.shape)]).astype(np.float32),
        np.column_stack([np.ones(len(jobs)), weights]).astype(np.float32),
        min_actions,
    )


def _outcomes(data: MatchData) -> tuple[IntArray, IntArray, FloatArray, BoolArray]:
    """Pairs with an outcome: candidate, job, when they met (nan without times), whether taken.

    A job and its reposts are one pair: the one met first stands for them.
    """
    events = data.events
    taken = np.isin(events.actions, [NUMBER[action] for action in (data.target, *LIKED)])
    judged = taken | (events.actions == NUMBER[Action.DISMISS])
    pairs, first, place = np.unique(data.event_keys, return_index=True, return_inverse=True)
    is_taken, is_judged = np.zeros(len(pairs), bool), np.zeros(len(pairs), bool)
    is_taken[place[taken]] = True
    is_judged[place[judged]] = True
    met = np.full(len(pairs), np.nan)
    if data.has_times:
        met[:] = np.inf
        np.minimum.at(met, place, events.times)
    rows = first[is_judged]
    return events.candidates[rows], events.jobs[rows], met[is_judged], is_taken[is_judged]


def _random_negatives(
    data: MatchData, times: FloatArray, config: ActivityConfig, rng: np.random.Generator
) -> IntArray:
    """Jobs drawn uniformly from those that anyone met on the day; without times, from all met.

    The jitter moves the moment, and so the day, at which a random negative is met; its history is
    that of the row.
    """
    shape = (len(times), config.n_negatives)
    if not data.has_times:
        return rng.choice(np.unique(data.events.jobs), shape)
    day = np.floor(data.events.times / DAY).astype(np.int64)
    met = np.unique(day * len(data.jobs) + data.events.jobs)
    met_days, met_jobs = met // len(data.jobs), met % len(data.jobs)
    shift = rng.uniform(-1, 1, shape) * config.jitter_hours * 3600
    asked = np.floor((times[:, None] + shift) / DAY).astype(np.int64)
    # Nobody was there on that day: the day of the row itself, which has at least its own job.
    own = np.floor(times / DAY).astype(np.int64)[:, None]
    asked = np.where(np.isin(asked, met_days), asked, own)
    first, end = np.searchsorted(met_days, asked), np.searchsorted(met_days, asked, side="right")
    return np.asarray(met_jobs[first + np.floor(rng.random(shape) * (end - first)).astype(np.intp)])
