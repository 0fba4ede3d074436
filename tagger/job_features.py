"""From what was counted in jobs to all that the paths of a tagger know of them.

Letters for axes: B jobs, H columns of a row, V exact terms, C code, T tags.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.features import Counted, Rows, RowWeights
from tagger.names import NameEvidence
from tagger.vocabulary import Vocabulary

FloatArray = npt.NDArray[np.float32]


class JobFeatures(NamedTuple):
    """All that the paths know of B jobs."""

    rows: Rows
    """Shape (B, H)."""
    terms: Rows
    """Shape (B, V)."""
    names: FloatArray
    """Shape (B, T): standardised evidence of the tags' names."""
    codes: FloatArray
    """Shape (B, C)."""

    def take(self, chosen: npt.NDArray[Any]) -> "JobFeatures":
        """Some of the jobs, by number or mask."""
        return JobFeatures(
            self.rows[chosen], self.terms[chosen], self.names[chosen], self.codes[chosen]
        )


class Featurizer(NamedTuple):
    """Everything between counted jobs and the paths; learned once, then the same for ever."""

    row_weights: RowWeights
    vocabulary: Vocabulary
    names: NameEvidence
    encode: Callable[[Rows], FloatArray]
    """Rows (B, H) to codes (B, C)."""

    def __call__(self, counted: Counted) -> JobFeatures:
        rows = self.row_weights.weigh(counted)
        return JobFeatures(
            rows, self.vocabulary.rows(counted), self.names.scores(counted), self.encode(rows)
        )
