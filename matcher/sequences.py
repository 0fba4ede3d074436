"""What a candidate did with a job before a moment, step by step, and the pairs to learn from.

A step is (view, save, visit of the employer's page, time since the step before). Letters for axes:
P pairs, E events, S steps of a sequence, D numbers of a job's vector.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matcher.base import Pairs, blocks
from matcher.counts import Counts
from matcher.data import DAY, NUMBER, Action, BoolArray, FloatArray, IntArray, MatchData
from matcher.known import is_in, ranges
from tagger.errors import DataError

STEP_ACTIONS = (Action.VIEW, Action.SAVE, Action.VISIT)
BROWSED = (*STEP_ACTIONS, Action.APPLY, Action.REPLY)
"""What shows that a candidate has looked at a job."""
N_FEATURES = len(STEP_ACTIONS) + 1
MONTH = 30 * DAY
"""An interval of this length is 1 on the scale of steps."""
PAIRS_AT_ONCE = 2048
"""Of whose candidates all browsed vectors are held in memory at once."""


class Timeline:
    """Rows of events by key and time, to find those of one key strictly before a moment.

    As `Counts`, for keys too large to be counted from 0, such as those of pairs.

    Examples
    --------
    >>> line = Timeline(np.array([7, 7, 3, 7]), np.array([2.0, 1.0, 5.0, 9.0]))
    >>> line.order
    array([2, 1, 0, 3])
    >>> line.spans(np.array([7, 3, 4]), np.array([9.0, np.inf, np.inf]))
    (array([1, 0, 1]), array([3, 1, 1]))
    """

    def __init__(self, keys: IntArray, times: FloatArray) -> None:
        self.keys, places = np.unique(keys, return_inverse=True)
        self._counts = Counts(places, times, len(self.keys))
        self.order = self._counts.order_

    def spans(self, keys: IntArray, times: FloatArray) -> tuple[IntArray, IntArray]:
        """First place, and the one behind the last, in `order`; shapes (P,)."""
        first, last = self._counts.spans(np.searchsorted(self.keys, keys), times)
        return first, np.where(is_in(keys, self.keys), last, first)


class Sequences:
    """Sequences of the steps of all pairs of some data; a job and its reposts are one.

    Events without a time tell no order and are left out, as are those of the target action.
    """

    def __init__(self, data: MatchData, target: Action) -> None:
        steps = data.events.of(*(action for action in STEP_ACTIONS if action != target))
        steps = steps.take(np.isfinite(steps.times))
        keys = data.pair_keys(steps.candidates, steps.jobs)
        self._data, self._line = data, Timeline(keys, steps.times)
        keys, steps = keys[self._line.order], steps.take(self._line.order)
        self._steps = np.zeros((len(steps), N_FEATURES), np.float32)
        for column, action in enumerate(STEP_ACTIONS):
            self._steps[:, column] = steps.actions == NUMBER[action]
        self._steps[:, -1] = _intervals(keys, steps.times)

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
        return self._line.spans(self._data.pair_keys(pairs.candidates, pairs.jobs), times)


def _intervals(keys: IntArray, times: FloatArray) -> FloatArray:
    """Of events by key and time: since the one before, on the scale of steps; shape (E,)."""
    seconds = np.diff(times, prepend=np.nan)
    is_first = np.diff(keys, prepend=-1) != 0
    scaled: FloatArray = np.log1p(np.where(is_first, 0.0, seconds)) / np.log1p(MONTH)
    return scaled


class Browsed:
    """Mean vector of the other jobs that a candidate had looked at before a moment."""

    def __init__(self, data: MatchData) -> None:
        looked = data.events.of(*BROWSED)  # in order of time, undated first
        keys = data.pair_keys(looked.candidates, looked.jobs)
        keys, first = np.unique(keys, return_index=True)  # a job counts once
        times = np.nan_to_num(looked.times[first], nan=-np.inf)  # undated: long ago
        self._data = data
        self._by_pair = Timeline(keys, times)
        self._by_candidate = Timeline(looked.candidates[first], times)
        self._pair_jobs = looked.jobs[first][self._by_pair.order]
        self._jobs = looked.jobs[first][self._by_candidate.order]

    def mean(
        self, pairs: Pairs, vectors: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], IntArray]:
        """Mean of the vectors (J, D) of the jobs looked at strictly before; zeros for none.

        The asked job itself, and its reposts, are left out: it would say only that it was looked
        at.

        Returns
        -------
        Shapes (P, D) and (P,): the mean, and how many jobs it is of.
        """
        times = np.nan_to_num(pairs.times, nan=np.inf, posinf=np.inf, neginf=-np.inf)
        first, last = self._by_candidate.spans(pairs.candidates, times)
        keys = self._data.pair_keys(pairs.candidates, pairs.jobs)
        own, own_end = self._by_pair.spans(keys, times)
        is_met = own_end > own
        n = last - first - is_met
        means = np.empty((len(pairs), vectors.shape[1]), np.float32)
        for rows in blocks(np.argsort(first, kind="stable"), PAIRS_AT_ONCE):
            starts, place = np.unique(first[rows], return_inverse=True)  # of each candidate
            lengths = np.zeros(len(starts), np.intp)
            np.maximum.at(lengths, place, last[rows] - first[rows])
            before = np.cumsum(lengths) - lengths
            at = ranges(starts, lengths)
            sums = np.zeros((len(at) + 1, vectors.shape[1]))
            np.cumsum(vectors[self._jobs[at]], axis=0, dtype=np.float64, out=sums[1:])
            low = before[place]
            total = sums[low + last[rows] - first[rows]] - sums[low]
            met = is_met[rows]
            total[met] -= vectors[self._pair_jobs[own[rows[met]]]]
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

    A job and its reposts are one pair, asked about as the one that was met first.

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
    events = data.events.of(data.target, *STEP_ACTIONS)
    events = events.take(np.isfinite(events.times))
    is_target = events.actions == NUMBER[data.target]
    keys = data.pair_keys(events.candidates, events.jobs)
    pairs, first, place = np.unique(keys, return_index=True, return_inverse=True)
    last_step, first_target = np.full(len(pairs), -np.inf), np.full(len(pairs), np.inf)
    np.maximum.at(last_step, place[~is_target], events.times[~is_target])
    np.minimum.at(first_target, place[is_target], events.times[is_target])
    y = np.isfinite(first_target)
    asked = Pairs(
        events.candidates[first],
        events.jobs[first],
        np.where(y, first_target, np.nextafter(last_step, np.inf)),
    )
    enough = Sequences(data, data.target).counts(asked) >= min_steps
    found = Examples(asked.take(enough), y[enough], int((~enough).sum()))
    if not found.y.any() or found.y.all():
        raise DataError(
            f"sequences need pairs with {min_steps} or more of {', '.join(STEP_ACTIONS)} at known "
            f"times, some that end in {data.target} and some that don't, but {len(found):,} of "
            f"{len(pairs):,} pairs have as many and {int(found.y.sum()):,} of these end so"
        )
    return found


def under_way(data: MatchData, moment: float, *, min_steps: int = 2) -> Pairs:
    """Every pair with at least `min_steps` steps before a moment and not the target action by then.

    Asked about at that moment, in seconds since 1970; a job and its reposts are one pair.
    """
    events = data.events.of(data.target, *STEP_ACTIONS).before(moment)
    keys = data.pair_keys(events.candidates, events.jobs)
    pairs, first = np.unique(keys, return_index=True)
    first = first[~np.isin(pairs, keys[events.actions == NUMBER[data.target]])]
    asked = Pairs(events.candidates[first], events.jobs[first], np.full(len(first), moment))
    return asked.take(Sequences(data, data.target).counts(asked) >= min_steps)


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
