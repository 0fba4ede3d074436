"""The floor under every other model: the jobs that most candidates wanted, for everybody."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from matcher.base import Arrays, Matcher, Pairs
from matcher.data import FloatArray, IntArray, MatchData


class Popularity(Matcher):
    """Scores a job by how many candidates did the target action with it; a new job gets 0."""

    name = "popularity"
    is_baseline = True

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        self.job_ids_ = np.array(data.jobs.ids, np.str_)
        self.counts_ = np.asarray(data.matrix().sum(axis=0)).ravel().astype(np.float32)
        return self

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        return self._scores(data)[pairs.jobs]

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        return np.tile(self._scores(data), (len(candidates), 1))

    def _scores(self, data: MatchData) -> FloatArray:
        row = dict(zip(self.job_ids_.tolist(), self.counts_.tolist(), strict=True))
        return np.array([row.get(id, 0.0) for id in data.jobs.ids], np.float32)

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        return {"model": {"job_ids": self.job_ids_, "counts": self.counts_}}, {}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls()
        model.job_ids_, model.counts_ = files["model"]["job_ids"], files["model"]["counts"]
        return model
