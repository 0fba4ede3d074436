"""What a trained tagger says of its own labelled jobs, by models that had not seen their labels.

Letters for axes: N labelled jobs, T tags.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.features import Counted


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Cross-fitted answers, in the order in which the labelled jobs were given.

    They judge a model on every label without setting any aside. No job's id or text is kept, but a
    number that tells the same posting from others.
    """

    probability: npt.NDArray[np.float32]
    """Shape (N, T), in [0, 1]: by paths, weights and calibration of the other folds."""
    decided: npt.NDArray[np.bool_]
    """Shape (N, T): whether the tag is given, by thresholds of the other folds."""
    label: npt.NDArray[np.int8]
    """Shape (N, T): 1 yes, 0 no, -1 unknown; all unknown where nothing could be held out."""
    group: npt.NDArray[np.int32]
    """Shape (N,): jobs of equal value repeat each other and were held out together."""

    posting: npt.NDArray[np.uint64]
    """Shape (N,): see `posting_keys`."""

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def places(self, postings: Counted) -> list[int | None]:
        """Place of each posting among the labelled jobs; None if it was none of them."""
        place = {key: row for row, key in enumerate(self.posting.tolist())}
        return [place.get(key) for key in posting_keys(postings).tolist()]


def posting_keys(counted: Counted) -> npt.NDArray[np.uint64]:
    """64 bits of each posting, shape (B,), by its terms: equal for postings of the same words."""
    parts: Sequence[Any] = (counted.terms, counted.title_terms)
    keys = np.zeros(len(counted.measures), np.uint64)
    for job in range(len(keys)):
        digest = blake2b(digest_size=8)
        for rows in parts:
            own = slice(rows.indptr[job], rows.indptr[job + 1])
            order = np.argsort(rows.indices[own])
            digest.update(rows.indices[own][order].astype(np.uint32).tobytes())
            digest.update(rows.data[own][order].astype(np.float32).tobytes())
        keys[job] = int.from_bytes(digest.digest(), "little")
    return keys
