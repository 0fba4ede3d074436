"""RP3beta: jobs that a walk over candidates and jobs comes to in three steps.

Letters for axes: C candidates, J jobs.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from matcher.data import MatchData
from matcher.histories import check_positive
from matcher.neighbours import ItemNeighbours, NeighbourConfig, nearest, scaled
from tagger.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomWalkConfig(NeighbourConfig):
    """The walk."""

    alpha: float = 0.4
    """Power of the probabilities of a step, above 0."""
    beta: float = 0.4
    """How much popular jobs are held back, at least 0."""

    def __post_init__(self) -> None:
        NeighbourConfig.__post_init__(self)
        check_positive(alpha=self.alpha)
        if not self.beta >= 0:
            raise DataError(f"beta must be at least 0, got {self.beta}")


class RandomWalk(ItemNeighbours):
    """Scores a job by how likely a walk from the candidate ends there, divided by its popularity.

    From the candidate to a job of the history, to someone else who wanted it, to a job of theirs.

    References
    ----------
    Paudel, Christoffel, Newell and Bernstein, Updatable, Accurate, Diverse, and Scalable
    Recommendations for Interactive Applications, 2017.
    """

    name = "rp3beta"
    config_class = RandomWalkConfig

    def fit(self, data: MatchData, *, show_progress: bool = False) -> "RandomWalk":
        config = self.settings
        wanted = self._begin_with_wanted(data)  # (C, J)
        wanted_by = sparse.csr_array(wanted.T)
        n_wanted, n_wanted_by = (
            np.maximum(np.diff(one.indptr), 1.0) for one in (wanted, wanted_by)
        )
        to_people = scaled(wanted_by, n_wanted_by**-config.alpha)
        to_jobs = sparse.csr_array(scaled(wanted, n_wanted**-config.alpha).T)
        held_back = scaled(to_jobs, n_wanted_by**-config.beta)
        self.likeness_ = nearest(to_people, config.n_neighbours, others=held_back)
        return self
