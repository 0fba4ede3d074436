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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    read_id,
    read_labels,
    read_text,
    some,
    tag_name,
)
from tagger.errors import DataError
from tagger.rejects import Reject, Rejects
from tagger.tables import Found, id_or_none, iter_table, named, split_table
from tagger.tag_info import TagInfo, TagNames
from tagger.times import read_time

__all__ = ["COLUMNS", "Job", "Reject", "Rejects", "iter_jobs", "read_labelled", "tag_name"]


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


MAX_FIELD = 2000
"""Longer strings in other columns are not kept: they are texts, and hold memory."""


def iter_jobs(
    path: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    unique: bool = True,
    labels: bool = True,
    fields: bool = False,
) -> Iterator[Job]:
    """Read jobs one by one; memory stays flat.

    Parameters
    ----------
    path
        A file that `tagger.files.open_rows` can read.
    rejects
        Gets every row that can't be used; the rest goes on.
    columns
        Our column name to the file's: ``{"text": "description"}``.
    unique
        Reject a row whose id came before. Remembers a 64-bit hash and a line number per job.
    labels
        False leaves the columns about tags unread, so that nothing in them rejects a row.
    fields
        Keep the columns that are none of ours, too.

    Raises
    ------
    DataError
        If the file as a whole can't be used, has no column `text`, or lacks one of `columns`;
        when the first job is asked for, or later if the file turns out to be damaged.
    """
    first_line: dict[int, int] = {}
    records = iter_records(
        path,
        rejects=rejects,
        columns=columns,
        encoding=encoding,
        labels=labels,
        keep_others=fields,
    )
    for line, job, _, _, others in records:
        first = first_line.setdefault(hash(job.id), line) if unique else line
        if first == line:
            yield replace(job, fields=_short(others)) if others else job
        else:
            rejects.add(path, line, job.id, f"duplicate id {job.id!r:.60}, first on line {first}")


def _short(others: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: cell
        for name, cell in others.items()
        if not (isinstance(cell, str) and len(cell) > MAX_FIELD)
    }


def read_labelled(
    paths: Iterable[Path],
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    tags: Sequence[TagInfo] | None = None,
) -> list[Job]:
    """Read all jobs of some files, each once, with all that was said of its tags.

    Rows with the same id, title and text become one job with the union of their tags. A tag
    that is both "yes" and "no" becomes unknown and is reported; a row with the id of an earlier
    one but another title or text is rejected.

    Parameters
    ----------
    paths, rejects, columns, encoding
        As in `iter_jobs`. Rows without an id are told apart by file and row number, those with
        a column `tag` by title and text.
    tags
        The tags that count, by their names and other names of them; others are reported and
        dropped. None: all tags of the files.

    Returns
    -------
    Jobs in the order of the files, tags sorted. A job of which nothing is known is unlabelled.
    """
    paths = list(paths)
    prefixes = _id_prefixes(paths)
    known = None if tags is None else frozenset(tag.name for tag in tags)
    names = TagNames(tags or ())
    gathered: dict[str, _Gathered] = {}
    ids_by_text: dict[tuple[str, str], str] = {}
    for path in paths:
        records = iter_records(path, rejects=rejects, columns=columns, encoding=encoding)
        for line, job, implicit, *_ in records:
            if implicit:
                job = replace(job, id=prefixes[path] + job.id)
            if implicit == "tag":
                job = replace(job, id=ids_by_text.setdefault((job.title, job.text), job.id))
            if known is not None:
                job, problems = _by_own_names(job, names, known)
                for problem in problems:
                    rejects.add(path, line, job.id, problem)
            whole = gathered.setdefault(job.id, _Gathered(job, path, line))
            whole.add(job, path, line, rejects)
    all_tags = known or frozenset().union(*(whole.yes | whole.no for whole in gathered.values()))
    return [whole.to_job(all_tags) for whole in gathered.values()]


def _id_prefixes(paths: Sequence[Path]) -> dict[Path, str]:
    """What to put before row numbers, so that they tell jobs of several files apart."""
    if len(paths) == 1:
        return {paths[0]: ""}
    are_distinct = len({path.name for path in paths}) == len(paths)
    return {path: f"{path.name if are_distinct else path.as_posix()}:" for path in paths}


