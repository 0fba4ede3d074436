"""What a model said of a split, kept in a folder so that an interrupted evaluation goes on there.

Letters for axes: Q questions, J jobs, P pairs, K numbers of jobs shown.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from matcher.base import Matcher
from matcher.data import FloatArray, Profiles
from matcher.held_out import AskedPairs
from matcher.splits import Split
from tagger.storage import jobtool_version
from tagger.writing import writing


def _empty() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What a model said, before any metric."""

    ranks: FloatArray = field(default_factory=_empty)
    """Shape (Q,): of the held-out job among those it competes with."""
    frozen_ranks: FloatArray = field(default_factory=_empty)
    """Shape (Q,): the same by the frozen protocol; empty without times, where there is but one."""
    n_rivals: FloatArray = field(default_factory=_empty)
    """Shape (Q,): how many these are, with itself."""
    shown: FloatArray = field(default_factory=_empty)
    """Shape (K, J): for how many questions each job is among the first so many."""
    pair_scores: FloatArray = field(default_factory=_empty)
    """Shape (P,), of `held_out_pairs`."""
    under_way_scores: FloatArray = field(default_factory=_empty)
    """The same of `pairs_under_way`."""
    fit_s: float = np.nan
    score_s: float = np.nan
    """Seconds for scoring all jobs for all questions."""
    memory_mb: float = np.nan
    """How much the process grew at most, fitting and scoring; nan where the system doesn't say."""
    n_nan: int = 0
    """Scores that are not numbers."""
    notes: npt.NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    """Sentences of the model on what it learned from."""
    failure: str = ""
    """Why the model could not be used on these data."""

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        arrays = {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)}
        beside = path.with_name(f".{path.name}.part")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """None if it is not there or can't be read, so that it is measured again."""
        with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
                found = {one.name: arrays[one.name] for one in fields(cls)}
            return cls(**{k: v if v.ndim else v.item() for k, v in found.items()})
        return None


def fingerprint(split: Split, asked: AskedPairs, under_way: AskedPairs, ks: Sequence[int]) -> str:
    """Of all that a measurement depends on but the model."""
    digest = hashlib.sha256(json.dumps([jobtool_version(), *map(int, ks)]).encode())
    for part in (split.train, split.known):
        for column in ("candidates", "jobs", "actions", "times"):
            _add(digest, getattr(part.events, column))
    for column in ("candidates", "jobs", "times", "live"):
        _add(digest, getattr(split, column))
    for pairs in (asked.pairs, under_way.pairs):
        for column in ("candidates", "jobs", "times"):
            _add(digest, getattr(pairs, column))
    for part in (split.train, split.known):
        _add_profiles(digest, part.candidates)
        _add_profiles(digest, part.jobs)
    return digest.hexdigest()


def _add(digest: Any, column: Any) -> None:
    array = np.ascontiguousarray(column)
    digest.update(f"{array.dtype}{array.shape}".encode())
    digest.update(array.tobytes())


def _add_profiles(digest: Any, side: Profiles) -> None:
    for array in (side.codes, side.known_from, side.groups):
        _add(digest, np.zeros(0) if array is None else array)
    columns = {name: list(values) for name, values in side.fields.items()}
    digest.update(json.dumps([side.ids, columns], default=str).encode())


def kept_at(work: Path, name: str, model: Matcher, print_: str) -> Path:
    """Where a model's measurement on such data is kept; another configuration, another file."""
    said = f"{print_} {name} {_described(model)}"
    key = hashlib.sha256(said.encode()).hexdigest()[:20]
    return work / f"{model.name}-{key}.npz"


def _described(value: Any) -> str:
    """Settings as text: those of a model are what its constructor stored, models within it too."""
    if isinstance(value, Matcher):
        return f"{type(value).__qualname__}{_described(vars(value))}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_described(of)}' for key, of in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_described, value))}]"
    return repr(value)
