"""Jobs that first models find for candidates, and what trees see of them.

Letters for axes: B candidates asked for, C candidates, J jobs, P pairs, X numbers of a pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.affinity import Affinity, Crowd
from matcher.data import FloatArray, IntArray

FACTORS = "factors"
WANTED = "wanted now"
MORE_BY_FACTORS = 4
"""The factors find so many times as many jobs as each other model."""
PLACES = (1, 10, 50)
"""The trees see how far a score is from those at these places of its row."""


class Alike(NamedTuple):
    """How usual fields are among others."""

    candidates: Affinity
    jobs: Affinity


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What the first models say of all jobs for B candidates."""

    candidates: IntArray
    times: FloatArray
    """Shape (B,): when they are asked about; nan for now."""
    known: sparse.csr_array
    """Shape (B, J): their histories."""
    scores: Mapping[str, npt.NDArray[np.float32]]
    """By model; each of shape (B, J)."""
    by_field: Mapping[str, npt.NDArray[np.float32]]
    """How much the values of jobs' fields are wanted now, by field; each of shape (B, J)."""
    crowd: Crowd
    alike: Alike

    def found(self, live: Any, n: int) -> tuple[IntArray, IntArray]:
        """Rows and jobs of the pairs to rank: the `n` best of each model, and the `n` best without
        events by the factors; no job of the history, and only `live` ones where that is given."""
        closed = self.known.toarray() > 0
        if live is not None:
            closed |= ~live
        chosen = np.zeros(closed.shape, bool)
        for name, scores in self.scores.items():
            more = MORE_BY_FACTORS if name == FACTORS else 1
            _choose(chosen, np.where(closed, -np.inf, scores), n * more)
        if self.by_field:
            _choose(chosen, np.where(closed, -np.inf, sum(self.by_field.values())), n)
        of_new = np.where(closed | ~self.crowd.is_new(self.times), -np.inf, self.scores[FACTORS])
        _choose(chosen, of_new, n)
        rows, jobs = np.nonzero(chosen)
        return rows, jobs

    def numbers(self, rows: IntArray, jobs: IntArray) -> npt.NDArray[np.float32]:
        """What the trees see of pairs, shape (P, X): each model's score, and how far it is from
        the best ones of the row; the length of the history; how often and lately the job was
        wanted; what fields have in common."""
        met, columns = self.known.nonzero(), []
        for scores in self.scores.values():
            own, others = scores[rows, jobs], -scores
            others[met] = np.inf
            places = np.minimum(PLACES, scores.shape[1]) - 1
            best = -np.partition(others, places, axis=1)[:, places]
            columns += [own, *(own[:, None] - best[rows]).T]
        columns += [of_field[rows, jobs] for of_field in self.by_field.values()]
        data, candidates = self.crowd.data, self.candidates[rows]
        crowd = self.crowd.before(candidates, jobs, self.times[rows])
        columns += [np.diff(self.known.indptr)[rows], np.log1p(crowd.count), crowd.age]
        of_people = self.alike.candidates.numbers(
            data.candidates, candidates, crowd.rows, crowd.place
        )
        of_jobs = self.alike.jobs.numbers(data.jobs, jobs, self.known, rows)
        found = np.concatenate([np.stack(columns, axis=1), of_people, of_jobs], axis=1, dtype="f4")
        found[np.isinf(found)] = np.nan
        return found

    def names(self) -> list[str]:
        """What each of the X numbers of a pair tells of, for people."""
        return [
            *(name for name in self.scores for _ in range(1 + len(PLACES))),
            *(f"{WANTED}: {field}" for field in self.by_field),
            "length of the history",
            *["demand"] * 2,
            *(f"{field} of its candidates" for field in self.alike.candidates.names),
            *(f"{field} of their jobs" for field in self.alike.jobs.names),
        ]


def _choose(chosen: Any, scores: FloatArray, n: int) -> None:
    """Mark the `n` best jobs of each row, if their score is above the lowest possible."""
    n = min(n, scores.shape[1])
    last = np.partition(scores, -n, axis=1)[:, -n, None]
    best = scores >= last
    for row in np.flatnonzero(best.sum(axis=1) > n):  # too many are as good as the last
        ties = np.flatnonzero(scores[row] == last[row])
        best[row, ties[n - int((scores[row] > last[row]).sum()) :]] = False
    chosen |= best & np.isfinite(scores) & (scores != 0)
