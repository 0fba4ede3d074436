"""The command line as a whole: the commands of the packages, errors and exit codes.

Exit codes: 0 done, 1 failed, 2 misused, 3 done but some rows were rejected, 130 stopped by Ctrl-C,
141 nobody reads the output any more.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from db import commands as db_commands
from db import file_options, label_commands, model_commands, people_commands, retrain_commands
from db.commands import AsJson, Database
from db.errors import StoreError
from tagger import commands
from tagger.errors import JobtoolError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.cards import Explain
    from db.exporting import Answers
    from db.live import Predictor
    from db.queue import Posting
    from db.rows import JobRow, LabelRow, Reject
    from db.snapshot import LabelledJob, Snapshot
    from tagger.jobs import Job, Record
    from tagger.label_tools import Answered
    from tagger.model import FloatArray
    from tagger.rejects import Rejects
    from tagger.retraining import ModelComparison, TrainedModel
    from tagger.tagger import TaggerConfig


class Commands(TyperGroup):
    """Says what a user can act on in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (JobtoolError, StoreError) as error:
            raise _left(1, f"error: {error}", error) from None
        except KeyboardInterrupt as error:
            raise _left(130, "stopped", error) from None
        except BrokenPipeError:  # who reads our output has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except OSError as error:
            where = error.filename or "input or output"
            raise _left(1, f"error: {where}: {error.strerror or error}", error) from None
        return result


def _left(code: int, message: str, error: BaseException) -> typer.Exit:
    """Say why we leave, with the notes that were added to the error on its way up."""
    for line in (message, *getattr(error, "__notes__", ())):
        typer.echo(line, err=True)
    return typer.Exit(code)


app = typer.Typer(
    name="jobtool",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take half the time of --help
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"jobtool {version('jobtool')}")
        raise typer.Exit


@app.callback()
def configure(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tag job postings from their text: train on your own tags, tag new postings, see why."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    context.obj = Tagging()


@app.command()
def tag(
    source: commands.Source = None,
    model: commands.OneModel = None,
    output: commands.Output = None,
    title: commands.Title = "",
    explain: commands.Explain = False,
    column: commands.Columns = None,
    encoding: commands.Encoding = "utf-8",
    rejects: commands.RejectFile = None,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            metavar="URL",
            help="Tag the jobs of a database instead, with its live model: a SQLite file (jobs.db) "
            "or a URL (postgresql://user@host/name).",
        ),
    ] = None,
    store: db_commands.Store = None,
    workers: Annotated[int, typer.Option(min=1, help="With --db: so many processes.")] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="With --db: wait for new jobs until stopped.")
    ] = False,
    lease: Annotated[
        float,
        typer.Option(
            min=1, help="With --db: seconds after which others take over from a dead worker."
        ),
    ] = 60,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --db: stop after so many jobs.")
    ] = None,
    as_json: commands.AsJson = False,
) -> None:
    """Tag one posting, a file of jobs, or with --db the jobs of a database.

    With --output rejected rows go to FILE.rejects.jsonl, unless --rejects names another file;
    otherwise they are counted and the first ones shown.

    With --db every job is tagged that the live model has not tagged yet. Start it as often and on
    as many machines as you like: no job is tagged twice, and none is lost if a worker dies.
    """
    columns = commands.parse_columns(column)
    if db:
        if source or model or output or title or explain or columns or rejects:
            raise typer.BadParameter(
                "with --db the live model tags the jobs of the database: leave out FILE, --model, "
                "--output, --title, --explain, --column and --rejects"
            )
        options = {"lease_s": lease, "watch": watch, "limit": limit}
        return _tag_database(db, store, workers, options, as_json=as_json)
    if watch or limit or workers > 1:
        raise typer.BadParameter("--workers, --watch and --limit need --db")
    commands.tag_source(
        source,
        model or Path("model"),
        output=output,
        title=title,
        explain=explain,
        columns=columns,
        encoding=encoding,
        rejects=rejects,
        as_json=as_json,
    )


