"""Logistic regression over discretised features, by FTRL, by plain SGD and by L-BFGS.

58 tried all three and kept FTRL: as right as the others, and most of its weights are zero, which
is what serving pays for. Letters for axes: N columns.
"""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from scipy.special import expit
from tqdm import tqdm

from matcher.base import Arrays
from matcher.data import BoolArray, FloatArray, IntArray, MatchData
from matcher.examples import make_examples
from matcher.features import Rows
from matcher.ftrl import Ftrl, FtrlConfig, State, batches, check_width
from matcher.ranking import ROWS_AT_ONCE, RankingConfig, RankingModel
from matcher.scaling import Discretiser
from tagger.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinnedConfig(RankingConfig):
    """Of a model over discretised features."""

    n_bins: int = 10
    """Of each number."""

    def __post_init__(self) -> None:
        if self.n_bins < 2:
            raise DataError(f"n_bins must be at least 2, got {self.n_bins}")


class BinnedModel(RankingModel):
    """Features discretised, a learner of sparse rows behind them."""

    learner_: Any
    """Has `predict_proba` and `to_arrays`; of a streamed model `partial_fit`, too."""

    def _columns(self, rows: Rows) -> sparse.csr_array:
        return self.bins_.transform(rows)

    def _proba(self, rows: Rows) -> FloatArray:
        return np.asarray(self.learner_.predict_proba(self._columns(rows)))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**self.learner_.to_arrays(), **self.bins_.to_arrays()}

    def _set_arrays(self, arrays: Arrays) -> None:
        self.bins_ = Discretiser.from_arrays(arrays)
        self.learner_ = self._old_learner(arrays)

    @abstractmethod
    def _old_learner(self, arrays: Arrays) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedConfig(BinnedConfig):
    """Of a model that learns from a stream."""

    epochs: int = 3
    """Passes over the examples, shuffled."""

    def __post_init__(self) -> None:
        BinnedConfig.__post_init__(self)
        if self.epochs < 1:
            raise DataError(f"epochs must be at least 1, got {self.epochs}")


class StreamedModel(BinnedModel):
    """Learns in blocks; `partial_fit` goes on with newer events."""

    def partial_fit(self, data: MatchData, *, since: float = -np.inf) -> Self:
        """Go on with the pairs first shown at `since` (seconds) or later; features stay frozen."""
        examples = make_examples(data, self.settings.examples, seed=self.seed)
        if since > -np.inf:
            examples = examples.take(examples.pairs.times >= since)
        if len(examples):
            rows = self.features_.training_rows(data, examples)
            self._pass(rows, examples.is_yes, np.arange(len(rows)))
        return self

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        self.bins_ = Discretiser(self.settings.n_bins).fit(rows)
        self.learner_ = self._new_learner(self.bins_.n_columns_)
        rng, epochs = np.random.default_rng(self.seed), range(self.settings.epochs)
        for _ in tqdm(epochs, self.name, unit="pass", disable=None if show_progress else True):
            self._pass(rows, is_yes, rng.permutation(len(rows)))

    def _pass(self, rows: Rows, is_yes: BoolArray, order: IntArray) -> None:
        for first in range(0, len(order), ROWS_AT_ONCE):
            part = order[first : first + ROWS_AT_ONCE]
            self.learner_.partial_fit(self._columns(rows.take(part)), is_yes[part])

    @abstractmethod
    def _new_learner(self, n_columns: int) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig(StreamedConfig):
    """Of a model whose weights are learned by FTRL."""

    ftrl: FtrlConfig = field(default_factory=FtrlConfig)


