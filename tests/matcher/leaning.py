"""A tiny model with everything that a command may ask for: options, vectors, reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from matcher.base import Arrays, Matcher
from matcher.data import FloatArray, IntArray, MatchData
from tagger.errors import DataError


@dataclass(frozen=True, slots=True)
class Twist:
    power: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaningConfig:
    weight: float = 1.0
    steps: int = 2
    sizes: tuple[int, ...] = (4, 2)
    kind: str = "plain"
    twist: Twist = Twist()
    end: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise DataError(f"weight must be in [0, 1], got {self.weight}")


class Leaning(Matcher):
    """Likeness of codes, and how many candidates wanted a job."""

    name = "leaning"
    config_class = LeaningConfig

    def __init__(self, config: LeaningConfig | None = None, *, seed: int = 0) -> None:
        self.config, self.seed = config or LeaningConfig(), seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        if data.jobs.codes is None:
            raise DataError("leaning needs codes")
        self.n_ = data.jobs.codes.shape[1]
        return self

    def embed(self, data: MatchData, candidates: IntArray) -> FloatArray:
        assert data.jobs.codes is not None
        sums = data.matrix()[candidates] @ data.jobs.codes
        return np.asarray(sums, np.float32)

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        wanted = np.asarray(data.matrix().sum(axis=0)).ravel()
        likeness = self.embed(data, candidates) @ data.jobs.codes.T
        return self.config.weight * likeness + (1 - self.config.weight) * wanted

    def explain(self, data: MatchData, candidate: int, job: int) -> Mapping[str, float]:
        return {"likeness": 0.25, "popularity": -1.5}

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        return {"model": {"n": np.array([self.n_])}}, {"weight": self.config.weight}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(LeaningConfig(weight=meta["weight"]))
        model.n_ = int(files["model"]["n"][0])
        return model
