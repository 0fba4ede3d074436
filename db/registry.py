"""Models as rows, each with a folder in the store directory; which one is live, and since when."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, case, false, func, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.orm import aliased as aliased_table

from db.audit_log import Kind, note
from db.bell import ring
from db.columns import MAX_NAME
from db.engine import now
from db.errors import StoreError
from db.labels import find_tags
from db.schema import (
    CodeVersion,
    Model,
    ModelAlias,
    ModelJob,
    ModelTag,
    Prediction,
    PredictionSet,
    Promotion,
    Tag,
    Verdict,
)

CHAMPION, CHALLENGER, ANCHOR = "champion", "challenger", "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A saved model before it is registered."""

    folder: str
    """Name of its folder below the store directory."""
    sha256: str
    """Of its `meta.json`."""
    thresholds: Mapping[str, float | None]
    """Tag -> probability from which it is given; None where it was not learned."""
    snapshot: str
    """Hash of what it was trained on."""
    seed: int
    versions: Mapping[str, Any]
    metrics: Mapping[str, Any]
    labelled_ids: Sequence[int]
    """Jobs whose labels it has learned, in that order."""
    unlabelled_ids: Iterable[int]
    """Jobs of which it has seen the texts alone."""
    codes_at: datetime | None = None
    """When its codes learned last; None: now."""
    codes_drift: float = 0.0
    """How far they have moved since their version began."""
    n_yes: Mapping[str, int] = field(default_factory=dict)
    """Tag -> jobs with it that it learned from, where that is known."""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """Tag -> what people must know of it."""


def register(
    session: Session, trained: TrainedModel, *, parent: Model | None, code_version: CodeVersion
) -> Model:
    """Add a model that nobody uses yet. Does not commit."""
    model = Model(
        folder=trained.folder,
        sha256=trained.sha256,
        parent_id=parent.id if parent else None,
        code_version_id=code_version.id,
        codes_at=trained.codes_at or now(session),
        codes_drift=trained.codes_drift,
        snapshot=trained.snapshot,
        seed=trained.seed,
        versions=dict(trained.versions),
        metrics=dict(trained.metrics),
        created_at=now(session),
    )
    session.add(model)
    note(session, Kind.TRAINED, model)
    tags = find_tags(session, trained.thresholds, create=True)
    session.add_all(
        ModelTag(
            model_id=model.id,
            tag_id=tags[name].id,
            threshold=threshold,
            n_yes=trained.n_yes.get(name),
            remark=trained.remarks.get(name, "")[:MAX_NAME] or None,
        )
        for name, threshold in trained.thresholds.items()
    )
    seen: list[dict[str, int | None]] = [
        {"model_id": model.id, "job_id": job_id, "position": position}
        for position, job_id in enumerate(trained.labelled_ids)
    ]
    seen += [
        {"model_id": model.id, "job_id": job_id, "position": None}
        for job_id in trained.unlabelled_ids
    ]
    if seen:
        session.execute(insert(ModelJob), seen)
    return model


def aliased(session: Session, alias: str, *, lock: bool = False) -> Model | None:
    """The model behind `CHAMPION`, `CHALLENGER` or `ANCHOR`; `lock` keeps others from moving it."""
    query = select(ModelAlias).where(ModelAlias.alias == alias)
    row = session.scalar(query.with_for_update() if lock else query)
    return session.get_one(Model, row.model_id) if row else None


def find_model(session: Session, name: str) -> Model:
    """A model by its number, its folder or its alias; StoreError if there is none."""
    model = aliased(session, name)
    if model is None and name.isdecimal():
        model = session.get(Model, int(name))
    model = model or session.scalar(select(Model).where(Model.folder == name))
    if model is None:
        raise StoreError(f"no model {name!r}; see jobtool models list")
    return model


def all_models(session: Session) -> list[Model]:
    """Every model, oldest first."""
    return list(session.scalars(select(Model).order_by(Model.id)))


def learned_positions(session: Session, model: Model) -> dict[int, int]:
    """Job -> its place among the labelled jobs that a model has learned from."""
    query = select(ModelJob.job_id, ModelJob.position)
    query = query.where(ModelJob.model_id == model.id, ModelJob.position.is_not(None))
    found = session.execute(query).all()
    return {job_id: position for job_id, position in found if position is not None}


