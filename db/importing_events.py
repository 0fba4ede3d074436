"""Importing candidates, and what they did with jobs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.orm import Session

from db.engine import now, take_turns, writing
from db.job_lookup import job_ids, other_spellings
from db.labels import chunks
from db.match_tables import CandidateCode
from db.rows import (
    CandidateRow,
    EventRow,
    Reject,
    Seen,
    batches,
    digest,
    fields_of,
    id_problem,
    resumable,
    writable,
)
from db.schema import Candidate, Event, Job
from tagger.column_options import ACTIONS

# ---- candidates


@dataclass(slots=True)
class ImportedCandidates:
    """What came of an import."""

    rows: int = 0
    """Without those that were left out."""
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    repeated: int = 0
    """Rows of a candidate who came before in the same import; the first counts."""


def import_candidates(
    engine: Engine, rows: Iterable[CandidateRow], *, reject: Reject
) -> ImportedCandidates:
    """Store candidates, each by its external id; the first row of an id counts.

    Raises
    ------
    StoreError
        If the database fails. What was stored stays.
    """
    result, seen = ImportedCandidates(), Seen()
    with resumable(result):
        for batch in batches(rows):
            good = []
            for row in batch:
                if problem := id_problem(row.id):
                    reject(row.line, row.id[:60], problem)
                else:
                    good.append(row)
            before = seen.add([writable(row.id) for row in good])
            first = {
                writable(row.id): row for row, was in zip(good, before, strict=True) if not was
            }
            with writing(engine) as session:
                take_turns(session)
                n_new, n_changed = _store_candidates(session, first)
            result.rows += len(good)
            result.new += n_new
            result.changed += n_changed
            result.unchanged += len(first) - n_new - n_changed
            result.repeated += len(good) - len(first)
    return result


def _store_candidates(session: Session, wanted: dict[str, CandidateRow]) -> tuple[int, int]:
    at = now(session)
    other = other_spellings(session, Candidate.external_id, wanted)
    wanted = {other.get(name, name): row for name, row in wanted.items()}
    stored: dict[str, Candidate] = {}
    for part in chunks(list(wanted)):
        query = select(Candidate).where(Candidate.external_id.in_(part))
        stored |= {one.external_id: one for one in session.scalars(query)}
    new, n_changed = [], 0
    for external_id, row in wanted.items():
        body, fields = writable(row.text), fields_of(row.fields)
        old = stored.get(external_id)
        if old is None:
            values = {"external_id": external_id, "text": body, "fields": fields}
            new.append(values | {"imported_at": at})
            continue
        fields = {**(old.fields or {}), **(fields or {})} or None
        body = body or old.text
        if body != old.text:
            session.execute(delete(CandidateCode).where(CandidateCode.candidate_id == old.id))
        if (body, fields) != (old.text, old.fields):
            old.text, old.fields, old.imported_at = body, fields, at
            n_changed += 1
    if new:
        session.execute(insert(Candidate), new)
    session.flush()
    return len(new), n_changed


# ---- events


@dataclass(slots=True)
class ImportedEvents:
    """What came of an import."""

    rows: int = 0
    """Without those that were left out."""
    new: int = 0
    repeated: int = 0
    """Events that are there already, or came before."""
    without_time: int = 0
    """Rows that don't say when it was."""
    new_candidates: int = 0
    """Candidates that only the events name: without a text."""
    new_jobs: int = 0
    """Jobs that only the events name: without a text; none unless asked for."""


