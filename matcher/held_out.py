"""What a split asks of a model: jobs that compete for a question, and pairs to say yes or no to.

Letters for axes: Q questions, B of them in a block, J jobs, P pairs.
"""

from dataclasses import dataclass

import numpy as np

from matcher.base import Pairs
from matcher.counts import Counts
from matcher.data import NUMBER, BoolArray, IntArray, MatchData
from matcher.known import ranges
from matcher.sequences import STEP_ACTIONS, under_way
from matcher.splits import Split, first_of

MAX_PAIRS = 200_000
MAX_SCORES = 2 * 10**8
"""Many models score all jobs to judge one pair: so many at most, else candidates are drawn."""
MIN_OF_EACH = 10
"""So many pairs of each answer, or they say too little."""
N_TRIES = 20


class Rivals:
    """Which jobs the held-out one of a question competes with.

    Those that are live, were not posted later than the question, and that the candidate has not
    met; never a repost of the held-out one.
    """

    def __init__(self, split: Split) -> None:
        self._split, self._group = split, split.known.groups
        events = split.known.events
        self._met = Counts(events.candidates, events.times, len(split.known.candidates))
        self._met_group = self._group[events.jobs[self._met.order_]]

    def of(self, questions: IntArray) -> BoolArray:
        """Shape (B, J), for some questions by their row; True for the held-out jobs, too."""
        rows, own = np.arange(len(questions)), self._split.jobs[questions]
        barred = np.zeros((len(rows), len(self._group)), bool)
        barred[rows, self._group[own]] = True
        low, high = self._met.spans(self._split.candidates[questions], self._split.times[questions])
        barred[np.repeat(rows, high - low), self._met_group[ranges(low, high - low)]] = True
        is_later = _is_later(self._split, np.arange(len(self._group)), questions[:, None])
        found: BoolArray = ~barred[:, self._group] & self._split.live & ~is_later
        found[rows, own] = True
        return found


def _is_later(split: Split, jobs: IntArray, questions: IntArray) -> BoolArray:
    """Whether jobs were posted after questions; shapes that go together.

    By the date of posting alone: who met a job first must not tell that it was there.
    """
    posted = split.known.jobs.known_from
    if posted is None:
        return np.zeros(np.broadcast_shapes(jobs.shape, questions.shape), bool)
    return np.asarray(posted[jobs] > split.times[questions])  # false for nan


@dataclass(frozen=True, slots=True, eq=False)
class AskedPairs:
    """Pairs of which it is known whether they came to the target action."""

    pairs: Pairs
    y: BoolArray
    """Shape (P,)."""
    known: MatchData
    """What to ask with, at the times of the pairs: nothing that happened then or later counts."""
    are_sampled: bool
    """Whether the pairs without the target were drawn at random, as too few answers are known."""
    note: str
    """In a sentence, what they are, or why there are none."""

    def __len__(self) -> int:
        return len(self.y)


def held_out_pairs(data: MatchData, split: Split, *, seed: int = 0) -> AskedPairs:
    """Pairs that first met after the training, yes if they came to the target action.

    Where no (or hardly a) pair met without it, or without times: the held-out jobs of the split,
    and as many others that are live and that the candidate never met.
    """
    rng = np.random.default_rng(seed)
    exposed = _exposures(data, split, rng) if data.has_times else None
    return exposed or _sampled(data, split, rng)


def _exposures(data: MatchData, split: Split, rng: np.random.Generator) -> AskedPairs | None:
    keys, met, events = data.event_keys, data.met_at, data.events
    is_new = (met > split.train.events.times.max()) & (met <= split.times.max())
    rows = np.flatnonzero(is_new)
    rows = rows[first_of(keys[rows])]
    rows = rows[_some(events.candidates[rows], len(data.jobs), rng)]
    y = np.isin(keys[rows], keys[events.actions == NUMBER[data.target]])
    if min(y.sum(), (~y).sum()) < MIN_OF_EACH:
        return None
    pairs = Pairs(events.candidates[rows], events.jobs[rows], met[rows])
    n_people = len(np.unique(pairs.candidates))
    note = (
        f"{len(y):,} pairs, of {n_people:,} candidates, that first met after the training; "
        f"{y.mean():.1%} of them came to {data.target}. Each is "
        "asked about with what had happened before it met"
    )
    return AskedPairs(pairs, y, split.known, False, note)