def _tag_database(
    url: str, store: Path | None, n_workers: int, options: dict[str, Any], *, as_json: bool
) -> None:
    from db.labelling import Settings
    from db.workers import tag_database

    settings = Settings(store=store or Path(db_commands.default_store(url)), **options)
    with db_commands.opened(url) as engine:
        tagged = tag_database(
            engine, load_predictor, settings, n_workers=n_workers, show_progress=True
        )
    if as_json:
        db_commands.print_json(tagged.to_json())
    else:
        rate = tagged.to_json()["jobs_per_second"]
        typer.echo(
            f"Tagged {tagged.tagged:,} jobs with model {tagged.model} in {tagged.seconds:.1f} s "
            f"({rate:,} jobs/s); {tagged.left:,} left"
        )
    if tagged.is_stopped and not settings.watch:
        raise typer.Exit(130)


def load_predictor(folder: Path) -> "Predictor":
    """A saved model as `db.labelling` asks it."""
    from tagger.jobs import Job
    from tagger.model import Predictions, TagModel

    class Served:
        def __init__(self, model: TagModel) -> None:
            self.model, self.tags = model, model.tags

        def predict(self, postings: "Sequence[Posting]", /) -> Predictions:
            return self.model.predict_all([Job(str(p.id), p.title, p.text) for p in postings])

    return Served(TagModel.load(folder))


class Tagging:
    """The tagger as the database's commands ask it; they find it as the context's object."""

    def trainer(self, seed: int) -> "Trainer":
        return Trainer(seed)

    def clean(self, text: str) -> str:
        from tagger.text import clean

        return clean(text)

    def explainer(self, folder: Path) -> "Explain":
        from tagger.jobs import Job
        from tagger.model import TagModel

        model = TagModel.load(folder)
        return lambda title, text: model.explain(Job("", title, text))

    def cross_fit(
        self,
        jobs: "Iterable[LabelledJob]",
        tags: Sequence[str],
        *,
        model: Path | None,
        seed: int,
    ) -> "FloatArray":
        commands.load_keras()
        from tagger.crossfit import cross_fitted_proba

        return cross_fitted_proba(
            labelled_jobs(jobs), tags, model=model, seed=seed, show_progress=True
        )


class Trainer:
    """The tagger as `db.trainer` has it."""

    def __init__(self, seed: int, config: "TaggerConfig | None" = None) -> None:
        self.seed, self.config = seed, config

    def train(
        self,
        snapshot: "Snapshot",
        unlabelled: "Iterator[tuple[int, str, str]]",
        folder: Path,
        *,
        parent: Path | None,
        refresh: bool,
        guess: bool,
    ) -> "TrainedModel":
        commands.load_keras()
        from tagger.jobs import Job
        from tagger.retraining import train_challenger

        others = (Job(str(id), title, text) for id, title, text in unlabelled)
        with _as_store_error():
            return train_challenger(
                folder,
                labelled_jobs(snapshot.training),
                snapshot.tags,
                others,
                parent=parent,
                refresh=refresh,
                guess=guess,
                config=self.config,
                seed=self.seed,
                show_progress=True,
            )

    def compare(
        self, snapshot: "Snapshot", champion: Path, challenger: Path, renamed: Mapping[str, str]
    ) -> "ModelComparison":
        from tagger.model import TagModel
        from tagger.retraining import compare_models

        with _as_store_error():
            return compare_models(
                TagModel.load(champion),
                TagModel.load(challenger),
                labelled_jobs(snapshot.evaluation),
                groups=[job.group for job in snapshot.evaluation],
                renamed=renamed,
                seed=self.seed,
            )


@contextmanager
def _as_store_error() -> Iterator[None]:
    """What the tagger complains of ends a retrain, not the watch over many."""
    try:
        yield
    except JobtoolError as error:
        raise StoreError(str(error)) from error


def labelled_jobs(stored: "Iterable[LabelledJob]") -> "list[Job]":
    """Stored jobs as the tagger knows them."""
    from tagger.jobs import Job

    return [Job(str(job.id), job.title, job.text, job.yes, job.no) for job in stored]


# ---- files into the database and out of it

