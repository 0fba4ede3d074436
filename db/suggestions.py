"""Postings that nobody has labelled, with what a model suggests: tasks for labelling tools."""

from collections.abc import Iterator
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.exporting import PAGE, Answers
from db.labels import all_tags, not_held
from db.registry import CHAMPION, aliased, find_model
from db.schema import Job, Label, Model, Prediction, Tag


def suggesting(session: Session, name: str | None) -> Model | None:
    """The model that suggests: the one named, else the live one; None if there is none yet.

    Raises
    ------
    StoreError
        If there is no model of that name.
    """
    return find_model(session, name) if name else aliased(session, CHAMPION)


def iter_suggested(session: Session, model: Model | None) -> Iterator[Answers]:
    """Jobs of which nobody has said anything, without reposts, oldest first; memory stays flat.

    What the model gives stands where answers would; every tag in use was asked.
    """
    tags = tuple(tag.name for tag in all_tags(session))
    labelled = select(Label.job_id).where(Label.after.is_not(None), not_held())
    query = (
        select(Job.id, Job.external_id, Job.title, Job.text, Job.imported_at)
        .where(Job.id.not_in(labelled), Job.canonical_id.is_(None))
        .order_by(Job.id)
    )
    rows = iter(session.execute(query, execution_options={"yield_per": PAGE}))
    while page := list(islice(rows, PAGE)):
        given = _given(session, model, [row.id for row in page]) if model else {}
        for row in page:
            if row.title.strip() or row.text.strip():
                yield Answers(
                    job=row.external_id,
                    title=row.title,
                    text=row.text,
                    labeller="",
                    labelled_at=None,
                    yes=tuple(given.get(row.id, ())),
                    asked=tags,
                    unsure=(),
                )


def _given(session: Session, model: Model, job_ids: list[int]) -> dict[int, list[str]]:
    query = (
        select(Prediction.job_id, Tag.name)
        .join(Tag, Tag.id == Prediction.tag_id)
        .where(Prediction.model_id == model.id, Prediction.job_id.in_(job_ids))
        .where(Prediction.decision, Tag.retired_at.is_(None))
        .order_by(Tag.position)
    )
    found: dict[int, list[str]] = {}
    for job_id, tag in session.execute(query):
        found.setdefault(job_id, []).append(tag)
    return found
