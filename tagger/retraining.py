"""A challenger from a champion: training, and how far its codes have moved."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.features import Counted
from tagger.jobs import Job
from tagger.labels import encode_labels
from tagger.model import TagModel
from tagger.storage import META
from tagger.tag_info import TagInfo
from tagger.tagger import JobTagger, TaggerConfig, count_all
from tagger.versions import versions

FloatArray = npt.NDArray[np.floating[Any]]

_N_DRIFT = 1000  # jobs whose codes are compared before and after


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What is to be remembered of a model that was saved."""

    sha256: str
    """Of its `meta.json`, which holds the hashes of the other files."""
    thresholds: dict[str, float | None]
    """Tag -> probability from which it is given; None where not learned."""
    n_yes: dict[str, int]
    """Tag -> labelled jobs with it; 0 where it is known by its name alone."""
    remarks: dict[str, str]
    """Tag -> what must be known of it; not every tag has one."""
    seed: int
    versions: dict[str, str]
    """Of jobtool and what it rests on."""
    metrics: dict[str, Any]
    """As in `meta.json`, and n_labelled and n_unlabelled."""
    n_code: int
    """Numbers of a code."""
    drift: float | None
    """How far the codes of the same jobs have moved, see `code_drift`; 0 where they were left as
    they are, None where there was no model before."""


def train_challenger(
    folder: Path,
    labelled: Sequence[Job],
    tags: Sequence[TagInfo],
    unlabelled: Iterable[Job],
    *,
    parent: Path | None,
    refresh: bool = False,
    config: TaggerConfig | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> TrainedModel:
    """Train a model and save it: from scratch, or on from another one.

    Parameters
    ----------
    folder
        Where the model goes.
    labelled
        All labelled jobs to learn from, old ones too; perhaps none.
    tags
        The columns of the new model, and what the team says of them.
    unlabelled
        More jobs, as in `JobTagger.fit`.
    parent
        Folder of the model to go on from; None: from scratch, by `config` and `seed`.
    refresh
        Let the codes go on learning; else they stay exactly as they are.

    Raises
    ------
    DataError
        If there is no job or no tag.
    ModelError
        If the parent is not whole, or the disk refuses the new one.
    """
    others = count_all(unlabelled, show_progress=show_progress)
    counted = count_all(labelled, show_progress=show_progress)
    Y = encode_labels(labelled, [tag.name for tag in tags])
    drift = None
    if parent is None:
        tagger = JobTagger(config, seed=seed)
        tagger.fit_counted(counted, Y, tags, others, show_progress=show_progress)
    else:
        tagger = JobTagger.load(parent)
        before = tagger.model_
        tagger.partial_fit(counted, Y, tags, others, refresh=refresh, show_progress=show_progress)
        seen = others if len(others.measures) else counted
        drift = _drift(before, tagger.model_, seen) if refresh else 0.0
    tagger.save(folder, parent=parent)
    return _described(folder, tagger.model_, tagger.seed, drift)


def describe_model(folder: Path) -> TrainedModel:
    """What a saved model says of itself, wherever it was trained.

    Raises
    ------
    ModelError
        If it is not whole.
    """
    model = TagModel.load(folder)
    return _described(folder, model, int(model.meta.get("seed") or 0), None)


def _described(folder: Path, model: TagModel, seed: int, drift: float | None) -> TrainedModel:
    data = model.meta["data"]
    return TrainedModel(
        sha256=hashlib.sha256((folder / META).read_bytes()).hexdigest(),
        thresholds={
            tag: None if limit != limit else float(limit)
            for tag, limit in zip(model.tags, model.thresholds, strict=True)
        },
        n_yes=dict(data["yes"]),
        remarks=model.remarks,
        seed=seed,
        versions=versions(),
        metrics={
            **model.meta["metrics"],
            "n_labelled": data["labelled"],
            "n_unlabelled": data["unlabelled"],
        },
        n_code=model.encode([Job("")]).shape[1],
        drift=drift,
    )


def _drift(before: TagModel, after: TagModel, counted: Counted) -> float:
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(counted.measures))[:_N_DRIFT]
    rows = before.row_weights.weigh(counted.take(chosen))
    return code_drift(before.encoder(rows), after.encoder(rows))


def code_drift(before: FloatArray, after: FloatArray) -> float:
    """1 - mean cosine between two codes of the same jobs, (N, C) each; in [0, 2].

    Examples
    --------
    >>> code_drift(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]))
    1.0
    """
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return float(1 - np.mean(np.sum(before * after, axis=1) / np.maximum(lengths, 1e-12)))
