"""Candidates, jobs and events from files: CSV, JSON lines or Parquet."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from matcher.data import FloatArray, IntArray, Profiles, RawEvent, join, seconds, to_events
from matcher.sources import Encoder, Known, Watch, textless
from tagger.errors import DataError
from tagger.files import PLAIN, Layout
from tagger.records import iter_values
from tagger.rejects import Rejects

KINDS = ("jobs", "candidates", "events")
PAGE = 500
"""Texts that are encoded at a time."""
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # numpy cuts NULs off, no file takes half a pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What to read. Without jobs, or candidates, those count that the events name."""

    events: Path
    jobs: Path | None = None
    candidates: Path | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind of file -> our column name -> what it is called there."""
    encoding: str = "utf-8"
    layout: Layout = PLAIN
    actions: Mapping[str, str] = field(default_factory=dict)
    """What the events call an action -> ours; under "" the action of all."""

    def __post_init__(self) -> None:
        for kind in self.columns:
            if kind not in KINDS:
                raise DataError(f"unknown kind of file {kind!r:.40}; known: {', '.join(KINDS)}")


def read_files(files: Files, *, encoder: Encoder | None, rejects: Rejects, watch: Watch) -> Known:
    """All that some files hold; rows that can't be used are rejected, events counted in notes.

    Raises
    ------
    DataError
        If a file can't be used, or no event is left.
    """
    jobs = _profiles(files, "jobs", encoder, rejects, watch)
    candidates = _profiles(files, "candidates", encoder, rejects, watch)
    n_before = rejects.count
    rows = list(watch(_raw_events(files, rejects), "events"))
    if not rows:
        n = rejects.count - n_before
        raise DataError(
            f"{files.events} has no event that can be read: "
            + (f"{n:,} came, {n:,} were rejected" if n else "none came")
        )
    raw = list(dict.fromkeys(rows))
    jobs = jobs or Profiles(ids=tuple(dict.fromkeys(event.job for event in raw)))
    candidates = candidates or Profiles(ids=tuple(dict.fromkeys(event.candidate for event in raw)))
    columns = to_events(candidates, jobs, raw)
    data = join(candidates, jobs, columns, until=time.time())
    n_repeats = len(rows) - len(raw)
    repeats = (f"{n_repeats:,} events say what an earlier one says and count once",)
    notes = (*(repeats if n_repeats else ()), *data.notes, *textless(data))
    data = replace(data, notes=notes)
    has_codes = data.jobs.codes is not None or data.candidates.codes is not None
    return Known(data, encoder.identity if encoder and has_codes else None)


def _rows(files: Files, kind: str, path: Path, rejects: Rejects) -> Iterator[Any]:
    return iter_values(
        kind,
        path,
        rejects=rejects,
        columns=files.columns.get(kind),
        encoding=files.encoding,
        layout=files.layout,
        actions=files.actions if kind == "events" else None,
        prefix=f"{kind}.",
    )


def _raw_events(files: Files, rejects: Rejects) -> Iterator[RawEvent]:
    for row in _rows(files, "events", files.events, rejects):
        cells = row.cells
        names = clean(cells["candidate"]), clean(cells["job"])
        yield RawEvent(*names, cells["action"], cells.get("occurred_at"))


def _profiles(
    files: Files, kind: str, encoder: Encoder | None, rejects: Rejects, watch: Watch
) -> Profiles | None:
    """The rows of a file, each id once; texts are encoded in pages and let go."""
    path: Path | None = getattr(files, kind)
    if path is None:
        return None
    ids: dict[str, int] = {}
    others: list[dict[str, Any]] = []
    posted: list[float] = []
    groups: list[str] = []
    codes: list[FloatArray] = []
    rows = watch(_each_once(_rows(files, kind, path, rejects), path, ids, rejects), kind)
    while page := list(islice(rows, PAGE)):
        others += [_fields_of(row.others) for row in page]
        posted += [seconds(row.cells.get("posted_at")) for row in page]
        groups += [clean(row.cells.get("repost_of") or "") for row in page]
        if encoder:
            codes.append(_encoded(encoder, [_text_of(row.cells) for row in page]))
    if not ids:
        raise DataError(f"{path} has no row that can be used")
    names = dict.fromkeys(name for one in others for name in one)
    return Profiles(
        ids=tuple(ids),
        fields={name: [one.get(name) for one in others] for name in names},
        codes=np.concatenate(codes) if codes else None,
        known_from=np.array(posted) if kind == "jobs" else None,
        groups=_group_rows(list(ids), groups) if any(groups) else None,
    )


def _each_once(
    rows: Iterator[Any], path: Path, ids: dict[str, int], rejects: Rejects
) -> Iterator[Any]:
    """Rows with an id that is new; `ids` remembers the line of each."""
    for row in rows:
        id = clean(row.cells["id"])
        if id in ids:
            reason = f"duplicate id {id!r:.60}, first on line {ids[id]}"
            rejects.add(path, row.line, id, reason)
        else:
            ids[id] = row.line
            yield row


def _text_of(cells: Mapping[str, Any]) -> tuple[str, str]:
    return cells.get("title") or "", cells.get("text") or ""


def _encoded(encoder: Encoder, texts: list[tuple[str, str]]) -> FloatArray:
    """Codes, zeros where there is no text: shape (N, D)."""
    codes = encoder(texts)
    codes[[not any(part.strip() for part in text) for text in texts]] = 0
    return codes


def _group_rows(ids: list[str], originals: list[str]) -> IntArray:
    """Equal numbers for a job and what repeats it, directly or over another repost."""
    row: dict[str, int] = {}  # ids, and originals that are not there
    both = [
        [row.setdefault(name, len(row)) for name in names]
        for names in (ids, [one or id for id, one in zip(ids, originals, strict=True)])
    ]
    links = sparse.coo_array((np.ones(len(ids)), both), shape=(len(row), len(row)))
    return np.asarray(connected_components(links, directed=False)[1][: len(ids)], np.intp)


def _fields_of(others: Mapping[str, Any]) -> dict[str, Any]:
    """The other columns; a column `fields` with an object in it, as exports have, is taken apart.

    Empty cells are None; objects within are left out.
    """
    inner = others.get("fields")
    if isinstance(inner, str) and inner.startswith("{"):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            inner = None
    found = {name: value for name, value in others.items() if name != "fields"}
    found |= inner if isinstance(inner, Mapping) else {}
    return {
        str(name): None if value == "" else value
        for name, value in found.items()
        if not isinstance(value, Mapping)
    }


def clean(id: str) -> str:
    """An id that can be saved and written anywhere.

    Examples
    --------
    >>> clean("a\\0") == "a\\ufffd"
    True
    """
    return _UNWRITABLE.sub("\ufffd", id)
