"""The jobs wanted most lately, for everybody: time-decayed popularity.

Letters for axes: B candidates asked for, J jobs, H half-lives, Q questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from matcher.base import Arrays, Matcher
from matcher.data import FloatArray, IntArray, MatchData
from matcher.demand import Demand
from matcher.histories import check_positive
from matcher.metrics import ndcg, ranks
from matcher.saved_config import from_plain
from matcher.wanted import HALF_LIVES
from tagger.errors import DataError

N_JUDGES = 1000
"""So many events, the latest ones, choose the half-life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentPopularityConfig:
    """How fast events are forgotten."""

    half_life: float | None = None
    """Days after which an event counts half, above 0; null: what would have been best for the
    latest events to learn from."""

    def __post_init__(self) -> None:
        if self.half_life is not None:
            check_positive(half_life=self.half_life)


class RecentPopularity(Matcher):
    """Scores a job by the decayed count of candidates who did the target action with it.

    Counts are those of `matcher.demand`: as of the moment of the question, with events that came
    after the training.

    References
    ----------
    Ji, Sun, Zhang and Li, A Re-visit of the Popularity Baseline in Recommender Systems, 2020.
    """

    name = "recent-popularity"
    config_class = RecentPopularityConfig
    uses_codes = False
    is_baseline = True
    _kept: tuple[MatchData, Demand] | None = None

    def __init__(self, config: RecentPopularityConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        if not data.has_times:
            raise DataError("what is popular lately needs events that all have a time")
        own = self.settings.half_life
        self.half_life_ = best_half_life(Demand(data), HALF_LIVES) if own is None else float(own)
        self._kept = None
        return self

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        if self._kept is None or self._kept[0] is not data:
            self._kept = data, Demand(data)
        demand = self._kept[1]
        times = np.full(len(candidates), np.nan) if times is None else times
        asked, place = np.unique(demand.now(times), return_inverse=True)
        found = np.empty((len(asked), demand.n_groups), np.float32)
        for row, state in enumerate(demand.states(asked, (self.half_life_,))):
            found[row] = state[0]
        by_job: FloatArray = found[np.ix_(place, data.groups)]
        return by_job

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        config = asdict(self.settings)
        return {}, {"config": config, "seed": self.seed, "half_life": self.half_life_}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model.half_life_ = meta["half_life"]
        return model


def best_half_life(demand: Demand, half_lives: Sequence[float]) -> float:
    """That with the best NDCG@10 on the latest events, each asked with what came before it."""
    asked, jobs = demand.times[-N_JUDGES:], demand.keys[-N_JUDGES:]
    moments, place = np.unique(asked, return_inverse=True)
    gained = np.zeros((len(half_lives), len(asked)))
    everything = np.ones((len(half_lives), demand.n_groups), bool)
    for number, state in enumerate(demand.states(moments, half_lives)):
        for row in np.flatnonzero(place == number):
            wanted = np.full(len(half_lives), jobs[row])
            gained[:, row] = ndcg(ranks(state, wanted, everything), 10)
    return half_lives[int(gained.mean(axis=1).argmax())]
