"""What a pair has in common: who wanted the job before, and how like them the candidate is.

Letters for axes: C candidates, J jobs, P pairs, Q sets of candidates or of jobs, N rows of a table,
V values of fields, F fields, A amounts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.counts import Counts
from matcher.data import DAY, NUMBER, Action, BoolArray, FloatArray, IntArray, MatchData, Profiles
from matcher.fields import FieldEncoder, Role
from matcher.known import is_in, ranges
from matcher.splits import first_of

N_LATEST = 50
"""So many of those who wanted a job, the latest, stand for all of them."""
PRIOR = 2.0
"""So many rows with the usual values are added to those counted, so that few say little."""


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """Those who wanted the jobs of P pairs before, without the pair's own candidate."""

    rows: sparse.csr_array
    """Shape (Q, C): 1 for each of the latest, as pairs that ask for the same share a row."""
    place: IntArray
    """Shape (P,): the row of each pair."""
    count: FloatArray
    """Shape (P,): how many there are."""
    age: FloatArray
    """Shape (P,): days since the last; nan for nobody, or an unknown time."""


class Crowd:
    """Who wanted which job, and when: each candidate once for a job and all its reposts."""

    def __init__(self, data: MatchData, target: Action) -> None:
        self.data = data
        events, group = data.events, data.groups
        rows = np.flatnonzero(events.actions == NUMBER[target])
        rows = rows[first_of(data.event_keys[rows])]
        self._people, times = events.candidates[rows], events.times[rows]
        self._counts = Counts(group[events.jobs[rows]], times, group.max(initial=-1) + 1)
        keys = data.event_keys[rows][self._counts.order_]
        self._ordered = np.append(times[self._counts.order_], np.nan)
        self._by_key = np.argsort(keys)
        self._keys = keys[self._by_key]
        self._first = np.full(group.max(initial=-1) + 1, np.inf)
        np.minimum.at(self._first, group[events.jobs], np.nan_to_num(events.times, nan=-np.inf))

    def is_new(self, times: FloatArray) -> BoolArray:
        """Whether a job, and those it repeats, had no event before each of Q times; (Q, J)."""
        at = np.nan_to_num(times, nan=np.inf)
        found: BoolArray = self._first[self.data.groups] >= at[:, None]
        return found

    def before(self, candidates: IntArray, jobs: IntArray, times: FloatArray) -> Others:
        """Strictly before the times of P pairs; nan: at any time."""
        keys, group = self.data.pair_keys(candidates, jobs), self.data.groups[jobs]
        has_met = is_in(keys, self._keys)
        own = np.full(len(keys), -1)
        own[has_met] = self._by_key[np.searchsorted(self._keys, keys[has_met])]
        low, high = self._counts.spans(group, times)
        count = high - low - ((own >= low) & (own < high))
        last = np.where(count > 0, high - 1 - (own == high - 1), -1)
        now = np.nanmax(self._ordered, initial=-np.inf)
        age = (np.where(np.isnan(times), now, times) - self._ordered[last]) / DAY
        hidden = np.where(has_met, candidates, -1)
        asked = np.stack([low, high, hidden], axis=1)
        sets, place = np.unique(asked, axis=0, return_inverse=True)
        return Others(self._latest(sets), place, count.astype(np.float64), age)

    def _latest(self, sets: IntArray) -> sparse.csr_array:
        """From first and one past the last place, and whom to hide, to a row of people each."""
        low, high, hidden = sets.T
        low = np.maximum(low, high - N_LATEST)
        rows = np.repeat(np.arange(len(sets)), high - low)
        people = self._people[self._counts.order_[ranges(low, high - low)]]
        keep = people != hidden[rows]
        ones = np.ones(keep.sum(), np.float32)
        shape = (len(sets), len(self.data.candidates))
        return sparse.csr_array((ones, (rows[keep], people[keep])), shape=shape)


class Affinity:
    """How much more often the values of a profile's fields occur among some than they usually do.

    Parameters
    ----------
    encoder
        Of the fields of candidates, or of jobs.
    usual : shape (V + A,)
        Share of profiles that have each column of the encoder, above 0.

    References
    ----------
    Log-odds of naive Bayes with a prior: Zhang, The Optimality of Naive Bayes, 2004.
    """

    def __init__(self, encoder: FieldEncoder, usual: FloatArray) -> None:
        self.encoder, self.usual = encoder, usual
        columns = encoder.columns_
        is_amount = np.array([column.role == Role.AMOUNT for column in columns], bool)
        self._amounts, self._values = np.flatnonzero(is_amount), np.flatnonzero(~is_amount)
        fields = list(dict.fromkeys(columns[at].field for at in self._values))
        self.names = [*fields, *(columns[at].field for at in self._amounts)]
        """Shape (F + A,): the field that each number tells of."""
        field = [fields.index(columns[at].field) for at in self._values]
        ones, shape = np.ones(len(field), np.float32), (len(field), len(fields))
        self._field_of = sparse.csr_array((ones, (np.arange(len(field)), field)), shape=shape)
        self._of: Profiles | None = None

    @classmethod
    def fit(cls, encoder: FieldEncoder, profiles: Profiles) -> "Affinity":
        """Learn what is usual among profiles that say anything."""
        rows = encoder.transform(profiles)
        rows = rows[encoder.tells(rows)]
        n_rows = np.bincount(rows.indices[rows.data != 0], minlength=rows.shape[1])
        n = max(rows.shape[0], 1)
        return cls(encoder, np.maximum(n_rows / n, 1 / n))

    def numbers(
        self, profiles: Profiles, own: IntArray, others: sparse.csr_array, place: IntArray
    ) -> npt.NDArray[np.float32]:
        """For P pairs, by field and then by amount, shape (P, F + A).

        Fields: mean log-odds of the profile's own values, 0 where there are no others, nan where
        the field says nothing. Amounts: how far the own one is above the mean of the others, in
        standard deviations.

        Parameters
        ----------
        own : shape (P,)
            Row in the profiles.
        others : shape (Q, N)
            1 for each of those compared with.
        place : shape (P,)
            Row in `others`.
        """
        self._read(profiles)
        n = np.diff(others.indptr).astype(np.float32)
        odds = sparse.csr_array(others @ self._table)
        odds.data = np.log1p(odds.data / (PRIOR * self.usual[self._values][odds.indices]))
        cells = odds[place].multiply(self._table[own])
        sizes = self._sizes[own]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (cells @ self._field_of).toarray() / sizes
            found += np.log(PRIOR / (PRIOR + n))[place, None]
            mean = (others @ self._numbers) / n[:, None]
        apart = self._numbers[own] - mean[place]
        return np.concatenate([found, apart], axis=1, dtype=np.float32)

    def _read(self, profiles: Profiles) -> None:
        """Their fields, encoded once for the same profiles."""
        if self._of is profiles:
            return
        rows = self.encoder.transform(profiles)
        self._table = sparse.csr_array(rows[:, self._values])
        self._sizes = (self._table @ self._field_of).toarray()
        self._numbers = rows[:, self._amounts].toarray()
        self._of = profiles
