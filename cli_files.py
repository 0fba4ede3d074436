"""Files into the database and out of it: what reads and writes files meets what stores rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from db import commands as db_commands
from db import file_options as options
from db.commands import AsJson, Database
from tagger import commands

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.exporting import Answers
    from db.rows import JobRow, LabelRow, Reject
    from tagger.jobs import Record
    from tagger.label_tools import Answered
    from tagger.rejects import Rejects

app = typer.Typer(rich_markup_mode=None)
imports = typer.Typer(
    name="import",
    help="Store what files, labelling tools or your own tables hold; importing again adds nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(imports)


@imports.command("jobs")
def import_jobs(
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
    columns = commands.parse_columns(column)
    from db.importing import import_jobs
    from db.sources import iter_rows
    from tagger.jobs import Rejects, iter_records, merge_runs, split_records, tag_names

    name = from_table or "query"

    def read(rejects: Rejects) -> "Iterator[Record]":
        shared: dict[str, Any] = {"rejects": rejects, "columns": columns, "labels": labels}
        if source:
            return iter_records(source, encoding=encoding, all_columns=True, **shared)
        rows = iter_rows(source_url or "", from_table=from_table, query=query)
        return split_records(rows, name, **shared)

    with _importing(db, source or name, rejects) as (engine, rejected, reject):
        all_tags = tag_names(read(Rejects(n_kept=0))) if labels else []
        rows = map(_job_row, options.counted(merge_runs(read(rejected)), "importing"))
        done = import_jobs(engine, rows, reject=reject, labeller=labeller, all_tags=all_tags)
        options.print_counts(done, rejected.count, as_json=as_json)


def _job_row(record: "Record") -> "JobRow":
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
    columns = commands.parse_columns(column)
    from db.importing_labels import import_labels
    from db.rows import LabelRow
    from tagger.records import iter_values

    with _importing(db, source, rejects) as (engine, rejected, reject):
        if form:
            rows = _labels_of(source, form, rejected, columns)
        else:
            found = iter_values(
                "labels", source, rejects=rejected, columns=columns, encoding=encoding
            )
            rows = (LabelRow(line=row.line, **row.cells) for row in found)
        rows = options.counted(rows, "importing")
        done = import_labels(engine, rows, reject=reject, labeller=labeller)
        options.print_counts(done, rejected.count, as_json=as_json)


def _labels_of(
    source: Path, form: str, rejected: "Rejects", columns: dict[str, str] | None
) -> "Iterator[LabelRow]":
    """Labels in a file of a labelling tool; a task without an id is known by its text."""
    from db.importing import content_id
    from db.rows import LabelRow
    from tagger.label_tools import iter_answered, tags_of
    from tagger.rejects import Rejects

    all_tags = tags_of(iter_answered(source, form, rejects=Rejects(n_kept=0), columns=columns))
    for said in iter_answered(source, form, rejects=rejected, columns=columns):
        for tag, label in said.answers(all_tags).items():
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
    source: options.File,
    db: Database = None,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import candidates: id, and if there is one text (the resume). Other columns are kept."""
    columns = commands.parse_columns(column)
    from db.importing_events import import_candidates
    from db.rows import CandidateRow
    from tagger.records import iter_values

    with _importing(db, source, rejects) as (engine, rejected, reject):
        found = iter_values(
            "candidates", source, rejects=rejected, columns=columns, encoding=encoding
        )
        rows = (CandidateRow(line=row.line, fields=row.others, **row.cells) for row in found)
        done = import_candidates(engine, options.counted(rows, "importing"), reject=reject)
        options.print_counts(done, rejected.count, as_json=as_json)


@imports.command("events")
def import_events(
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
    columns = commands.parse_columns(column)
    from db.importing_events import import_events
    from db.rows import EventRow
    from tagger.records import iter_values

    with _importing(db, source, rejects) as (engine, rejected, reject):
        found = iter_values("events", source, rejects=rejected, columns=columns, encoding=encoding)
        rows = (EventRow(line=row.line, fields=row.others, **row.cells) for row in found)
        counted = options.counted(rows, "importing")
        done = import_events(engine, counted, reject=reject, create_missing=create_missing)
        options.print_counts(done, rejected.count, as_json=as_json)


@contextmanager
def _importing(
    db: str | None, source: Path | str, rejects: Path | None
) -> "Iterator[tuple[Engine, Rejects, Reject]]":
    """The database, and what takes the rows that are left out."""
    files = [source] if isinstance(source, Path) else []
    rejects = rejects or Path(f"{Path(source).name}.rejects.jsonl")
    with db_commands.opened(db) as engine, commands.collected(rejects, *files) as rejected:
        yield engine, rejected, partial(rejected.add, source)


@app.command()
def export(
    kind: options.Kind,
    output: options.Output,
    db: Database = None,
    form: options.Format = None,
    model: options.OfModel = None,
    as_json: AsJson = False,
) -> None:
    """Write what is stored into a file, as import reads it; it appears when it is whole."""
    from db.exporting import COLUMNS, iter_answers, iter_rows, snapshot
    from tagger.label_tools import task_writer
    from tagger.writing import RowWriter

    if kind not in COLUMNS:
        raise typer.BadParameter(f"unknown kind {kind!r}; known: {', '.join(COLUMNS)}")
    if form and kind != "labels":
        raise typer.BadParameter("--format is for labels")
    with db_commands.opened(db) as engine, snapshot(engine) as session:
        rows: Iterator[dict[str, Any]] = iter_rows(session, kind, model=model)
        if form:
            rows = map(task_writer(form), map(_answered, iter_answers(session)))
        with RowWriter(output, COLUMNS[kind], objects_only=bool(form)) as writer:
            for row in options.counted(rows, "exporting"):
                writer.write(row)
    if as_json:
        return db_commands.print_json({"output": str(output), kind: writer.n_rows})
    typer.echo(f"Exported {writer.n_rows:,} {'tasks' if form else kind}: {output}")


def _answered(said: "Answers") -> "Answered":
    from tagger.label_tools import Answered

    return Answered(
        job=said.job,
        title=said.title,
        text=said.text,
        labeller=said.labeller,
        labelled_at=said.labelled_at,
        yes=said.yes,
        asked=(*said.yes, *said.no),
        unsure=said.unsure,
    )
