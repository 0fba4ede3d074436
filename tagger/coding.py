"""Codes of any texts, jobs and resumes alike, from a saved tagger."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tagger.jobs import Job
from tagger.model import TagModel

PARTS = ("encoder", "rows")
"""Files of a model folder that decide on codes."""


class Coder:
    """What makes codes, and a name that tells its codes from others."""

    def __init__(self, folder: Path) -> None:
        self._model = TagModel.load(folder)
        self.identity = f"tagger {_identity(self._model)}"

    def __call__(self, texts: Sequence[tuple[str, str]], /) -> npt.NDArray[np.float32]:
        """From titles and texts, N of them, to codes, shape (N, D)."""
        return self._model.encode([Job("", title, text) for title, text in texts])


def _identity(model: TagModel) -> str:
    hashes = [model.meta["sha256"][f"{part}.npz"] for part in PARTS]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]