def import_events(
    engine: Engine, rows: Iterable[EventRow], *, reject: Reject, create_missing: bool = False
) -> ImportedEvents:
    """Store events, each once: by its id, or by what it says.

    Candidates that are not there are made, with an empty text: sets of ids alone have none.

    Parameters
    ----------
    create_missing
        Make jobs that are not there, too; otherwise their events are rejected.

    Raises
    ------
    StoreError
        If the database fails. What was stored stays.
    """
    result = ImportedEvents()
    with resumable(result):
        for batch in batches(rows):
            good = [row for row in batch if _is_good(row, reject)]
            with writing(engine) as session:
                take_turns(session)
                if create_missing:
                    names = {writable(row.job) for row in good}
                    n_jobs = _make_jobs(session, names - job_ids(session, names).keys())
                jobs = job_ids(session, (writable(row.job) for row in good))
                good = [row for row in good if _has_job(row, jobs, reject)]
                n_new, n_candidates = _store_events(session, good, jobs)
            result.rows += len(good)
            result.new += n_new
            result.repeated += len(good) - n_new
            result.without_time += sum(row.occurred_at is None for row in good)
            result.new_candidates += n_candidates
            result.new_jobs += n_jobs if create_missing else 0
    return result


def _is_good(row: EventRow, reject: Reject) -> bool:
    problem = id_problem(row.candidate, row.job, row.id or "-")
    if row.action not in ACTIONS:
        problem = (
            f"unknown action {row.action!r:.40}; say what it means with --action "
            f"{row.action:.40}=OURS, where ours are {', '.join(ACTIONS)}"
        )
    if problem:
        reject(row.line, row.id[:60] or None, problem)
    return not problem


def _has_job(row: EventRow, jobs: dict[str, int], reject: Reject) -> bool:
    if writable(row.job) in jobs:
        return True
    problem = f"no job {row.job!r:.60}; import the jobs first, or pass --create-missing"
    reject(row.line, row.id or None, problem)
    return False


def _key(row: EventRow) -> str:
    at = row.occurred_at.isoformat() if row.occurred_at else ""
    said = (writable(row.candidate), writable(row.job), row.action, at)
    return writable(row.id) or f"event-{digest(*said).hex()}"


def _store_events(
    session: Session, rows: Sequence[EventRow], jobs: dict[str, int]
) -> tuple[int, int]:
    by_key = {_key(row): row for row in reversed(rows)}
    for part in chunks(list(by_key)):
        for key in session.scalars(select(Event.key).where(Event.key.in_(part))):
            del by_key[key]
    candidates, n_new = _candidate_ids(
        session, {writable(row.candidate) for row in by_key.values()}
    )
    new = [
        {
            "key": key,
            "candidate_id": candidates[writable(row.candidate)],
            "job_id": jobs[writable(row.job)],
            "action": row.action,
            "occurred_at": row.occurred_at,
            "fields": fields_of(row.fields),
        }
        for key, row in reversed(by_key.items())
    ]
    if new:
        session.execute(insert(Event), new)
    return len(new), n_new


def _candidate_ids(session: Session, external_ids: set[str]) -> tuple[dict[str, int], int]:
    """Ids of candidates, made where they are missing; and how many were."""

    def stored() -> dict[str, int]:
        found: dict[str, int] = {}
        for part in chunks(sorted(external_ids)):
            query = select(Candidate.external_id, Candidate.id)
            found |= dict(session.execute(query.where(Candidate.external_id.in_(part))).all())
        return found

    other = other_spellings(session, Candidate.external_id, external_ids)
    spelled = {other.get(name, name): name for name in external_ids}
    external_ids = set(spelled)
    missing = sorted(external_ids - stored().keys())
    if missing:
        at = now(session)
        rows = [{"external_id": one, "text": "", "imported_at": at} for one in missing]
        session.execute(insert(Candidate), rows)
    return {spelled[name]: id for name, id in stored().items()}, len(missing)


def _make_jobs(session: Session, external_ids: set[str]) -> int:
    """Jobs of which only the id is known."""
    common = {"title": "", "text": "", "text_hash": digest("", ""), "imported_at": now(session)}
    rows: list[dict[str, Any]] = [{"external_id": one, **common} for one in sorted(external_ids)]
    if rows:
        session.execute(insert(Job), rows)
    return len(rows)
