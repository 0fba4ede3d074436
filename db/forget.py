"""Removing a person or a posting with all that was derived from it, and saying who saw it.

What belongs to a row goes with it by the foreign keys: labels, predictions, codes, events,
recommendations, embeddings, places in queues. Trained models can't unlearn: those that saw a
posting or knew of a candidate are named, to be trained anew and pruned.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from db import predictions
from db.audit_log import Kind, note_gone, note_number_gone
from db.audit_rows import without_postings
from db.engine import shown, take_turns
from db.errors import StoreError
from db.match_models import seen_by
from db.match_tables import CandidateCode, Embedding, Recommendation
from db.registry import aliases_of
from db.reposts import release
from db.schema import (
    Candidate,
    Event,
    Job,
    JobCode,
    Label,
    Model,
    ModelJob,
    PredictionSet,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class SeenBy:
    """A model that has seen what is forgotten."""

    id: int
    folder: str
    alias: str | None
    """What stands for it: champion, challenger, anchor, or several of them."""
    is_pruned: bool
    """Whether its folder is gone already."""


@dataclass(frozen=True, slots=True)
class Found:
    """What would be, or was, removed."""

    kind: str
    """job or candidate."""
    name: str
    """External id."""
    ids: tuple[int, ...]
    counts: dict[str, int]
    """What goes with it: labels, predictions, codes, events, recommendations, embeddings."""
    reposts: tuple[str, ...]
    """External ids of postings with nearly the same text that stay."""
    models: tuple[SeenBy, ...]
    """Taggers that learned from it."""
    match_models: tuple[SeenBy, ...] = ()
    """Matching models that knew of it."""


def find_job(session: Session, name: str, *, with_reposts: bool = False) -> Found:
    """A posting by its external id, and what belongs to it; StoreError if there is none."""
    job = session.scalar(select(Job).where(Job.external_id == name))
    if job is None:
        raise StoreError(f"there is no job {name!r:.60}: give the id that it was imported with")
    group = job.canonical_id or job.id
    same = select(Job.id, Job.external_id).where((Job.id == group) | (Job.canonical_id == group))
    members: dict[int, str] = dict(session.execute(same.order_by(Job.id)).all())
    ids = tuple(members) if with_reposts else (job.id,)
    rest = tuple(external for job_id, external in members.items() if job_id not in ids)
    counted: dict[str, Any] = {
        "labels": Label,
        "predictions": PredictionSet,
        "codes": JobCode,
        "events": Event,
        "recommendations": Recommendation,
    }
    counts = {what: _count(session, table.job_id.in_(ids)) for what, table in counted.items()}
    matchers = _matchers_of(session, last="last_job", key=min(ids))
    return Found("job", name, ids, counts, rest, _seen_by(session, ids), matchers)


def find_candidate(session: Session, name: str) -> Found:
    """A candidate by its external id, and what belongs to it; StoreError if there is none."""
    found = session.scalar(select(Candidate.id).where(Candidate.external_id == name))
    if found is None:
        raise StoreError(
            f"there is no candidate {name!r:.60}: give the id that it was imported with"
        )
    counted: dict[str, Any] = {
        "codes": CandidateCode,
        "events": Event,
        "recommendations": Recommendation,
        "embeddings": Embedding,
    }
    counts = {what: _count(session, table.candidate_id == found) for what, table in counted.items()}
    matchers = _matchers_of(session, last="last_candidate", key=found)
    return Found("candidate", name, (found,), counts, (), (), matchers)


def remove(session: Session, found: Found) -> None:
    """Remove it with all that belongs to it; that it was done is logged. Does not commit.

    Where a canonical posting goes, the oldest of its reposts takes its place.
    """
    take_turns(session)  # or an import may link a job to one that goes
    if found.kind == "candidate":
        note_number_gone(session, Kind.FORGOTTEN, Candidate, len(found.ids))
        session.execute(delete(Candidate).where(Candidate.id.in_(found.ids)))
        return
    release(session, found.ids)
    predictions.remove(session, found.ids, kind=Kind.FORGOTTEN)
    labels = session.scalars(select(Label.id).where(Label.job_id.in_(found.ids)))
    note_gone(session, Kind.FORGOTTEN, Label, labels)
    note_number_gone(session, Kind.FORGOTTEN, Job, len(found.ids))
    _remove_from_verdicts(session, found.ids)
    session.execute(delete(Job).where(Job.id.in_(found.ids)))


def _remove_from_verdicts(session: Session, job_ids: Sequence[int]) -> None:
    """Verdicts show some of the postings that they rest on, with id and title."""
    names = session.scalars(select(Job.external_id).where(Job.id.in_(job_ids))).all()
    for verdict in session.scalars(select(Verdict)):
        kept = without_postings(verdict.details, names)
        if kept != verdict.details:
            verdict.details = kept
    session.flush()


def wipe(engine: Engine) -> bool:
    """Overwrite what removed rows left in a SQLite file: a delete only marks its pages as free.

    Writes the whole file anew, which takes about as long as copying it. On a server this is left
    to the server (see docs/forgetting.md).

    Returns
    -------
    Whether there was anything to do: False on a server.

    Raises
    ------
    StoreError
        If others keep the file busy, or the disk is full. What was removed stays removed.
    """
    if engine.dialect.name != "sqlite":
        return False
    connection = engine.raw_connection()
    try:
        connection.driver_connection.execute("VACUUM")  # type: ignore[union-attr]
        checkpoint = connection.driver_connection.execute(  # type: ignore[union-attr]
            "PRAGMA wal_checkpoint(TRUNCATE)"
        )
        if checkpoint.fetchone()[0]:
            raise sqlite3.OperationalError("other programs are reading it")
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{shown(engine)}: {error}. What you removed is gone, but traces of it may be left in "
            "the file: run jobtool forget traces when no other program uses it"
        ) from error
    finally:
        connection.close()
    return True


def _count(session: Session, condition: Any) -> int:
    return session.scalar(select(func.count()).where(condition)) or 0


def _seen_by(session: Session, job_ids: Sequence[int]) -> tuple[SeenBy, ...]:
    """Models that learned from the jobs, and those that went on from such a model's codes."""
    seen = set(session.scalars(select(ModelJob.model_id).where(ModelJob.job_id.in_(job_ids))))
    for model_id, parent_id in session.execute(
        select(Model.id, Model.parent_id).order_by(Model.id)
    ):
        if parent_id in seen:
            seen.add(model_id)
    models = session.scalars(select(Model).where(Model.id.in_(seen)).order_by(Model.id))
    return tuple(
        SeenBy(
            model.id,
            model.folder,
            ", ".join(aliases_of(session, model)) or None,
            model.pruned_at is not None,
        )
        for model in models
    )


def _matchers_of(session: Session, *, last: str, key: int) -> tuple[SeenBy, ...]:
    """Matching models: their arrays hold ids, and numbers learned from events."""
    models = seen_by(session, last=last, key=key)
    return tuple(SeenBy(model.id, model.folder, None, False) for model in models)