imports = typer.Typer(
    name="import",
    help="Store what files, labelling tools or your own tables hold; importing again adds nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(imports)


@imports.command("jobs")
def import_jobs(
    source: file_options.FileOrNone = None,
    db: Database = None,
    from_table: file_options.FromTable = None,
    query: file_options.Query = None,
    source_url: file_options.SourceUrl = None,
    column: file_options.Columns = None,
    encoding: file_options.Encoding = "utf-8",
    labels: file_options.WithLabels = True,
    labeller: file_options.Labeller = "import",
    rejects: file_options.RejectFile = None,
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
        rows = map(_job_row, file_options.counted(merge_runs(read(rejected)), "importing"))
        done = import_jobs(engine, rows, reject=reject, labeller=labeller, all_tags=all_tags)
        file_options.print_counts(done, rejected.count, as_json=as_json)


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
    source: file_options.File,
    db: Database = None,
    form: file_options.Format = None,
    column: file_options.Columns = None,
    encoding: file_options.Encoding = "utf-8",
    labeller: file_options.Labeller = "import",
    rejects: file_options.RejectFile = None,
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
        rows = file_options.counted(rows, "importing")
        done = import_labels(engine, rows, reject=reject, labeller=labeller)
        file_options.print_counts(done, rejected.count, as_json=as_json)


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
    source: file_options.File,
    db: Database = None,
    column: file_options.Columns = None,
    encoding: file_options.Encoding = "utf-8",
    rejects: file_options.RejectFile = None,
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
        done = import_candidates(engine, file_options.counted(rows, "importing"), reject=reject)
        file_options.print_counts(done, rejected.count, as_json=as_json)


@imports.command("events")
def import_events(
    source: file_options.File,
    db: Database = None,
    create_missing: file_options.CreateMissing = False,
    column: file_options.Columns = None,
    encoding: file_options.Encoding = "utf-8",
    rejects: file_options.RejectFile = None,
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
        counted = file_options.counted(rows, "importing")
        done = import_events(engine, counted, reject=reject, create_missing=create_missing)
        file_options.print_counts(done, rejected.count, as_json=as_json)


@contextmanager
def _importing(
    db: str | None, source: Path | str, rejects: Path | None
) -> "Iterator[tuple[Engine, Rejects, Reject]]":
    """The database, and what takes the rows that are left out."""
    files = [source] if isinstance(source, Path) else []
    rejects = rejects or Path(f"{Path(source).name}.rejects.jsonl")
    with (
        db_commands.opened(db, create=True) as engine,
        commands.collected(rejects, *files) as rejected,
    ):
        yield engine, rejected, partial(rejected.add, source)


@app.command()
def export(
    kind: file_options.Kind,
    output: file_options.Output,
    db: Database = None,
    form: file_options.Format = None,
    model: file_options.OfModel = None,
    as_json: AsJson = False,
) -> None:
    """Write what is stored into a file, as import reads it; it appears when it is whole."""
    from db.engine import reading_snapshot
    from db.exporting import COLUMNS, iter_answers, iter_rows
    from tagger.label_tools import task_writer
    from tagger.writing import RowWriter

    if kind not in COLUMNS:
        raise typer.BadParameter(f"unknown kind {kind!r}; known: {', '.join(COLUMNS)}")
    if form and kind != "labels":
        raise typer.BadParameter("--format is for labels")
    with db_commands.opened(db) as engine, reading_snapshot(engine) as session:
        rows: Iterator[dict[str, Any]] = iter_rows(session, kind, model=model)
        if form:
            rows = map(task_writer(form), map(_answered, iter_answers(session)))
        with RowWriter(output, COLUMNS[kind], objects_only=bool(form)) as writer:
            for row in file_options.counted(rows, "exporting"):
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


app.add_typer(commands.app)
app.add_typer(db_commands.app)
app.add_typer(retrain_commands.app)
app.add_typer(model_commands.app)
app.add_typer(label_commands.app)
app.add_typer(people_commands.app)


def main() -> None:
    """Run the command line."""
    app(prog_name="jobtool")


if __name__ == "__main__":
    main()
