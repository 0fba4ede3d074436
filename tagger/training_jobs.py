"""The jobs that a tagger is trained on, and which of the unlabelled ones are the team's own."""

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.domain import in_domain
from tagger.features import Counted, RowWeights

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

MAX_OWN = 5000
"""Unlabelled jobs of the team that teach softly; more make training longer and little better."""


class TrainingJobs(NamedTuple):
    """Labelled and unlabelled jobs, and which of these are the team's own."""

    weights: RowWeights
    labelled: Counted
    unlabelled: Counted
    labelled_rows: sparse.csr_array
    unlabelled_rows: sparse.csr_array
    is_own: BoolArray
    """Which unlabelled jobs look like the labelled ones, shape (U,)."""
    own: Counted
    """At most `MAX_OWN` of these."""

    @classmethod
    def of(cls, weights: RowWeights, labelled: Counted, unlabelled: Counted, seed: int) -> Self:
        rows, more = weights.weigh(labelled), weights.weigh(unlabelled)
        is_own = in_domain(rows, more)
        chosen = np.flatnonzero(is_own)
        if len(chosen) > MAX_OWN:
            chosen = np.sort(np.random.default_rng(seed).choice(chosen, MAX_OWN, replace=False))
        return cls(weights, labelled, unlabelled, rows, more, is_own, unlabelled.take(chosen))

    def all_rows(self) -> sparse.csr_array:
        """Rows of labelled, then of unlabelled jobs."""
        both = [self.labelled_rows, self.unlabelled_rows]
        return sparse.csr_array(sparse.vstack(both, format="csr"))

    def importance(self, own_share: float) -> FloatArray:
        """How often the autoencoder sees each job: the team's own make up `own_share`."""
        own = np.concatenate([np.ones(self.labelled_rows.shape[0], bool), self.is_own])
        if own.all() or not own.any():
            return np.ones(len(own))
        weight = np.where(own, own_share / own.sum(), (1 - own_share) / (~own).sum())
        return np.asarray(weight)
