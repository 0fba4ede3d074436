"""Sparse logistic regression that learns from a stream: FTRL-proximal.

Letters for axes: B rows of a batch, N columns, K columns that a batch touches.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from matcher.data import BoolArray, FloatArray, IntArray
from tagger.errors import DataError

State = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FtrlConfig:
    """Of each column's own learning rate, and of sparsity."""

    alpha: float = 0.05
    """Learning rate."""
    beta: float = 1.0
    """Added to the root of the sum of squared gradients."""
    l1: float = 3.0
    """A column whose summed gradient stays below this has weight 0."""
    l2: float = 1.0
    """Pull towards 0."""
    batch: int = 512
    """Rows per step: their gradients are taken at the same weights. Larger is faster and learns
    less from each row."""

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.beta > 0 and self.l1 >= 0 and self.l2 >= 0):
            raise DataError("alpha and beta must be above 0, l1 and l2 at least 0")
        if self.batch < 1:
            raise DataError(f"batch must be at least 1, got {self.batch}")


class Proximal:
    """Weights by FTRL-proximal: sums of gradients (z) and of their squares (n) per column."""

    def __init__(self, config: FtrlConfig, n_columns: int) -> None:
        self.config = config
        self.z_: State = np.zeros(n_columns)
        self.n_: State = np.zeros(n_columns)
        self.w_: State = np.zeros(n_columns)

    def step(self, columns: IntArray | slice, gradient: State, l1: float | None = None) -> None:
        """Add the gradients of some columns and update their weights."""
        config, n, w = self.config, self.n_[columns], self.w_[columns]
        more = n + gradient**2
        self.z_[columns] += gradient - (np.sqrt(more) - np.sqrt(n)) / config.alpha * w
        self.n_[columns] = more
        z, l1 = self.z_[columns], config.l1 if l1 is None else l1
        pull = np.maximum(np.abs(z) - l1, 0)
        rate = (config.beta + np.sqrt(more)) / config.alpha + config.l2
        self.w_[columns] = -np.sign(z) * pull / rate


class Ftrl:
    """Logistic regression on sparse rows; each call of `partial_fit` goes on.

    Memory: three numbers per column, whatever the number of rows.

    Attributes
    ----------
    coef_ : shape (N,)
    intercept_ : float

    References
    ----------
    McMahan et al., Ad Click Prediction: a View from the Trenches, 2013, algorithm 1, with the
    gradients of a batch taken together; that is what system 58 calls its base model.

    Examples
    --------
    >>> X = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0]] * 100))
    >>> model = Ftrl(FtrlConfig(batch=10), 2).partial_fit(X, np.array([1, 0] * 100))
    >>> model.predict_proba(X[:2]).round()
    array([1., 0.])
    """

    def __init__(self, config: FtrlConfig | None = None, n_columns: int = 1) -> None:
        self.config = config or FtrlConfig()
        self.n_columns = n_columns
        self._weights = Proximal(self.config, n_columns)
        self._bias = Proximal(self.config, 1)

    @property
    def coef_(self) -> State:
        return self._weights.w_

    @property
    def intercept_(self) -> float:
        return float(self._bias.w_[0])

    def partial_fit(self, X: sparse.csr_array, y: BoolArray | IntArray) -> Self:
        """Learn from rows, shape (n_rows, N), and answers, in that order."""
        check_width(X, self.n_columns)
        for rows, columns, answers in batches(X, y, self.config.batch):
            logits = rows @ self.coef_[columns] + self.intercept_
            self.step(columns, rows, expit(logits) - answers)
        return self

    def step(self, columns: IntArray | slice, rows: sparse.csr_array, error: State) -> None:
        """Learn from the errors, shape (B,), of rows over some columns, shape (B, K)."""
        self._weights.step(columns, rows.T @ error)
        self._bias.step(slice(None), np.array([error.sum()]), l1=0.0)

    def decision_function(self, X: sparse.csr_array) -> FloatArray:
        """Logits, shape (n_rows,)."""
        check_width(X, self.n_columns)
        return np.asarray(X @ self.coef_ + self.intercept_)

    def predict_proba(self, X: sparse.csr_array) -> FloatArray:
        """Probability of yes, shape (n_rows,)."""
        return np.asarray(expit(self.decision_function(X)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        parts = {"weights": self._weights, "bias": self._bias}
        return {
            f"{name}_{k}": getattr(part, f"{k}_") for name, part in parts.items() for k in "znw"
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], config: FtrlConfig) -> Self:
        model = cls(config, len(arrays["weights_w"]))
        for name, part in (("weights", model._weights), ("bias", model._bias)):
            for k in "znw":
                setattr(part, f"{k}_", np.array(arrays[f"{name}_{k}"]))
        return model


def batches(
    X: sparse.csr_array, y: BoolArray | IntArray, size: int
) -> Iterator[tuple[sparse.csr_array, IntArray | slice, State]]:
    """Consecutive rows over the columns that they touch: (B, K) rows, the K columns, answers."""
    answers = np.asarray(y, np.float64)
    is_touched, place = np.zeros(X.shape[1], bool), np.empty(X.shape[1], np.int32)
    for first in range(0, len(answers), size):
        low, high = X.indptr[first], X.indptr[min(first + size, len(answers))]
        indptr = X.indptr[first : first + size + 1] - low
        data = X.data[low:high]
        indices: IntArray = X.indices[low:high]
        columns: IntArray | slice = slice(None)
        n_columns = X.shape[1]
        if n_columns > 4 * len(indices):  # few of many: looking them up costs less than passing all
            is_touched[indices] = True
            columns = touched = np.flatnonzero(is_touched)
            place[touched] = np.arange(len(touched))
            indices, n_columns = place[indices], len(touched)
            is_touched[touched] = False
        shape = (len(indptr) - 1, n_columns)
        rows = sparse.csr_array((data, indices, indptr), shape=shape)
        yield rows, columns, answers[first : first + size]


def check_width(X: sparse.csr_array, n_columns: int) -> None:
    if X.shape[1] != n_columns:
        raise DataError(f"rows must have {n_columns} columns as in training, got {X.shape[1]}")
