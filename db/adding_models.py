"""Putting a model that was trained from files into the registry, and live if the gate lets it.

It is asked about the jobs that are labelled here. Those that it learned from are known by their
words (`tagger.held_out`): about these it answers by its own cross-fitting.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.columns import MAX_NAME
from db.engine import now, reading_snapshot, take_turns, writing
from db.errors import StoreError
from db.gate import Bar, Judgement
from db.judging import Comparisons, Rivals, compare_with, find_rivals, judgement_of
from db.registering import place, record_verdict, register_trained
from db.registry import CHAMPION, aliased, model_tags
from db.runs import finish, running
from db.schema import CodeVersion, Model, Run
from db.snapshot import Snapshot, take_snapshot
from db.trainer import Trained, Trainer

_NOT_FROM_HERE = "0" * 64  # what it learned is no snapshot of this database


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding a model."""

    model_id: int
    folder: str
    promoted: bool
    verdict: str


def add_model(
    engine: Engine,
    source: Path,
    store: Path,
    trainer: Trainer,
    *,
    name: str,
    unasked: bool = False,
    bar: Bar | None = None,
) -> Added:
    """Copy a model folder into the store, register it, and let the gate decide.

    Parameters
    ----------
    name
        What the history calls it.
    unasked
        Put it live whatever the gate says.

    Raises
    ------
    StoreError
        If it is no whole model, or a retrain is at work. Nothing is left behind.
    """
    with running(engine, reason=f"added: {name}"[:MAX_NAME]) as run_id:
        with reading_snapshot(engine) as session:
            folder = session.get_one(Run, run_id).folder
            rivals = find_rivals(session, aliased(session, CHAMPION))
            snapshot = take_snapshot(session, n_unlabelled=0)
        path = store / folder
        try:
            trained = trainer.describe(source)
            store.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, path)
            found = compare_with(rivals, trainer, snapshot, store, path, has_learned=False)
            with writing(engine) as session:
                take_turns(session)
                return _register(
                    session, run_id, folder, trained, rivals, found, snapshot, bar or Bar(), unasked
                )
        except BaseException as error:
            shutil.rmtree(path, ignore_errors=True)
            if isinstance(error, OSError):
                problem = f"can't copy {source} to {path}: {error.strerror or error}"
                raise StoreError(problem) from error
            raise


def _register(
    session: Session,
    run_id: int,
    folder: str,
    trained: Trained,
    rivals: Rivals,
    found: Comparisons,
    snapshot: Snapshot,
    bar: Bar,
    unasked: bool,
) -> Added:
    champion = aliased(session, CHAMPION, lock=True)
    judgement = judgement_of(rivals, champion, found, snapshot, bar)
    lost = _lost_tags(session, champion, trained)
    if lost and judgement.promote:
        judgement = Judgement(False, f"it can't give {', '.join(lost)} any more", False)
    version = CodeVersion(n_numbers=trained.n_code, drift=None, created_at=now(session))
    session.add(version)
    session.flush()
    model = register_trained(
        session, trained, folder, snapshot=_NOT_FROM_HERE, parent=None, version=version
    )
    record_verdict(session, run_id, model, champion, judgement, found, rivals)
    is_live = judgement.promote or unasked
    reason = "added from files" + ("" if judgement.promote else ", whatever the gate said")
    place(session, model, is_live=is_live, is_best=judgement.is_best, reason=reason)
    run = session.get_one(Run, run_id)
    run.label_id = run.job_id = 0  # it knows none of those here: they are new to a retrain
    finish(session, run_id, model_id=model.id)
    return Added(model.id, folder, is_live, judgement.reason)


def _lost_tags(session: Session, champion: Model | None, trained: Trained) -> list[str]:
    """Tags that the champion can give and the new model has not heard of."""
    if champion is None:
        return []
    given = {
        tag for tag, threshold in model_tags(session, champion).items() if threshold is not None
    }
    return sorted(given - trained.thresholds.keys())
