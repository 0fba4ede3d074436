"""`jobtool import` and `jobtool export`: files into the database and out of it.

What reads and writes the files is handed over by `cli`, as `files` of the context's object.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from db import file_options as options
from db.commands import AsJson, Database, n_of, opened, print_json
from db.file_options import counted, print_counts

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.exporting import Answers
    from db.rows import JobRow, LabelRow

app = typer.Typer(rich_markup_mode=None)
imports = typer.Typer(
    name="import",
    help="Store what files, labelling tools or your own tables hold; importing again adds nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(imports)


# ---- what is handed over


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One source of rows, and how it is read."""

    name: str
    """A file, or what to call a table where a row of it is rejected."""
    rows: Callable[[], Iterator[Mapping[str, Any]]] | None = None
    """Reads a table from its start; None: `name` is a file."""
    columns: Mapping[str, str] | None
    """What our columns are called there."""
    encoding: str
    rejects: Any
    """Takes what can't be used (`add`), and counts it (`count`)."""

    def reject(self, line: int, id: str | None, reason: str) -> None:
        """Leave a row out."""
        self.rejects.add(self.name, line, id, reason)


class Files(Protocol):
    """What reads and writes files."""

    def columns(self, pairs: Sequence[str] | None) -> Mapping[str, str] | None:
        """Our column names to theirs, from ``--column`` options."""

    def rejects(self, path: Path, *inputs: Path) -> AbstractContextManager[Any]:
        """What takes rejected rows, into `path` if any come; tells of them in the end."""

    def tag_names(self, reading: Reading) -> list[str]:
        """Every tag that the rows name."""

    def jobs(self, reading: Reading, *, labels: bool) -> Iterator[Any]:
        """Records (line, job, implicit, posted_at, others); with `labels` what they say of tags."""

    def values(self, kind: str, reading: Reading) -> Iterator[Any]:
        """Rows (line, cells, others) of a file of labels, candidates or events."""

    def answers(self, form: str, reading: Reading) -> Iterator[tuple[Any, dict[str, str]]]:
        """In a labelling tool's file: who said it of which job, and tag -> yes, no or unsure."""

    def writer(
        self, output: Path, columns: Mapping[str, str], *, objects_only: bool
    ) -> AbstractContextManager[Any]:
        """What writes rows (`write`) and counts them (`n_rows`); the file appears when whole."""

    def task_writer(self, form: str) -> "Callable[[Answers], dict[str, Any]]":
        """What makes a task of a labelling tool of one person's answers on one job."""


# ---- import


