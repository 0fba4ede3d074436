"""What every model of `matcher` can do: be fitted, score jobs for candidates, be saved.

Letters for axes: B candidates asked for, J jobs, P pairs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from matcher.data import FloatArray, IntArray, MatchData

Arrays = Mapping[str, npt.NDArray[Any]]
PAIRS_AT_ONCE = 262_144
SCORES_AT_ONCE = 2**23
"""Cells of a block of `score_jobs`: 32 MB, however many jobs there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Candidates and jobs, pair by pair. Columns of shape (P,)."""

    candidates: IntArray
    jobs: IntArray
    times: FloatArray
    """When the pair is asked about, in seconds since 1970: nothing that happened then or later may
    be used. nan: all that is known may be, but what happened between these two."""

    def __len__(self) -> int:
        return len(self.jobs)

    def take(self, which: Any) -> "Pairs":
        return Pairs(self.candidates[which], self.jobs[which], self.times[which])


class Matcher(ABC):
    """A model that says how well jobs suit candidates.

    The constructor only stores; one `seed` decides all randomness. A fitted model knows jobs and
    candidates by their ids, so it can be asked about data with other, newer ones: what it can't
    say anything of gets the lowest score it gives (or a neutral one, where the docstring says so).
    A subclass defines `score_pairs` or `score_jobs`, or both where that is faster.
    """

    name: ClassVar[str]
    """As in `matcher.registry`."""
    config_class: ClassVar[type[Any] | None] = None
    """The frozen dataclass of the settings, whose defaults are the model's; None: it has none."""
    config: Any = None
    """What the constructor was given; None: the defaults."""
    gives_probability: ClassVar[bool] = False
    """Whether scores are probabilities of the target action, in [0, 1]."""
    uses_codes: ClassVar[bool] = True
    """Whether it reads codes: then it can't be asked with those of another tagger."""
    is_baseline: ClassVar[bool] = False
    """Whether others are to be measured against it: evaluations say how far they are ahead."""

    ranks_jobs: ClassVar[bool] = True
    """Whether it ranks jobs that a candidate has not met. If not, it is asked only about pairs
    under way: those with steps (`matcher.sequences`) that have not come to the target action."""

    @property
    def settings(self) -> Any:
        """The configuration in force: the only place where defaults come from."""
        return self.config or (self.config_class and self.config_class())

    @abstractmethod
    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        """Learn from all events of `data`; whatever was learned before is forgotten.

        Raises
        ------
        DataError
            If the data lack what the model can't do without.
        """

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        """Scores of pairs, shape (P,), higher is better, comparable within a candidate at least.

        `data` holds what is known when asked: histories may be longer than in training, jobs and
        candidates may be new.
        """
        moments = np.nan_to_num(pairs.times, nan=np.inf)
        questions, place = np.unique(
            np.stack([pairs.candidates, moments], axis=1), axis=0, return_inverse=True
        )
        people, times = questions[:, 0].astype(np.intp), questions[:, 1]
        times[np.isinf(times)] = np.nan
        order = np.argsort(place, kind="stable")
        scores = np.empty(len(pairs))
        for rows in blocks(np.arange(len(people)), candidates_at_once(data)):
            first, end = np.searchsorted(place, [rows[0], rows[-1] + 1], sorter=order)
            here = order[first:end]
            block = self.score_jobs(data, people[rows], times[rows])
            scores[here] = block[place[here] - rows[0], pairs.jobs[here]]
        return scores

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        """Scores of all jobs for some candidates, shape (B, J).

        Parameters
        ----------
        times
            Shape (B,): when each is asked about, as in `Pairs`. None: now, with all that is known.
        """
        times = np.full(len(candidates), np.nan) if times is None else times
        n_jobs = len(data.jobs)
        scores = np.empty((len(candidates), n_jobs), np.float32)
        step = max(PAIRS_AT_ONCE // max(n_jobs, 1), 1)
        for first in range(0, len(candidates), step):
            people = candidates[first : first + step]
            pairs = Pairs(
                np.repeat(people, n_jobs),
                np.tile(np.arange(n_jobs), len(people)),
                np.repeat(times[first : first + step], n_jobs),
            )
            scores[first : first + step] = self.score_pairs(data, pairs).reshape(-1, n_jobs)
        return scores

    @abstractmethod
    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        """What was learned: arrays by file name, and plain values for JSON. No objects."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        """A model as it was when `to_arrays` was asked."""


def says_what(*names: str) -> str:
    """Of models that do not rank jobs: what they are for, in a sentence without its full stop."""
    tell, do = ("tells", "it does") if len(names) == 1 else ("tell", "they do")
    return (
        f"{', '.join(names)} {tell} what becomes of pairs under way; {do} not rank jobs that a "
        "candidate has not met"
    )


def top_jobs(scores: FloatArray, k: int) -> IntArray:
    """The best `k` jobs of each row, best first, ties in the order of jobs: shape (B, k).

    nan counts as the lowest score. Fewer columns where there are fewer jobs.
    """
    k = min(k, scores.shape[1])
    if not k:
        return np.empty((len(scores), 0), np.intp)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    last = np.partition(scores, -k, axis=1)[:, -k, None]
    chosen = scores >= last
    for row in np.flatnonzero(chosen.sum(axis=1) > k):  # too many are as good as the last
        ties = np.flatnonzero(scores[row] == last[row])
        chosen[row, ties[k - int((scores[row] > last[row]).sum()) :]] = False
    part = np.nonzero(chosen)[1].reshape(-1, k)
    order = np.argsort(-np.take_along_axis(scores, part, axis=1), axis=1, kind="stable")
    return np.take_along_axis(part, order, axis=1)


def candidates_at_once(data: MatchData) -> int:
    """How many candidates to ask `score_jobs` about in one call, so that memory stays flat."""
    return max(min(1024, SCORES_AT_ONCE // max(len(data.jobs), 1)), 1)


def blocks(values: IntArray, size: int) -> Iterator[IntArray]:
    """Consecutive parts of at most `size`."""
    for first in range(0, len(values), size):
        yield values[first : first + size]
