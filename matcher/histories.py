"""What candidates had done when they are asked about, and models that score from that alone.

Letters for axes: B candidates or questions, J jobs, P pairs, E events, K numbers of a query.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.base import Arrays, Matcher, Pairs, blocks
from matcher.counts import Counts
from matcher.data import Action, Events, FloatArray, IntArray, MatchData, Profiles, rows_of
from matcher.known import is_in, ranges
from tagger.errors import DataError

QUESTIONS_AT_ONCE = 4096
Matrix = npt.NDArray[np.float32] | sparse.csr_array


def histories(
    data: MatchData,
    candidates: IntArray,
    target: Action,
    *,
    times: FloatArray | None = None,
    without: IntArray | None = None,
    decay: float = 1.0,
) -> sparse.csr_array:
    """Jobs that each of B candidates did the target action with, shape (B, J), float32.

    Parameters
    ----------
    times
        Shape (B,): only what was before, strictly; nan, the default: everything.
    without
        Shape (B,): a job whose events don't count, nor those of its reposts; -1, the default: none.
    decay
        A job counts `decay` times as much as the one after it, in (0, 1]; the latest counts 1. One
        that was wanted again has the latest place alone.
        Without times, jobs have no order, and each counts 1.
    """
    events, counts, _ = _done(data, target)
    times = np.full(len(candidates), np.nan) if times is None else times
    low, high = counts.spans(candidates, times)
    rows = np.repeat(np.arange(len(candidates)), high - low)  # in order of time within a row
    jobs = events.jobs[counts.order_[ranges(low, high - low)]]
    if without is not None:
        hidden, group = without[rows], data.groups
        keep = (hidden < 0) | (group[jobs] != group[hidden])
        rows, jobs = rows[keep], jobs[keep]
    cells = rows * len(data.jobs) + jobs
    _, latest = np.unique(cells[::-1], return_index=True)
    latest = len(cells) - 1 - latest
    rows, jobs = rows[latest], jobs[latest]
    weights = np.ones(len(rows), np.float32)
    if decay != 1 and data.has_times:
        order = np.argsort(latest)
        n_later = np.searchsorted(rows, rows, side="right") - 1 - np.arange(len(rows))
        weights[order] = np.maximum(float(decay) ** n_later, 1e-6)
    bounds = np.r_[0, np.cumsum(np.bincount(rows, minlength=len(candidates)))]
    shape = (len(candidates), len(data.jobs))
    return sparse.csr_array((weights, jobs, bounds), shape=shape)


def questions(data: MatchData, pairs: Pairs, target: Action) -> tuple[Pairs, IntArray]:
    """The histories that pairs ask about, each once, and which of them is that of each pair.

    Their job is one to leave out, as `histories` does, -1 for none: a pair without a time is not
    told what happened between the two, which differs only where they met.
    """
    keys = data.pair_keys(pairs.candidates, pairs.jobs)
    is_hidden = np.isnan(pairs.times) & is_in(keys, _done(data, target)[2])
    hidden = np.where(is_hidden, pairs.jobs, -1)
    moments = np.nan_to_num(pairs.times, nan=np.inf)
    columns = np.stack([pairs.candidates, hidden, moments], axis=1)
    found, place = np.unique(columns, axis=0, return_inverse=True)
    candidates, jobs = found[:, :2].astype(np.intp).T
    return Pairs(candidates, jobs, np.where(np.isinf(found[:, 2]), np.nan, found[:, 2])), place


_Done = tuple[Events, Counts, IntArray]
"""Events with an action, by candidate and time; their pairs, sorted."""
_kept: WeakKeyDictionary[MatchData, dict[Action, _Done]] = WeakKeyDictionary()


def _done(data: MatchData, target: Action) -> _Done:
    """Made once for the same data, however many questions follow."""
    found = _kept.setdefault(data, {})
    if target not in found:
        events = data.events.of(target)
        counts = Counts(events.candidates, events.times, len(data.candidates))
        found[target] = events, counts, np.unique(data.pair_keys(events.candidates, events.jobs))
    return found[target]


class HistoryMatcher(Matcher):
    """A score is the product of a query, made of a candidate's history, and the key of a job.

    So the same few lines answer for all jobs and for pairs at any time. A subclass learns in `fit`,
    where it calls `_begin`, and says what queries and keys are.
    """

    decay: float = 1.0
    """As in `histories`."""
    _keys_of: Profiles | None = None
    _rows_of: Profiles | None = None

    def _begin(self, data: MatchData) -> sparse.csr_array:
        """Remember jobs and target; the histories to learn from, shape (C, J)."""
        self._keys_of = self._rows_of = None
        self.job_ids_ = np.array(data.jobs.ids, np.str_)
        self.target_ = data.target
        return histories(data, np.arange(len(data.candidates)), self.target_, decay=self.decay)

    def _begin_with_wanted(self, data: MatchData) -> sparse.csr_array:
        """The same without the jobs that nobody wanted: a repost among them is the job it repeats,
        any other scores as a new one."""
        wanted = self._begin(data)
        jobs = np.unique(wanted.indices)
        self.job_ids_ = self.job_ids_[jobs]
        return sparse.csr_array(wanted[:, jobs])

    @abstractmethod
    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        """Shape (B, K), of candidates and their histories (B, J) in the jobs of `data`."""

    @abstractmethod
    def keys(self, data: MatchData) -> Matrix:
        """Shape (J, K), of the jobs of `data`."""

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        known = histories(data, candidates, self.target_, times=times, decay=self.decay)
        parts = [
            self.score_rows(data, candidates[part], known[part])
            for part in blocks(np.arange(len(candidates)), QUESTIONS_AT_ONCE)
        ]
        return np.concatenate([np.empty((0, len(data.jobs)), np.float32), *parts])

    def score_rows(
        self, data: MatchData, candidates: IntArray, known: sparse.csr_array
    ) -> npt.NDArray[np.float32]:
        """Scores of all jobs for candidates with these histories, both of shape (B, J)."""
        queries: Any = self.queries(data, candidates, known)
        return np.asarray(_dense(queries @ self.kept_keys(data).T), np.float32)

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        keys, scores = self.kept_keys(data), np.empty(len(pairs))
        for part in blocks(np.arange(len(pairs)), QUESTIONS_AT_ONCE):
            asked, place = questions(data, pairs.take(part), self.target_)
            known = histories(
                data,
                asked.candidates,
                self.target_,
                times=asked.times,
                without=asked.jobs,
                decay=self.decay,
            )
            found: Any = self.queries(data, asked.candidates, known)
            found, key = found[place], keys[pairs.jobs[part]]
            is_dense = isinstance(found, np.ndarray)
            product = found * _dense(key) if is_dense else found.multiply(key)
            scores[part] = np.asarray(product.sum(axis=1)).ravel()
        return scores

    def kept_keys(self, data: MatchData) -> Matrix:
        """Keys, made once for the same jobs: a candidate among 100,000 is answered at once."""
        if self._keys_of is not data.jobs:
            self._keys, self._keys_of = self.keys(data), data.jobs
        return self._keys

    def known_rows(self, data: MatchData) -> IntArray:
        """Row of each job of `data` in what was learned, -1 for a new one; shape (J,).

        A repost that was not learned has the row of a job that it repeats.
        """
        if self._rows_of is not data.jobs:
            own = rows_of(data.jobs.ids, self.job_ids_.tolist())
            repeated = np.full(len(own), -1)
            np.maximum.at(repeated, data.groups, own)
            self._rows = np.where(own < 0, repeated[data.groups], own)
            self._rows_of = data.jobs
        return self._rows

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        own, meta = self._own()
        return {"model": {"job_ids": self.job_ids_, **own}}, {"target": str(self.target_), **meta}

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        """What else was learned: arrays, and plain values."""
        return {}, {}

    def _restore(self, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> None:
        """What `to_arrays` gives of this class."""
        self.job_ids_ = files["model"]["job_ids"]
        self.target_ = Action(meta["target"])


def by_jobs(values: Any, rows: IntArray) -> Any:
    """Learned rows for the jobs asked about; zeros where the row is -1."""
    if not isinstance(values, np.ndarray):
        chosen = sparse.csr_array(
            (np.ones((rows >= 0).sum(), np.float32), (np.flatnonzero(rows >= 0), rows[rows >= 0])),
            shape=(len(rows), values.shape[0]),
        )
        return sparse.csr_array(chosen @ values)
    return np.where((rows >= 0)[:, None], values[rows], np.float32(0))


def places(rows: IntArray, n_learned: int) -> sparse.csr_array:
    """Keys of a model whose queries are scores of all jobs learned: which of them each job is."""
    each = sparse.csr_array(sparse.eye_array(n_learned, dtype=np.float32))
    found: sparse.csr_array = by_jobs(each, rows)
    return found


def columns_by_jobs(known: sparse.csr_array, rows: IntArray, n_learned: int) -> sparse.csr_array:
    """Histories in the jobs that were learned, shape (B, n_learned); others drop out."""
    cells = known.tocoo()
    place = rows[cells.coords[1]]
    keep = place >= 0
    shape = (known.shape[0], n_learned)
    found = sparse.csr_array((cells.data[keep], (cells.coords[0][keep], place[keep])), shape=shape)
    found.data = np.minimum(found.data, 1)  # a job and a repost of it are one
    return found


def check_positive(**values: float) -> None:
    """DataError that names the first value that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise DataError(f"{name} must be above 0, got {value}")


def _dense(values: Any) -> Any:
    return values.toarray() if sparse.issparse(values) else values  # type: ignore[attr-defined]
