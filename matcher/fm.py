"""Factorisation machine: every pair of columns has a weight, the product of two short vectors.

Letters for axes: B rows of a batch, N columns, K columns that a batch touches, D factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from matcher.base import Arrays
from matcher.data import BoolArray, FloatArray, IntArray
from matcher.ftrl import Ftrl, batches, check_width
from matcher.linear import LinearConfig, StreamedModel
from tagger.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class FmConfig(LinearConfig):
    """Of the vectors; the weights are FTRL's."""

    n_factors: int = 8
    """Length of a column's vector."""
    rate: float = 0.01
    """Learning rate of AdaGrad."""
    beta: float = 1.0
    """Added to the root of the sum of squared gradients, as FTRL's: without it the first step of
    every factor is as long as `rate`, however little its gradient says."""
    l2: float = 1e-3
    """Pull of the vectors towards 0, for each row they are in."""
    init: float = 0.01
    """Standard deviation of the vectors at first."""
    min_count: int = 20
    """Rows that a column must have come in before its vector counts and learns."""

    def __post_init__(self) -> None:
        LinearConfig.__post_init__(self)
        if self.n_factors < 1 or self.min_count < 0:
            raise DataError("n_factors must be at least 1 and min_count at least 0")
        if not (self.rate > 0 and self.beta > 0 and self.l2 >= 0 and self.init > 0):
            raise DataError("rate, beta and init must be above 0, l2 at least 0")


class FactorizationMachine:
    """Learns from sparse rows as they come: w by FTRL-proximal, v by AdaGrad.

    Attributes
    ----------
    v_ : shape (N, D)

    References
    ----------
    Rendle, Factorization Machines, 2010; who learns what, in which steps, and a vector only for
    columns that come often enough: Li et al., DiFacto: Distributed Factorization Machines, 2016.
    """

    def __init__(self, config: FmConfig, n_columns: int, seed: int = 0) -> None:
        self.config = config
        self.linear_ = Ftrl(config.ftrl, n_columns)
        shape = (n_columns, config.n_factors)
        self.v_ = np.random.default_rng(seed).normal(0, config.init, shape)
        self.squares_ = np.zeros(shape)
        self.counts_ = np.zeros(n_columns)

    def partial_fit(self, X: sparse.csr_array, y: BoolArray | IntArray) -> Self:
        """Learn from rows, shape (n_rows, N), and answers, in that order."""
        check_width(X, len(self.v_))
        for rows, columns, answers in batches(X, y, self.config.ftrl.batch):
            self.counts_[columns] += np.bincount(rows.indices, minlength=rows.shape[1])
            v = self._active(columns)  # (K, D)
            pairs, sums = _interactions(rows, v)
            logits = rows @ self.linear_.coef_[columns] + self.linear_.intercept_ + pairs
            error = expit(logits) - answers
            self.linear_.step(columns, rows, error)
            squared = _squared(rows)
            gradient = rows.T @ (error[:, None] * sums) - (squared.T @ error)[:, None] * v
            gradient += self.config.l2 * (rows.T @ np.ones(len(error)))[:, None] * v
            self._descend(columns, gradient)
        return self

    def _active(self, columns: IntArray | slice) -> npt.NDArray[np.float64]:
        """Vectors of the columns; zeros for those that have not come often enough."""
        often = self.counts_[columns] >= self.config.min_count
        return np.asarray(self.v_[columns] * often[:, None])

    def _descend(self, columns: IntArray | slice, gradient: npt.NDArray[np.float64]) -> None:
        gradient *= (self.counts_[columns] >= self.config.min_count)[:, None]
        self.squares_[columns] += gradient**2
        slow = self.config.beta + np.sqrt(self.squares_[columns])
        self.v_[columns] -= self.config.rate * gradient / slow

    def decision_function(self, X: sparse.csr_array) -> FloatArray:
        """Logits, shape (n_rows,)."""
        pairs, _ = _interactions(X, self._active(slice(None)))
        return self.linear_.decision_function(X) + pairs

    def predict_proba(self, X: sparse.csr_array) -> FloatArray:
        """Probability of yes, shape (n_rows,)."""
        return np.asarray(expit(self.decision_function(X)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        own = {"v": self.v_, "squares": self.squares_, "counts": self.counts_}
        return {**self.linear_.to_arrays(), **own}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], config: FmConfig) -> Self:
        model = cls(config, len(arrays["v"]))
        model.linear_ = Ftrl.from_arrays(arrays, config.ftrl)
        model.v_, model.squares_ = np.array(arrays["v"]), np.array(arrays["squares"])
        model.counts_ = np.array(arrays["counts"])
        return model


def _interactions(
    rows: sparse.csr_array, v: npt.NDArray[np.float64]
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Sum of the products of all pairs of columns, (B,), in linear time; and X v, (B, D)."""
    sums = rows @ v
    return ((sums**2).sum(axis=1) - (_squared(rows) @ v**2).sum(axis=1)) / 2, sums


def _squared(rows: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((rows.data**2, rows.indices, rows.indptr), shape=rows.shape)


class FmModel(StreamedModel):
    """Factorisation machine over discretised features.

    References
    ----------
    Rendle, Factorization Machines, 2010, as in system 58: w by FTRL, v by AdaGrad.
    """

    name = "fm"
    config_class = FmConfig

    def _new_learner(self, n_columns: int) -> FactorizationMachine:
        return FactorizationMachine(self.settings, n_columns, self.seed)

    def _old_learner(self, arrays: Arrays) -> FactorizationMachine:
        return FactorizationMachine.from_arrays(arrays, self.settings)
