"""What candidates did lately, as sequences of equal length: the input of every activity embedding.

Letters for axes: N sequences, S steps (the latest last), K actions and PAD.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from matcher.data import ACTIONS, DAY, BoolArray, Events, FloatArray, IntArray, MatchData
from tagger.errors import DataError

PAD = len(ACTIONS)
"""The action of a step at which nothing was done."""
N_KINDS = len(ACTIONS) + 1
NO_JOB = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityConfig:
    """What counts as activity, and what is learned from it."""

    days: float | None = 28.0
    """Actions longer ago are forgotten; None: none is."""
    steps: int = 32
    """So many of the latest actions."""
    ignored: tuple[str, ...] = ("impression",)
    """Actions that are no activity of the candidate."""
    n_numbers: int = 64
    """Of a job's vector where it is learned from events; codes have their own."""
    min_actions: int = 4
    """Windows with fewer actions, the last one counted, are not learned from."""
    min_rows: int = 2000
    """If there are fewer windows than this, they may be shorter by as much as it takes."""
    max_rows: int = 200_000
    """Windows at most, drawn at random."""
    n_negatives: int = 8
    """Random jobs for each one that was taken."""
    negative_weight: float = 0.5
    """All random negatives of a window count together like this; a dismissed job counts 1."""
    jitter_hours: float = 1.0
    """A random negative is met up to so much earlier or later than the job itself."""
    decays: tuple[float, ...] = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
    """Values of r to choose from, each in (0, 1]; 1 is the plain mean."""
    n_questions: int = 2000
    """Held out inside the training data to choose r and the number of epochs, at most."""

    def __post_init__(self) -> None:
        unknown = set(self.ignored) - {str(action) for action in ACTIONS}
        if unknown:
            raise DataError(f"unknown actions {sorted(unknown)}; known: {', '.join(ACTIONS)}")
        if self.days is not None and not self.days > 0:
            raise DataError(f"days must be above 0, got {self.days}")
        counts = (self.steps, self.n_numbers, self.max_rows, self.n_negatives, self.n_questions)
        if min(*counts, self.min_actions - 1) < 1:
            raise DataError("min_actions must be at least 2, all other counts at least 1")
        if not 0 < self.negative_weight <= 1 or not self.jitter_hours >= 0:
            raise DataError("negative_weight must be in (0, 1] and jitter_hours at least 0")
        if not self.decays or not all(0 < r <= 1 for r in self.decays):
            raise DataError(f"decays must be in (0, 1], got {self.decays}")


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Histories, oldest step first, padded in front."""

    jobs: IntArray
    """Shape (N, S): rows of jobs, -1 at a padded step."""
    actions: npt.NDArray[np.int8]
    """Shape (N, S): places in `ACTIONS`, `PAD` at a padded step."""

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def lengths(self) -> IntArray:
        """Actions in each, shape (N,)."""
        return np.asarray((self.jobs != NO_JOB).sum(axis=1))

    def take(self, which: Any) -> "Sequences":
        return Sequences(self.jobs[which], self.actions[which])


def sequences(
    data: MatchData,
    candidates: IntArray,
    times: FloatArray | None = None,
    *,
    config: ActivityConfig,
    without: IntArray | None = None,
) -> Sequences:
    """What candidates did in the days before a moment, the last so many actions.

    Parameters
    ----------
    candidates : shape (N,)
        Rows of candidates.
    times : shape (N,)
        Only events strictly before are taken, and none whose time is unknown. nan, or None for all:
        everything known counts, and the days end at the latest event of the data. Where events lack
        a time, nothing is forgotten: these come first, as they came, and their order means only as
        much as that of the file.
    without : shape (N,)
        Rows of jobs, -1 for none: what was done with this job, or with a repost of it, is left
        out. Looked for among the last 2 S actions.
    """
    index = _index(data, config.ignored)
    first, end = index.bounds(candidates, times, config.days)
    n_steps = config.steps * (1 if without is None else 2)
    rows = end[:, None] + np.arange(-n_steps, 0)
    valid = rows >= first[:, None]
    events = index.events
    rows = np.where(valid, rows, 0)
    if not len(events):
        nothing = np.full((len(candidates), config.steps), NO_JOB)
        return Sequences(nothing, np.full(nothing.shape, PAD, np.int8))
    if without is not None:
        group = index.groups
        valid &= (group[events.jobs[rows]] != group[without][:, None]) | (without < 0)[:, None]
        kept = np.argsort(valid, axis=1, kind="stable")[:, -config.steps :]
        rows = np.take_along_axis(rows, kept, axis=1)
        valid = np.take_along_axis(valid, kept, axis=1)
    return Sequences(
        np.where(valid, events.jobs[rows], NO_JOB),
        np.where(valid, events.actions[rows], PAD).astype(np.int8),
    )


def decay_weights(actions: npt.NDArray[np.int8], r: float) -> npt.NDArray[np.float32]:
    """Weight of each step in the geometrically decaying mean of its action type: shape (N, S).

    A step counts r times the next one of the same type; the weights of a type sum to one. r = 1 is
    the plain mean.

    References
    ----------
    Improving job matching with machine-learned activity features, LinkedIn Engineering, 2022.

    Examples
    --------
    >>> decay_weights(np.array([[PAD, 5, 4, 5]], np.int8), 0.5).astype(float).round(2).tolist()
    [[0.0, 0.33, 1.0, 0.67]]
    """
    weights = np.zeros(actions.shape, np.float32)
    for action in np.unique(actions[actions != PAD]):
        is_it = actions == action
        n_later = np.asarray(is_it)[:, ::-1].cumsum(axis=1)[:, ::-1] - 1
        raw = np.where(is_it, np.power(r, n_later, dtype=np.float64), 0)
        weights += (raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return weights


class _Index:
    """The events of some data, candidate by candidate."""

    def __init__(self, data: MatchData, ignored: tuple[str, ...]) -> None:
        kept = data.events.of(*(action for action in ACTIONS if action not in ignored))
        order = np.lexsort((np.nan_to_num(kept.times, nan=-np.inf), kept.candidates))
        self.events: Events = kept.take(order)
        self.groups = data.groups

    @cached_property
    def _moments(self) -> FloatArray:
        return np.unique(self.events.times[np.isfinite(self.events.times)])

    @cached_property
    def _keys(self) -> IntArray:
        """Grow with the rows: candidate, then the place of the time; -1 for no time."""
        place = np.searchsorted(self._moments, self.events.times)
        place[np.isnan(self.events.times)] = -1
        return self._key(self.events.candidates, place)

    def _key(self, candidates: IntArray, places: IntArray) -> IntArray:
        return np.asarray(candidates.astype(np.int64) * (len(self._moments) + 2) + places + 1)

    def bounds(
        self, candidates: IntArray, times: FloatArray | None, days: float | None
    ) -> tuple[IntArray, IntArray]:
        """First row and the one after the last, of the events that count: shape (N,) each."""
        times = np.full(len(candidates), np.nan) if times is None else times
        is_now = np.isnan(times)
        if days is None or np.isnan(self.events.times).any():
            first = np.where(is_now, -1, 0)  # no one knows whether -1, no time, was before a moment
        else:
            latest = self._moments[-1] if len(self._moments) else np.nan
            since = np.where(is_now, latest, times) - days * DAY
            first = np.searchsorted(self._moments, since)
        end = np.where(is_now, len(self._moments), np.searchsorted(self._moments, times))
        return (
            np.searchsorted(self._keys, self._key(candidates, first)),
            np.searchsorted(self._keys, self._key(candidates, end)),
        )


_INDEXES: WeakKeyDictionary[MatchData, dict[tuple[str, ...], _Index]] = WeakKeyDictionary()


def _index(data: MatchData, ignored: tuple[str, ...]) -> _Index:
    """Made once for some data: they don't change."""
    made = _INDEXES.setdefault(data, {})
    if ignored not in made:
        made[ignored] = _Index(data, ignored)
    return made[ignored]


def is_met(found: Sequences, jobs: IntArray, groups: IntArray) -> BoolArray:
    """Whether a history holds the job asked about, or a repost of it: shape (N,)."""
    is_same = groups[found.jobs] == groups[jobs][:, None]
    return np.asarray((is_same & (found.jobs != NO_JOB)).any(axis=1))
