"""Importing labels: what people said of tags, by the external ids of jobs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.columns import MAX_NAME, Answer, Source
from db.engine import take_turns, writing
from db.job_lookup import TextIndex, find_jobs
from db.labels import Batches, Said, all_tags, check_name, chunks, find_tags, not_held, record
from db.rows import LabelRow, Reject, Seen, batches, resumable, writable
from db.schema import Label


@dataclass(slots=True)
class ImportedLabels:
    """What came of an import."""

    rows: int = 0
    """Answers, without those that were left out."""
    labels: int = 0
    """Answers that were not known before."""
    unchanged: int = 0
    """Answers that only repeat what holds."""
    older: int = 0
    """Answers that change nothing, since the same labeller has said something later."""
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
    result, importing = ImportedLabels(), _LabelImport(engine, reject, labeller, Batches(name))
    with resumable(result):
        with writing(engine) as session:
            known = {tag.name for tag in all_tags(session, retired=True)}
        for batch in batches(rows):
            with writing(engine) as session:
                take_turns(session)
                counted = importing.add(session, batch)
                tags = {tag.name for tag in all_tags(session, retired=True)}
            for name, value in counted.items():
                setattr(result, name, getattr(result, name) + value)
            result.new_tags = tuple(sorted(tags - known))
    return result


class _Checked(NamedTuple):
    row: LabelRow
    job_id: int
    tag: str
    labeller: str
    source: Source
    answer: Answer


class _LabelImport:
    """One import: what it goes by, and what came before."""

    def __init__(self, engine: Engine, reject: Reject, labeller: str, by_labeller: Batches) -> None:
        self._reject, self._labeller, self._batches = reject, labeller, by_labeller
        self._texts = TextIndex(engine)
        self._asked, self._answered = Seen(), Seen()

    def add(self, session: Session, batch: Sequence[LabelRow]) -> dict[str, int]:
        """Store one batch; returns what to add to the result once it is committed."""
        rows = self._checked(session, batch)
        tags = find_tags(session, [one.tag for one in rows], create=True)
        last = _last_times(session, [one.job_id for one in rows])
        questions = [f"{one.job_id}\0{one.tag}\0{one.labeller}" for one in rows]
        asked = self._asked.add(questions)
        answers = [f"{q}\0{one.answer}" for q, one in zip(questions, rows, strict=True)]
        answered = self._answered.add(answers)
        said: list[Said] = []
        n_rows = n_older = 0
        for one, was_asked, was_answered in zip(rows, asked, answered, strict=True):
            at, job = one.row.labelled_at, one.row.job
            key = (one.job_id, tags[one.tag].id, one.labeller)
            if at is None and was_asked and not was_answered:
                problem = f"{one.labeller!r:.40} answered {one.tag!r:.40} before"
                self._reject(one.row.line, job or None, problem)
                continue
            n_rows += 1
            if at is not None and key in last and at < last[key]:
                n_older += 1
                continue
            if at is not None:
                if last.get(key) == at:
                    continue
                last[key] = at
            elif was_asked:
                continue
            said.append(Said(*key[:2], one.answer, one.labeller, one.source, at))
        n_added = record(session, said, self._batches) if said else 0
        n_unchanged = n_rows - n_added - n_older
        return {"rows": n_rows, "labels": n_added, "unchanged": n_unchanged, "older": n_older}

    def _checked(self, session: Session, batch: Sequence[LabelRow]) -> list[_Checked]:
        jobs = find_jobs(session, self._texts, [(row.job, row.posting) for row in batch])
        good = []
        for row, job in zip(batch, jobs, strict=True):
            by, tag = writable(row.labeller or self._labeller), writable(row.tag)
            source = row.source or Source.IMPORT
            if isinstance(job, str):
                problem = job
            elif not 0 < len(tag) <= MAX_NAME or len(by) > MAX_NAME:
                problem = f"a tag or labeller has 1 to {MAX_NAME} characters"
            elif source not in list(Source):
                problem = f"unknown source {source!r:.40}; known: {', '.join(Source)}"
            else:
                good.append(_Checked(row, job, tag, by, Source(source), Answer(row.label)))
                continue
            self._reject(row.line, row.job or None, problem)
        return good


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
