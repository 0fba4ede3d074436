"""What candidates had done when they are asked about, and models that score from that alone.

Letters for axes: B candidates or questions, J jobs, P pairs, E events, K numbers of a query.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.base import Arrays, Matcher, Pairs, blocks
from matcher.data import Action, FloatArray, IntArray, MatchData, Profiles
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
        Shape (B,): a job whose events don't count; -1, the default: none.
    decay
        A job counts `decay` times as much as the one after it, in (0, 1]; the latest counts 1.
        Without times, jobs have no order, and each counts 1.
    """
    events = data.events.of(target)
    if len(candidates) < len(data.candidates):
        asked = np.zeros(len(data.candidates), bool)
        asked[candidates] = True
        events = events.take(asked[events.candidates])
    order = np.argsort(events.candidates, kind="stable")  # in order of time within a candidate
    starts = np.searchsorted(events.candidates[order], candidates)
    sizes = np.searchsorted(events.candidates[order], candidates, side="right") - starts
    rows = np.repeat(np.arange(len(candidates)), sizes)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found = order[np.repeat(starts, sizes) + places]
    jobs = events.jobs[found]
    keep = np.ones(len(rows), bool)
    if times is not None:
        keep &= np.isnan(times[rows]) | (events.times[found] < times[rows])
    if without is not None:
        keep &= jobs != without[rows]
    weights = _weights(data, rows[keep], decay)
    shape = (len(candidates), len(data.jobs))
    return _largest(rows[keep], jobs[keep], weights, shape)


def _weights(data: MatchData, rows: IntArray, decay: float) -> npt.NDArray[np.float32]:
    """Of events in order of row, then time."""
    if decay == 1 or not data.has_times:
        return np.ones(len(rows), np.float32)
    ends = np.searchsorted(rows, rows, side="right")
    n_later = ends - 1 - np.arange(len(rows))
    return np.asarray(np.maximum(float(decay) ** n_later, 1e-6), np.float32)


def _largest(
    rows: IntArray, jobs: IntArray, weights: npt.NDArray[np.float32], shape: tuple[int, int]
) -> sparse.csr_array:
    """A matrix where a repeated cell has its largest weight."""
    order = np.lexsort((-weights, jobs, rows))
    rows, jobs, weights = rows[order], jobs[order], weights[order]
    first = np.r_[True, (np.diff(rows) != 0) | (np.diff(jobs) != 0)][: len(rows)]
    bounds = np.r_[0, np.cumsum(np.bincount(rows[first], minlength=shape[0]))]
    return sparse.csr_array((weights[first], jobs[first], bounds), shape=shape)


class HistoryMatcher(Matcher):
    """A score is the product of a query, made of a candidate's history, and the key of a job.

    So the same few lines answer for all jobs and for pairs at any time. A subclass learns in `fit`,
    where it calls `_begin`, and says what queries and keys are.
    """

    decay: float = 1.0
    """As in `histories`."""

    def _begin(self, data: MatchData) -> sparse.csr_array:
        """Remember jobs and target; the histories to learn from, shape (C, J)."""
        self._keys_of: Profiles | None = None
        self._rows_of: Profiles | None = None
        self.job_ids_ = np.array(data.jobs.ids, np.str_)
        self.target_ = data.target
        return histories(data, np.arange(len(data.candidates)), self.target_, decay=self.decay)

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
            asked = pairs.take(part)
            known = histories(
                data,
                asked.candidates,
                self.target_,
                times=asked.times,
                without=asked.jobs,
                decay=self.decay,
            )
            found, key = self.queries(data, asked.candidates, known), keys[asked.jobs]
            product: Any = found.multiply(key) if sparse.issparse(found) else found * _dense(key)
            scores[part] = np.asarray(product.sum(axis=1)).ravel()
        return scores

    def kept_keys(self, data: MatchData) -> Matrix:
        """Keys, made once for the same jobs: a candidate among 100,000 is answered at once."""
        if getattr(self, "_keys_of", None) is not data.jobs:
            self._keys, self._keys_of = self.keys(data), data.jobs
        return self._keys

    def known_rows(self, data: MatchData) -> IntArray:
        """Row of each job of `data` in what was learned, -1 for a new one; shape (J,)."""
        if getattr(self, "_rows_of", None) is not data.jobs:
            row = {id: number for number, id in enumerate(self.job_ids_.tolist())}
            self._rows = np.array([row.get(id, -1) for id in data.jobs.ids], np.intp)
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
    return np.where((rows >= 0)[:, None], values[rows], np.float32(0)) if len(values) else values


def places(rows: IntArray, n_learned: int) -> sparse.csr_array:
    """Keys of a model whose queries are scores of all jobs learned: which of them each job is."""
    each = sparse.csr_array(sparse.eye_array(n_learned, dtype=np.float32))
    found: sparse.csr_array = by_jobs(each, rows)
    return found


def columns_by_jobs(known: sparse.csr_array, rows: IntArray, n_learned: int) -> sparse.csr_array:
    """Histories in the jobs that were learned, shape (B, n_learned); others drop out."""
    found = known.tocoo()
    place = rows[found.coords[1]]
    keep = place >= 0
    shape = (known.shape[0], n_learned)
    return sparse.csr_array((found.data[keep], (found.coords[0][keep], place[keep])), shape=shape)


def check_positive(**values: float) -> None:
    """DataError that names the first value that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise DataError(f"{name} must be above 0, got {value}")


def _dense(values: Any) -> Any:
    return values.toarray() if sparse.issparse(values) else values  # type: ignore[attr-defined]