@imports.command("jobs")
def import_jobs(
    context: typer.Context,
    source: options.FileOrNone = None,
    db: Database = None,
    from_table: options.FromTable = None,
    query: options.Query = None,
    source_url: options.SourceUrl = None,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    labels: options.WithLabels = True,
    labeller: options.Labeller = "import",
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import jobs: text, and if there are id, title, posted_at, tags, not_tags (or tag, label).

    Other columns are kept. A job whose text changes is tagged anew; reposts are linked.
    """
    if [source, from_table, query].count(None) != 2:
        raise typer.BadParameter("name a FILE, or a table with --from-table, or a --query")
    if (from_table or query) and not source_url:
        raise typer.BadParameter("name the database of the table with --source-url")
    from db.importing import import_jobs
    from db.sources import iter_rows

    table = None
    if source is None:
        table = partial(iter_rows, source_url or "", from_table=from_table, query=query)
    name, files = source or from_table or "query", context.obj.files
    with _importing(files, name, db, column, encoding, rejects, table) as (engine, reading):
        all_tags = files.tag_names(reading) if labels else []
        rows = map(_job_row, counted(files.jobs(reading, labels=labels), "importing"))
        done = import_jobs(
            engine,
            rows,
            reject=reading.reject,
            labeller=labeller,
            all_tags=all_tags,
            name=Path(name).name,
        )
        print_counts(done, reading.rejects.count, as_json=as_json)


def _job_row(record: Any) -> "JobRow":
    from db.rows import JobRow

    job = record.job
    return JobRow(
        line=record.line,
        id="" if record.implicit else job.id,
        title=job.title,
        text=job.text,
        posted_at=record.posted_at,
        fields=record.others,
        tags=job.tags,
        not_tags=job.not_tags,
    )


@imports.command("labels")
def import_labels(
    context: typer.Context,
    source: options.File,
    db: Database = None,
    form: options.Format = None,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    labeller: options.Labeller = "import",
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import labels: job, tag, and if there are label (yes, no, unsure), labeller, labelled_at.

    Or what a labelling tool exports: tags that it offered and a person did not choose are a no.
    """
    from db.importing_labels import import_labels

    files: Files = context.obj.files
    with _importing(files, source, db, column, encoding, rejects) as (engine, reading):
        found = _answers(files, form, reading) if form else _labels(files, reading)
        rows = counted(found, "importing")
        done = import_labels(
            engine, rows, reject=reading.reject, labeller=labeller, name=source.name
        )
        print_counts(done, reading.rejects.count, as_json=as_json)


def _labels(files: Files, reading: Reading) -> "Iterator[LabelRow]":
    from db.rows import LabelRow

    return (LabelRow(line=row.line, **row.cells) for row in files.values("labels", reading))


def _answers(files: Files, form: str, reading: Reading) -> "Iterator[LabelRow]":
    """What a labelling tool's file says; a task without an id is known by its text."""
    from db.importing import content_id
    from db.rows import LabelRow

    for said, answers in files.answers(form, reading):
        for tag, label in answers.items():
            yield LabelRow(
                line=said.line,
                job=said.job or content_id(said.title, said.text),
                tag=tag,
                label=label,
                labeller=said.labeller,
                labelled_at=said.labelled_at,
            )


@imports.command("candidates")
def import_candidates(
    context: typer.Context,
    source: options.File,
    db: Database = None,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import candidates: id, and if there is one text (the resume). Other columns are kept."""
    from db.importing_events import import_candidates
    from db.rows import CandidateRow

    files: Files = context.obj.files
    with _importing(files, source, db, column, encoding, rejects) as (engine, reading):
        found = counted(files.values("candidates", reading), "importing")
        rows = (CandidateRow(line=row.line, fields=row.others, **row.cells) for row in found)
        done = import_candidates(engine, rows, reject=reading.reject)
        print_counts(done, reading.rejects.count, as_json=as_json)


@imports.command("events")
def import_events(
    context: typer.Context,
    source: options.File,
    db: Database = None,
    create_missing: options.CreateMissing = False,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import events: candidate, job, action, and if there are occurred_at and id.

    An action is impression, view, save, visit, apply, dismiss or reply. Candidates that are not
    there are made. Events without an id that say the same count once.
    """
    from db.importing_events import import_events
    from db.rows import EventRow

    files: Files = context.obj.files
    with _importing(files, source, db, column, encoding, rejects) as (engine, reading):
        found = counted(files.values("events", reading), "importing")
        rows = (EventRow(line=row.line, fields=row.others, **row.cells) for row in found)
        done = import_events(engine, rows, reject=reading.reject, create_missing=create_missing)
        print_counts(done, reading.rejects.count, as_json=as_json)


@contextmanager
def _importing(
    files: Files,
    source: Path | str,
    db: str | None,
    column: Sequence[str] | None,
    encoding: str,
    rejects: Path | None,
    rows: Callable[[], Iterator[Mapping[str, Any]]] | None = None,
) -> "Iterator[tuple[Engine, Reading]]":
    """The database, and how the source is read."""
    columns = files.columns(column)
    inputs = [source] if isinstance(source, Path) else []
    rejects = rejects or Path(f"{Path(source).name}.rejects.jsonl")
    with opened(db, create=True) as engine, files.rejects(rejects, *inputs) as rejected:
        yield (
            engine,
            Reading(
                name=str(source), rows=rows, columns=columns, encoding=encoding, rejects=rejected
            ),
        )


# ---- export


@app.command()
def export(
    context: typer.Context,
    kind: options.Kind,
    output: options.Output,
    db: Database = None,
    form: options.Format = None,
    model: options.OfModel = None,
    as_json: AsJson = False,
) -> None:
    """Write what is stored into a file, as import reads it; it appears when it is whole."""
    from db.engine import reading_snapshot
    from db.exporting import COLUMNS, iter_answers, iter_rows

    if kind not in COLUMNS:
        raise typer.BadParameter(f"unknown kind {kind!r}; known: {', '.join(COLUMNS)}")
    if form and kind != "labels":
        raise typer.BadParameter("--format is for labels")
    files: Files = context.obj.files
    with opened(db) as engine, reading_snapshot(engine) as session:
        rows: Iterator[dict[str, Any]] = iter_rows(session, kind, model=model)
        if form:
            rows = map(files.task_writer(form), iter_answers(session))
        with files.writer(output, COLUMNS[kind], objects_only=bool(form)) as writer:
            for row in counted(rows, "exporting"):
                writer.write(row)
    if as_json:
        return print_json({"output": str(output), kind: writer.n_rows})
    typer.echo(f"Exported {n_of(writer.n_rows, 'task' if form else kind[:-1])}: {output}")
