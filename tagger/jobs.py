"""Jobs, and reading them from files.

A file has one job a row, in these columns (matched whatever their case; others are ignored):

=========  =====================================================================================
text       the posting; the only column that must be there
title      may be missing or empty
id         anything that tells jobs apart; a row without one is called ``row 17`` by its number
tags       the tags that apply: a list, or a string separated by semicolons (``remote; sales``)
not_tags   the tags that don't apply; if given, all tags in neither column are unknown
tag        instead of `tags`: one row per job and tag, as SQL exports it
label      beside `tag`: yes, no or unsure
=========  =====================================================================================

What is known of a job's tags:

- no `tags` column, or null: unlabelled.
- An empty list, or an empty cell where a `tags` column exists: labelled, and no tag applies.
  CSV has no null, so unlabelled jobs belong in a file of their own or in JSON lines.
- The same holds for an empty or null `tag`: in CSV no tag applies, elsewhere it is unlabelled.
- `not_tags` missing, null or an empty cell: fully labelled, every tag not in `tags` is a "no".
- `tag` without `label`: fully labelled. `tag` with `label`: only what is said is known.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial, reduce
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tagger.columns import (
    ABOUT_TAGS,
    COLUMNS,
    CellError,
    Tags,
    Unreadable,
    is_null,
    read_id,
    read_text,
    tag_name,
)
from tagger.errors import DataError
from tagger.feeds import find_feed
from tagger.files import PLAIN, Layout, kind_of
from tagger.rejects import Reject, Rejects
from tagger.tables import (
    Found,
    id_or_none,
    iter_table,
    named,
    read_or_note,
    readable,
    split_table,
)
from tagger.tag_cells import read_labels
from tagger.times import read_time

__all__ = ["COLUMNS", "Job", "Reject", "Rejects", "iter_jobs", "tag_name"]


@dataclass(frozen=True, slots=True)
class Job:
    """One job posting, and what people said of its tags."""

    id: str
    title: str = ""
    text: str = ""
    tags: Tags = None
    """The tags that apply; None if the job is unlabelled."""
    not_tags: Tags = None
    """The tags that don't apply. None: every tag not in `tags`; else the others are unknown."""
    fields: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The columns that are none of ours, where they were asked for; see `tagger.feed_facts`."""


_HEADED = (".csv", ".tsv", ".parquet", ".xlsx")
MAX_FIELD = 2000
"""Longer strings in other columns are not kept: they are texts, and hold memory."""


def iter_jobs(
    path: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    unique: bool = True,
    labels: bool = True,
    fields: bool = False,
    keep: Collection[str] = (),
) -> Iterator[Job]:
    """Read jobs one by one; memory stays flat.

    Parameters
    ----------
    path
        A file that `tagger.files.open_rows` can read.
    rejects
        Gets every row that can't be used; the rest goes on.
    columns
        Our column name to the file's: ``{"text": "description"}``; a name with dots in it, such as
        ``identifier.value``, reaches into objects.
    layout
        How else the file is to be read.
    unique
        Reject a row whose id came before. Remembers a 64-bit hash and a line number per job.
    labels
        False leaves the columns about tags unread, so that nothing in them rejects a row.
    fields
        Keep the columns that are none of ours, too.
    keep
        Of those the ones to keep whole, however long they are.

    Raises
    ------
    DataError
        If the file as a whole can't be used, has no column `text`, or lacks one of `columns` or,
        where it has a header, of `keep`;
        when the first job is asked for, or later if the file turns out to be damaged.
    """
    first_line: dict[int, int] = {}
    records = iter_records(
        path,
        rejects=rejects,
        columns=columns,
        encoding=encoding,
        layout=layout,
        labels=labels,
        keep_others=fields,
    )
    asked = {name for name in keep if name not in COLUMNS}
    has_header = kind_of(path) in _HEADED
    for line, job, _, _, others, _ in records:
        missing = sorted(asked - others.keys())
        if missing and has_header and not rejects.n_unknown:  # what can't be read is left out
            known = ", ".join(map(str, others))
            raise DataError(f"{path} has no column {missing[0]} to keep; it has {known}")
        has_header = False
        first = first_line.setdefault(hash(job.id), line) if unique else line
        if first == line:
            yield replace(job, fields=_short(others, keep)) if others else job
        else:
            rejects.add(path, line, job.id, f"duplicate id {job.id!r:.60}, first on line {first}")


def _short(others: Mapping[str, Any], keep: Collection[str]) -> dict[str, Any]:
    return {
        name: cell
        for name, cell in others.items()
        if not is_null(cell)
        and (name in keep or not (isinstance(cell, str) and len(cell) > MAX_FIELD))
    }


class Record(NamedTuple):
    """One row of a file of jobs."""

    line: int
    job: Job
    implicit: str
    """Empty if the row has its own id, else what it stands for: a "tag" or a "row"."""
    posted_at: datetime | None = None
    others: Mapping[str, Any] = MappingProxyType({})
    """The columns that are none of ours, as they came."""
    n_rows: int = 1
    """Rows of the file that it stands for."""


def iter_records(
    path: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    labels: bool = True,
    all_columns: bool = False,
    keep_others: bool = False,
) -> Iterator[Record]:
    """Read rows one by one as they are, the same id perhaps more than once.

    A job is rejected if it has neither title nor text. Whatever else of a row can't be read counts
    as unknown and is told of.

    Parameters
    ----------
    path, rejects, columns, encoding, layout, labels
        As in `iter_jobs`.
    all_columns
        Read `posted_at` and the columns that are none of ours too.
    keep_others
        Read the columns that are none of ours too.
    """
    wanted = _wanted(columns, labels=labels, all_columns=all_columns)
    rows = iter_table(
        path,
        wanted,
        needed=["text"],
        must=columns or (),
        rejects=rejects,
        encoding=encoding,
        layout=layout,
        feed=partial(find_feed, name=layout.feed) if layout.feed or not columns else None,
        keep_others=all_columns or keep_others,
    )
    return _to_records(rows, path, rejects, labels=labels, separator=layout.separator)


def split_records(
    rows: Iterable[Mapping[str, Any]],
    name: str,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    layout: Layout = PLAIN,
    labels: bool = True,
) -> Iterator[Record]:
    """The same for rows that come from elsewhere, such as a query; errors call it `name`."""
    wanted = _wanted(columns, labels=labels, all_columns=True)
    found = split_table(rows, name, wanted, {"text", *(columns or ())})
    return _to_records(found, name, rejects, labels=labels, separator=layout.separator)


def _to_records(
    rows: Iterable[Found], name: Path | str, rejects: Rejects, *, labels: bool, separator: str
) -> Iterator[Record]:
    for row in rows:
        unknown: list[str] = []
        try:
            record = _to_record(row, unknown, labels=labels, separator=separator)
        except CellError as error:
            rejects.add(name, row.line, id_or_none(row.cells), str(error))
            continue
        for reason in unknown:
            rejects.unknown(name, row.line, id_or_none(row.cells), reason)
        yield record


def tag_names(records: Iterable[Record]) -> list[str]:
    """Every tag that some rows name, sorted."""
    jobs = (record.job for record in records)
    return sorted({tag for job in jobs for tag in (*(job.tags or ()), *(job.not_tags or ()))})


def merge_runs(records: Iterable[Record]) -> Iterator[Record]:
    """Rows of one job that stand together become one, with the union of their tags."""
    for _, run in groupby(records, key=_posting):
        yield reduce(_merged, run)


def _posting(record: Record) -> tuple[str, str, str]:
    job = record.job
    return ("" if record.implicit else job.id, job.title, job.text)


def _merged(one: Record, other: Record) -> Record:
    one = one._replace(n_rows=one.n_rows + other.n_rows)
    jobs = [record.job for record in (one, other) if record.job.tags is not None]
    if not jobs:
        return one
    yes = dict.fromkeys(tag for job in jobs for tag in job.tags or ())
    no = dict.fromkeys(tag for job in jobs for tag in job.not_tags or ())
    is_full = any(job.not_tags is None for job in jobs)
    return one._replace(job=replace(one.job, tags=(*yes,), not_tags=None if is_full else (*no,)))


def _wanted(
    columns: Mapping[str, str] | None, *, labels: bool, all_columns: bool
) -> dict[str, str]:
    # An export tells what a job repeats; importing finds that out again.
    ours = (*COLUMNS, "posted_at", "repost_of") if all_columns else COLUMNS
    wanted = named(ours, columns)
    unread = () if labels or all_columns else ABOUT_TAGS
    return {name: theirs for name, theirs in wanted.items() if name not in unread}


def _to_record(row: Found, unknown: list[str], *, labels: bool, separator: str) -> Record:
    """One row; what of it can't be read is added to `unknown`."""
    cells = row.cells
    if not labels:
        cells = {name: cell for name, cell in cells.items() if name not in ABOUT_TAGS}
    id: str = read_or_note(read_id, cells.get("id"), None)
    title, text = (_read_part(cells, name, unknown) for name in ("title", "text"))
    if not title.strip() and not text.strip():
        raise CellError(unknown[0] if unknown else _why_empty(cells))
    tags, not_tags = _read_tags(cells, unknown, separator)
    job = Job(id or f"row {row.number}", title, text, tags, not_tags)
    implicit = "" if id else "tag" if "tag" in cells else "row"
    posted_at = read_or_note(read_time, cells.get("posted_at"), unknown)
    return Record(row.line, job, implicit, posted_at, readable(row.others, unknown))


def _why_empty(cells: Mapping[str, Any]) -> str:
    if "text" not in cells:
        return "the row has no text"
    return "the text is null" if is_null(cells["text"]) else "empty posting"


def _read_part(cells: Mapping[str, Any], name: str, unknown: list[str]) -> str:
    """The title or the text; empty if it can't be read.

    Bytes of another encoding reject the row: the whole file may have it.
    """
    cell = cells.get(name)
    if isinstance(cell, Unreadable):
        if not cell.is_usable:
            raise CellError(cell.reason)
        unknown.append(f"the {name}: {cell.reason}")
    return read_or_note(lambda _: read_text(cells, name), cell, unknown) or ""


def _read_tags(cells: Mapping[str, Any], unknown: list[str], separator: str) -> tuple[Tags, Tags]:
    """What a row says of tags; nothing, if a part of that can't be read."""
    try:
        for name in ABOUT_TAGS:
            if isinstance(cell := cells.get(name), Unreadable):
                raise CellError(f"{name}: {cell.reason}")
        return read_labels(cells, separator)
    except CellError as error:
        unknown.append(str(error))
        return None, None
