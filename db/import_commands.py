"""`jobtool import`: files, labelling tools and tables into the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from db import file_options as options
from db.commands import AsJson, Database, opened
from db.errors import StoreError
from db.file_access import Files, Reading
from db.file_options import counted, print_counts

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.rows import JobRow, LabelRow

imports = typer.Typer(
    name="import",
    help="Store what files, labelling tools or your own tables hold; importing again adds nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where rows come from, as options say it."""

    file: Path | None
    from_table: str | None = None
    query: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if [self.file, self.from_table, self.query].count(None) != 2:
            raise typer.BadParameter("name a FILE, or a table with --from-table, or a --query")
        if self.file is None and not self.url:
            raise typer.BadParameter("name the database of the table with --source-url")

    @property
    def name(self) -> str:
        return str(self.file or self.from_table or "query")

    @property
    def rows(self) -> Callable[[], Iterator[Mapping[str, Any]]] | None:
        if self.file is not None:
            return None
        from db.sources import iter_rows

        return partial(iter_rows, self.url or "", from_table=self.from_table, query=self.query)


@imports.command("jobs")
def import_jobs(
    context: typer.Context,
    source: options.FileOrNone = None,
    db: Database = None,
    form: options.FeedFormat = None,
    from_table: options.FromTable = None,
    query: options.Query = None,
    source_url: options.SourceUrl = None,
    column: options.Columns = None,
    tag_separator: options.TagSeparator = ";",
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = "utf-8",
    labels: options.WithLabels = True,
    labeller: options.Labeller = "import",
    yes: options.Yes = False,
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import jobs: text, and if there are id, title, posted_at, tags, not_tags (or tag, label).

    Other columns are kept. Feeds of job boards and applicant systems are read as they are. A job
    whose text changes is tagged anew; reposts are linked.
    """
    from db.importing import import_jobs

    files: Files = context.obj.files
    place = _Source(file=source, from_table=from_table, query=query, url=source_url)
    layout = files.layout(delimiter, tag_separator, form)
    with _importing(files, place, db, column, encoding, layout, rejects) as (engine, reading):
        all_tags = files.tag_names(reading) if labels else []
        _check_tags(engine, files, all_tags, yes=yes)
        rows = map(_job_row, counted(files.jobs(reading, labels=labels), "importing"))
        done = import_jobs(
            engine,
            rows,
            reject=reading.reject,
            unknown=reading.unknown,
            labeller=labeller,
            all_tags=all_tags,
            name=Path(place.name).name,
        )
        print_counts(done, reading.rejects, as_json=as_json)


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
        n_rows=record.n_rows,
    )


@imports.command("labels")
def import_labels(
    context: typer.Context,
    source: options.FileOrNone = None,
    db: Database = None,
    form: options.Format = None,
    control: options.Control = None,
    from_table: options.FromTable = None,
    query: options.Query = None,
    source_url: options.SourceUrl = None,
    column: options.Columns = None,
    tag_separator: options.LabelSeparator = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = "utf-8",
    labeller: options.Labeller = "import",
    yes: options.Yes = False,
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import labels: job, tag, and if there are label (yes, no, unsure), labeller, labelled_at.

    Or what a labelling tool exports: tags that it offered and a person did not choose are a no.
    """
    from db.importing_labels import import_labels

    files: Files = context.obj.files
    place = _Source(file=source, from_table=from_table, query=query, url=source_url)
    if control and form != "label-studio":
        raise typer.BadParameter("--control is for --format label-studio")
    if form and source is None:
        raise typer.BadParameter("--format is for files")
    layout = files.layout(delimiter, tag_separator or ";", None)
    more = {"control": control, "splits_tags": tag_separator is not None}
    importing = _importing(files, place, db, column, encoding, layout, rejects, **more)
    with importing as (engine, reading):
        _check_tags(engine, files, files.label_tags(form, reading), yes=yes)
        found = _answers(files, form, reading) if form else _labels(files, reading)
        rows = counted(found, "importing")
        done = import_labels(
            engine, rows, reject=reading.reject, labeller=labeller, name=Path(place.name).name
        )
        print_counts(done, reading.rejects, as_json=as_json)


def _labels(files: Files, reading: Reading) -> "Iterator[LabelRow]":
    from db.rows import LabelRow

    for row in files.values("labels", reading):
        for tag in files.tags_in(row.cells["tag"], reading):
            yield LabelRow(line=row.line, **_given(row.cells | {"tag": tag}))


def _answers(files: Files, form: str, reading: Reading) -> "Iterator[LabelRow]":
    """What a labelling tool's file says; a task without an id is known by its text."""
    from db.rows import LabelRow

    for said, answers in files.answers(form, reading):
        for tag, label in answers.items():
            yield LabelRow(
                line=said.line,
                job=said.job,
                posting=(said.title, said.text),
                tag=tag,
                label=label,
                labeller=said.labeller,
                labelled_at=said.labelled_at,
            )


@imports.command("candidates")
def import_candidates(
    context: typer.Context,
    source: options.FileOrNone = None,
    db: Database = None,
    from_table: options.FromTable = None,
    query: options.Query = None,
    source_url: options.SourceUrl = None,
    column: options.Columns = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = "utf-8",
    rejects: options.RejectFile = None,
    as_json: AsJson = False,
) -> None:
    """Import candidates: id, and if there is one text (the resume). Other columns are kept."""
    from db.importing_events import import_candidates
    from db.rows import CandidateRow

    files: Files = context.obj.files
    place = _Source(file=source, from_table=from_table, query=query, url=source_url)
    layout = files.layout(delimiter, ";", None)
    with _importing(files, place, db, column, encoding, layout, rejects) as (engine, reading):
        found = counted(files.values("candidates", reading), "importing")
        rows = (
            CandidateRow(line=row.line, fields=row.others, **_given(row.cells)) for row in found
        )
        done = import_candidates(engine, rows, reject=reading.reject)
        print_counts(done, reading.rejects, as_json=as_json)


@imports.command("events")
def import_events(
    context: typer.Context,
    source: options.FileOrNone = None,
    db: Database = None,
    action: options.Actions = None,
    create_missing: options.CreateMissing = False,
    from_table: options.FromTable = None,
    query: options.Query = None,
    source_url: options.SourceUrl = None,
    column: options.Columns = None,
    delimiter: options.Delimiter = None,
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
    place = _Source(file=source, from_table=from_table, query=query, url=source_url)
    layout, actions = files.layout(delimiter, ";", None), files.actions(action)
    with _importing(files, place, db, column, encoding, layout, rejects, actions=actions) as (
        engine,
        reading,
    ):
        found = counted(files.values("events", reading), "importing")
        rows = (EventRow(line=row.line, fields=row.others, **_given(row.cells)) for row in found)
        done = import_events(engine, rows, reject=reading.reject, create_missing=create_missing)
        print_counts(done, reading.rejects, as_json=as_json)


def _given(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is unknown."""
    return {name: cell for name, cell in cells.items() if cell is not None}


def _check_tags(engine: "Engine", files: Files, names: Sequence[str], *, yes: bool) -> None:
    """Stop before anything is stored if names of tags look wrong, unless that is wanted."""
    from db.engine import reading
    from db.labels import known_names

    with reading(engine) as session:
        doubts = files.doubts(names, known_names(session))
    if yes or not doubts:
        return
    error = StoreError("nothing was stored: some tags may not be what they seem")
    for doubt in doubts:
        error.add_note(f"  {doubt}")
    error.add_note("  To store the tags as they are: --yes")
    raise error


@contextmanager
def _importing(
    files: Files,
    place: _Source,
    db: str | None,
    column: Sequence[str] | None,
    encoding: str,
    layout: Any,
    rejects: Path | None,
    **more: Any,
) -> "Iterator[tuple[Engine, Reading]]":
    """The database, and how the source is read."""
    columns = files.columns(column)
    inputs = [place.file] if place.file else []
    rejects = rejects or Path(f"{Path(place.name).name}.rejects.jsonl")
    with opened(db, create=True) as engine, files.rejects(rejects, *inputs) as rejected:
        yield (
            engine,
            Reading(
                name=place.name,
                rows=place.rows,
                columns=columns,
                encoding=encoding,
                layout=layout,
                rejects=rejected,
                **more,
            ),
        )
