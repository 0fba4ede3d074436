"""Where a long training stands after each whole epoch, in a folder, so that it can go on.

An interrupted training goes on only with what it was begun with: same settings, seed and data.
"""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from matcher.base import Matcher
from matcher.data import MatchData
from tagger.errors import ModelError
from tagger.storage import is_model, load_arrays, load_meta, save_folder

logger = logging.getLogger(__name__)

KIND = "checkpoint"


@dataclass(frozen=True, slots=True)
class State:
    """A training after some epochs."""

    epoch: int
    """Whole epochs done."""
    arrays: Mapping[str, npt.NDArray[Any]]
    about: Mapping[str, Any] = field(default_factory=dict)
    """Plain values for JSON."""


class Checkpoint:
    """The last state of one training; without a folder it remembers nothing.

    Parameters
    ----------
    folder
        Made at the first `save`. A state that belongs to other settings or data is replaced.
    begun_with
        What `fingerprint` makes of settings, seed and data.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "training"
    >>> Checkpoint(folder, fingerprint("settings", 0)).save(State(3, {"w": np.ones(2)}))
    >>> Checkpoint(folder, fingerprint("settings", 0)).load().epoch
    3
    >>> Checkpoint(folder, fingerprint("other settings", 0)).load() is None
    True
    """

    def __init__(self, folder: Path | None, begun_with: str) -> None:
        self.folder = folder
        self.begun_with = begun_with
        self._steps: list[Checkpoint] = []

    def within(self, name: str, begun_with: str = "") -> "Checkpoint":
        """Of one step of a longer training: a folder inside this one, removed with it."""
        folder = None if self.folder is None else self.folder / name
        step = Checkpoint(folder, fingerprint(self.begun_with, begun_with))
        self._steps.append(step)
        return step

    def load(self) -> State | None:
        """None if there is nothing to go on with: no state, a damaged one or another training's."""
        if self.folder is None or not is_model(self.folder):
            return None
        try:
            meta = load_meta(self.folder)
            if meta.get("kind") != KIND or meta.get("begun_with") != self.begun_with:
                logger.warning("%s is of another training: beginning anew", self.folder)
                return None
            arrays = load_arrays(self.folder, meta)["state"]
        except ModelError as error:
            logger.warning("%s; beginning anew", error)
            return None
        return State(meta["epoch"], arrays, meta["about"])

    def save(self, state: State) -> None:
        """Put a state in the place of the last one; ModelError if the disk refuses."""
        if self.folder is None:
            return
        meta = {"kind": KIND, "begun_with": self.begun_with, "epoch": state.epoch}
        save_folder(self.folder, {"state": state.arrays}, {**meta, "about": dict(state.about)})

    def remove(self) -> None:
        """When the training is done. Nothing else that lies in the folder is touched."""
        for step in self._steps:
            step.remove()
        if self.folder is None or not self.folder.is_dir():
            return
        if is_model(self.folder) and load_meta(self.folder).get("kind") == KIND:
            shutil.rmtree(self.folder)
        elif not any(self.folder.iterdir()):
            self.folder.rmdir()


def takes_checkpoint(model: Matcher) -> bool:
    """Whether the training of a model can go on after a stop."""
    return "checkpoint" in signature(model.fit).parameters


def fit(model: Matcher, data: MatchData, folder: Path | None, *, show_progress: bool) -> None:
    """Fit a model; one that can go on after a stop keeps its state in the folder meanwhile."""
    keeps = {"checkpoint": folder} if folder and takes_checkpoint(model) else {}
    model.fit(data, show_progress=show_progress, **keeps)


def fingerprint(*parts: Any) -> str:
    """SHA-256 of arrays (kind, shape and contents), texts, numbers and configurations.

    Examples
    --------
    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(2)) != fingerprint(np.ones(2))
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(part.tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()
