"""Importing labels: what people said of tags, by the external ids of jobs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.columns import MAX_NAME, Answer, Source
from db.engine import take_turns, writing
from db.importing import job_ids
from db.labels import Batches, Said, all_tags, check_name, chunks, find_tags, not_held, record
from db.rows import LabelRow, Reject, Seen, batches, resumable, writable
from db.schema import Label


@dataclass(slots=True)
class ImportedLabels:
    """What came of an import."""

    rows: int = 0
    """Without those that were left out."""
    labels: int = 0
    """Answers that were not known before."""
    new_tags: tuple[str, ...] = ()
    """Tags that nobody had named before: look for slips of the pen."""


def import_labels(
    engine: Engine,
    rows: Iterable[LabelRow],
    *,
    reject: Reject,
    labeller: str = "import",
    name: str = "import",
) -> ImportedLabels:
    """Record answers; what holds already is skipped, so that importing again adds nothing.

    A row with a time counts only if the same labeller has said nothing later of that tag on that
    job. Of rows without one the first counts; another answer to the same question is rejected.

    Parameters
    ----------
    labeller
        Who said it where a row does not tell.
    name
        The file that the labels come from: each labeller's are a batch of that name.

    Raises
    ------
    StoreError
        If the database fails. What was stored stays.
    """
    check_name("labeller", labeller)
    result, seen, by_labeller = ImportedLabels(), Seen(), Batches(name)
    with resumable(result):
        with writing(engine) as session:
            known = {tag.name for tag in all_tags(session, retired=True)}
        for batch in batches(rows):
            with writing(engine) as session:
                take_turns(session)
                good = _checked(batch, reject, labeller)
                n_rows, n_added = _record(session, good, reject, seen, by_labeller)
                tags = {tag.name for tag in all_tags(session, retired=True)}
            result.rows += n_rows
            result.labels += n_added
            result.new_tags = tuple(sorted(tags - known))
    return result


class _Checked(NamedTuple):
    row: LabelRow
    tag: str
    labeller: str
    source: Source
    answer: Answer


def _checked(batch: Sequence[LabelRow], reject: Reject, labeller: str) -> list[_Checked]:
    good = []
    for row in batch:
        by, tag = writable(row.labeller or labeller), writable(row.tag)
        source = row.source or Source.IMPORT
        if not 0 < len(tag) <= MAX_NAME or len(by) > MAX_NAME:
            reject(row.line, row.job, f"a tag or labeller has 1 to {MAX_NAME} characters")
        elif source not in list(Source):
            known = ", ".join(Source)
            reject(row.line, row.job, f"unknown source {source!r:.40}; known: {known}")
        else:
            good.append(_Checked(row, tag, by, Source(source), Answer(row.label)))
    return good


def _record(
    session: Session, rows: Sequence[_Checked], reject: Reject, seen: Seen, by_labeller: Batches
) -> tuple[int, int]:
    """Rows that were not left out, and answers that were not known before."""
    jobs = job_ids(session, [writable(one.row.job) for one in rows])
    tags = find_tags(
        session, [one.tag for one in rows if writable(one.row.job) in jobs], create=True
    )
    last = _last_times(session, list(jobs.values()))
    before = seen.add(["\0".join((one.row.job, one.tag, one.labeller)) for one in rows])
    found: list[Said] = []
    n_rows = 0
    for one, came_before in zip(rows, before, strict=True):
        job_id = jobs.get(writable(one.row.job))
        if job_id is None:
            reject(one.row.line, one.row.job, f"no job {one.row.job!r:.60}; import the jobs first")
            continue
        at = one.row.labelled_at
        key = (job_id, tags[one.tag].id, one.labeller)
        if at is None and came_before:
            reject(
                one.row.line, one.row.job, f"{one.labeller!r:.40} answered {one.tag!r:.40} before"
            )
            continue
        n_rows += 1
        if at is not None:
            if key in last and at <= last[key]:
                continue
            last[key] = at
        found.append(Said(*key[:2], one.answer, one.labeller, one.source, at))
    return n_rows, record(session, found, by_labeller) if found else 0


def _last_times(session: Session, ids: Sequence[int]) -> dict[tuple[int, int, str], datetime]:
    """When each labeller last said something of each tag on these jobs, that holds."""
    by = (Label.job_id, Label.tag_id, Label.labeller)
    last: dict[tuple[int, int, str], datetime] = {}
    for part in chunks(ids):
        query = select(*by, func.max(Label.labelled_at)).where(Label.job_id.in_(part), not_held())
        query = query.group_by(*by)
        for job_id, tag_id, labeller, at in session.execute(query):
            last[job_id, tag_id, labeller] = at
    return last
