"""Reading jobs, candidates and events as arrays: what a matcher learns from, at one moment.

Texts pass through in pages and are never all in memory. Letters for axes: N rows, E events, D
numbers of a code.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from db.labels import chunks
from db.match_tables import CandidateCode
from db.schema import Candidate, Event, Job, JobCode

Encode = Callable[[Sequence[tuple[str, str]]], npt.NDArray[np.float32]]
"""From titles and texts, N of them, to codes, shape (N, D)."""
Watch = Callable[[Iterator[Any], str], Iterator[Any]]
"""Passes rows on and shows how many there were."""

PAGE, EVENT_PAGE = 500, 10_000
"""Rows fetched at a time."""
_Part = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
_Query = Select[*tuple[Any, ...]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Rows:
    """Jobs or candidates, in the order of their keys."""

    keys: npt.NDArray[np.int64]
    """Shape (N,): primary keys."""
    ids: list[str]
    """The team's own."""
    fields: dict[str, list[Any]]
    """Name -> N values as they were imported; None where a row has none."""
    posted_at: npt.NDArray[np.float64] | None = None
    """Shape (N,): seconds since 1970; nan for unknown."""
    groups: npt.NDArray[np.int64] | None = None
    """Shape (N,): equal for reposts of one job."""
    codes: npt.NDArray[np.float32] | None = None
    """Shape (N, D); zeros for a row without text."""
    new_codes: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """Rows that had no stored code and were encoded now."""


@dataclass(frozen=True, slots=True)
class EventRows:
    """Events in the order in which they were stored."""

    candidates: npt.NDArray[np.intp]
    """Shape (E,): row of the candidate."""
    jobs: npt.NDArray[np.intp]
    """Shape (E,): row of the job."""
    actions: npt.NDArray[np.int8]
    """Shape (E,): place in `names`."""
    times: npt.NDArray[np.float64]
    """Shape (E,): seconds since 1970; nan for unknown."""
    names: tuple[str, ...]
    """The actions."""
    last: int
    """The highest key; 0 for none."""


def unwatched(rows: Iterator[Any], what: str) -> Iterator[Any]:
    """Shows nothing."""
    return rows


def read_jobs(
    session: Session,
    *,
    version_id: int | None = None,
    encode: Encode | None = None,
    watch: Watch = unwatched,
) -> Rows:
    """All jobs, with codes of a version where that and `encode` are given.

    A job that has no stored code yet, such as one posted a minute ago, is encoded now.
    """
    query = select(Job.id, Job.external_id, Job.fields, Job.posted_at, Job.canonical_id)
    if version_id is not None:
        code = and_(JobCode.job_id == Job.id, JobCode.code_version_id == version_id)
        query = query.add_columns(JobCode.code).outerjoin(JobCode, code)
    found: list[Any] = list(watch(_streamed(session, query.order_by(Job.id)), "jobs"))
    rows = _rows(found)
    rows.posted_at = np.array([_seconds(row.posted_at) for row in found], np.float64)
    rows.groups = np.array([row.canonical_id or row.id for row in found], np.int64)
    if version_id is not None and encode:
        texts = select(Job.id, Job.title, Job.text).order_by(Job.id)
        _add_codes(session, rows, [row.code for row in found], texts, encode, watch)
    return rows


def read_candidates(
    session: Session,
    *,
    version_id: int | None = None,
    encode: Encode | None = None,
    watch: Watch = unwatched,
) -> Rows:
    """All candidates, likewise; those without a resume have a code of zeros."""
    query = select(Candidate.id, Candidate.external_id, Candidate.fields)
    if version_id is not None:
        code = and_(
            CandidateCode.candidate_id == Candidate.id, CandidateCode.code_version_id == version_id
        )
        query = query.add_columns(CandidateCode.code).outerjoin(CandidateCode, code)
    found: list[Any] = list(watch(_streamed(session, query.order_by(Candidate.id)), "candidates"))
    rows = _rows(found)
    if version_id is not None and encode:
        texts = select(Candidate.id, Candidate.text.label("title"), Candidate.text)
        texts = texts.where(Candidate.text != "").order_by(Candidate.id)
        _add_codes(session, rows, [row.code for row in found], texts, _untitled(encode), watch)
    return rows


