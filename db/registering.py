"""A model enters the registry with the gate's verdict on it, and goes live or stays the challenger.

What was trained here and what was added from files go this one way.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note
from db.engine import now
from db.gate import Judgement, to_details
from db.judging import Comparisons, Rivals
from db.registry import CHALLENGER, TrainedModel, promote, register, set_alias
from db.schema import CodeVersion, Job, Model, Verdict
from db.trainer import Trained


def register_trained(
    session: Session,
    trained: Trained,
    folder: str,
    *,
    snapshot: str,
    parent: Model | None,
    version: CodeVersion,
    labelled_ids: Sequence[int] = (),
    unlabelled_ids: Iterable[int] = (),
    codes_at: datetime | None = None,
    codes_drift: float = 0.0,
) -> Model:
    """Add a model that nobody uses yet; parameters as in `TrainedModel`. Does not commit."""
    model = TrainedModel(
        folder=folder,
        sha256=trained.sha256,
        thresholds=trained.thresholds,
        snapshot=snapshot,
        seed=trained.seed,
        versions=trained.versions,
        metrics=trained.metrics,
        labelled_ids=labelled_ids,
        unlabelled_ids=unlabelled_ids,
        codes_at=codes_at,
        codes_drift=codes_drift,
        n_yes=trained.n_yes,
        remarks=trained.remarks,
    )
    return register(session, model, parent=parent, code_version=version)


def record_verdict(
    session: Session,
    run_id: int,
    model: Model,
    champion: Model | None,
    judgement: Judgement,
    found: Comparisons,
    rivals: Rivals,
) -> Verdict:
    """Keep what the gate said of a model, and what it was compared with. Does not commit."""
    verdict = Verdict(
        run_id=run_id,
        challenger_id=model.id,
        champion_id=champion.id if champion else None,
        promoted=judgement.promote,
        reason=judgement.reason,
        details=_details(session, found, rivals),
        judged_at=now(session),
    )
    session.add(verdict)
    note(session, Kind.JUDGED, verdict)
    return verdict


def place(session: Session, model: Model, *, is_live: bool, is_best: bool, reason: str) -> None:
    """Put a model live, or make it the challenger. Does not commit."""
    if is_live:
        promote(session, model, reason=reason, is_best=is_best)
    else:
        set_alias(session, CHALLENGER, model)


def _details(session: Session, found: Comparisons, rivals: Rivals) -> dict[str, Any]:
    """Both comparisons as plain values, with example postings under the ids that people know."""
    details = to_details(found.champion)
    ids = [int(one["job_id"]) for one in details.get("examples", ())]
    names = dict(session.execute(select(Job.id, Job.external_id).where(Job.id.in_(ids))).all())
    for one in details.get("examples", ()):
        one["job_id"] = names[int(one["job_id"])]
    if found.anchor and rivals.anchor:
        against = to_details(found.anchor)["mean_average_precision"]
        details["anchor"] = {"model": rivals.anchor.model.id, "mean_average_precision": against}
    return details
