"""Checking the audit log: whether the chain is whole, and the rows are what was logged."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, Row, func, select
from sqlalchemy.orm import Session
from tqdm import tqdm

from db.audit_log import REPLACING, START, entry_hash
from db.audit_rows import (
    GONE,
    LOGGED,
    ROW_HASHES,
    RowHashes,
    count_rows,
    hash_rows,
    iter_ids,
    models_with_predictions,
)
from db.audit_tables import AuditEntry
from db.engine import reading_snapshot
from db.schema import PredictionSet

N_SHOWN = 20
"""Rows named of each problem; the others are counted."""
_AT_A_TIME = 2000  # rows that are read to be compared
_ENTRIES = 200  # entries in memory

Key = tuple[str, int | None]
"""A table, and of predictions the model."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row that is not as the log has it."""

    table: str
    id: int
    """Of predictions, the id of the job."""
    model_id: int | None
    entry: int | None
    """The entry that logged it; None if none did."""


@dataclass(slots=True)
class Problems:
    """Rows with one problem."""

    n: int = 0
    first: list[Place] = field(default_factory=list)

    def add(self, place: Place) -> None:
        self.n += 1
        if len(self.first) < N_SHOWN:
            self.first.append(place)


@dataclass(slots=True)
class AuditReport:
    """What an audit found."""

    n_entries: int = 0
    """Entries that are in order, from the first on."""
    n_rows: int = 0
    """Rows that were compared with the log."""
    head: str = START.hex()
    """Hash of the last entry that is in order; zeros if there is none."""
    broken: int | None = None
    """Number of the first entry that is not."""
    reason: str = ""
    """What is wrong with it."""
    changed: Problems = field(default_factory=Problems)
    """Rows that hold something else than what was logged."""
    missing: Problems = field(default_factory=Problems)
    """Rows that are gone although no entry says so."""
    unknown: Problems = field(default_factory=Problems)
    """Rows that no entry is about; not looked for behind a broken entry."""
    expected_at: int | None = None
    """Number of the entry that has the expected hash."""
    is_cut: bool = False
    """Whether no entry has the expected hash."""

    @property
    def ok(self) -> bool:
        rows = self.changed.n + self.missing.n + self.unknown.n
        return self.broken is None and not self.is_cut and not rows

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"ok": self.ok, **asdict(self)}


def audit(engine: Engine, *, expect: str | None = None, show_progress: bool = False) -> AuditReport:
    """Walk the chain from its first entry and compare the rows with it; memory stays flat.

    What is kept are a bit for each row, and 16 bytes for each row that was removed lawfully.

    Parameters
    ----------
    expect
        A head as an earlier audit told it, in hex: an entry must have this hash still.
    """
    with reading_snapshot(engine) as session:
        return _Audit(session, expect).run(show_progress)


class _Audit:
    def __init__(self, session: Session, expect: str | None) -> None:
        self.report = AuditReport()
        self._session, self._expect = session, expect
        self._replaced = _Replaced(session)
        self._waiting: dict[Key, list[tuple[int, RowHashes]]] = {}
        self._seen: dict[Key, _Ids] = {}

    def run(self, show_progress: bool) -> AuditReport:
        report, head = self.report, START
        if self._expect == head.hex():
            report.expected_at = 0
        n_entries = self._session.scalar(select(func.count()).select_from(AuditEntry))
        for entry in tqdm(
            _iter_entries(self._session),
            desc="auditing",
            unit="entry",
            total=n_entries,
            disable=None if show_progress else True,
        ):
            report.reason = _problem(entry, report.n_entries + 1, head)
            if report.reason:
                report.broken = report.n_entries + 1
                break
            head, report.n_entries = entry.hash, entry.number
            if head.hex() == self._expect:
                report.expected_at = entry.number
            self._take(entry)
        for key in list(self._waiting):
            self._compare(key)
        report.head = head.hex()
        report.is_cut = self._expect is not None and report.expected_at is None
        if report.broken is None:
            self._find_unknown()
        return report

    def _take(self, entry: Row[Any]) -> None:
        """Put aside the rows of an entry whose last word on them it is."""
        key = (entry.about, entry.model_id)
        if entry.about not in LOGGED:
            return
        rows = self._replaced.still_held(key, entry.number, _unpacked(entry))
        waiting = self._waiting.setdefault(key, [])
        waiting.append((entry.number, rows[rows["hash"] != np.void(GONE)]))
        if sum(len(rows) for _, rows in waiting) >= _AT_A_TIME:
            self._compare(key)

    def _compare(self, key: Key) -> None:
        table, model_id = key
        report, waiting = self.report, self._waiting.pop(key)
        ids = sorted({int(row_id) for _, rows in waiting for row_id in rows["id"]})
        found = hash_rows(self._session, table, ids, model_id=model_id)
        report.n_rows += len(ids)
        for number, rows in waiting:
            for row_id, logged in zip(rows["id"].tolist(), rows["hash"], strict=True):
                place = Place(table, row_id, model_id, number)
                if row_id not in found:
                    report.missing.add(place)
                elif found[row_id] != logged.tobytes():
                    report.changed.add(place)
        self._seen.setdefault(key, _Ids()).add(np.array(list(found), np.int64))

    def _find_unknown(self) -> None:
        keys: list[Key] = [(table, None) for table in LOGGED if LOGGED[table] is not PredictionSet]
        of_models = models_with_predictions(self._session)
        keys += [(PredictionSet.__tablename__, model_id) for model_id in of_models]
        for table, model_id in keys:
            seen = self._seen.get((table, model_id), _Ids())
            if count_rows(self._session, table, model_id=model_id) == seen.n:
                continue
            for ids in iter_ids(self._session, table, model_id=model_id):
                for row_id in ids[~seen.has(ids)].tolist():
                    self.report.unknown.add(Place(table, row_id, model_id, None))