def set_alias(session: Session, alias: str, model: Model | None) -> None:
    """Let an alias stand for a model, or for none. Does not commit."""
    row = session.get(ModelAlias, alias, with_for_update=True)
    if model is None:
        if row:
            session.delete(row)
    elif row:
        row.model_id = model.id
    else:
        session.add(ModelAlias(alias=alias, model_id=model.id))
    session.flush()


def promote(
    session: Session,
    model: Model,
    *,
    reason: str,
    is_rollback: bool = False,
    is_best: bool = True,
) -> Promotion | None:
    """Make a model the champion; workers take it up after their batch. Does not commit.

    Parameters
    ----------
    is_best
        Whether it is the anchor, too, from now on.

    Returns
    -------
    The new line of history; None if the model is the champion already.

    Raises
    ------
    StoreError
        If its folder was pruned.
    """
    if model.pruned_at:
        raise StoreError(f"model {model.id} was pruned: its folder is gone, train another")
    previous = aliased(session, CHAMPION, lock=True)
    if previous is not None and previous.id == model.id:
        return None
    set_alias(session, CHAMPION, model)
    if is_best or aliased(session, ANCHOR) is None:
        set_alias(session, ANCHOR, model)
    challenger = aliased(session, CHALLENGER)
    if challenger is not None and challenger.id == model.id:
        set_alias(session, CHALLENGER, None)
    promotion = Promotion(
        model_id=model.id,
        previous_id=previous.id if previous else None,
        reason=reason,
        is_rollback=is_rollback,
        promoted_at=now(session),
    )
    session.add(promotion)
    note(session, Kind.PROMOTED, promotion)
    ring(session)
    return promotion


def rollback(session: Session, *, reason: str = "rolled back") -> Model:
    """Put back the model that was live before the champion; again, the one before that.

    Raises
    ------
    StoreError
        If there was none, or its folder was pruned. Nothing is changed.
    """
    champion = aliased(session, CHAMPION, lock=True)
    if champion is None:
        raise StoreError("there is no champion to roll back from")
    previous = previous_champion(session)
    if previous is None:
        raise StoreError(f"model {champion.id} is the first champion: there is none to go back to")
    anchor = aliased(session, ANCHOR)
    was_best = anchor is None or anchor.id == champion.id  # else the best so far stays the best
    promote(session, previous, reason=reason, is_rollback=True, is_best=was_best)
    return previous


def previous_champion(session: Session) -> Model | None:
    """What was live before the champion, whatever was put live and rolled back since."""
    live: list[int] = []
    for promotion in session.scalars(select(Promotion).order_by(Promotion.id)):
        if promotion.is_rollback:
            live.pop()
        else:
            live.append(promotion.model_id)
    return session.get_one(Model, live[-2]) if len(live) > 1 else None


def prunable(session: Session, *, keep: int) -> list[Model]:
    """Models whose folders may go: all but the aliased ones, the one a rollback would put back,
    and the `keep` newest."""
    aliases = select(ModelAlias).with_for_update()  # so that none is promoted meanwhile
    needed = {alias.model_id for alias in session.scalars(aliases)}
    previous = previous_champion(session)
    if previous is not None:
        needed.add(previous.id)
    there = [model for model in all_models(session) if model.pruned_at is None]
    newest = {model.id for model in there[max(len(there) - keep, 0) :]}
    return [model for model in there if model.id not in needed | newest]


def prune(session: Session, *, keep: int) -> list[Model]:
    """Mark `prunable` models as pruned; their folders go when that is committed."""
    models = prunable(session, keep=keep)
    for model in models:
        model.pruned_at = now(session)
    note(session, Kind.PRUNED, *models)
    return models


def remove_folders(store: Path, folders: Iterable[str]) -> None:
    """Remove the folders of models that are pruned, or never came to be."""
    for folder in folders:
        for path in (store / folder, *store.glob(f".{folder}.*")):
            if path.is_dir():
                shutil.rmtree(path)


