"""The floor under every other model: the jobs that most candidates wanted, for everybody."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy import sparse

from matcher.base import Arrays
from matcher.data import IntArray, MatchData
from matcher.histories import HistoryMatcher, Matrix, by_jobs


class Popularity(HistoryMatcher):
    """Scores a job by how many candidates did the target action with it; a new job gets 0."""

    name = "popularity"
    uses_codes = False
    is_baseline = True

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        self.counts_ = np.asarray(self._begin_with_wanted(data).sum(axis=0), np.float32).ravel()
        return self

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        return np.ones((len(candidates), 1), np.float32)

    def keys(self, data: MatchData) -> Matrix:
        found: Matrix = by_jobs(self.counts_[:, None], self.known_rows(data))
        return found

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        return {"counts": self.counts_}, {}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls()
        model._restore(files, meta)
        model.counts_ = files["model"]["counts"]
        return model