class _Replaced:
    """Which rows a later entry says something else of: that they are gone, or changed."""

    def __init__(self, session: Session) -> None:
        parts: dict[Key, list[tuple[int, RowHashes]]] = {}
        for entry in _iter_entries(session, only_replacing=True):
            parts.setdefault((entry.about, entry.model_id), []).append(
                (entry.number, _unpacked(entry))
            )
        self._of = {key: _last_numbers(found) for key, found in parts.items()}

    def still_held(self, key: Key, number: int, rows: RowHashes) -> RowHashes:
        """Those of an entry's rows that no later entry is about."""
        if key not in self._of:
            return rows
        ids, numbers = self._of[key]
        if not len(ids):
            return rows
        at = np.minimum(np.searchsorted(ids, rows["id"]), len(ids) - 1)
        held: RowHashes = rows[(ids[at] != rows["id"]) | (numbers[at] <= number)]
        return held


def _last_numbers(
    found: list[tuple[int, RowHashes]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids, ascending, and of each the last entry about it."""
    ids = np.concatenate([rows["id"].astype(np.int64) for _, rows in found])
    numbers = np.repeat([number for number, _ in found], [len(rows) for _, rows in found])
    newest_first = np.argsort(-numbers, kind="stable")
    unique, first = np.unique(ids[newest_first], return_index=True)
    return unique, numbers[newest_first][first]


class _Ids:
    """A set of ids, at one bit each."""

    def __init__(self) -> None:
        self._bits = np.zeros(0, np.uint8)
        self.n = 0

    def add(self, ids: npt.NDArray[np.int64]) -> None:
        new = ids[~self.has(ids)]
        self.n += len(new)
        n_bytes = int(new.max(initial=-1)) // 8 + 1
        if n_bytes > len(self._bits):
            self._bits = np.pad(
                self._bits, (0, max(n_bytes, 2 * len(self._bits)) - len(self._bits))
            )
        np.bitwise_or.at(self._bits, new // 8, (1 << new % 8).astype(np.uint8))

    def has(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(ids), bool)
        in_reach = (ids >= 0) & (ids // 8 < len(self._bits))
        near = ids[in_reach]
        found[in_reach] = self._bits[near // 8] >> (near % 8).astype(np.uint8) & 1
        return found


def _iter_entries(session: Session, *, only_replacing: bool = False) -> Iterator[Row[Any]]:
    """Entries by their numbers, some in memory at a time."""
    query = select(*AuditEntry.__table__.c).order_by(AuditEntry.number).limit(_ENTRIES)
    if only_replacing:
        query = query.where(AuditEntry.kind.in_(REPLACING))
    entries = session.execute(query).all()
    while entries:
        yield from entries
        entries = session.execute(query.where(AuditEntry.number > entries[-1].number)).all()


def _unpacked(entry: Row[Any]) -> RowHashes:
    n_whole = len(entry.row_hashes) // ROW_HASHES.itemsize
    rows: RowHashes = np.frombuffer(entry.row_hashes, ROW_HASHES, count=n_whole)
    return rows


def _problem(entry: Row[Any], number: int, previous: bytes) -> str:
    """What is wrong with an entry that should have this number and follow that hash."""
    if entry.number != number:
        return f"entry {number} is missing"
    if entry.previous != previous:
        return "it does not follow the entry before it"
    if hashlib.sha256(entry.row_hashes).digest() != entry.content:
        return "the hashes of its rows are not what was logged"
    if entry_hash(entry) != entry.hash:
        return "it is not what was logged"
    return ""
