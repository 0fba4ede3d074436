"""A vector for each job: the tagger's code or, where there are only ids, one learned from events.

Letters for axes: J jobs, D numbers of a vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import svds

from matcher.base import Arrays
from matcher.data import IntArray, MatchData
from tagger.errors import DataError, ModelError

Float32Array = npt.NDArray[np.float32]
SMALL = 1e-5
"""A vector shorter than this is nothing but rounding."""
MAX_JOBS_EACH = 500
"""Candidates with more jobs say nothing of vectors: a bot would decide them all."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingVectors:
    """Vectors of the jobs that they were learned from, with and without a candidate's own say."""

    sums: Float32Array
    """Shape (J, D): before they are scaled."""
    own: Float32Array
    """Shape (C, D): what a candidate has added to each of their jobs; zeros with codes."""

    def look_up(self, jobs: IntArray, without: IntArray | None = None) -> Float32Array:
        """Vectors of jobs, zeros for -1: shape (..., D).

        `without`, shape (...,), are candidates whose own events shall not count, -1 for none: as if
        the vectors had been learned without them (their directions aside), which is how a vector
        looks when the next job is yet to come.
        """
        found = self.sums[jobs]
        if without is not None and self.own.any():
            found = found - np.where((without >= 0)[..., None], self.own[without], np.float32(0))
        return np.where((jobs >= 0)[..., None], unit(found), np.float32(0))


class JobVectors:
    """Vectors of length 1, or 0 for a job that nothing is known of.

    With codes a new job has its vector at once. Without, vectors come from the training events
    alone: the truncated singular value decomposition of the candidate-job matrix, V times the
    singular values, so that jobs of the same candidates are near each other. A job that had no
    event then is zeros.

    References
    ----------
    Cremonesi, Koren and Turrin, Performance of recommender algorithms on top-N recommendation
    tasks, 2010 (PureSVD).
    """

    def __init__(self, n_numbers: int = 64, *, seed: int = 0) -> None:
        self.n_numbers = n_numbers
        self.seed = seed

    def fit(self, data: MatchData) -> Self:
        """Learn them, unless the jobs have codes.

        Raises
        ------
        DataError
            If nothing can be learned: fewer than two candidates or jobs have events.
        """
        self.fit_for_training(data)
        return self

    def fit_for_training(self, data: MatchData) -> TrainingVectors:
        """The same, and what models are to be trained with."""
        self.from_codes_ = data.jobs.codes is not None
        if data.jobs.codes is not None:
            self.dim_ = data.jobs.codes.shape[1]
            self.job_ids_, self.vectors_ = np.array([], np.str_), np.zeros((0, self.dim_), "f4")
            none = np.zeros((len(data.candidates), self.dim_), np.float32)
            return TrainingVectors(unit(data.jobs.codes), none)
        learned = _learned(data, self.n_numbers, self.seed)
        found = unit(learned.sums)
        known = np.flatnonzero(found.any(axis=1))
        self.dim_, self.vectors_ = found.shape[1], found[known]
        self.job_ids_ = np.array([data.jobs.ids[row] for row in known], np.str_)
        return learned

    def of(self, data: MatchData) -> Float32Array:
        """Vectors of all jobs, shape (J, D).

        Raises
        ------
        ModelError
            If the codes are not of the kind that the model has learned with.
        """
        codes = data.jobs.codes
        if self.from_codes_:
            if codes is None or codes.shape[1] != self.dim_:
                came = "none" if codes is None else f"{codes.shape[1]}"
                raise ModelError(
                    f"the model has learned with job codes of {self.dim_} numbers, got {came}: "
                    "make codes with the same tagger, or train the model again"
                )
            return unit(codes)
        row = {id: number for number, id in enumerate(self.job_ids_.tolist())}
        rows = np.array([row.get(id, -1) for id in data.jobs.ids], np.intp)
        return np.concatenate([self.vectors_, np.zeros((1, self.dim_), np.float32)])[rows]

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {"job_ids": self.job_ids_, "vectors": self.vectors_}
        return arrays, {"from_codes": self.from_codes_, "dim": self.dim_}

    @classmethod
    def from_arrays(cls, arrays: Arrays, meta: Mapping[str, Any]) -> Self:
        found = cls()
        found.from_codes_, found.dim_ = meta["from_codes"], meta["dim"]
        found.job_ids_, found.vectors_ = arrays["job_ids"], arrays["vectors"]
        return found


def _learned(data: MatchData, n_numbers: int, seed: int) -> TrainingVectors:
    """D is at most `n_numbers` and below what the matrix allows."""
    met = data.events.matrix(len(data.candidates), len(data.jobs))
    n_each = np.diff(met.indptr)
    used = np.flatnonzero((n_each > 0) & (n_each <= MAX_JOBS_EACH))
    n = min(n_numbers, len(used) - 1, len(data.jobs) - 1)
    if n < 1:
        raise DataError(
            f"jobs have no codes, and events of {len(used)} candidates are too few to learn "
            "vectors from: give jobs codes, or more events"
        )
    met = met[used].astype(np.float64)
    start = np.random.default_rng(seed).normal(size=min(met.shape))
    U, values, V = svds(met, k=n, v0=start)
    own = np.zeros((len(data.candidates), n), np.float32)
    own[used] = U
    return TrainingVectors((V.T * values).astype(np.float32), own)  # V * values = met.T @ U


def unit(vectors: npt.NDArray[np.floating[Any]]) -> Float32Array:
    """Scaled to length 1; what is next to nothing becomes zeros. Shape (..., D)."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    small = lengths <= SMALL
    return np.where(small, 0, vectors / np.where(small, 1, lengths)).astype(np.float32)
