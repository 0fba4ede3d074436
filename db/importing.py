"""Importing jobs: new ones stored, changed ones to be tagged anew, reposts linked, labels recorded.

Each batch is one transaction, and importers of one database take turns, so that two of them may
import the same file and a killed one leaves whole batches. Importing again goes on from there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.orm import Session

from db.bell import ring
from db.bulk import insert_missing, table_of
from db.columns import MAX_NAME, Answer, Source
from db.engine import now, take_turns, writing
from db.feed_values import recheck
from db.job_lookup import other_spellings
from db.labels import Batches, Said, check_name, chunks, find_tags, record
from db.predictions import remove as remove_predictions
from db.registry import CHAMPION, aliased
from db.reposts import Posting, link, release
from db.rows import (
    JobRow,
    Reject,
    Seen,
    batches,
    digest,
    fields_of,
    id_problem,
    resumable,
    writable,
)
from db.schema import Job, JobCode, QueuedJob


def content_id(title: str, body: str) -> str:
    """The id of a posting that has none: the same words, the same id.

    Examples
    --------
    >>> content_id("Cook", "Busy kitchen.")
    'text-19133c3907c45030'
    """
    return f"text-{digest(writable(title), writable(body)).hex()[:16]}"


def nobody(line: int, id: str | None, reason: str) -> None:
    """Is told of nothing."""


@dataclass(slots=True)
class Imported:
    """What came of an import."""

    rows: int = 0
    """Without those that were left out: new, changed, unchanged and repeated ones."""
    new: int = 0
    changed: int = 0
    """Their text is another: they will be tagged anew. Or only a field is."""
    unchanged: int = 0
    repeated: int = 0
    """Rows of a posting that came before in the same import; the first counts."""
    reposts: int = 0
    """Of the new and changed ones."""
    labels: int = 0
    """Answers that were not known before."""


def import_jobs(
    engine: Engine,
    rows: Iterable[JobRow],
    *,
    reject: Reject,
    unknown: Reject = nobody,
    labeller: str = "import",
    all_tags: Sequence[str] = (),
    name: str = "import",
) -> Imported:
    """Store jobs, each by its external id; memory stays flat.

    An unchanged job is left alone. One whose title or text changes keeps its labels, loses what
    models said of it and waits to be tagged again. Fields that a later import does not name stay.

    Parameters
    ----------
    reject
        Gets the rows that can't be stored, and those whose id stood for another posting in a row
        before.
    unknown
        Is told of what a row says of a tag and can't be stored.
    labeller
        Who gave the tags of the rows.
    all_tags
        The tags that a row without `not_tags` answers: those not in its `tags` are a "no".
    name
        The file or table that the jobs come from: their labels are a batch of that name.

    Raises
    ------
    StoreError
        If the database fails. What was stored stays; importing again goes on after it.
    """
    check_name("labeller", labeller)
    job = _JobImport(reject, unknown, labeller, Batches(name))
    with resumable(job.result):
        with writing(engine) as session:
            take_turns(session)
            job.add_tags(session, all_tags)
        for batch in batches(rows):
            with writing(engine) as session:
                take_turns(session)
                counted = job.add(session, batch)
            for name, value in counted.items():
                setattr(job.result, name, getattr(job.result, name) + value)
    return job.result


class _Stored(NamedTuple):
    id: int
    external_id: str
    text_hash: bytes
    posted_at: datetime | None
    fields: dict[str, Any] | None


class _JobImport:
    """One import: what it goes by, and how far it is."""

    def __init__(
        self, reject: Reject, unknown: Reject, labeller: str, by_labeller: Batches
    ) -> None:
        self.result = Imported()
        self._reject, self._unknown = reject, unknown
        self._labeller, self._batches = labeller, by_labeller
        self._seen, self._said = Seen(), Seen()
        self._tag_ids: set[int] = set()

    def add_tags(self, session: Session, names: Sequence[str]) -> None:
        good = [name for name in names if 0 < len(name) <= MAX_NAME]
        self._tag_ids = {tag.id for tag in find_tags(session, good, create=True).values()}

    def add(self, session: Session, batch: Sequence[JobRow]) -> dict[str, int]:
        """Store one batch; returns what to add to the result once it is committed."""
        at = now(session)
        rows = _as_stored(session, list(self._named(batch)))
        stored = _stored(session, [values["external_id"] for _, values in rows])
        new: dict[str, dict[str, Any]] = {}
        changed: dict[int, dict[str, Any]] = {}
        kept: list[tuple[JobRow, str]] = []
        n_unchanged = 0
        came_before = self._seen.add([values["external_id"] for _, values in rows])
        said = self._said.add(
            [f"{values['external_id']}\0{row.tags}\0{row.not_tags}" for row, values in rows]
        )
        for (row, values), before, was_said in zip(rows, came_before, said, strict=True):
            name = values["external_id"]
            old = stored.get(name)
            in_batch = new.get(name) or (changed.get(old.id) if old else None)
            known = in_batch["text_hash"] if in_batch else old.text_hash if old else None
            if before and known != values["text_hash"]:
                self._reject(row.line, name, f"id {name!r:.60} stood for another posting before")
                continue
            if before and row.tags is not None and row.not_tags is None and not was_said:
                problem = f"job {name!r:.60} had tags in a row before; let its rows stand together"
                self._reject(row.line, name, problem)
                continue
            kept.append((row, name))
            if before:
                continue
            values["imported_at"] = at
            if old is None:
                new[name] = values
            elif difference := _difference(old, values):
                changed[old.id] = {"id": old.id, "text_hash": old.text_hash} | difference
            else:
                n_unchanged += 1
        fresh = [job for job in changed.values() if "text" in job]
        ids = {one.external_id: one.id for one in stored.values()} | _insert(session, new)
        _change(session, list(changed.values()), [job["id"] for job in fresh])
        postings = [Posting(ids[name], new[name]["title"], new[name]["text"]) for name in new]
        postings += [Posting(job["id"], job["title"], job["text"]) for job in fresh]
        recheck(session, [job["id"] for job in changed.values() if "fields" in job])
        n_reposts = link(session, postings)
        announce(session, [posting.id for posting in postings])
        n_rows = sum(row.n_rows for row, _ in kept)
        return {
            "rows": n_rows,
            "new": len(new),
            "changed": len(changed),
            "unchanged": n_unchanged,
            "repeated": n_rows - len(new) - len(changed) - n_unchanged,
            "reposts": n_reposts,
            "labels": self._label(session, [(row, ids[name]) for row, name in kept]),
        }

    def _named(self, batch: Sequence[JobRow]) -> Iterator[tuple[JobRow, dict[str, Any]]]:
        """Rows and their columns; without those whose id can't be stored."""
        for row in batch:
            title, body = writable(row.title), writable(row.text)
            external_id = writable(row.id) or content_id(title, body)
            if problem := id_problem(external_id):
                self._reject(row.line, external_id[:60], problem)
                continue
            yield (
                row,
                {
                    "external_id": external_id,
                    "title": title,
                    "text": body,
                    "text_hash": digest(title, body),
                    "posted_at": row.posted_at,
                    "fields": fields_of(row.fields),
                },
            )

    def _label(self, session: Session, rows: Sequence[tuple[JobRow, int]]) -> int:
        rows = [(row, job_id) for row, job_id in rows if row.tags is not None]
        names = {name for row, _ in rows for name in (*(row.tags or ()), *(row.not_tags or ()))}
        good = sorted(name for name in names if 0 < len(name) <= MAX_NAME)
        tag_ids = {name: tag.id for name, tag in find_tags(session, good, create=True).items()}
        said: list[Said] = []
        for row, job_id in rows:
            for name in {*(row.tags or ()), *(row.not_tags or ())} - tag_ids.keys():
                problem = f"a tag is longer than {MAX_NAME} characters: {name[:20]!r}"
                self._unknown(row.line, row.id, problem)
            yes = {tag_ids[name] for name in row.tags or () if name in tag_ids}
            no = {tag_ids[name] for name in row.not_tags or () if name in tag_ids}
            if yes & no:
                self._unknown(row.line, row.id, "a tag is both yes and no")
            if row.not_tags is None:
                no = self._tag_ids - yes
            for tag_id in sorted(yes ^ no):
                answer = Answer.YES if tag_id in yes else Answer.NO
                said.append(Said(job_id, tag_id, answer, self._labeller, Source.IMPORT))
        return record(session, said, self._batches) if said else 0


