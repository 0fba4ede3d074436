"""What there is in a database, and what its workers are at: the figures of `jobtool status`."""

from typing import Any

from sqlalchemy import ColumnExpressionArgument, distinct, exists, func, select
from sqlalchemy.orm import Session

from db import match_models, promises
from db.advice import labelling_advice
from db.columns import BatchState, LabelBatchState, RunState
from db.engine import now
from db.labels import all_tags, held_batches, last_lines, not_held
from db.model_notes import has_no_labels, tag_notes
from db.registry import CHALLENGER, CHAMPION, aliased
from db.schema import (
    Batch,
    Job,
    Label,
    LabelBatch,
    Model,
    PredictionSet,
    Promotion,
    QueuedJob,
    Run,
    Verdict,
)


def status(session: Session) -> dict[str, Any]:
    """Counts of jobs and labels, the queue of the live model, and the models; plain values.

    ``labelled`` counts jobs of which somebody has said something; ``held_batches`` batches of
    labels that are held back, ``held_labels`` the lines in them; ``needs_review`` those that the
    live model is unsure of and nobody has spoken of; ``queue_age_s`` how long the oldest queued job
    has waited; ``retrain`` is the one at work, if any; ``labelling`` whether labelling more still
    helps, where that is known. What hangs on the live model is None without one.
    """
    live = aliased(session, CHAMPION)
    line = last_lines().c
    is_held = LabelBatch.state == LabelBatchState.HELD
    return {
        "jobs": _count(session, Job),
        "reposts": _count(session, Job, Job.canonical_id.is_not(None)),
        "labelled": session.scalar(select(func.count(distinct(line.job_id)))),
        "tags": len(all_tags(session)),
        "held_batches": _count(session, LabelBatch, is_held),
        "held_labels": _count(session, Label, Label.batch_id.in_(held_batches())),
        **_of_live_model(session, live),
        "live_model": _model(session, live),
        "challenger": _model(session, aliased(session, CHALLENGER)),
        "running_batches": _count(session, Batch, Batch.state == BatchState.LEASED),
        "last_verdict": _last_verdict(session),
        "retrain": _retrain(session),
        "labelling": labelling_advice(session),
        "match_model": match_models.summary(session),
    }


def _count(session: Session, rows: type[Any], *where: ColumnExpressionArgument[bool]) -> int:
    return session.scalar(select(func.count()).select_from(rows).where(*where)) or 0


def _of_live_model(session: Session, live: Model | None) -> dict[str, Any]:
    if live is None:
        return dict.fromkeys(("predicted", "needs_review", "queued", "queue_age_s"))
    said = PredictionSet.model_id == live.id
    unseen = ~exists().where(Label.job_id == PredictionSet.job_id, not_held())
    waiting = QueuedJob.model_id == live.id
    oldest = session.scalar(select(func.min(QueuedJob.queued_at)).where(waiting))
    age_s = None if oldest is None else max((now(session) - oldest).total_seconds(), 0.0)
    return {
        "predicted": _count(session, PredictionSet, said),
        "needs_review": _count(session, PredictionSet, said, PredictionSet.needs_review, unseen),
        "queued": _count(session, QueuedJob, waiting),
        "queue_age_s": None if age_s is None else round(age_s, 1),
    }


def _model(session: Session, model: Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    promoted = select(Promotion).where(Promotion.model_id == model.id)
    last = session.scalar(promoted.order_by(Promotion.id.desc()).limit(1))
    return {
        "id": model.id,
        "folder": model.folder,
        "without_labels": has_no_labels(model),
        "hardly_known_tags": tag_notes(session, model).short(),
        "promise": promises.summary(session, model),
        "created_at": model.created_at.isoformat(),
        "live_since": last.promoted_at.isoformat() if last else None,
        "live_by": last.reason if last else None,
    }


def _retrain(session: Session) -> dict[str, Any] | None:
    run = session.scalar(select(Run).where(Run.state == RunState.RUNNING))
    if run is None:
        return None
    return {
        "id": run.id,
        "worker": run.worker,
        "reason": run.reason,
        "started_at": run.started_at.isoformat(),
        "is_alive": now(session) <= run.lease_until,
    }


def _last_verdict(session: Session) -> dict[str, Any] | None:
    verdict = session.scalar(select(Verdict).order_by(Verdict.id.desc()).limit(1))
    if verdict is None:
        return None
    return {
        "challenger": verdict.challenger_id,
        "champion": verdict.champion_id,
        "promoted": verdict.promoted,
        "reason": verdict.reason,
        "judged_at": verdict.judged_at.isoformat(),
    }
