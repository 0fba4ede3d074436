"""Labelled jobs from files: all rows of a job put together, with all that was said of its tags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tagger.columns import some
from tagger.errors import DataError
from tagger.files import PLAIN, Layout
from tagger.jobs import Job, iter_records
from tagger.rejects import Rejects
from tagger.tag_info import TagInfo, TagNames


def read_labelled(
    paths: Iterable[Path],
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    tags: Sequence[TagInfo] | None = None,
) -> list[Job]:
    """Read all jobs of some files, each once, with all that was said of its tags.

    Rows with the same id, title and text become one job with the union of their tags. A tag
    that is both "yes" and "no" becomes unknown and is reported; a row with the id of an earlier
    one but another title or text is rejected.

    Parameters
    ----------
    paths, rejects, columns, encoding, layout
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
        how: dict[str, Any] = {"columns": columns, "encoding": encoding, "layout": layout}
        records = iter_records(path, rejects=rejects, **how)
        for line, job, implicit, *_ in records:
            if implicit:
                job = replace(job, id=prefixes[path] + job.id)
            if implicit == "tag":
                job = replace(job, id=ids_by_text.setdefault((job.title, job.text), job.id))
            if known is not None:
                job, problems = _by_own_names(job, names, known)
                for problem in problems:
                    rejects.unknown(path, line, job.id, problem)
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
            rejects.unknown(path, line, job.id, f"tag {tag!r:.60} is both yes and no ({first})")

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