# ---- what a batch does to the tables


def _as_stored(
    session: Session, rows: list[tuple[JobRow, dict[str, Any]]]
) -> list[tuple[JobRow, dict[str, Any]]]:
    """The rows, under the ids that their jobs have here."""
    ids = [values["external_id"] for _, values in rows]
    other = other_spellings(session, Job.external_id, ids)
    for _, values in rows:
        values["external_id"] = other.get(values["external_id"], values["external_id"])
    return rows


def _stored(session: Session, external_ids: Sequence[str]) -> dict[str, _Stored]:
    columns = select(Job.id, Job.external_id, Job.text_hash, Job.posted_at, Job.fields)
    found: dict[str, _Stored] = {}
    for part in chunks(external_ids):
        for row in session.execute(columns.where(Job.external_id.in_(part))):
            found[row.external_id] = _Stored(*row)
    return found


def _difference(old: _Stored, values: dict[str, Any]) -> dict[str, Any]:
    """The columns to change; empty if a row says nothing new. Fields that it lacks stay."""
    difference: dict[str, Any] = {}
    fields = {**(old.fields or {}), **(values["fields"] or {})} or None
    if fields != old.fields:
        difference["fields"] = fields
    if values["posted_at"] not in (None, old.posted_at):
        difference["posted_at"] = values["posted_at"]
    if old.text_hash != values["text_hash"]:
        difference |= {name: values[name] for name in ("title", "text", "text_hash", "imported_at")}
    return difference


def _insert(session: Session, new: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Insert jobs; returns their ids by external id."""
    if not new:
        return {}
    returning = insert(Job).returning(Job.external_id, Job.id)
    return dict(session.execute(returning, list(new.values())).all())


def _change(session: Session, changed: Sequence[dict[str, Any]], fresh: Sequence[int]) -> None:
    """Write changes; what was said by models of the jobs with a `fresh` text is forgotten."""
    if changed:
        session.execute(update(Job), changed)
    release(session, fresh)
    for part in chunks(fresh):
        remove_predictions(session, part)
        for table in (JobCode, QueuedJob):
            session.execute(delete(table).where(table.job_id.in_(part)))


def announce(session: Session, job_ids: Sequence[int]) -> None:
    """Queue jobs for the live model, if there is one, and wake those who wait for jobs."""
    if not job_ids:
        return
    champion = aliased(session, CHAMPION)
    if champion is not None:
        at = now(session)
        rows = [{"model_id": champion.id, "job_id": job_id, "queued_at": at} for job_id in job_ids]
        session.execute(insert_missing(session, table_of(QueuedJob)), rows)
    ring(session)