class Record(NamedTuple):
    """One row of a file of jobs."""

    line: int
    job: Job
    implicit: str
    """Empty if the row has its own id, else what it stands for: a "tag" or a "row"."""
    posted_at: datetime | None = None
    others: Mapping[str, Any] = MappingProxyType({})
    """The columns that are none of ours, as they came."""


def iter_records(
    path: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    labels: bool = True,
    all_columns: bool = False,
    keep_others: bool = False,
) -> Iterator[Record]:
    """Read rows one by one as they are, the same id perhaps more than once.

    Parameters
    ----------
    path, rejects, columns, encoding, labels
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
        keep_others=all_columns or keep_others,
    )
    return _to_records(rows, partial(rejects.add, path), labels=labels)


def split_records(
    rows: Iterable[Mapping[str, Any]],
    name: str,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    labels: bool = True,
) -> Iterator[Record]:
    """The same for rows that come from elsewhere, such as a query; errors call it `name`."""
    wanted = _wanted(columns, labels=labels, all_columns=True)
    found = split_table(rows, name, wanted, {"text", *(columns or ())})
    return _to_records(found, partial(rejects.add, name), labels=labels)


def _to_records(
    rows: Iterable[Found], reject: Callable[[int, str | None, str], None], *, labels: bool
) -> Iterator[Record]:
    for row in rows:
        try:
            record = _to_record(row, labels=labels)
        except CellError as error:
            reject(row.line, id_or_none(row.cells), str(error))
        else:
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


def _to_record(row: Found, *, labels: bool) -> Record:
    cells = row.cells
    if not labels:
        cells = {name: cell for name, cell in cells.items() if name not in ABOUT_TAGS}
    id = read_id(cells.get("id"))
    title, text = read_text(cells, "title"), read_text(cells, "text")
    if not title.strip() and not text.strip():
        raise CellError("empty posting")
    job = Job(id or f"row {row.number}", title, text, *read_labels(cells))
    implicit = "" if id else "tag" if "tag" in cells else "row"
    return Record(row.line, job, implicit, read_time(cells.get("posted_at")), row.others)


@dataclass(slots=True)
class _Gathered:
    """What all rows of one job say."""

    job: Job
    path: Path
    line: int
    yes: set[str] = field(default_factory=set)
    no: set[str] = field(default_factory=set)
    is_full: bool = False

    def add(self, job: Job, path: Path, line: int, rejects: Rejects) -> None:
        first = f"first on line {self.line}" + (f" of {self.path}" if path != self.path else "")
        if (job.title, job.text) != (self.job.title, self.job.text):
            reason = f"id {job.id!r:.60} stands for another posting, {first}"
            rejects.add(path, line, job.id, reason)
            return
        disputed = self.yes & self.no
        self.yes.update(job.tags or ())
        self.no.update(job.not_tags or ())
        self.is_full |= job.tags is not None and job.not_tags is None
        for tag in sorted((self.yes & self.no) - disputed):
            reason = f"tag {tag!r:.60} is both yes and no ({first}); taken as unknown"
            rejects.add(path, line, job.id, reason)

    def to_job(self, all_tags: Iterable[str]) -> Job:
        disputed = self.yes & self.no
        no = self.no
        if self.is_full:
            no = set(all_tags) - self.yes
        elif not self.yes ^ self.no:
            return replace(self.job, tags=None, not_tags=None)
        is_partial = disputed or not self.is_full
        return replace(
            self.job,
            tags=tuple(sorted(self.yes - disputed)),
            not_tags=tuple(sorted(no - disputed)) if is_partial else None,
        )


def _by_own_names(job: Job, names: TagNames, known: Iterable[str]) -> tuple[Job, list[str]]:
    """A job with the tags' own names, without tags that are not known; and what those are."""
    own: dict[str, str | None] = {}
    problems = []
    for tag in sorted({*(job.tags or ()), *(job.not_tags or ())}):
        try:
            own[tag] = names.find(tag)
        except DataError as error:
            own[tag] = None
            problems.append(str(error))
        else:
            if own[tag] is None:
                problems.append(f"unknown tag {tag!r:.60}; known: {some(sorted(known))}")
    yes, no = (
        None if tags is None else tuple(dict.fromkeys(filter(None, (own[tag] for tag in tags))))
        for tags in (job.tags, job.not_tags)
    )
    return replace(job, tags=yes, not_tags=no), problems
