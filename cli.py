"""The command line as a whole: the commands of the packages, errors and exit codes.

Exit codes: 0 done, 1 failed, 2 misused, 3 done but some rows were rejected, 130 stopped by Ctrl-C,
141 nobody reads the output any more.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

import cli_files
from db import commands as db_commands
from db import label_commands, model_commands, people_commands
from db.errors import StoreError
from tagger import commands
from tagger.errors import JobtoolError

if TYPE_CHECKING:
    from db.cards import Explain
    from db.live import Predictor
    from db.queue import Posting
    from db.snapshot import LabelledJob, Snapshot
    from tagger.jobs import Job
    from tagger.model import FloatArray
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
    context.obj = Reader()


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


@app.command()
def retrain(
    db: db_commands.Database = None,
    store: db_commands.Store = None,
    after_labels: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only if N labels or more are new (100 is usual)."),
    ] = None,
    after_jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only if N jobs or more are new.")
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="HOURS", help="Only if the last one began so long ago."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep looking whether one is due, until stopped.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Learn everything anew, codes included.")
    ] = False,
    refresh_codes: Annotated[
        bool | None,
        typer.Option(
            "--refresh-codes/--keep-codes",
            help="Whether the codes go on learning; by default when half as many jobs again have "
            "come.",
        ),
    ] = None,
    guess: Annotated[
        bool,
        typer.Option(
            "--guess/--no-guess", help="Learn from what the live model is very sure of, too."
        ),
    ] = True,
    margin: Annotated[
        float,
        typer.Option(min=0, max=1, help="How much worse over all a new model may be at most."),
    ] = 0.02,
    tag_margin: Annotated[
        float, typer.Option(min=0, max=1, help="How much worse on a tag it may be seen to be.")
    ] = 0.05,
    seed: commands.Seed = 0,
    as_json: commands.AsJson = False,
) -> None:
    """Train a new model from the database; it goes live only if it is shown not to be worse.

    With --after-labels, --after-jobs or --every nothing happens until one of them is reached, so
    the command can be run as often as you like, or with --watch be left to itself.
    """
    from db.gate import Margin
    from db.retrain import Settings
    from db.schedule import Schedule, retrain_when_due

    schedule = Schedule(after_labels=after_labels, after_jobs=after_jobs, every_hours=every)
    if watch and not schedule.is_set:
        schedule = Schedule(after_labels=100)
    commands.load_keras()
    with db_commands.opened(db) as engine:
        folder = store or Path(db_commands.default_store(db or ""))
        settings = Settings(
            fresh=fresh,
            refresh=refresh_codes,
            guess=guess,
            margin=Margin(margin, tag_margin),
            seed=seed,
        )
        report = None
        for report in retrain_when_due(
            engine, folder, Trainer(seed), settings, schedule=schedule, watch=watch
        ):
            if as_json:
                db_commands.print_json(report.to_json())
            else:
                typer.echo(report.page, nl=False)
    if report is None and not watch:
        return db_commands.print_json(None) if as_json else typer.echo("No retrain is due.")


class Trainer:
    """The tagger as `db.retrain` asks it."""

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

    def compare(self, snapshot: "Snapshot", champion: Path, challenger: Path) -> "ModelComparison":
        from tagger.model import TagModel
        from tagger.retraining import compare_models

        with _as_store_error():
            return compare_models(
                TagModel.load(champion),
                TagModel.load(challenger),
                labelled_jobs(snapshot.evaluation),
                groups=[job.group for job in snapshot.evaluation],
                seed=self.seed,
            )


class Reader:
    """The tagger as `db.label_commands` asks it."""

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


app.add_typer(commands.app)
app.add_typer(db_commands.app)
app.add_typer(cli_files.app)
app.add_typer(model_commands.app)
app.add_typer(label_commands.app)
app.add_typer(people_commands.app)


def main() -> None:
    """Run the command line."""
    app(prog_name="jobtool")


if __name__ == "__main__":
    main()
