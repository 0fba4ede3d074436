"""Jobs like those of the history, and like the resume, by code alone: no training to speak of.

Letters for axes: B candidates asked for, J jobs, D numbers of a code.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.base import Arrays
from matcher.data import IntArray, MatchData, Profiles
from matcher.histories import HistoryMatcher, Matrix
from matcher.job_vectors import unit
from matcher.saved_config import from_plain
from tagger.errors import DataError, ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentConfig:
    """What a candidate's code is made of."""

    decay: float = 0.9
    """A job of the history counts so many times as much as the one after it, in (0, 1]."""
    resume: float = 0.5
    """Weight of the candidate's own code beside the mean of the history's, at least 0."""

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise DataError(f"decay must be in (0, 1], got {self.decay}")
        if not self.resume >= 0:
            raise DataError(f"resume must be at least 0, got {self.resume}")


class CodeSimilarity(HistoryMatcher):
    """Cosine of a job's code with the decayed mean code of the history and the resume's code.

    Codes are taken from the mean code of the jobs first. A job without text, and every job for a
    candidate of whom nothing is known, scores 0.

    References
    ----------
    Lops, de Gemmis and Semeraro, Content-based Recommender Systems: State of the Art, 2011.
    """

    name = "code-similarity"
    config_class = ContentConfig
    is_baseline = True

    def __init__(self, config: ContentConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        codes = data.jobs.codes
        if codes is None or not codes.any():
            raise DataError(
                "jobs have no codes to compare: add their texts, or leave this model out"
            )
        self._begin(data)
        self.mean_ = codes[codes.any(axis=1)].mean(axis=0, dtype=np.float64).astype(np.float32)
        return self

    @property
    def decay(self) -> float:  # type: ignore[override]
        return float(self.settings.decay)

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        resume = self.settings.resume
        history = unit(np.asarray(known @ self.kept_keys(data)))
        own = unit_codes(data.candidates, self.mean_, candidates)
        return history if own is None else unit(history + resume * own)

    def keys(self, data: MatchData) -> npt.NDArray[np.float32]:
        codes = unit_codes(data.jobs, self.mean_)
        return np.zeros((len(data.jobs), len(self.mean_)), np.float32) if codes is None else codes

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        config = asdict(self.settings)
        return {"mean": self.mean_}, {"config": config, "seed": self.seed}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model._restore(files, meta)
        model.mean_ = files["model"]["mean"]
        return model


def unit_codes(
    profiles: Profiles, mean: npt.NDArray[np.float32], rows: IntArray | slice = slice(None)
) -> npt.NDArray[np.float32] | None:
    """Centred codes of length 1, zeros where there is no text; None if there are no codes.

    Of some rows, or of all: shape (rows, D).

    Raises
    ------
    ModelError
        If codes have another size than those learned from.
    """
    codes = profiles.codes
    if codes is None:
        return None
    if codes.shape[1] != len(mean):
        raise ModelError(
            f"the model was trained on codes of {len(mean)} numbers, got {codes.shape[1]}: "
            "train it again, or make the codes with the model of then"
        )
    codes = codes[rows]
    return unit((codes - mean) * codes.any(axis=1, keepdims=True))
