"""The first stage of the hybrid: models that find jobs for candidates, and what they say of them.

Letters for axes: B candidates asked for, J jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from matcher.activity_models import DecayActivity
from matcher.affinity import Affinity, Crowd
from matcher.als import AlsConfig, ImplicitALS
from matcher.base import Arrays
from matcher.content import CodeSimilarity
from matcher.data import NUMBER, Action, BoolArray, FloatArray, IntArray, MatchData
from matcher.found import FACTORS, WANTED, Alike, Rows
from matcher.histories import HistoryMatcher, histories
from matcher.neighbours import ItemNeighbours, UserNeighbours
from matcher.side import side_of
from matcher.side_als import FieldsALS, FieldsAlsConfig
from matcher.wanted import FieldDemand, Wanted
from tagger.errors import DataError

Part = HistoryMatcher | DecayActivity
ON_EVENTS: dict[str, Any] = {
    model.name: model for model in (ItemNeighbours, UserNeighbours, ImplicitALS)
}


@dataclass(frozen=True, slots=True, eq=False)
class _About:
    """What is made once for the same data."""

    data: MatchData
    crowd: Crowd
    wanted: Wanted | None
    by_field: FieldDemand | None


class FirstStage:
    """Models on events, fields and codes; and, where events have times, what is wanted now.

    Parameters
    ----------
    data
        Decides which models there are, and which fields.
    n_factors, n_seeds, n_rounds
        As in `HybridConfig`.
    """

    _about: _About | None = None

    def __init__(
        self, data: MatchData, *, n_factors: int, n_seeds: int, n_rounds: int, seed: int
    ) -> None:
        self.target = data.target
        self._sizes = {"n_factors": n_factors, "n_seeds": n_seeds, "n_rounds": n_rounds}
        self._seed = seed
        self.has_times = data.has_times
        self.names = tuple(self._models(data))
        """Of the models, as the trees see them; one that finds too little to learn from, as in an
        inner split before texts or views began, scores 0 there."""
        self.alike = Alike(
            *(Affinity.fit(side_of(one)[0].fields_, one) for one in (data.candidates, data.jobs))
        )

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        """Fit all models anew."""
        self.parts_: dict[str, Part] = {}
        for name, part in self._models(data).items():
            try:
                self.parts_[name] = part.fit(data, show_progress=show_progress)
            except DataError:
                if name.startswith(FACTORS):
                    raise
        return self

    def _models(self, data: MatchData) -> dict[str, Part]:
        """Those that the data allow, not fitted yet."""
        n_factors, n_rounds = self._sizes["n_factors"], self._sizes["n_rounds"]
        found: dict[str, Part] = {}
        for number in range(self._sizes["n_seeds"]):
            shape = FieldsAlsConfig(
                n_factors=max(n_factors // (1 + number % 2), 1), n_rounds=n_rounds
            )
            found[f"{FACTORS}-{number}"] = FieldsALS(shape, seed=self._seed + number)
        found |= {name: model(seed=self._seed) for name, model in ON_EVENTS.items()}
        found[ImplicitALS.name] = ImplicitALS(
            AlsConfig(n_factors=n_factors, n_rounds=n_rounds), seed=self._seed
        )
        if data.jobs.codes is not None and data.jobs.codes.any():
            found[CodeSimilarity.name] = CodeSimilarity(seed=self._seed)
        if (data.events.actions != NUMBER[self.target]).any():
            found[DecayActivity.name] = DecayActivity(seed=self._seed)
        return found

    def rows(
        self,
        data: MatchData,
        candidates: IntArray,
        times: FloatArray | None = None,
        *,
        without: IntArray | None = None,
        live: BoolArray | None = None,
    ) -> Rows:
        """Scores of all jobs by the models, for candidates at some times.

        Parameters
        ----------
        without
            As in `histories`.
        live : shape (J,)
            The jobs to choose from; None: all.
        """
        known = {
            decay: histories(
                data, candidates, self.target, times=times, without=without, decay=decay
            )
            for decay in {1.0, *(getattr(part, "decay", 1.0) for part in self.parts_.values())}
        }
        scores = {FACTORS: np.zeros(known[1.0].shape, np.float32)}
        for name in self.names:
            part = self.parts_.get(name)
            if part is None:
                of_part: FloatArray = np.zeros(known[1.0].shape, np.float32)
            elif isinstance(part, DecayActivity):
                of_part = part.score_rows(data, candidates, times, without)
            else:
                of_part = part.score_rows(data, candidates, known[part.decay])
            if name.startswith(FACTORS):
                scores[FACTORS] += of_part
            else:
                scores[name] = of_part
        first: Any = self.parts_[f"{FACTORS}-0"]
        scores["taste"] = first.from_fields(data, candidates) @ first.kept_keys(data).T
        about = self._of(data)
        if times is None:
            times = np.full(len(candidates), np.nan)
        if about.wanted:
            now = about.wanted.at(times, live)
            scores[WANTED] = np.log(now.proba)
            for days, counts in now.counts.items():
                scores[f"{WANTED}, half-life {days:g} d"] = np.log1p(counts)
        by_field = about.by_field.of(now.proba) if about.by_field else {}
        return Rows(candidates, times, known[1.0], scores, by_field, about.crowd, self.alike)

    def _of(self, data: MatchData) -> _About:
        if self._about is None or self._about.data is not data:
            timed = self.has_times
            wanted = Wanted(data) if timed else None
            by_field = FieldDemand(data, self.alike.jobs.encoder) if timed else None
            self._about = _About(data, Crowd(data, self.target), wanted, by_field)
        return self._about

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        files: dict[str, Arrays] = {
            "usual": {name: one.usual for name, one in self.alike._asdict().items()}
        }
        parts = {}
        for name, part in self.parts_.items():
            own, parts[name] = part.to_arrays()
            files |= {f"{name}_{file}": arrays for file, arrays in own.items()}
        about = {"target": str(self.target), "names": list(self.names), "times": self.has_times}
        return files, {**about, "parts": parts}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        """As it was when `to_arrays` was asked; it can be asked, not fitted."""
        stage = cls.__new__(cls)
        stage.target, stage.names = Action(meta["target"]), tuple(meta["names"])
        stage.has_times, stage.parts_ = meta["times"], {}
        for name, own in meta["parts"].items():
            mine = {
                f.removeprefix(f"{name}_"): a for f, a in files.items() if f.startswith(name + "_")
            }
            stage.parts_[name] = _class_of(name).from_arrays(mine, own)
        first: Any = stage.parts_[f"{FACTORS}-0"]
        sides, usual = (first.people_, first.jobs_), files["usual"]
        stage.alike = Alike(
            *(
                Affinity(side.fields_, usual[n])
                for side, n in zip(sides, Alike._fields, strict=True)
            )
        )
        return stage


def _class_of(name: str) -> Any:
    others = {model.name: model for model in (CodeSimilarity, DecayActivity)}
    return FieldsALS if name.startswith(FACTORS) else {**ON_EVENTS, **others}[name]
