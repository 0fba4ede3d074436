"""The wide path: a linear model from the hashed row straight to each tag.

Letters for axes: N jobs, H columns of a row, T tags.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from tagger.errors import DataError
from tagger.features import small_indices
from tagger.labels import UNKNOWN, YES

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class WideConfig:
    """How the linear path is fitted."""

    strength: float = 10.0
    """Inverse of the L2 penalty (scikit-learn's C)."""
    evenness: float = 0.8
    """Share of a column's scale that is the same for all columns; 0 is pure log-count ratio."""
    smoothing: float = 1.0
    """Added to every count before the ratio is taken."""

    def __post_init__(self) -> None:
        if not (self.strength > 0 and self.smoothing > 0):
            raise DataError("strength and smoothing must be above 0")
        if not 0 <= self.evenness <= 1:
            raise DataError(f"evenness must be in [0, 1], got {self.evenness}")


class WideClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Logistic regression per tag on rows scaled by each column's log-count ratio.

    A column that is as frequent with the tag as without it is scaled down before the penalty
    sees it, so a few hundred labels are spent on the columns that tell. The scale is folded
    into the coefficients: at prediction this is one sparse product.

    References
    ----------
    Wang and Manning, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification, 2012.
    """

    def __init__(self, config: WideConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self, X: sparse.csr_array, Y: LabelArray, weight: npt.NDArray[Any] | None = None
    ) -> Self:
        """Fit one model per tag on its known labels; a tag with one kind of label gets zeros.

        Parameters
        ----------
        X : shape (N, H)
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        weight : shape (N,)
            How much each job counts; 1 by default.
        """
        config = self.config or WideConfig()
        weight = np.ones(len(Y)) if weight is None else weight
        self.coef_: FloatArray = np.zeros((X.shape[1], Y.shape[1]), np.float32)
        self.intercept_: FloatArray = np.zeros(Y.shape[1], np.float32)
        for tag, labels in enumerate(Y.T):
            known = np.flatnonzero(labels != UNKNOWN)
            yes = labels[known] == YES
            if not yes.any() or yes.all():
                continue
            rows = X[known]
            scale = _column_scale(rows, yes, config)
            model = LogisticRegression(
                C=config.strength, solver="liblinear", random_state=self.seed, max_iter=300
            ).fit(_scaled(rows, scale), yes, sample_weight=weight[known])
            self.coef_[:, tag] = model.coef_[0] * scale
            self.intercept_[tag] = model.intercept_[0]
        return self

    def decision_function(self, X: sparse.csr_array) -> FloatArray:
        """Logits, shape (N, T)."""
        return np.asarray(X @ self.coef_) + self.intercept_


def _column_scale(
    rows: sparse.csr_array, yes: npt.NDArray[np.bool_], config: WideConfig
) -> FloatArray:
    """Scale of each column, shape (H,), of root mean square 1."""
    occurs = rows.data > 0
    of_row = np.repeat(yes, np.diff(rows.indptr))
    n_columns = rows.shape[1]
    with_tag = np.bincount(rows.indices[occurs & of_row], minlength=n_columns) + config.smoothing
    without = np.bincount(rows.indices[occurs & ~of_row], minlength=n_columns) + config.smoothing
    ratio = np.abs(np.log(with_tag / with_tag.sum()) - np.log(without / without.sum()))
    if not ratio.any():  # no column tells anything: all alike
        return np.ones(n_columns, np.float32)
    scale = (1 - config.evenness) * ratio + config.evenness * ratio.mean()
    return np.asarray(scale / np.sqrt(np.mean(scale**2)), np.float32)


def _scaled(rows: sparse.csr_array, scale: FloatArray) -> sparse.csr_array:
    scaled = small_indices(rows)
    scaled.data = scaled.data * scale[scaled.indices]  # not in place: `rows` has the same data
    return scaled