def pairs_under_way(
    data: MatchData, split: Split, *, max_candidates: int | None = None, seed: int = 0
) -> AskedPairs:
    """Pairs with two steps or more when the training ended, yes if they came to the target later.

    Later: in the held-out time. Asked about at the end of the training, so that what the two had
    done by then may be used. None where there are too few; its note then says so, unless that goes
    without saying because the events have no times or no steps.

    Parameters
    ----------
    max_candidates
        Ask only about pairs of so many, drawn at random.
    """
    steps = [action for action in STEP_ACTIONS if action != data.target]
    known = split.frozen
    none = Pairs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    if not data.has_times or not len(data.events.of(*steps)):
        return AskedPairs(none, np.empty(0, bool), known, False, "")
    pairs = under_way(known, float(np.nextafter(known.events.times.max(), np.inf)))
    rng = np.random.default_rng(seed)
    pairs = pairs.take(_some(pairs.candidates, len(data.jobs), rng, max_candidates))
    is_later = (data.events.actions == NUMBER[data.target]) & (data.events.times < split.end)
    y = np.isin(data.pair_keys(pairs.candidates, pairs.jobs), data.event_keys[is_later])
    if min(y.sum(), (~y).sum()) < MIN_OF_EACH:
        note = (
            f"{len(y):,} pairs with two steps or more when the training ended and no {data.target} "
            f"yet, {y.sum():,} of which came to it afterwards, are too few to be asked about: it "
            f"takes {MIN_OF_EACH} of each answer"
        )
        return AskedPairs(none, np.empty(0, bool), known, False, note)
    note = (
        f"{len(y):,} pairs with two steps or more when the training ended and no {data.target} "
        f"yet; {y.mean():.1%} of them came to it afterwards"
    )
    return AskedPairs(pairs, y, known, False, note)


def _some(
    candidates: IntArray, n_jobs: int, rng: np.random.Generator, most: int | None = None
) -> BoolArray:
    """Which pairs to ask about, shape (P,): all, or those of some candidates drawn at random."""
    people = np.unique(candidates)
    enough = min(MAX_SCORES // n_jobs, MAX_PAIRS * len(people) // max(len(candidates), 1))
    enough = max(enough if most is None else min(enough, most), 1)
    if len(people) > enough:
        people = rng.choice(people, enough, replace=False)
    return np.isin(candidates, people)


def _sampled(data: MatchData, split: Split, rng: np.random.Generator) -> AskedPairs:
    jobs, is_found = _unmet(data, split, rng)
    candidates, times = split.candidates[is_found], split.times[is_found]
    n = len(jobs)
    pairs = Pairs(
        np.r_[candidates, candidates],
        np.r_[split.jobs[is_found], jobs],
        np.r_[times, times],
    )
    note = (
        f"{n:,} held-out pairs that came to {data.target}, and {n:,} drawn at random among those "
        "that never met, as too few pairs of either answer are known to have met first after the "
        "training: probabilities can't be right in level"
    )
    return AskedPairs(pairs, np.arange(2 * n) < n, split.known, True, note)


def _unmet(data: MatchData, split: Split, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """A job for each question, live then and never met by the candidate, where one is found."""
    met = np.unique(data.event_keys)
    live = np.flatnonzero(split.live)
    jobs = np.full(len(split), -1)
    again = np.arange(len(split))
    for _ in range(N_TRIES):
        jobs[again] = rng.choice(live, len(again))
        is_met = np.isin(data.pair_keys(split.candidates[again], jobs[again]), met)
        again = again[is_met | _is_later(split, jobs[again], again)]
    is_found = ~np.isin(np.arange(len(split)), again)
    return jobs[is_found], is_found