class FtrlModel(StreamedModel):
    """Sparse logistic regression by FTRL-proximal.

    References
    ----------
    McMahan et al., Ad Click Prediction: a View from the Trenches, 2013; system 58's base model.
    """

    name = "lr-ftrl"
    config_class: ClassVar[type[RankingConfig]] = LinearConfig

    def _new_learner(self, n_columns: int) -> Ftrl:
        return Ftrl(self.settings.ftrl, n_columns)

    def _old_learner(self, arrays: Arrays) -> Ftrl:
        return Ftrl.from_arrays(arrays, self.settings.ftrl)


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

    def decision_function(self, X: sparse.csr_array) -> FloatArray:
        """Logits, shape (n_rows,)."""
        check_width(X, len(self.coef_))
        return np.asarray(X @ self.coef_ + self.intercept_)

    def predict_proba(self, X: sparse.csr_array) -> FloatArray:
        """Probability of yes, shape (n_rows,)."""
        return np.asarray(expit(self.decision_function(X)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"coef": self.coef_, "intercept": np.array(self.intercept_)}

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        self.coef_, self.intercept_ = np.array(arrays["coef"]), float(arrays["intercept"])
        return self


class Sgd(Linear):
    """Plain gradient descent in small steps, one falling learning rate for all columns.

    A rate of 1 is the longest step that can't overshoot: one over the bound of the curvature of
    the mean logistic loss, a quarter of the mean squared length of the rows, intercept included.
    So the same rate does for rows of ten columns and of a hundred.
    """

    def __init__(self, n_columns: int, *, rate: float = 1.0, batch: int = 16) -> None:
        super().__init__(n_columns)
        self.rate, self.batch = rate, batch
        self.n_steps_ = 0

    def partial_fit(self, X: sparse.csr_array, y: BoolArray | IntArray) -> Self:
        """Go on with some rows."""
        check_width(X, len(self.coef_))
        for rows, columns, answers in batches(X, y, self.batch):
            rate = self.rate / (1 + self.n_steps_ / 1000) ** 0.5
            self.n_steps_ += 1
            error = expit(rows @ self.coef_[columns] + self.intercept_) - answers
            step = rate * 4 / (len(answers) + float(rows.data @ rows.data))
            self.coef_[columns] -= step * (rows.T @ error)
            self.intercept_ -= step * float(error.sum())
        return self

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**super().to_arrays(), "n_steps": np.array(self.n_steps_)}

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        self.n_steps_ = int(arrays["n_steps"])
        return super().set_arrays(arrays)


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
        if not found.success:
            logger.warning("L-BFGS stopped before it was done: %s", found.message)
        self.coef_, self.intercept_ = found.x[:-1], float(found.x[-1])
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class SgdConfig(StreamedConfig):
    """Of plain SGD."""

    rate: float = 1.0
    """Learning rate at first, as a share of the longest stable step; falls with the root of the
    number of steps."""

    def __post_init__(self) -> None:
        StreamedConfig.__post_init__(self)
        if not self.rate > 0:
            raise DataError(f"rate must be above 0, got {self.rate}")


class SgdModel(StreamedModel):
    """The same logistic regression by plain SGD: beside FTRL, to compare.

    References
    ----------
    Robbins and Monro, A Stochastic Approximation Method, 1951.
    """

    name = "lr-sgd"
    config_class = SgdConfig

    def _new_learner(self, n_columns: int) -> Sgd:
        return Sgd(n_columns, rate=self.settings.rate)

    def _old_learner(self, arrays: Arrays) -> Sgd:
        return self._new_learner(len(arrays["coef"])).set_arrays(arrays)


@dataclass(frozen=True, slots=True, kw_only=True)
class LbfgsConfig(BinnedConfig):
    """Of L-BFGS."""

    l2: float = 30.0
    """Pull of the weights towards 0. On few yes among many columns 1 learns the noise: AUC .869 on
    later views of a real board, .955 with 30."""

    def __post_init__(self) -> None:
        BinnedConfig.__post_init__(self)
        if self.l2 < 0:
            raise DataError(f"l2 must be at least 0, got {self.l2}")


class LbfgsModel(BinnedModel):
    """The same logistic regression by L-BFGS: beside FTRL, to compare. Holds all rows in memory.

    References
    ----------
    Liu and Nocedal, On the Limited Memory BFGS Method, 1989.
    """

    name = "lr-lbfgs"
    config_class = LbfgsConfig

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        self.bins_ = Discretiser(self.settings.n_bins).fit(rows)
        learner = Lbfgs(self.bins_.n_columns_, self.settings.l2)
        self.learner_ = learner.fit(self.bins_.transform(rows), is_yes)

    def _old_learner(self, arrays: Arrays) -> Lbfgs:
        return Lbfgs(len(arrays["coef"])).set_arrays(arrays)
