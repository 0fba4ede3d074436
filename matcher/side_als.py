"""Factors of candidates and jobs that start from what their fields and codes say.

Letters for axes: C candidates, J jobs, F features, K factors, B candidates asked for.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from matcher.als import FOLD_IN_STEPS
from matcher.base import Arrays
from matcher.data import IntArray, MatchData, Profiles
from matcher.factors import factorise, penalties, solve, typical_size
from matcher.histories import HistoryMatcher, Matrix, check_positive, columns_by_jobs
from matcher.saved_config import from_plain
from matcher.side import Ridge, SideFeatures, side_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsAlsConfig:
    """Sizes and weights of the factorisation, and of the regressions on fields."""

    n_factors: int = 128
    """Numbers of a candidate and of a job, at least 1."""
    weight: float = 40.0
    """How much more an event counts than no event, above 0."""
    penalty: float = 10.0
    """Mean pull of factors towards what the fields say, above 0."""
    n_rounds: int = 15
    """Times that candidates and jobs are solved in turn, at least 1."""
    candidate_ridge: float = 100.0
    """Pull of the regression from resumes to factors towards 0, above 0."""
    job_ridge: float = 20.0
    """The same from jobs."""

    def __post_init__(self) -> None:
        check_positive(**asdict(self))


class FieldsALS(HistoryMatcher):
    """ALS that pulls factors towards a regression on fields and codes, instead of towards 0.

    A candidate without events and a job without events have the factors that the regression gives,
    so that they are ranked with everyone else.

    References
    ----------
    Agarwal and Chen, Regression-based Latent Factor Models, 2009; with the objective of Hu, Koren
    and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, 2008.
    """

    name = "fields-als"
    config_class = FieldsAlsConfig

    def __init__(self, config: FieldsAlsConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        config, wanted = self.settings, self._begin(data)
        people = np.flatnonzero(np.diff(wanted.indptr))
        jobs = np.unique(wanted.indices)
        wanted = sparse.csr_array(wanted[people][:, jobs])
        self.job_ids_, self.typical_size_ = self.job_ids_[jobs], typical_size(wanted)
        self.people_, of_people = side_of(data.candidates)
        self.jobs_, of_jobs = side_of(data.jobs)
        sides = (
            Ridge(of_people[people], config.candidate_ridge),
            Ridge(of_jobs[jobs], config.job_ridge),
        )
        self._people_of: Profiles | None = None
        left, self.factors_ = factorise(
            wanted,
            n_factors=config.n_factors,
            weight=config.weight,
            penalty=config.penalty,
            n_rounds=config.n_rounds,
            seed=self.seed,
            row_prior=sides[0].prior,
            column_prior=sides[1].prior,
            show_progress=show_progress,
        )
        self._gram = self.factors_.T @ self.factors_
        self.person_weights_ = sides[0].weights(left)
        self.job_weights_ = sides[1].weights(self.factors_)
        return self

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        config = self.settings
        wanted = columns_by_jobs(known, self.known_rows(data), len(self.job_ids_))
        prior = self.from_fields(data, candidates)
        solved = solve(
            wanted,
            self.factors_,
            weight=config.weight,
            penalty=penalties(wanted, config.penalty, self.typical_size_),
            start=prior,
            prior=prior,
            gram=self._gram,
            n_steps=FOLD_IN_STEPS,
        )
        has_history = np.diff(wanted.indptr)[:, None] > 0
        return np.where(has_history, solved, prior)

    def keys(self, data: MatchData) -> Matrix:
        rows = self.known_rows(data)
        found = np.empty((len(rows), self.factors_.shape[1]), np.float32)
        found[rows >= 0] = self.factors_[rows[rows >= 0]]
        if (rows < 0).any():
            found[rows < 0] = self.jobs_.transform(data.jobs)[rows < 0] @ self.job_weights_
        return found

    def from_fields(self, data: MatchData, candidates: IntArray) -> Any:
        """Factors of candidates as if they had no history, shape (B, K)."""
        if getattr(self, "_people_of", None) is not data.candidates:
            features = self.people_.transform(data.candidates)
            self._priors = np.asarray(features @ self.person_weights_, np.float32)
            self._people_of = data.candidates
        return self._priors[candidates]

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        files, meta = super().to_arrays()
        for name, side in (("people", self.people_), ("jobs", self.jobs_)):
            files |= {f"{name}_{part}": arrays for part, arrays in side.to_arrays().items()}
        return files, meta

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        meta = {"config": asdict(self.settings), "typical_size": self.typical_size_}
        arrays = {
            "factors": self.factors_,
            "person_weights": self.person_weights_,
            "job_weights": self.job_weights_,
        }
        return arrays, {**meta, "seed": self.seed}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model._restore(files, meta)
        for name in ("factors", "person_weights", "job_weights"):
            setattr(model, f"{name}_", files["model"][name])
        model._gram = model.factors_.T @ model.factors_
        model.typical_size_ = meta["typical_size"]
        model.people_, model.jobs_ = (
            SideFeatures.from_arrays({part: files[f"{name}_{part}"] for part in ("fields", "code")})
            for name in ("people", "jobs")
        )
        return model
