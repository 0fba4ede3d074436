"""What is wanted next: the probability of each job, from what was wanted before any moment.

Letters for axes: E events, J jobs, G groups of reposts, H half-lives, M sources, B moments.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.data import BoolArray, FloatArray, MatchData
from matcher.demand import Demand
from matcher.fields import FieldEncoder
from matcher.job_vectors import Float32Array
from matcher.known import category_fields
from matcher.neighbours import scaled

HALF_LIVES = (0.04, 0.25, 1.0, 3.0, 7.0, 30.0)
"""Days: from an hour to a month. Which of them tell most is learned."""
TOLD = (0.25, 1.0, 7.0)
"""Those whose counts are told apart, too."""
LEAST_SHARE = 1e-6
"""Of a job without a value: its logarithm stays finite."""
NOBODY = 1.0
"""Events of no job that are added to all counts, so that few events say little."""
MEMORY = 200
"""Events after which the sources' shares have mostly forgotten what was before."""
AT_ONCE = 16
"""Events between two changes of the shares."""


class Now(NamedTuple):
    """What is wanted at B moments."""

    proba: npt.NDArray[np.float32]
    """Shape (B, J): that each job is the next one wanted."""
    counts: Mapping[float, npt.NDArray[np.float32]]
    """Half-life in days -> decayed counts of those who wanted it, shape (B, J)."""


class Wanted:
    """A mixture of sources, whose shares follow what lately came true.

    Sources: the decayed counts of jobs, one source for each half-life; a job that nobody wanted
    yet, each as likely; any job at all. The shares at a moment come from the events before it
    alone: each event is a question that was put to the sources, and who expected it gains.

    References
    ----------
    Herbster and Warmuth, Tracking the Best Expert, 1998; the counts are those of `Demand`.
    """

    def __init__(self, data: MatchData) -> None:
        self.demand = Demand(data)
        self._groups = data.groups
        n = self.demand.n_groups
        self._first = np.full(n, np.inf)
        np.minimum.at(self._first, self.demand.keys, self.demand.times)
        since = data.jobs.known_from
        self._posted = np.full(n, -np.inf)
        if since is not None:
            self._posted[:] = np.inf
            np.minimum.at(self._posted, data.groups, np.nan_to_num(since, nan=-np.inf))
        self.shares_ = shares(self._expected(), self.demand.weights)
        """Shape (E / AT_ONCE + 1, M): of the sources, before each so many events."""

    def _expected(self) -> FloatArray:
        """What each source said of each event just before it, shape (M, E)."""
        demand, n = self.demand, self.demand.n_groups
        counts = [demand.own(days) / (demand.total(days) + NOBODY) for days in HALF_LIVES]
        is_new = demand.times == self._first[demand.keys]
        n_left = n - np.searchsorted(np.sort(self._first), demand.times)
        return np.stack([*counts, is_new / np.maximum(n_left, 1), np.full(len(is_new), 1 / n)])

    def at(self, moments: FloatArray, live: BoolArray | None = None) -> "Now":
        """What is wanted at some moments; nan: after all events.

        Parameters
        ----------
        live : shape (J,)
            The jobs that there are; None: all. Those posted after a moment are none of them.
        """
        asked, place = np.unique(self.demand.now(moments), return_inverse=True)
        n = self.demand.n_groups
        proba = np.empty((len(asked), n), np.float32)
        counts = {days: np.empty((len(asked), n), np.float32) for days in TOLD}
        shares = self.shares_[np.searchsorted(self.demand.times, asked) // AT_ONCE]
        states = self.demand.states(asked, HALF_LIVES)
        there = np.zeros(n, bool)
        there[self._groups if live is None else self._groups[live]] = True
        for row, (moment, share, state) in enumerate(zip(asked, shares, states, strict=True)):
            *of_counts, of_new, of_any = share
            found = (of_counts / (state.sum(axis=1) + NOBODY)) @ state
            is_new = there & (self._first >= moment) & (self._posted <= moment)
            found[is_new] += of_new / max(int(is_new.sum()), 1)
            proba[row] = found + of_any / n
            for days, of_days in counts.items():
                of_days[row] = state[HALF_LIVES.index(days)]
        by_job = np.ix_(place, self._groups)
        return Now(proba[by_job], {days: found[by_job] for days, found in counts.items()})


class FieldDemand:
    """What is wanted now by the values of fields: employers, categories, places, whatever they are.

    A value's share is the probability that the next job wanted has it, and a job's the mean of its
    values. Reposts of a job share what one job has, so posting it again gains nothing.

    Parameters
    ----------
    encoder
        Of the fields of jobs; those of categories and lists count.
    """

    def __init__(self, data: MatchData, encoder: FieldEncoder) -> None:
        rows = encoder.transform(data.jobs)
        per_job = 1 / np.bincount(data.groups)[data.groups]
        self._has: dict[str, tuple[sparse.csr_array, sparse.csr_array]] = {}
        for name, places in category_fields(encoder).items():
            has = sparse.csr_array(rows[:, places])  # (J, V)
            n_values = np.maximum(np.diff(has.indptr), 1)
            once = sparse.csr_array(scaled(has, per_job).T)
            self._has[name] = once, scaled(has, 1 / n_values)

    def of(self, proba: Float32Array) -> dict[str, Float32Array]:
        """Field -> logarithms of shares, of the same shape (B, J) as the probabilities; the least
        for jobs without a value."""
        return {
            name: np.asarray(np.log((mean @ (once @ proba.T)).T + LEAST_SHARE), np.float32)
            for name, (once, mean) in self._has.items()
        }


def shares(expected: FloatArray, weights: FloatArray) -> FloatArray:
    """Shares of sources that follow the events, from what they said of each; (M, E) to (N, M).

    Parameters
    ----------
    weights : shape (E,)
        How much each event counts.

    Examples
    --------
    >>> said = np.array([[0.9] * 4000, [0.1] * 4000])
    >>> shares(said, np.ones(4000))[[0, -1]].round(2).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    n_sources, n_events = expected.shape
    share = np.full(n_sources, 1 / n_sources)
    found = [share]
    for first in range(0, n_events - AT_ONCE + 1, AT_ONCE):
        credit = share[:, None] * expected[:, first : first + AT_ONCE]
        weight = weights[first : first + AT_ONCE]
        kept = (1 - 1 / MEMORY) ** weight.sum()
        share = kept * share + (1 - kept) * (credit / credit.sum(axis=0)) @ weight / weight.sum()
        found.append(share)
    return np.array(found)
