"""What is stored, row by row, under the external ids and column names that importing reads."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from db.columns import Answer
from db.errors import StoreError
from db.feed_values import FeedSuggestions, contradicts, suggestions_of, sure_tags
from db.labels import iter_held, not_held
from db.promises import promised_column
from db.registry import CHAMPION, find_model
from db.registry import aliased as model_of
from db.schema import Candidate, Event, Job, Label, Model, Prediction, PredictionSet, Tag

PAGE = 500
"""Rows fetched at a time."""
Row = dict[str, Any]
_Query = Select[*tuple[Any, ...]]

COLUMNS: dict[str, dict[str, str]] = {
    "jobs": {
        "id": "text",
        "title": "text",
        "text": "text",
        "posted_at": "time",
        "repost_of": "text",
        "tags": "texts",
        "not_tags": "texts",
        "fields": "object",
    },
    "labels": {
        "job": "text",
        "tag": "text",
        "label": "text",
        "labeller": "text",
        "source": "text",
        "labelled_at": "time",
    },
    "predictions": {
        "job": "text",
        "model": "text",
        "tag": "text",
        "probability": "number",
        "given": "flag",
        "review": "flag",
        "feed": "text",
        "promised": "flag",
        "predicted_at": "time",
    },
    "candidates": {"id": "text", "text": "text", "fields": "object"},
    "events": {
        "id": "text",
        "candidate": "text",
        "job": "text",
        "action": "text",
        "occurred_at": "time",
        "fields": "object",
    },
}
"""Kind of row -> its columns and what they hold."""


def iter_rows(session: Session, kind: str, *, model: str | None = None) -> Iterator[Row]:
    """All rows of a kind in `COLUMNS`; memory stays flat.

    Parameters
    ----------
    model
        Whose predictions: number, folder or alias. None: the live model's.

    Raises
    ------
    StoreError
        If there is no such model.
    """
    if kind == "predictions":
        return _predictions(session, _model(session, model))
    readers: Mapping[str, Callable[[Session], Iterator[Row]]] = {
        "jobs": _jobs,
        "labels": _labels,
        "candidates": _candidates,
        "events": _events,
    }
    return readers[kind](session)


def _model(session: Session, name: str | None) -> Model:
    found = find_model(session, name) if name else model_of(session, CHAMPION)
    if found is None:
        raise StoreError("there is no live model yet; name one with --model")
    return found


def _streamed(session: Session, query: _Query) -> Iterator[Any]:
    return iter(session.execute(query, execution_options={"yield_per": PAGE}))


def _jobs(session: Session) -> Iterator[Row]:
    original = aliased(Job)
    columns = (Job.id, Job.external_id, Job.title, Job.text, Job.posted_at, Job.fields)
    query = (
        select(*columns, original.external_id.label("repost_of"))
        .outerjoin(original, original.id == Job.canonical_id)
        .order_by(Job.id)
    )
    tags = dict(session.execute(select(Tag.id, Tag.name)).all())
    rows = _streamed(session, query)
    while page := list(islice(rows, PAGE)):
        said: dict[int, dict[Answer | None, list[str]]] = {}
        for held in iter_held(session, job_ids=[row.id for row in page]):
            said.setdefault(held.job_id, {}).setdefault(held.answer, []).append(tags[held.tag_id])
        for row in page:
            of_job = said.get(row.id, {})
            yield {
                "id": row.external_id,
                "title": row.title,
                "text": row.text,
                "posted_at": row.posted_at,
                "repost_of": row.repost_of,
                "tags": of_job.get(Answer.YES, []),
                "not_tags": of_job.get(Answer.NO, []),
                "fields": row.fields,
            }


def _last_labels() -> _Query:
    """The last line of each labeller about each tag on each job, if it still says anything.

    Lines of a batch that is held are left out.
    """
    by = (Label.job_id, Label.tag_id, Label.labeller)
    newest = select(func.max(Label.id).label("id")).where(not_held()).group_by(*by).subquery()
    return (
        select(
            Label.job_id,
            Job.external_id.label("job"),
            Tag.name.label("tag"),
            Label.after.label("label"),
            Label.labeller,
            Label.source,
            Label.labelled_at,
        )
        .join(newest, newest.c.id == Label.id)
        .join(Job, Job.id == Label.job_id)
        .join(Tag, Tag.id == Label.tag_id)
        .where(Label.after.is_not(None))
    )


def _labels(session: Session) -> Iterator[Row]:
    for row in _streamed(session, _last_labels().order_by(Label.id)):
        yield {name: getattr(row, name) for name in COLUMNS["labels"]}


def _predictions(session: Session, model: Model) -> Iterator[Row]:
    promises, on, is_promised = promised_column(model.id)
    query = (
        select(
            Prediction.job_id,
            Prediction.tag_id,
            Job.external_id.label("job"),
            Tag.name.label("tag"),
            Prediction.probability,
            Prediction.decision.label("given"),
            Prediction.review,
            is_promised.label("promised"),
            PredictionSet.predicted_at,
        )
        .join(Job, Job.id == Prediction.job_id)
        .join(Tag, Tag.id == Prediction.tag_id)
        .outerjoin(promises, on)
        .join(
            PredictionSet,
            (PredictionSet.job_id == Prediction.job_id)
            & (PredictionSet.model_id == Prediction.model_id),
        )
        .where(Prediction.model_id == model.id)
        .order_by(Prediction.job_id, Tag.position)
    )
    folder, sure, values = model.folder, sure_tags(session, model), FeedSuggestions(session)
    rows = _streamed(session, query)
    while page := list(islice(rows, PAGE)):
        said = suggestions_of(session, sorted({row.job_id for row in page}), values)
        for row in page:
            feed = said.get(row.job_id, {}).get(row.tag_id)
            contradicted = row.tag_id in sure and contradicts(feed, row.given)
            yield {
                "job": row.job,
                "model": folder,
                "tag": row.tag,
                "probability": row.probability,
                "given": row.given,
                "review": row.review or contradicted,
                "feed": feed.told if feed else None,
                "promised": row.promised,
                "predicted_at": row.predicted_at,
            }


def _candidates(session: Session) -> Iterator[Row]:
    query = select(Candidate.external_id.label("id"), Candidate.text, Candidate.fields)
    for row in _streamed(session, query.order_by(Candidate.id)):
        yield dict(row._mapping)


def _events(session: Session) -> Iterator[Row]:
    query = (
        select(
            Event.key.label("id"),
            Candidate.external_id.label("candidate"),
            Job.external_id.label("job"),
            Event.action,
            Event.occurred_at,
            Event.fields,
        )
        .join(Candidate, Candidate.id == Event.candidate_id)
        .join(Job, Job.id == Event.job_id)
        .order_by(Event.id)
    )
    for row in _streamed(session, query):
        yield dict(row._mapping)


# ---- for labelling tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All that one labeller says of one job."""

    job: str
    title: str
    text: str
    labeller: str
    labelled_at: datetime | None
    """The last answer's; None where nobody has answered."""
    yes: tuple[str, ...]
    asked: tuple[str, ...]
    """Answered by yes or no."""
    unsure: tuple[str, ...]


def iter_answers(session: Session) -> Iterator[Answers]:
    """What each labeller says of each job, ordered by job; memory stays flat."""
    query = _last_labels().order_by(Label.job_id, Label.labeller, Tag.position)
    groups = groupby(_streamed(session, query), key=lambda row: (row.job_id, row.labeller))
    for (job_id, labeller), group in groups:
        rows = list(group)
        job = session.execute(select(Job.title, Job.text).where(Job.id == job_id)).one()
        yes, no, unsure = (
            tuple(row.tag for row in rows if row.label == answer) for answer in Answer
        )
        yield Answers(
            job=rows[0].job,
            title=job.title,
            text=job.text,
            labeller=labeller,
            labelled_at=max(row.labelled_at for row in rows),
            yes=yes,
            asked=(*yes, *no),
            unsure=unsure,
        )
