"""How often something had happened before a moment, for many things and moments at once.

Letters for axes: E events, P questions.
"""

import numpy as np

from matcher.data import DAY, FloatArray, IntArray


class Counts:
    """Events by key and time, counted in O(log E) for each question.

    An event without a time is known only to those who ask without one, and lies in no window.

    Parameters
    ----------
    keys : shape (E,)
        From 0 on.
    times : shape (E,)
        Seconds; nan for unknown.
    n_keys
        One more than the largest key.
    now
        Where windows end for those who ask without a time; None: at the latest of `times`.

    Examples
    --------
    >>> seen = Counts(np.array([0, 0, 1]), np.array([10.0, 20.0, 20.0]), 2)
    >>> seen.before(np.array([0, 0, 1, 1]), np.array([20.0, 21.0, 20.0, np.nan]))
    array([1., 2., 0., 1.])
    """

    def __init__(
        self, keys: IntArray, times: FloatArray, n_keys: int, *, now: float | None = None
    ) -> None:
        self.n_keys = n_keys
        self.moments_ = np.unique(times[~np.isnan(times)])
        self.now_ = self.moments_.max(initial=-np.inf) if now is None else now
        self._n_ranks = len(self.moments_) + 2
        places = keys.astype(np.int64) * self._n_ranks + np.searchsorted(self.moments_, times)
        self.order_ = np.argsort(places, kind="stable")
        """Events by key, then time."""
        self._places = places[self.order_]

    def spans(
        self, keys: IntArray, times: FloatArray, days: float | None = None
    ) -> tuple[IntArray, IntArray]:
        """First and one past the last place in `order_` of what came before; shapes (P,)."""
        own = keys.astype(np.int64) * self._n_ranks
        rank = np.searchsorted(self.moments_, times)
        start = own
        if days is None:
            rank[np.isnan(times)] = self._n_ranks - 1
        else:
            end = np.where(np.isnan(times), self.now_, times)
            start = own + np.searchsorted(self.moments_, end - days * DAY)
        low = np.searchsorted(self._places, start)
        return low, np.maximum(np.searchsorted(self._places, own + rank), low)

    def before(self, keys: IntArray, times: FloatArray, days: float | None = None) -> FloatArray:
        """Events of each key strictly before each time, in the last so many days; shape (P,)."""
        is_one_moment = len(times) > 0 and np.array_equal(times[1:], times[:-1], equal_nan=True)
        if is_one_moment and len(keys) > self.n_keys:  # everything about now: each key once
            every = np.arange(self.n_keys)
            return self.before(every, np.full(self.n_keys, times[0]), days)[keys]
        low, high = self.spans(keys, times, days)
        return np.asarray(high - low, np.float64)
