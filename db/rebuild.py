"""Training a model once more from what is recorded of its retrain, to see whether it is the same.

Recorded are: the jobs (`ModelJob`), the last label (`Run.label_id`; labels are never changed), what
was said of tags, and how it was trained (`Run.inputs`). The hash of all that is learned from
(`Model.snapshot`) tells whether it is still there as it was.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.engine import reading, reading_snapshot
from db.labels import find_tags
from db.registry import find_model
from db.schema import Job, Model, ModelJob, Run
from db.snapshot import Snapshot, digest_of, iter_jobs, known_labels, read_labelled
from db.trainer import Trainer
from tagger.storage import META, is_model, load_arrays, load_meta
from tagger.tag_info import TagInfo
from tagger.versions import versions

Array = npt.NDArray[Any]


def record_inputs(session: Session, run_id: int, snapshot: Snapshot, *, refresh: bool) -> None:
    """Keep with a run what training its model again takes. Does not commit."""
    tags = find_tags(session, snapshot.tags)  # under another name, if one was given since
    session.get_one(Run, run_id).inputs = {
        "tags": [
            {"id": tags[name].id, **info.to_json()}
            for name, info in zip(snapshot.tags, snapshot.tag_infos, strict=True)
        ],
        "n_jobs": len(snapshot.job_ids),
        "held_batches": list(snapshot.held_batches),
        "refresh": refresh,
        "n_cores": n_cores(),
    }


def snapshot_of_run(session: Session, run: Run) -> Snapshot:
    """What a retrain learned from, as far as it is still there: `sha256` tells.

    Whatever came since, labels, names of tags, reposts, does not show.
    """
    recorded = [dict(said) for said in (run.inputs or {})["tags"]]
    infos = {int(said.pop("id")): TagInfo.from_json(said) for said in recorded}
    tags = {tag_id: info.name for tag_id, info in infos.items()}
    seen = select(ModelJob.job_id).where(ModelJob.model_id == run.model_id)
    job_ids = list(session.scalars(seen.order_by(ModelJob.job_id)))
    without = [int(batch_id) for batch_id in (run.inputs or {}).get("held_batches", ())]
    held = known_labels(session, tags, job_ids=job_ids, until=run.label_id, without=without)
    unlabelled = [job_id for job_id in job_ids if job_id not in held]
    return Snapshot(
        tags=tuple(tags.values()),
        tag_infos=tuple(infos.values()),
        training=tuple(read_labelled(session, list(held), held, tags)),
        unlabelled=tuple(unlabelled),
        n_replayed=0,
        held_batches=tuple(without),
        sha256=digest_of(session, list(held), held, unlabelled, infos),
    )


@dataclass(frozen=True, slots=True)
class ArrayDifference:
    """An array that is another one now."""

    name: str
    """File and array, as in `deep/mean`."""
    n: int
    """Numbers that differ."""
    largest: float | None
    """The largest difference; None where the two can't be subtracted: another shape, text."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of training a model once more."""

    model: int
    folder: str
    reasons: tuple[str, ...]
    """Why it can't be rebuilt; empty if it was."""
    n_arrays: int
    """Arrays of the stored model; 0 if it was not rebuilt."""
    differences: tuple[ArrayDifference, ...]

    @property
    def outcome(self) -> str:
        """same, differs or cannot be rebuilt."""
        if self.reasons:
            return "cannot be rebuilt"
        return "differs" if self.differences else "same"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"outcome": self.outcome, **asdict(self)}


def rebuild(
    engine: Engine,
    store: Path,
    name: str,
    trainer: Callable[[int], Trainer],
    *,
    tell: Callable[[str], object] = lambda line: None,
) -> Rebuilt:
    """Train a model anew beside its folder and compare all arrays. Changes nothing.

    Parameters
    ----------
    name
        Number, folder or alias of the model.
    trainer
        Makes a trainer of a seed.

    Raises
    ------
    StoreError
        If there is no such model, or training fails.
    ModelError
        If a folder holds something else than its own hashes say.
    """
    with reading_snapshot(engine) as session:
        model = find_model(session, name)
        run = session.scalar(select(Run).where(Run.model_id == model.id))
        parent = session.get(Model, model.parent_id) if model.parent_id else None
        reasons = [
            *_folder_problems(store, model, parent),
            *_version_problems(model),
            *_core_problems(run),
        ]
        if run is None or run.inputs is None:
            reasons.append("an older jobtool trained it, which did not record all that it takes")
        else:
            snapshot = snapshot_of_run(session, run)
            if snapshot.sha256 != model.snapshot:
                reasons.append(_what_is_gone(session, model, run))
        if reasons or run is None:
            return Rebuilt(model.id, model.folder, tuple(reasons), 0, ())
        refresh = bool((run.inputs or {})["refresh"])
    n_jobs = len(snapshot.job_ids)
    tell(f"training model {model.id} once more, from {n_jobs:,} jobs: as long as it took at first")
    with tempfile.TemporaryDirectory(prefix="jobtool-rebuild-") as beside:
        folder = Path(beside) / model.folder
        with reading(engine) as session:
            unlabelled = list(iter_jobs(session, snapshot.unlabelled))
        trainer(model.seed).train(
            snapshot,
            iter(unlabelled),
            folder,
            parent=store / parent.folder if parent else None,
            refresh=refresh,
        )
        stored, again = _arrays(store / model.folder), _arrays(folder)
    differences = list(compare_arrays(stored, again))
    if _sha256(store / model.folder) != model.sha256:
        differences.append(ArrayDifference(META, 1, None))
    return Rebuilt(model.id, model.folder, (), len(stored), tuple(differences))