def _untitled(encode: Encode) -> Encode:
    """A resume has no title."""
    return lambda texts: encode([("", text) for _, text in texts])


def _rows(found: Sequence[Any]) -> Rows:
    names = dict.fromkeys(name for row in found for name in row.fields or ())
    fields = {name: [(row.fields or {}).get(name) for row in found] for name in names}
    keys = np.array([row.id for row in found], np.int64)
    return Rows(keys, [row.external_id for row in found], fields)


def _add_codes(
    session: Session,
    rows: Rows,
    stored: Sequence[bytes | None],
    texts: _Query,
    encode: Encode,
    watch: Watch,
) -> None:
    """Stored codes, and new ones of the rows that have none but a text."""
    n_numbers = encode([("", "")]).shape[1]
    codes = np.zeros((len(rows.ids), n_numbers), np.float32)
    is_missing = np.ones(len(rows.ids), bool)
    for place, code in enumerate(stored):
        if code is not None and len(code) == 4 * n_numbers:
            codes[place], is_missing[place] = np.frombuffer(code, "<f4"), False
    rows.codes = codes
    if not is_missing.any():
        return
    new: list[int] = []
    found = _texts_of(session, texts, rows.keys[is_missing].tolist())
    for page in _in_pages(watch(found, "encoding")):
        places = np.searchsorted(rows.keys, [row.id for row in page])
        codes[places] = encode([(row.title, row.text) for row in page])
        new += places.tolist()
    rows.new_codes = np.array(new, np.intp)


def _texts_of(session: Session, texts: _Query, keys: Sequence[int]) -> Iterator[Any]:
    """Texts of some rows, in the order of their keys; rows without any are left out."""
    key = texts.selected_columns[0]
    for part in chunks(keys, PAGE):
        for row in session.execute(texts.where(key.in_(part))):
            if row.text or row.title:
                yield row


def _in_pages(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while page := list(islice(rows, PAGE)):
        yield page


def read_events(
    session: Session,
    candidates: Rows,
    jobs: Rows,
    *,
    watch: Watch = unwatched,
) -> EventRows:
    """All events between these candidates and jobs, at 25 bytes each."""
    query = select(Event.id, Event.candidate_id, Event.job_id, Event.action, Event.occurred_at)
    rows = watch(_streamed(session, query.order_by(Event.id), EVENT_PAGE), "events")
    number: dict[str, int] = {}
    parts: list[_Part] = [(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))]
    last = 0
    while page := list(islice(rows, EVENT_PAGE)):
        keys, people, posts, actions, times = zip(*page, strict=True)
        last = keys[-1]
        parts.append(
            (
                np.searchsorted(candidates.keys, people),
                np.searchsorted(jobs.keys, posts),
                np.array([number.setdefault(action, len(number)) for action in actions], np.int8),
                np.array([_seconds(time) for time in times], np.float64),
            )
        )
    a, b, c, d = (np.concatenate(column) for column in zip(*parts, strict=True))
    return EventRows(
        a.astype(np.intp), b.astype(np.intp), c.astype(np.int8), d, tuple(number), last
    )


def latest(session: Session) -> dict[str, int]:
    """The highest keys of jobs, candidates and events; 0 for none."""
    columns = {"last_job": Job.id, "last_candidate": Candidate.id, "last_event": Event.id}
    return {name: session.scalar(select(func.max(key))) or 0 for name, key in columns.items()}


def _streamed(session: Session, query: _Query, size: int = PAGE) -> Iterator[Any]:
    return iter(session.execute(query, execution_options={"yield_per": size}))


def _seconds(time: datetime | None) -> float:
    return np.nan if time is None else (time - _EPOCH).total_seconds()
