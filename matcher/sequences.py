"""What a candidate did with a job before a moment, step by step, and the pairs to learn from.

A step is (view, save, visit of the employer's page, time since the step before). Letters for axes:
P pairs, E events, S steps of a sequence, D numbers of a job's vector.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matcher.base import Pairs, blocks
from matcher.data import DAY, NUMBER, Action, BoolArray, Events, FloatArray, IntArray, MatchData
from tagger.errors import DataError

STEP_ACTIONS = (Action.VIEW, Action.SAVE, Action.VISIT)
BROWSED = (*STEP_ACTIONS, Action.APPLY, Action.REPLY)
"""What shows that a candidate has looked at a job."""
N_FEATURES = len(STEP_ACTIONS) + 1
MONTH = 30 * DAY
"""An interval of this length is 1 on the scale of steps."""
ROWS_AT_ONCE = 8192


class Timeline:
    """Rows of events by key and time, to find those of one key strictly before a moment.

    Examples
    --------
    >>> line = Timeline(np.array([7, 7, 3, 7]), np.array([2.0, 1.0, 5.0, 9.0]))
    >>> line.order
    array([2, 1, 0, 3])
    >>> line.spans(np.array([7, 3, 4]), np.array([9.0, np.inf, np.inf]))
    (array([1, 0, 1]), array([3, 1, 1]))
    """

    def __init__(self, keys: IntArray, times: FloatArray) -> None:
        self.order = np.lexsort((times, keys))
        is_first = np.diff(keys[self.order], prepend=-1) != 0  # keys are 0 or more
        self.keys = keys[self.order][is_first]
        self.moments = np.unique(times)
        moment = np.searchsorted(self.moments, times[self.order])
        self._sorted = self._joint(np.cumsum(is_first) - 1, moment)

    def _joint(self, place: IntArray, moment: IntArray) -> IntArray:
        """One number that sorts by key, then time: below (E + 1) ** 2, so it fits 64 bits."""
        return np.asarray(place.astype(np.int64) * (len(self.moments) + 1) + moment)

    def spans(self, keys: IntArray, times: FloatArray) -> tuple[IntArray, IntArray]:
        """First place, and the one behind the last, in `order`; shapes (P,)."""
        place = np.searchsorted(self.keys, keys)
        is_known = np.isin(keys, self.keys)
        first = np.searchsorted(self._sorted, self._joint(place, np.zeros_like(place)))
        before = np.searchsorted(self.moments, times)
        last = np.searchsorted(self._sorted, self._joint(place, before))
        return first, np.where(is_known, last, first)


class Sequences:
    """Sequences of the steps of all pairs of some data.

    Events without a time tell no order and are left out, as are those of the target action.
    """

    def __init__(self, events: Events, target: Action, n_jobs: int) -> None:
        actions = [action for action in STEP_ACTIONS if action != target]
        steps = events.of(*actions)
        steps = steps.take(np.isfinite(steps.times))
        self.n_jobs = n_jobs
        self._line = Timeline(self._keys(steps.candidates, steps.jobs), steps.times)
        steps = steps.take(self._line.order)
        self._steps = np.zeros((len(steps), N_FEATURES), np.float32)
        for column, action in enumerate(STEP_ACTIONS):
            self._steps[:, column] = steps.actions == NUMBER[action]
        self._steps[:, -1] = _intervals(self._keys(steps.candidates, steps.jobs), steps.times)

    def _keys(self, candidates: IntArray, jobs: IntArray) -> IntArray:
        return np.asarray(candidates.astype(np.int64) * self.n_jobs + jobs)

    def counts(self, pairs: Pairs) -> IntArray:
        """Steps of each pair strictly before it is asked about; 0 for time nan; shape (P,)."""
        first, last = self._spans(pairs)
        return last - first

    def before(self, pairs: Pairs, n_steps: int) -> npt.NDArray[np.float32]:
        """The last `n_steps` steps, zeros in front of shorter sequences: shape (P, S, 4).

        The interval is log(1 + seconds), 1 for a month; 0 for the first step of a pair.
        """
        first, last = self._spans(pairs)
        at = last[:, None] + np.arange(-n_steps, 0)
        is_step = at >= first[:, None]
        found = np.zeros((len(pairs), n_steps, N_FEATURES), np.float32)
        found[is_step] = self._steps[at[is_step]]
        return found

    def _spans(self, pairs: Pairs) -> tuple[IntArray, IntArray]:
        times = np.nan_to_num(pairs.times, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        return self._line.spans(self._keys(pairs.candidates, pairs.jobs), times)


def _intervals(keys: IntArray, times: FloatArray) -> FloatArray:
    """Of events by key and time: since the one before, on the scale of steps; shape (E,)."""
    seconds = np.diff(times, prepend=np.nan)
    is_first = np.diff(keys, prepend=-1) != 0
    scaled: FloatArray = np.log1p(np.where(is_first, 0.0, seconds)) / np.log1p(MONTH)
    return scaled


class Browsed:
    """Mean vector of the other jobs that a candidate had looked at before a moment."""

    def __init__(self, events: Events, n_jobs: int) -> None:
        looked = events.of(*BROWSED)
        times = np.nan_to_num(looked.times, nan=-np.inf)  # undated: long ago
        keys = looked.candidates.astype(np.int64) * n_jobs + looked.jobs
        order = np.lexsort((times, keys))
        first = order[np.diff(keys[order], prepend=-1) != 0]  # a job counts once
        self.n_jobs = n_jobs
        self._by_pair = Timeline(keys[first], times[first])
        self._by_candidate = Timeline(looked.candidates[first], times[first])
        self._jobs = looked.jobs[first][self._by_candidate.order]

    def mean(
        self, pairs: Pairs, vectors: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], IntArray]:
        """Mean of the vectors (J, D) of the jobs looked at strictly before; zeros for none.

        The asked job itself is left out: it would say only that it was looked at.

        Returns
        -------
        Shapes (P, D) and (P,): the mean, and how many jobs it is of.
        """
        times = np.nan_to_num(pairs.times, nan=np.inf, posinf=np.inf, neginf=-np.inf)
        first, last = self._by_candidate.spans(pairs.candidates, times)
        keys = pairs.candidates.astype(np.int64) * self.n_jobs + pairs.jobs
        own = np.subtract(*self._by_pair.spans(keys, times)[::-1])  # 1 if it was looked at, or 0
        n = last - first - own
        means = np.empty((len(pairs), vectors.shape[1]), np.float32)
        for rows in blocks(np.argsort(first, kind="stable"), ROWS_AT_ONCE):
            start, end = int(first[rows].min()), int(last[rows].max())
            sums = np.zeros((end - start + 1, vectors.shape[1]))
            np.cumsum(vectors[self._jobs[start:end]], axis=0, dtype=np.float64, out=sums[1:])
            total = sums[last[rows] - start] - sums[first[rows] - start]
            total -= own[rows, None] * vectors[pairs.jobs[rows]]
            means[rows] = total / np.maximum(n[rows], 1)[:, None]
        means[n == 0] = 0  # not what rounding leaves of a sum less itself
        return means, n


# ---- what is learned from


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Pairs with an answer. P pairs."""

    pairs: Pairs
    """A yes is asked about when the candidate first did the target action, a no just after the
    last step."""
    y: BoolArray
    """Shape (P,): whether the candidate did the target action."""
    n_short: int
    """Pairs left out for too few steps."""

    def __len__(self) -> int:
        return len(self.y)

    def take(self, which: IntArray | BoolArray) -> "Examples":
        return Examples(self.pairs.take(which), self.y[which], self.n_short)


