"""The live model as a worker has it in memory: checked against its row before anything is tagged.

Letters for axes: B jobs, T tags, C code.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import StoreError
from db.labels import find_tags
from db.promises import Promised
from db.queue import Posting
from db.registry import CHAMPION, aliased
from db.schema import CodeVersion, Model, ModelTag

META = "meta.json"


class Predicted(Protocol):
    """All that a model says of B jobs."""

    @property
    def scores(self) -> npt.NDArray[np.floating[Any]]:
        """Shape (B, T): logits before calibration."""

    @property
    def probabilities(self) -> npt.NDArray[np.floating[Any]]:
        """Shape (B, T): calibrated, in [0, 1]."""

    @property
    def decisions(self) -> npt.NDArray[np.bool_]:
        """Shape (B, T): which tags are given."""

    @property
    def reviews(self) -> npt.NDArray[np.bool_]:
        """Shape (B, T): which tags a person should look at."""

    @property
    def codes(self) -> npt.NDArray[np.float32]:
        """Shape (B, C)."""


class Predictor(Protocol):
    """What tags; `db` doesn't know how."""

    @property
    def tags(self) -> tuple[str, ...]:
        """In column order."""

    def predict(self, postings: Sequence[Posting], /) -> Predicted:
        """All that is to be said of a batch of jobs, held in memory."""

    def promises(self, *, wrong_at_most: float, confidence: float) -> Sequence[Promised]:
        """Which tags it may give without a person; asked only where promises are wanted."""


Load = Callable[[Path], Predictor]
"""From a model folder to what it says; an error if the folder is not what was saved."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A registered model, loaded."""

    id: int
    code_version_id: int
    tag_ids: npt.NDArray[np.int64]
    """Shape (T,): the tags of the predictor's columns."""
    learned: npt.NDArray[np.bool_]
    """Shape (T,): tags with a threshold. Of the others the model knows only how frequent they are,
    which says nothing of a job."""
    predictor: Predictor


def champion(session: Session) -> Model:
    """The live model; StoreError if there is none."""
    model = aliased(session, CHAMPION)
    if model is None:
        raise StoreError(
            "there is no live model: run jobtool retrain, or jobtool models promote MODEL"
        )
    return model


def load_live(session: Session, model: Model, *, store: Path, load: Load) -> LiveModel:
    """Load a registered model; its folder must be the one that was registered, to the byte.

    Raises
    ------
    StoreError
        If its folder is missing, changed or pruned, or its tags are not those it is registered
        with. `load` raises errors of its own for the other files of the folder.
    """
    folder = store / model.folder
    check_folder(model, folder)
    predictor = load(folder)
    registered = select(ModelTag.tag_id, ModelTag.threshold).where(ModelTag.model_id == model.id)
    thresholds = dict(session.execute(registered).all())
    tags = find_tags(session, predictor.tags, merged=False)
    tag_ids = [tags[name].id for name in predictor.tags]
    if set(tag_ids) != thresholds.keys():
        raise StoreError(
            f"model {model.id} has {len(tag_ids)} tags, but is registered with {len(thresholds)} "
            f"others: {folder} is another model's folder; restore it or promote another model"
        )
    n_numbers = predictor.predict([Posting(0, "", "")]).codes.shape[1]
    expected = session.get_one(CodeVersion, model.code_version_id).n_numbers
    if n_numbers != expected:
        raise StoreError(
            f"model {model.id} makes codes of {n_numbers} numbers, its code version has "
            f"{expected}: register it with a code version of its own"
        )
    learned = np.array([thresholds[tag_id] is not None for tag_id in tag_ids], bool)
    return LiveModel(
        model.id, model.code_version_id, np.array(tag_ids, np.int64), learned, predictor
    )


def check_folder(model: Model, folder: Path) -> None:
    """Refuse a folder that is not the one that was registered, to the byte; StoreError."""
    remedy = "restore it, or put another model live: jobtool models promote"
    if model.pruned_at:
        raise StoreError(f"the folder of model {model.id} was pruned; {remedy}")
    try:
        found = hashlib.sha256((folder / META).read_bytes()).hexdigest()
    except OSError as error:
        raise StoreError(
            f"model {model.id}: can't read {folder / META} ({error.strerror}); "
            f"name the folder of the models with --store, or {remedy}"
        ) from error
    if found != model.sha256:
        raise StoreError(
            f"{folder / META} is not what was registered as model {model.id} (its sha256 differs); "
            f"{remedy}"
        )
