"""What all ranking models share: examples from events, features of pairs, probabilities of yes.

Letters for axes: P pairs.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from matcher.base import Arrays, Matcher, Pairs
from matcher.data import BoolArray, FloatArray, MatchData
from matcher.examples import ExampleConfig, make_examples
from matcher.features import FeatureConfig, PairFeatures, Rows
from matcher.saved_config import from_plain

ROWS_AT_ONCE = 65_536
LEARNED = "learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingConfig:
    """What is asked, and what is known of a pair."""

    examples: ExampleConfig = field(default_factory=ExampleConfig)
    """Which pairs are learned from."""
    features: FeatureConfig = field(default_factory=FeatureConfig)
    """Which features they have."""


class RankingModel(Matcher):
    """Learns from labelled pairs which of their features go with yes.

    Scores are probabilities of yes among pairs such as those learned from: where the events hold
    no no and jobs were drawn instead, among so many drawn ones.

    A subclass learns (`_learn`), judges rows (`_proba`), and keeps arrays (`_arrays`,
    `_set_arrays`).
    """

    gives_probability = True
    config_class: ClassVar[type[RankingConfig]] = RankingConfig

    def __init__(self, config: RankingConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        config = self.settings
        examples = make_examples(data, config.examples, seed=self.seed)
        self.features_ = PairFeatures(config.features, config.examples.stage)
        rows = self.features_.fit(data, examples.pairs).training_rows(data, examples)
        self._learn(rows, examples.is_yes, show_progress=show_progress)
        return self

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        scores = np.empty(len(pairs))
        for first in range(0, len(pairs), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            scores[part] = self._proba(self.features_.rows(data, pairs.take(part)))
        return scores

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        files, meta = self.features_.to_arrays()
        config = asdict(self.settings)
        return {**files, LEARNED: self._arrays()}, {
            "config": config,
            "seed": self.seed,
            "features": meta,
        }

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        config = model.settings
        model.features_ = PairFeatures.from_arrays(files, meta["features"], config.features)
        model._set_arrays(files[LEARNED])
        return model

    @abstractmethod
    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None: ...

    @abstractmethod
    def _proba(self, rows: Rows) -> FloatArray: ...

    @abstractmethod
    def _arrays(self) -> dict[str, npt.NDArray[Any]]: ...

    @abstractmethod
    def _set_arrays(self, arrays: Arrays) -> None: ...