def compare_arrays(
    stored: Mapping[str, Array], again: Mapping[str, Array]
) -> Iterable[ArrayDifference]:
    """Arrays that are not the same to the bit, by name.

    Examples
    --------
    >>> list(compare_arrays({"a/b": np.array([1.0, 2.0])}, {"a/b": np.array([1.0, 2.5])}))
    [ArrayDifference(name='a/b', n=1, largest=0.5)]
    """
    for name in sorted({*stored, *again}):
        if name not in stored or name not in again:
            yield ArrayDifference(
                name, max(a[name].size for a in (stored, again) if name in a), None
            )
            continue
        a, b = stored[name], again[name]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            yield ArrayDifference(name, max(a.size, b.size), None)
        elif a.tobytes() != b.tobytes():
            yield _difference(name, a, b)


def n_cores() -> int:
    """Processor cores that this process may use: sums of floats depend on how they are cut."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _difference(name: str, a: Array, b: Array) -> ArrayDifference:
    both_nan = (a != a) & (b != b)
    differs = (a != b) & ~both_nan
    if not np.issubdtype(a.dtype, np.number):
        return ArrayDifference(name, int(differs.sum()), None)
    gap = np.abs(a[differs].astype(np.float64) - b[differs].astype(np.float64))
    return ArrayDifference(name, int(differs.sum()), float(np.nanmax(gap, initial=0.0)))


def _arrays(folder: Path) -> dict[str, Array]:
    files = load_arrays(folder, load_meta(folder))
    return {f"{file}/{name}": one for file, arrays in files.items() for name, one in arrays.items()}


def _sha256(folder: Path) -> str:
    return hashlib.sha256((folder / META).read_bytes()).hexdigest()


# ---- why a model can't be rebuilt


def _folder_problems(store: Path, model: Model, parent: Model | None) -> Iterable[str]:
    for one, what in ((model, "its folder"), (parent, "the folder of the model it goes on from")):
        if one is not None and one.pruned_at is not None:
            yield f"{what}, {one.folder}, was pruned"
        elif one is not None and not is_model(store / one.folder):
            yield f"{what} is not there: {store / one.folder}"
    if (
        parent
        and is_model(store / parent.folder)
        and _sha256(store / parent.folder) != parent.sha256
    ):
        yield f"model {parent.id}, from which it goes on, is not what was registered"


def _version_problems(model: Model) -> Iterable[str]:
    here = versions()
    for name in sorted({*here, *model.versions}):
        then, now = model.versions.get(name, "?"), here.get(name, "?")
        if then != now:
            yield f"it was trained with {name} {then}, here is {now}"


def _core_problems(run: Run | None) -> Iterable[str]:
    then, now = (run.inputs or {}).get("n_cores") if run else None, n_cores()
    if then is not None and then != now:
        yield (
            f"it was trained on {then} processor cores, this process has {now}: other sums of "
            f"floats (on Linux: taskset --cpu-list 0-{then - 1} jobtool audit ...)"
        )


def _what_is_gone(session: Session, model: Model, run: Run) -> str:
    seen = select(func.count()).where(ModelJob.model_id == model.id)
    n_gone = (run.inputs or {})["n_jobs"] - (session.scalar(seen) or 0)
    if n_gone:
        return f"{n_gone:,} of its jobs were forgotten since"
    of_model = select(ModelJob.job_id).where(ModelJob.model_id == model.id)
    later = (Job.id.in_(of_model), Job.imported_at > run.started_at)
    n_changed = session.scalar(select(func.count()).where(*later)) or 0
    if n_changed:
        return f"the texts of {n_changed:,} of its jobs have changed since"
    return "its jobs or labels are not what they were: the rest of the audit says which rows"
