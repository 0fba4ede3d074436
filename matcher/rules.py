"""Rules with weights set by hand: what a team has before it has events to learn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from matcher.base import Arrays
from matcher.data import BoolArray, FloatArray, MatchData
from matcher.examples import shown_pairs
from matcher.features import PairFeatures, Rows
from matcher.ranking import RankingConfig, RankingModel
from tagger.errors import DataError


def _weights() -> dict[str, float]:
    return {
        "same": 1.0,
        "overlap": 1.0,
        "difference": -0.2,
        "distance": -0.3,
        "cosine": 2.0,
        "affinity": 1.0,
        "rate": 2.0,
        "yes: job": 0.2,
        "age": -0.1,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig(RankingConfig):
    """The rules."""

    weights: Mapping[str, float] = field(default_factory=_weights)
    """Family of a number, or its whole name (`matcher.features`), -> its weight. A whole name
    goes before its family; a number without a weight does not count. Of differences the size
    counts, whichever side is ahead."""

    def __post_init__(self) -> None:
        if not all(np.isfinite(weight) for weight in self.weights.values()):
            raise DataError("weights of rules must be finite numbers")


class RuleModel(RankingModel):
    """Weighted sum of what fields, codes and counts say of a pair; unknown counts nothing.

    Learns nothing but the values and scales of fields. Scores are no probabilities.

    References
    ----------
    The first stage of system 58: rules such as "the wanted category is the job's", weighted by
    hand.
    """

    name = "rules"
    gives_probability = False
    config_class: ClassVar[type[RankingConfig]] = RuleConfig

    def fit(self, data: MatchData, *, show_progress: bool = False) -> "RuleModel":
        config: RuleConfig = self.settings
        self.features_ = PairFeatures(config.features, config.examples.stage)
        self.features_.fit(data, shown_pairs(data, config.examples).pairs)
        self._check()
        return self

    def _check(self) -> None:
        names = self.features_.names_
        if not any(self._weight(name) for name in names):
            raise DataError(
                f"no rule has a number to weigh: there are {', '.join(names)}; "
                f"weights are given for {', '.join(self.settings.weights)}"
            )

    def _weight(self, name: str) -> float:
        weights = self.settings.weights
        return float(weights.get(name, weights.get(name.split(":")[0], 0.0)))

    def _proba(self, rows: Rows) -> FloatArray:
        scores = np.zeros(len(rows))
        for place, name in enumerate(self.features_.names_):
            values = np.nan_to_num(rows.numbers[:, place], posinf=0, neginf=0)
            if name.startswith("difference:"):
                values = np.abs(values)
            scores += self._weight(name) * values
        return scores

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        """Nothing: `fit` is enough."""

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {}

    def _set_arrays(self, arrays: Arrays) -> None:
        pass
