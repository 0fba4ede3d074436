"""Logistic regression over discretised features, by FTRL, by plain SGD and by L-BFGS.

58 tried all three and kept FTRL: as right as the others, and most of its weights are zero, which
is what serving pays for. Letters for axes: N columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from scipy.special import expit

from matcher.base import Arrays
from matcher.data import BoolArray, FloatArray, IntArray, MatchData
from matcher.examples import make_examples
from matcher.features import Rows
from matcher.ftrl import Ftrl, FtrlConfig, State, batches, check_width
from matcher.ranking import ROWS_AT_ONCE, RankingConfig, RankingModel
from matcher.scaling import Discretiser
from tagger.errors import DataError


class Learner(Protocol):
    """Learns from sparse rows as they come."""

    def partial_fit(self, X: sparse.csr_array, y: BoolArray | IntArray) -> Any: ...
    def predict_proba(self, X: sparse.csr_array) -> FloatArray: ...
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig(RankingConfig):
    """Of a model over discretised features that learns from a stream."""

    n_bins: int = 10
    """Of each number."""
    epochs: int = 3
    """Passes over the examples, shuffled."""
    ftrl: FtrlConfig = field(default_factory=FtrlConfig)

    def __post_init__(self) -> None:
        if self.n_bins < 2 or self.epochs < 1:
            raise DataError("n_bins must be at least 2 and epochs at least 1")


class StreamedModel(RankingModel):
    """Discretised features, learned from in blocks; `partial_fit` goes on with newer events."""

    config_class: ClassVar[type[RankingConfig]] = LinearConfig

    def partial_fit(self, data: MatchData, *, since: float = -np.inf) -> Self:
        """Go on with the pairs first shown at `since` (seconds) or later; features stay frozen."""
        examples = make_examples(data, self._config.examples, seed=self.seed)
        if since > -np.inf:
            examples = examples.take(examples.pairs.times >= since)
        if len(examples):
            rows = self.features_.training_rows(data, examples)
            self._pass(rows, examples.is_yes, np.arange(len(rows)))
        return self

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        self.bins_ = Discretiser(self._config.n_bins).fit(rows)
        self.learner_ = self._new_learner(self.bins_.n_columns_)
        rng = np.random.default_rng(self.seed)
        for _ in range(self._config.epochs):
            self._pass(rows, is_yes, rng.permutation(len(rows)))

    def _pass(self, rows: Rows, is_yes: BoolArray, order: IntArray) -> None:
        for first in range(0, len(order), ROWS_AT_ONCE):
            part = order[first : first + ROWS_AT_ONCE]
            self.learner_.partial_fit(self._columns(rows.take(part)), is_yes[part])

    def _columns(self, rows: Rows) -> sparse.csr_array:
        return self.bins_.transform(rows)

    def _proba(self, rows: Rows) -> FloatArray:
        return self.learner_.predict_proba(self._columns(rows))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**self.learner_.to_arrays(), **self.bins_.to_arrays()}

    def _set_arrays(self, arrays: Arrays) -> None:
        self.bins_ = Discretiser.from_arrays(arrays)
        self.learner_ = self._old_learner(arrays)

    def _new_learner(self, n_columns: int) -> Learner:
        return Ftrl(self._config.ftrl, n_columns)

    def _old_learner(self, arrays: Arrays) -> Learner:
        return Ftrl.from_arrays(arrays, self._config.ftrl)


class FtrlModel(StreamedModel):
    """Sparse logistic regression by FTRL-proximal.

    References
    ----------
    McMahan et al., Ad Click Prediction: a View from the Trenches, 2013; system 58's base model.
    """

    name = "lr-ftrl"


class Linear:
    """Weights and an intercept. The base of the two solvers that FTRL is compared with.

    Attributes
    ----------
    coef_ : shape (N,)
    intercept_ : float
    """

    def __init__(self, n_columns: int) -> None:
        self.coef_: State = np.zeros(n_columns)
        self.intercept_ = 0.0
        self.n_steps_ = 0

    def decision_function(self, X: sparse.csr_array) -> FloatArray:
        """Logits, shape (n_rows,)."""
        check_width(X, len(self.coef_))
        return np.asarray(X @ self.coef_ + self.intercept_)

    def predict_proba(self, X: sparse.csr_array) -> FloatArray:
        """Probability of yes, shape (n_rows,)."""
        return np.asarray(expit(self.decision_function(X)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "coef": self.coef_,
            "intercept": np.array(self.intercept_),
            "n_steps": np.array(self.n_steps_),
        }

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        self.coef_ = np.array(arrays["coef"])
        self.intercept_, self.n_steps_ = float(arrays["intercept"]), int(arrays["n_steps"])
        return self


class Sgd(Linear):
    """Plain gradient descent in small steps, one falling learning rate for all columns."""

    def __init__(self, n_columns: int, *, rate: float = 0.1, batch: int = 16) -> None:
        super().__init__(n_columns)
        self.rate, self.batch = rate, batch

    def partial_fit(self, X: sparse.csr_array, y: BoolArray | IntArray) -> Self:
        """Go on with some rows."""
        check_width(X, len(self.coef_))
        for rows, columns, answers in batches(X, y, self.batch):
            rate = self.rate / (1 + self.n_steps_ / 1000) ** 0.5
            self.n_steps_ += 1
            error = expit(rows @ self.coef_[columns] + self.intercept_) - answers
            self.coef_[columns] -= rate * (rows.T @ error)
            self.intercept_ -= rate * float(error.sum())
        return self


class Lbfgs(Linear):
    """All rows at once by L-BFGS, with an L2 penalty."""

    def __init__(self, n_columns: int, l2: float = 1.0, max_steps: int = 200) -> None:
        super().__init__(n_columns)
        self.l2, self.max_steps = l2, max_steps

    def fit(self, X: sparse.csr_array, y: BoolArray) -> Self:
        """Learn from all rows; forgets what was learned before."""
        sign = np.where(y, 1.0, -1.0)

        def loss(weights: State) -> tuple[float, State]:
            margin = sign * (X @ weights[:-1] + weights[-1])
            slope = -sign * expit(-margin)
            penalty = self.l2 / 2 * float(weights[:-1] @ weights[:-1])
            gradient = np.append(X.T @ slope + self.l2 * weights[:-1], slope.sum())
            return float(np.logaddexp(0, -margin).sum()) + penalty, gradient

        start = np.zeros(X.shape[1] + 1)
        found = optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": self.max_steps}
        )
        self.coef_, self.intercept_ = found.x[:-1], float(found.x[-1])
        return self


class SgdModel(StreamedModel):
    """The same logistic regression by plain SGD: beside FTRL, to compare.

    References
    ----------
    Robbins and Monro, A Stochastic Approximation Method, 1951.
    """

    name = "lr-sgd"

    def _new_learner(self, n_columns: int) -> Learner:
        return Sgd(n_columns)

    def _old_learner(self, arrays: Arrays) -> Learner:
        return Sgd(len(arrays["coef"])).set_arrays(arrays)


class LbfgsModel(RankingModel):
    """The same logistic regression by L-BFGS: beside FTRL, to compare. Holds all rows in memory.

    References
    ----------
    Liu and Nocedal, On the Limited Memory BFGS Method, 1989.
    """

    name = "lr-lbfgs"
    config_class = LinearConfig

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        self.bins_ = Discretiser(self._config.n_bins).fit(rows)
        self.learner_ = Lbfgs(self.bins_.n_columns_).fit(self.bins_.transform(rows), is_yes)

    def _proba(self, rows: Rows) -> FloatArray:
        return self.learner_.predict_proba(self.bins_.transform(rows))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**self.learner_.to_arrays(), **self.bins_.to_arrays()}

    def _set_arrays(self, arrays: Arrays) -> None:
        self.bins_ = Discretiser.from_arrays(arrays)
        self.learner_ = Lbfgs(len(arrays["coef"])).set_arrays(arrays)
