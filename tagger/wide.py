"""The wide paths: linear models from the hashed row and from exact terms straight to each tag.

Letters for axes: N jobs, H columns of a row, V exact terms, T tags.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator

from tagger.errors import DataError
from tagger.labels import UNKNOWN, YES
from tagger.logistic import fit_logistic, tag_blocks
from tagger.vocabulary import log_odds

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int8]

PATHS = ("row", "ratio", "evidence")
"""The row with all columns alike; exact terms scaled by their log-count ratio; exact terms scaled
by their log-odds ratio over its standard error. Each is ahead somewhere: docs/decisions/0009."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WideConfig:
    """How the linear paths are fitted."""

    inverse_l2: float = 10.0
    """Inverse of the L2 penalty (scikit-learn's C)."""
    evenness: float = 0.2
    """Share of an exact term's scale that is the same for all terms, in [0, 1]."""
    n_iterations: int = 15
    """Passes over the rows."""

    def __post_init__(self) -> None:
        if not self.inverse_l2 > 0:
            raise DataError(f"inverse_l2 must be above 0, got {self.inverse_l2}")
        if not 0 <= self.evenness <= 1:
            raise DataError(f"evenness must be in [0, 1], got {self.evenness}")
        if self.n_iterations < 1:
            raise DataError(f"n_iterations must be at least 1, got {self.n_iterations}")


class WideClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Three logistic regressions per tag, all tags at once.

    A term that is as frequent with the tag as without it is scaled down before the penalty
    sees it, so a few hundred labels are spent on the terms that tell. The scale is folded
    into the coefficients: at prediction this is one sparse product.

    Attributes
    ----------
    row_coef_ : shape (H, T)
    term_coef_ : list of two arrays, shape (V, T)
    intercept_ : shape (3, T)
        In the order of `PATHS`.
    """

    def __init__(self, config: WideConfig | None = None) -> None:
        self.config = config

    def fit(self, rows: sparse.csr_array, terms: sparse.csr_array, Y: LabelArray) -> Self:
        """Fit on known labels; a tag with one kind of label gets coefficients near zero.

        Parameters
        ----------
        rows : shape (N, H)
        terms : shape (N, V)
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        """
        config = self.config or WideConfig()
        targets, known = (Y == YES).astype(np.float32), (Y != UNKNOWN).astype(np.float32)
        both = (Y == YES).any(axis=0) & ((Y != YES) & (Y != UNKNOWN)).any(axis=0)
        known *= both  # with one kind of label there is nothing to tell apart
        options: dict[str, Any] = {
            "inverse_l2": config.inverse_l2,
            "n_iterations": config.n_iterations,
        }
        used = np.unique(rows.indices)  # the others stay at zero
        self.row_coef_: FloatArray = np.zeros((rows.shape[1], Y.shape[1]), np.float32)
        seen = sparse.csr_array(rows[:, used])
        self.row_coef_[used], intercept = fit_logistic(seen, targets, known, **options)
        shape = (terms.shape[1], Y.shape[1])
        self.term_coef_: list[FloatArray] = [np.zeros(shape, np.float32) for _ in PATHS[1:]]
        self.intercept_: FloatArray = np.zeros((len(PATHS), Y.shape[1]), np.float32)
        self.intercept_[0] = intercept
        for tags in tag_blocks(terms, Y.shape[1]):  # scales of all tags at once would be too many
            of_tags = targets[:, tags], known[:, tags]
            for path, strength in enumerate(log_odds(terms, Y[:, tags])):
                scale = column_scale(strength, config.evenness)
                coef, intercept = fit_logistic(terms, *of_tags, scale=scale, **options)
                self.term_coef_[path][:, tags] = coef
                self.intercept_[path + 1, tags] = intercept
        return self

    def logits(self, rows: sparse.csr_array, terms: sparse.csr_array) -> FloatArray:
        """One logit per path, shape (N, T, 3)."""
        found = [rows @ self.row_coef_, *(terms @ coef for coef in self.term_coef_)]
        return np.asarray(np.stack(found, axis=-1) + self.intercept_.T)


def column_scale(strength: FloatArray, evenness: float) -> FloatArray:
    """Scales of columns, (V, T), of root mean square 1 per tag, from how much each tells."""
    if not len(strength):
        return strength
    scale = (1 - evenness) * strength + evenness * strength.mean(axis=0)
    size = np.sqrt(np.mean(scale**2, axis=0))
    return np.asarray(np.where(size > 0, scale / np.maximum(size, 1e-12), 1), np.float32)
