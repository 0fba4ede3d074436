"""How much each job was wanted lately, as of any moment: counts in which old events fade.

Events are walked through in order of time, so many moments cost one pass, and nothing is fitted:
new events count in the next `Demand` of longer data. Letters for axes: E events, G groups of
reposts, H half-lives, B moments.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from matcher.counts import Counts
from matcher.data import DAY, FloatArray, IntArray, MatchData
from matcher.splits import first_of

FREE_PER_DAY = 10
"""So many jobs of a candidate in a day count in full. Of more, the n-th counts FREE_PER_DAY / n:
who wants hundreds a day, a program perhaps, must not decide what is wanted."""
FORGOTTEN = 25
"""Half-lives after which an event is left out: it would count less than a millionth."""
APART = 50.0
"""How far sums of one key lie above those of the one before, as logarithms: it then counts 0."""


class Demand:
    """Decayed counts of the candidates who did the target action with each job.

    A candidate counts once for a job and all its reposts, at the first time, so that neither
    repeated events nor a job posted again every hour count twice. Events without a time are not
    counted.

    Attributes
    ----------
    times, keys, weights : shape (E,)
        Of the events, in order of time: when, which group of reposts, and how much each counts.

    References
    ----------
    Cormode, Shkapenyuk, Srivastava and Xu, Forward Decay: A Practical Time Decay Model for
    Streaming Systems, 2009.
    """

    def __init__(self, data: MatchData) -> None:
        self.n_groups = int(data.groups.max(initial=-1)) + 1
        events = data.events.of(data.target)
        events = events.take(np.isfinite(events.times))
        events = events.take(first_of(data.pair_keys(events.candidates, events.jobs)))
        self.times, self.keys = events.times, data.groups[events.jobs]
        self.weights = fair_weights(events.candidates, events.times)

    def now(self, moments: FloatArray) -> FloatArray:
        """The moments; after all events where they are nan."""
        after = np.nextafter(self.times.max(initial=0.0), np.inf)
        return np.where(np.isnan(moments), after, moments)

    def states(self, moments: FloatArray, half_lives: Sequence[float]) -> Iterator[FloatArray]:
        """Counts of what came strictly before each moment, shape (H, G), one moment at a time.

        An event counts 1/2 after one half-life. The array is the same one each time, changed.

        Parameters
        ----------
        moments : shape (B,)
            In order of time.
        half_lives
            In days, above 0.
        """
        rates = np.log(2) / (DAY * np.asarray(half_lives, np.float64))
        state = np.zeros((len(rates), self.n_groups))
        first = np.searchsorted(self.times, moments[:1] - FORGOTTEN * DAY * max(half_lives)).sum()
        before = moments[0] if len(moments) else 0.0
        ends = np.searchsorted(self.times, moments).tolist()
        for moment, end in zip(moments.tolist(), ends, strict=True):
            state *= np.exp(-rates * (moment - before))[:, None]
            age = moment - self.times[first:end]
            for row, rate in zip(state, rates.tolist(), strict=True):
                fresh = self.weights[first:end] * np.exp(-rate * age)
                np.add.at(row, self.keys[first:end], fresh)
            yield state
            first, before = max(first, end), moment

    def own(self, half_life: float) -> FloatArray:
        """Count of its own job strictly before each event, shape (E,)."""
        return _own_counts(self.keys, self.times, self.weights, half_life)

    def total(self, half_life: float) -> FloatArray:
        """Count of all jobs together strictly before each event, shape (E,)."""
        return _own_counts(np.zeros_like(self.keys), self.times, self.weights, half_life)


def fair_weights(candidates: IntArray, times: FloatArray) -> FloatArray:
    """What each event counts, shape (E,): the less, the more its candidate did in the day before.

    Examples
    --------
    >>> fair_weights(np.zeros(40, int), np.zeros(40))[[0, 9, 19, 39]].tolist()
    [1.0, 1.0, 0.5, 0.25]
    """
    counts = Counts(candidates, times, int(candidates.max(initial=-1)) + 1)
    place = np.empty(len(times), np.intp)
    place[counts.order_] = np.arange(len(times))
    start, _ = counts.spans(candidates, times, days=1.0)
    return np.asarray(np.minimum(FREE_PER_DAY / (place - start + 1), 1.0), np.float64)


def _own_counts(
    keys: IntArray, times: FloatArray, weights: FloatArray, half_life: float
) -> FloatArray:
    """Running sums of exp(rate * time) for each key, as logarithms: large times don't overflow."""
    if not len(keys):
        return np.empty(0)
    order = np.lexsort((times, keys))
    key, time = keys[order], times[order]
    place = np.arange(len(key))
    is_first = np.r_[True, key[1:] != key[:-1]]
    grown = np.log(2) / (DAY * half_life) * (time - times.min())
    steps = np.zeros(len(key))  # each key begins far above where the one before it ended
    steps[1:] = np.where(is_first[1:], grown[:-1] - grown[1:] + APART, 0)
    grown += np.cumsum(steps)
    sums = np.logaddexp.accumulate(grown + np.log(weights[order]))
    is_later = is_first | np.r_[True, time[1:] != time[:-1]]
    last = np.maximum.accumulate(np.where(is_later, place, 0)) - 1  # before this moment
    begin = np.maximum.accumulate(np.where(is_first, place, 0))
    found = np.empty(len(key))
    found[order] = np.exp(np.where(last >= begin, sums[last] - grown, -np.inf))
    return found
