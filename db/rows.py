"""What importing takes: rows as plain values, made fit for a database, in batches."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from db.columns import MAX_ID
from tagger.columns import is_null

Reject = Callable[[int, str | None, str], None]
"""Is told the line, the id (None if there is none) and the reason of a row that is left out."""
Row = TypeVar("Row", "JobRow", "LabelRow", "CandidateRow", "EventRow")

BATCH, BATCH_CHARS = 1000, 4 * 2**20
"""Rows, and characters, after which a batch is written: one transaction each."""
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # no server takes a NUL or half a surrogate pair
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One posting."""

    line: int
    id: str = ""
    """The team's own; empty: a hash of title and text stands for it."""
    title: str = ""
    text: str = ""
    posted_at: datetime | None = None
    fields: Mapping[str, Any] | None = None
    """The other columns."""
    tags: tuple[str, ...] | None = None
    """The tags that apply; None if nothing is said of tags."""
    not_tags: tuple[str, ...] | None = None
    """The tags that don't. None: every other tag of the file."""
    n_rows: int = 1
    """Rows of the source that it stands for."""

    @property
    def n_chars(self) -> int:
        return len(self.title) + len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One answer."""

    line: int
    job: str = ""
    """Empty: `posting` tells which."""
    posting: tuple[str, str] | None = None
    """Title and text of the job, where they are known; the title may stand in the text."""
    tag: str
    label: str = "yes"
    labeller: str | None = None
    source: str | None = None
    labelled_at: datetime | None = None
    n_chars = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """One person who looks for a job."""

    line: int
    id: str
    text: str = ""
    fields: Mapping[str, Any] | None = None

    @property
    def n_chars(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that a candidate did with a job."""

    line: int
    candidate: str
    job: str
    action: str
    occurred_at: datetime | None = None
    id: str = ""
    """The team's own; empty: a hash of the others stands for it."""
    fields: Mapping[str, Any] | None = None
    n_chars = 0


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in lists of at most `BATCH`, ending early where they hold `BATCH_CHARS`."""
    batch: list[Row] = []
    n_chars = 0
    for row in rows:
        batch.append(row)
        n_chars += row.n_chars
        if len(batch) == BATCH or n_chars >= BATCH_CHARS:
            yield batch
            batch, n_chars = [], 0
    if batch:
        yield batch


@contextmanager
def resumable(result: Any) -> Iterator[None]:
    """What stops an import says how far it came: `result` counts, in `rows`, what is stored."""
    try:
        yield
    except BaseException as error:
        if result.rows:
            error.add_note(f"{result.rows:,} rows are stored; import again to go on after them")
        raise


# ---- values


def writable(text: str) -> str:
    """Text that every database takes: NULs and halves of surrogate pairs become U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text)


def fields_of(others: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The other columns as JSON knows them; without bytes, empty cells and ``NULL`` as a word.

    None for none. A column `fields` that holds an object, or one as a JSON string, is taken apart.
    """
    plain = {writable(str(name)): _plain(value) for name, value in (others or {}).items()}
    plain |= _unpacked(plain.pop("fields", None))
    return {name: one for name, one in plain.items() if not (is_null(one) or one == "")} or None


def _unpacked(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {"fields": value}
        return _unpacked(_plain(value)) if isinstance(value, dict) else {"fields": value}
    return value if isinstance(value, dict) else {"fields": value}


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None
        return int(value) if isinstance(value, Decimal) and value == int(value) else float(value)
    if isinstance(value, bytes | bytearray | memoryview) or depth == _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {writable(str(name)): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return writable(str(value))


def digest(*parts: str) -> bytes:
    """16 bytes that tell these strings from others."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest()


def id_problem(*ids: str) -> str:
    """Why an id can't be stored; empty if all can."""
    for one in ids:
        if not one:
            return "the id is empty"
        if len(one) > MAX_ID:
            return f"the id {one[:20]!r}... is longer than {MAX_ID} characters"
    return ""


class Seen:
    """Ids that came before, at 8 bytes each.

    Sorted runs of 64-bit hashes, merged when the last ones are of one size.
    """

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.int64]] = []

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Remember ids; tell of each whether it was added before, or stands earlier in the list."""
        hashes = np.array([hash(one) for one in ids], np.int64)
        new, first = np.unique(hashes, return_index=True)
        before = np.ones(len(hashes), bool)
        before[first] = False
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            before |= run[at] == hashes
        if len(new):
            self._runs.append(new)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.union1d(self._runs[-1], last)
        return [bool(one) for one in before]
