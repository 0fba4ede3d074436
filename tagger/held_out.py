"""What a trained tagger says of its own labelled jobs, by models that had not seen their labels.

Letters for axes: N labelled jobs, T tags.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Cross-fitted answers, in the order in which the labelled jobs were given.

    They judge a model on every label without setting any aside. No job's id or text is kept.
    """

    probability: npt.NDArray[np.float32]
    """Shape (N, T), in [0, 1]: by paths, weights and calibration of the other folds."""
    decided: npt.NDArray[np.bool_]
    """Shape (N, T): whether the tag is given, by thresholds of the other folds."""
    label: npt.NDArray[np.int8]
    """Shape (N, T): 1 yes, 0 no, -1 unknown; all unknown where nothing could be held out."""
    group: npt.NDArray[np.int32]
    """Shape (N,): jobs of equal value repeat each other and were held out together."""

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
