"""Factors of candidates and jobs from events alone, fitted in turns (ALS).

Letters for axes: C candidates, J jobs, K factors, B candidates asked for.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from matcher.base import Arrays
from matcher.data import IntArray, MatchData
from matcher.factors import factorise, penalties, solve, typical_size
from matcher.histories import HistoryMatcher, Matrix, by_jobs, check_positive, columns_by_jobs
from matcher.saved_config import from_plain

FOLD_IN_STEPS = 12
"""Of conjugate gradient, from zero: more don't change a score's first four digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlsConfig:
    """Sizes and weights of the factorisation."""

    n_factors: int = 128
    """Numbers of a candidate and of a job, at least 1."""
    weight: float = 40.0
    """How much more an event counts than no event, above 0."""
    penalty: float = 10.0
    """Mean pull of factors towards 0, above 0."""
    n_rounds: int = 15
    """Times that candidates and jobs are solved in turn, at least 1."""

    def __post_init__(self) -> None:
        check_positive(**asdict(self))


class ImplicitALS(HistoryMatcher):
    """Product of a job's factors with those that explain a history best.

    A history is solved for when it is asked about, so a new event counts at once and a new
    candidate with events is no stranger. A job without events scores about 0.

    References
    ----------
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, 2008; more in
    `matcher.factors`.
    """

    name = "als"
    config_class = AlsConfig
    is_baseline = True
    uses_codes = False

    def __init__(self, config: AlsConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        wanted = self._begin_with_wanted(data)
        wanted = sparse.csr_array(wanted[np.flatnonzero(np.diff(wanted.indptr))])
        self.typical_size_ = typical_size(wanted)
        _, self.factors_ = factorise(
            wanted, **asdict(self.settings), seed=self.seed, show_progress=show_progress
        )
        self._gram = self.factors_.T @ self.factors_
        return self

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        config = self.settings
        wanted = columns_by_jobs(known, self.known_rows(data), len(self.job_ids_))
        return solve(
            wanted,
            self.factors_,
            weight=config.weight,
            penalty=penalties(wanted, config.penalty, self.typical_size_),
            start=np.zeros((len(candidates), config.n_factors), np.float32),
            gram=self._gram,
            n_steps=FOLD_IN_STEPS,
        )

    def keys(self, data: MatchData) -> Matrix:
        found: Matrix = by_jobs(self.factors_, self.known_rows(data))
        return found

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        meta = {"config": asdict(self.settings), "typical_size": self.typical_size_}
        return {"factors": self.factors_}, {**meta, "seed": self.seed}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model._restore(files, meta)
        model.factors_ = files["model"]["factors"]
        model._gram = model.factors_.T @ model.factors_
        model.typical_size_ = meta["typical_size"]
        return model
