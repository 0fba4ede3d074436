"""EASE: a linear model from the jobs of a history to all jobs, solved in one step.

Letters for axes: C candidates, J jobs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy import linalg, sparse

from matcher.base import Arrays
from matcher.data import IntArray, MatchData
from matcher.histories import HistoryMatcher, Matrix, check_positive, columns_by_jobs, places
from matcher.saved_config import from_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class EaseConfig:
    """How much EASE trusts what it saw."""

    regularisation: float = 50.0
    """Added to the diagonal of the jobs' Gram matrix, above 0."""
    max_jobs: int = 10_000
    """The most wanted jobs, that weights are learned for: memory grows with the square, time with
    the cube. The others score 0."""

    def __post_init__(self) -> None:
        check_positive(regularisation=self.regularisation, max_jobs=self.max_jobs)


class Ease(HistoryMatcher):
    """A linear autoencoder of histories that may not use a job to predict itself.

    References
    ----------
    Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019.
    """

    name = "ease"
    config_class = EaseConfig
    uses_codes = False
    is_baseline = True

    def __init__(self, config: EaseConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        config = self.settings
        wanted = self._begin_with_wanted(data)
        counts = np.asarray(wanted.sum(axis=0)).ravel()
        chosen = np.sort(np.argsort(-counts, kind="stable")[: config.max_jobs])
        self.job_ids_ = self.job_ids_[chosen]
        wanted = sparse.csr_array(wanted[:, chosen])
        gram = (wanted.T @ wanted).toarray().astype(np.float32)
        gram[np.diag_indices_from(gram)] += config.regularisation
        self.weights_ = _without_self(linalg.inv(gram, overwrite_a=True, check_finite=False))
        return self

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        wanted = columns_by_jobs(known, self.known_rows(data), len(self.job_ids_))
        return np.asarray(wanted @ self.weights_, np.float32)

    def keys(self, data: MatchData) -> Matrix:
        """Which learned job each job is."""
        return places(self.known_rows(data), len(self.job_ids_))

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        config = asdict(self.settings)
        return {"weights": self.weights_}, {"config": config, "seed": self.seed}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model._restore(files, meta)
        model.weights_ = files["model"]["weights"]
        return model


def _without_self(inverse: Any) -> Any:
    """Weights from the inverse of the regularised Gram matrix, zero on the diagonal."""
    weights = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0)
    return weights
