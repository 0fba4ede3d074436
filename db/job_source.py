"""Where a job comes from, by the field of its import that says so; and since when it is there."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, null, select
from sqlalchemy.orm import Session

from db.errors import StoreError
from db.schema import Job

SOURCE_FIELDS = (
    *("source", "site", "feed", "job board", "job source", "board", "platform"),
    *("publisher", "provider", "via"),
)
"""What a field is called that names the source, whatever its case and signs; the first counts."""
_N_LOOKED_AT = 1000


def find_source_field(session: Session) -> str | None:
    """The field of the newest jobs that names their source; None if they have none."""
    query = select(Job.fields).where(Job.fields.is_not(None)).order_by(Job.id.desc())
    names: dict[str, str] = {}
    for fields in session.scalars(query.limit(_N_LOOKED_AT)):
        names |= {_letters(name): name for name in fields or {}}
    found = (names.get(_letters(name)) for name in SOURCE_FIELDS)
    return next((name for name in found if name), None)


def source_of(field: str | None) -> ColumnElement[Any]:
    """The source of a job, in SQL; null where its fields don't name one."""
    return null() if field is None else Job.fields[field].as_string()


def came_from(session: Session, source: str) -> ColumnElement[bool]:
    """Jobs from a source.

    Raises
    ------
    StoreError
        If the jobs don't name their sources, or none comes from this one.
    """
    field = find_source_field(session)
    if field is None:
        raise StoreError(
            "the jobs don't say where they come from: import them with a column "
            f"{', '.join(SOURCE_FIELDS[:3])} or the like"
        )
    where = source_of(field) == source
    if session.scalar(select(Job.id).where(where).limit(1)) is None:
        raise StoreError(f"no job has {source!r:.60} as its {field}")
    return where


def came_since(at: datetime) -> ColumnElement[bool]:
    """Jobs posted (or imported, where that is not known) at that time or later."""
    return came_at() >= at


def came_at() -> ColumnElement[datetime]:
    """When a job was posted, or imported, where that is not known."""
    return func.coalesce(Job.posted_at, Job.imported_at, type_=Job.imported_at.type)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
