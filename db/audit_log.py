"""Writing the audit log: a chain of hashes of what is said, decided and removed.

Whoever writes a row notes it; when the transaction is committed, what was noted becomes entries,
one for all rows of a table. So the log and the rows are stored together or not at all, and the
chain's lock is the last one that a transaction takes: nobody who holds it waits for anybody.

References
----------
Haber and Stornetta, How to time-stamp a digital document, 1991 (chained hashes).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.orm import Session

from db.audit_rows import (
    GONE,
    LOGGED,
    ROW_HASHES,
    hash_rows,
    iter_ids,
    models_with_predictions,
    to_row_hashes,
)
from db.audit_tables import AuditEntry
from db.engine import now
from db.schema import Base, PredictionSet

START = bytes(32)
"""What the first entry has for the hash of the one before."""
_CHAIN = 0x6A6F6275  # an advisory lock on PostgreSQL; the number means nothing
_NOTED = "db.audit_log"


class Kind(StrEnum):
    """What an entry tells of its rows."""

    FOUND = "found"
    """They were there when the log began."""
    SAID = "said"
    """Somebody said something of a job, a tag or a word."""
    UNDONE = "undone"
    """Somebody took something back."""
    DECIDED = "decided"
    """A batch of labels was held or released."""
    TRAINED = "trained"
    RETRAINED = "retrained"
    """A retrain came to its end; once more where it has answered drift."""
    JUDGED = "judged"
    """The gate gave its verdict."""
    PROMOTED = "promoted"
    TAGGED = "tagged"
    """A model tagged jobs by itself."""
    WITHDRAWN = "withdrawn"
    """What models said of a job was removed, for its text is another now."""
    FORGOTTEN = "forgotten"
    """Somebody asked that they be removed."""
    PRUNED = "pruned"
    """The folders of models were removed."""


REPLACING = (Kind.RETRAINED, Kind.WITHDRAWN, Kind.FORGOTTEN, Kind.PRUNED)
"""Entries about rows that an earlier entry is about, too: what the last one says holds."""


@dataclass(slots=True)
class _Noted:
    """Rows of one table that one transaction has noted."""

    hashes: dict[int, bytes | None] = field(default_factory=dict)
    """Id -> hash; None: of what the row holds when the transaction is committed."""
    n_unnamed: int = 0


_Key = tuple[Kind, str, int | None]


def note(session: Session, kind: Kind, *rows: Base) -> None:
    """Note rows that were added to a session or changed; they are flushed."""
    session.flush()
    for row in rows:
        note_ids(session, kind, type(row), [row.id])  # type: ignore[attr-defined]


def note_ids(
    session: Session,
    kind: Kind,
    table: type[Base],
    ids: Iterable[int],
    *,
    model_id: int | None = None,
) -> None:
    """The same by their ids: what they hold when the transaction is committed is logged.

    Of `PredictionSet` give the ids of jobs, and the model.
    """
    _noted(session, (kind, table.__tablename__, model_id)).hashes.update(dict.fromkeys(ids))


def note_hashes(
    session: Session,
    kind: Kind,
    table: type[Base],
    hashes: Mapping[int, bytes],
    *,
    model_id: int | None = None,
) -> None:
    """Note rows whose hashes are known: as `db.audit_rows.hash_rows` makes them."""
    _noted(session, (kind, table.__tablename__, model_id)).hashes.update(hashes)


def note_gone(
    session: Session,
    kind: Kind,
    table: type[Base],
    ids: Iterable[int],
    *,
    model_id: int | None = None,
) -> None:
    """Note that rows are removed."""
    note_hashes(session, kind, table, dict.fromkeys(ids, GONE), model_id=model_id)


def note_number_gone(session: Session, kind: Kind, table: type[Base], n_rows: int) -> None:
    """Note that rows of a table whose rows are not logged are removed: how many, not which."""
    _noted(session, (kind, table.__tablename__, None)).n_unnamed += n_rows


def adopt(session: Session) -> None:
    """Log all rows that are there, in a database in which the log begins now. Does not commit."""
    for table, row in LOGGED.items():
        is_said_of_jobs = row is PredictionSet
        for model_id in models_with_predictions(session) if is_said_of_jobs else [None]:
            for ids in iter_ids(session, table, model_id=model_id):
                note_ids(session, Kind.FOUND, row, ids.tolist(), model_id=model_id)
                append_noted(session)


def entry_hash(entry: Any) -> bytes:
    """What `AuditEntry.hash` must be, of an entry or a row of its columns."""
    columns = (
        entry.number,
        str(entry.kind),
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.about,
        entry.model_id,
        entry.n_rows,
        entry.first_id,
        entry.last_id,
        entry.content.hex(),
        entry.previous.hex(),
    )
    return hashlib.sha256(json.dumps(columns).encode()).digest()


def append_noted(session: Session) -> None:
    """Make entries of what was noted so far. Runs by itself before a commit; does not commit."""
    noted: dict[_Key, _Noted] = session.info.pop(_NOTED, {})
    entries = [_entry(session, key, found) for key, found in noted.items()]
    entries = [entry for entry in entries if entry.n_rows]
    if not entries:
        return
    _lock_chain(session)
    last = select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)
    n_before, head = session.execute(last).one_or_none() or (0, START)
    at = now(session)
    for number, entry in enumerate(entries, start=n_before + 1):
        head = _chain(entry, number, at, head)
    columns = AuditEntry.__table__.c
    session.execute(
        insert(AuditEntry),
        [{column.name: getattr(entry, column.name) for column in columns} for entry in entries],
    )


def _noted(session: Session, key: _Key) -> _Noted:
    noted: dict[_Key, _Noted] = session.info.setdefault(_NOTED, {})
    return noted.setdefault(key, _Noted())


def _entry(session: Session, key: _Key, noted: _Noted) -> AuditEntry:
    kind, table, model_id = key
    hashes = {row_id: known for row_id, known in noted.hashes.items() if known is not None}
    ids = sorted(noted.hashes.keys() - hashes.keys())
    hashes |= hash_rows(session, table, ids, model_id=model_id)
    rows = to_row_hashes(hashes) if hashes else np.empty(0, ROW_HASHES)
    packed = rows.tobytes()
    return AuditEntry(
        kind=kind,
        about=table,
        model_id=model_id,
        n_rows=len(rows) + noted.n_unnamed,
        first_id=int(rows["id"][0]) if len(rows) else None,
        last_id=int(rows["id"][-1]) if len(rows) else None,
        row_hashes=packed,
        content=hashlib.sha256(packed).digest(),
    )


def _chain(entry: AuditEntry, number: int, at: datetime, previous: bytes) -> bytes:
    entry.number, entry.at, entry.previous = number, at, previous
    entry.hash = entry_hash(entry)
    return entry.hash


def _lock_chain(session: Session) -> None:
    """Wait until no other transaction appends; until this one commits. SQLite's writers wait."""
    name = session.get_bind().dialect.name
    if name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_CHAIN)))
    elif name != "sqlite":
        session.execute(text("SELECT version_num FROM jobtool_version FOR UPDATE"))


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    append_noted(session)


@event.listens_for(Session, "after_rollback")
def _after_rollback(session: Session) -> None:
    session.info.pop(_NOTED, None)