def model_tags(session: Session, model: Model) -> dict[str, float | None]:
    """Tag -> threshold of a model, in the order of the tags' positions."""
    query = (
        select(Tag.name, ModelTag.threshold)
        .join(ModelTag, ModelTag.tag_id == Tag.id)
        .where(ModelTag.model_id == model.id)
        .order_by(Tag.position)
    )
    return dict(session.execute(query).all())


def verdict_on(session: Session, model: Model) -> Verdict | None:
    """The last thing the gate said of a model."""
    query = select(Verdict).where(Verdict.challenger_id == model.id).order_by(Verdict.id.desc())
    return session.scalar(query.limit(1))


def against_anchor(session: Session, model: Model) -> dict[str, Any] | None:
    """How a model compared with the best champion of its time, by the gate's verdict.

    Returns
    -------
    `model`, the anchor's id, and the difference of `mean_average_precision`; None where the two
    were not compared.
    """
    verdict = verdict_on(session, model)
    if verdict is None:
        return None
    # The anchor stands by itself only where it was not the champion.
    found = verdict.details.get("anchor") or {"model": verdict.champion_id, **verdict.details}
    value = (found.get("mean_average_precision") or {}).get("value")
    if found["model"] is None or value is None:
        return None
    return {"model": found["model"], "mean_average_precision": value}


def aliases_of(session: Session, model: Model) -> list[str]:
    """What stands for a model: champion, challenger, anchor or nothing."""
    query = select(ModelAlias.alias).where(ModelAlias.model_id == model.id)
    return sorted(session.scalars(query), key=(CHAMPION, CHALLENGER, ANCHOR).index)


def difference(session: Session, a: Model, b: Model) -> dict[str, Any]:
    """How two models differ: scores, tags, and decisions on the jobs that both have tagged.

    Returns
    -------
    Plain values: a, b (ids), metrics (name -> both values), only_a, only_b (tags), n_jobs, and
    per tag how many jobs got it from both, only_a and only_b.
    """
    tags_a, tags_b = model_tags(session, a), model_tags(session, b)
    set_a, set_b = aliased_table(PredictionSet), aliased_table(PredictionSet)
    same_job = (set_a.job_id == set_b.job_id) & (set_b.model_id == b.id)
    n_jobs = select(func.count()).select_from(set_a).join(set_b, same_job)
    of_a, of_b = aliased_table(Prediction), aliased_table(Prediction)
    # A model says nothing of a tag that it has not learned: it does not give it.
    by_a, by_b = (func.coalesce(said.decision, false()) for said in (of_a, of_b))
    query = (
        select(
            Tag.name,
            func.sum(case((by_a & by_b, 1), else_=0)),
            func.sum(case((by_a & ~by_b, 1), else_=0)),
            func.sum(case((~by_a & by_b, 1), else_=0)),
        )
        .select_from(set_a)
        .join(set_b, same_job)
        .join(Tag, Tag.name.in_([tag for tag in tags_a if tag in tags_b]))
        .outerjoin(of_a, _of_job(of_a, a, set_a))
        .outerjoin(of_b, _of_job(of_b, b, set_a))
        .group_by(Tag.name, Tag.position)
        .order_by(Tag.position)
    )
    names = sorted({*a.metrics, *b.metrics})
    return {
        "a": a.id,
        "b": b.id,
        "metrics": {name: [a.metrics.get(name), b.metrics.get(name)] for name in names},
        "only_a": [tag for tag in tags_a if tag not in tags_b],
        "only_b": [tag for tag in tags_b if tag not in tags_a],
        "n_jobs": session.scalars(n_jobs.where(set_a.model_id == a.id)).one(),
        "tags": [
            {"tag": tag, "both": int(n_both), "only_a": int(n_a), "only_b": int(n_b)}
            for tag, n_both, n_a, n_b in session.execute(query.where(set_a.model_id == a.id))
        ],
    }


def _of_job(said: type[Prediction], model: Model, job: type[PredictionSet]) -> ColumnElement[bool]:
    return (said.model_id == model.id) & (said.job_id == job.job_id) & (said.tag_id == Tag.id)
