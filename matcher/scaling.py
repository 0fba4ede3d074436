"""Numbers for models that can't take them raw: bins for linear ones, standard units for networks.

Letters for axes: P pairs, F numbers, Q bins of a number.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.data import FloatArray
from matcher.features import Rows


class Discretiser:
    """Pairs as 0 and 1: the bin that each number falls into, then the columns of both sides.

    Bins hold equally many training pairs; equal values share one. Unknown is a bin of its own. So
    a linear model can bend, and an odd value costs no more than a large one: 58's way to keep
    logistic regression stable.
    """

    def __init__(self, n_bins: int = 10) -> None:
        self.n_bins = n_bins

    def fit(self, rows: Rows) -> Self:
        """Freeze the bounds of the bins."""
        n_numbers = rows.numbers.shape[1]
        self.edges_ = np.full((n_numbers, self.n_bins - 1), np.inf, np.float32)  # (F, Q - 1)
        shares = np.linspace(0, 1, self.n_bins + 1)[1:-1]
        for number in range(n_numbers):
            column = rows.numbers[:, number]
            known = column[np.isfinite(column)]
            if len(known):
                edges = np.unique(np.quantile(known, shares, method="higher"))
                edges = edges[edges > known.min()]
                self.edges_[number, : len(edges)] = edges
        sides = (rows.job_columns, rows.candidate_columns)
        self.n_columns_ = n_numbers * (self.n_bins + 1) + sum(side.shape[1] for side in sides)
        return self

    def transform(self, rows: Rows) -> sparse.csr_array:
        """Shape (P, n_columns_), float32."""
        n_pairs, n_numbers = rows.numbers.shape
        bins = np.empty((n_pairs, n_numbers), np.int32)
        for number in range(n_numbers):
            column = rows.numbers[:, number]
            place = 1 + np.searchsorted(self.edges_[number], column, side="right")
            bins[:, number] = np.where(np.isnan(column), 0, place)
        bins = np.minimum(bins, self.n_bins)  # infinity lies behind the last, unused bound too
        bins += np.arange(n_numbers, dtype=np.int32) * (self.n_bins + 1)
        cells: Any = (
            np.ones(bins.size, np.float32),
            bins.ravel(),
            np.arange(0, bins.size + 1, n_numbers, dtype=np.int32),
        )
        binned = sparse.csr_array(cells, shape=(n_pairs, n_numbers * (self.n_bins + 1)))
        sides = (rows.job_columns[rows.jobs], rows.candidate_columns[rows.candidates])
        return sparse.csr_array(sparse.hstack([binned, *sides], "csr", dtype=np.float32))

    def names(self, numbers: Sequence[str], columns: Sequence[str]) -> list[str]:
        """What each column says, for people."""
        found = []
        for name, edges in zip(numbers, self.edges_.tolist(), strict=True):
            bounds = [-np.inf, *edges]
            found.append(f"{name} unknown")
            found += [f"{name} from {bound:.3g}" for bound in bounds]
        return [*found, *columns]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"edges": self.edges_, "n_columns": np.array(self.n_columns_)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        found = cls(arrays["edges"].shape[1] + 1)
        found.edges_, found.n_columns_ = arrays["edges"], int(arrays["n_columns"])
        return found


class Standardiser:
    """Numbers less their mean, in standard deviations, cut off at 5; unknown is the mean, 0."""

    def fit(self, rows: Rows) -> Self:
        numbers = np.where(np.isfinite(rows.numbers), rows.numbers, np.nan).astype(np.float64)
        n_known = np.isfinite(numbers).sum(axis=0)
        self.mean_ = np.nansum(numbers, axis=0) / np.maximum(n_known, 1)
        square = np.nansum((numbers - self.mean_) ** 2, axis=0) / np.maximum(n_known, 1)
        self.scale_ = np.where(square > 0, np.sqrt(square), 1.0)
        return self

    def transform(self, rows: Rows) -> FloatArray:
        """Shape (P, F), float32."""
        standard = np.clip((rows.numbers - self.mean_) / self.scale_, -5, 5)
        return np.asarray(np.nan_to_num(standard), np.float32)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": self.mean_, "scale": self.scale_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        found = cls()
        found.mean_, found.scale_ = arrays["mean"], arrays["scale"]
        return found
