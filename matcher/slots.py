"""Sparse columns as a few places of equal number per row, for the embeddings of a network.

Letters for axes: N rows of a side, S slots, G fields.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.data import IntArray

MAX_VALUES = 8
"""Of a list so many of the most frequent values are looked at; the first ones in order."""


class Slots:
    """Each field has as many slots as its longest list; a slot holds 1 + a column, 0 for none.

    Examples
    --------
    >>> rows = sparse.csr_array(np.array([[1, 0, 1], [0, 1, 0]]))
    >>> Slots().fit(rows, np.array([0, 0, 1])).transform(rows)
    array([[1, 3],
           [2, 0]], dtype=int32)
    """

    def fit(self, columns: sparse.csr_array, field_of: IntArray) -> Self:
        """Learn how many slots each field needs; `field_of`, one for each column, rises."""
        self.field_of_ = field_of
        n_fields = int(field_of.max(initial=-1)) + 1
        widths = np.zeros(n_fields, np.intp)
        _, fields, ranks = self._cells(columns)
        np.maximum.at(widths, fields, ranks + 1)
        self.widths_ = np.minimum(widths, MAX_VALUES)
        return self

    @property
    def field_of_slot_(self) -> IntArray:
        """Shape (S,)."""
        return np.repeat(np.arange(len(self.widths_)), self.widths_)

    def transform(self, columns: sparse.csr_array) -> npt.NDArray[np.int32]:
        """Shape (N, S)."""
        rows, fields, ranks = self._cells(columns)
        first = np.r_[0, np.cumsum(self.widths_)].astype(np.intp)
        places = np.zeros((columns.shape[0], first[-1]), np.int32)
        fits = ranks < self.widths_[fields]
        places[rows[fits], (first[fields] + ranks)[fits]] = 1 + columns.indices[fits]
        return places

    def _cells(self, columns: sparse.csr_array) -> tuple[IntArray, IntArray, IntArray]:
        """Row, field and number within both of each cell."""
        columns.sort_indices()
        rows = np.repeat(np.arange(columns.shape[0]), np.diff(columns.indptr))
        fields = self.field_of_[columns.indices]
        starts = np.r_[True, (np.diff(rows) != 0) | (np.diff(fields) != 0)][: len(rows)]
        since = np.flatnonzero(starts)[np.cumsum(starts) - 1]
        return rows, fields, np.arange(len(rows)) - since

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"field_of": self.field_of_, "widths": self.widths_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        slots = cls()
        slots.field_of_, slots.widths_ = arrays["field_of"], arrays["widths"]
        return slots