def examples(data: MatchData, *, min_steps: int = 2) -> Examples:
    """Every pair with at least `min_steps` steps before the target action.

    A single look hardly ever ends in an application: of 19.4 million such pairs of a job board
    1 % did, of those with two actions 14 %.

    Raises
    ------
    DataError
        If there is no such pair, or only pairs of one answer.

    References
    ----------
    Lin, 104 Job Match Recommendation using Deep Learning, 2017.
    """
    events = data.events.take(np.isfinite(data.events.times))
    is_target = events.actions == NUMBER[data.target]
    is_step = np.isin(events.actions, [NUMBER[a] for a in STEP_ACTIONS if a != data.target])
    keys = events.candidates.astype(np.int64) * len(data.jobs) + events.jobs
    pairs, place = np.unique(keys[is_step | is_target], return_inverse=True)
    moment = np.full(len(pairs), -np.inf)
    step_places = place[is_step[is_step | is_target]]
    np.maximum.at(moment, step_places, events.times[is_step])
    first_target = np.full(len(pairs), np.inf)
    np.minimum.at(first_target, place[is_target[is_step | is_target]], events.times[is_target])
    y = np.isfinite(first_target)
    asked = Pairs(
        pairs // max(len(data.jobs), 1),
        pairs % max(len(data.jobs), 1),
        np.where(y, first_target, np.nextafter(moment, np.inf)),
    )
    enough = Sequences(events, data.target, len(data.jobs)).counts(asked) >= min_steps
    found = Examples(asked.take(enough), y[enough], int((~enough).sum()))
    if not found.y.any() or found.y.all():
        raise DataError(
            f"sequences need pairs with {min_steps} or more of {', '.join(STEP_ACTIONS)} at known "
            f"times, some that end in {data.target} and some that don't, but {len(found):,} of "
            f"{len(pairs):,} pairs have as many and {int(found.y.sum()):,} of these end so"
        )
    return found


def draw(y: BoolArray, ratio: float, *, seed: int = 0) -> IntArray:
    """Rows with `ratio` times as many no as yes, drawn at random, in order.

    Examples
    --------
    >>> y = np.array([True, False, False, False, False, False, True])
    >>> y[draw(y, 1)].mean(), len(draw(y, 2))
    (np.float64(0.5), 6)
    """
    rng = np.random.default_rng(seed)
    yes, no = np.flatnonzero(y), np.flatnonzero(~y)
    n_yes = min(len(yes), int(len(no) / ratio)) or 1
    n_no = min(len(no), round(n_yes * ratio)) or 1
    drawn = (rng.choice(yes, n_yes, replace=False), rng.choice(no, n_no, replace=False))
    return np.sort(np.concatenate(drawn))


def class_weights(y: BoolArray) -> FloatArray:
    """Weight of each example, mean 1, so that yes and no count the same; shape (P,).

    Examples
    --------
    >>> class_weights(np.array([True, False, False, False]))
    array([2.        , 0.66666667, 0.66666667, 0.66666667])
    """
    share = float(y.mean())
    return np.asarray(np.where(y, 0.5 / share, 0.5 / (1 - share)))
