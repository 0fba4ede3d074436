"""The command line as a whole: the commands of the packages, errors and exit codes.

Exit codes: 0 done, 1 failed, 2 misused, 3 done but some rows were rejected, 130 stopped by Ctrl-C,
141 nobody reads the output any more, 143 stopped by SIGTERM.
"""

import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from db import (
    audit_commands,
    batch_commands,
    drift_commands,
    export_commands,
    import_commands,
    label_commands,
    model_commands,
    people_commands,
    retrain_commands,
)
from db import commands as db_commands
from db.errors import StoreError
from jobtool.tasks import TASKS
from matcher import commands as match_commands
from matcher.options import is_typed
from tagger import commands, interrupts, promise_commands
from tagger.column_options import parse_columns
from tagger.errors import JobtoolError
from tagger.harmless import guarded_output
from tagger.settings import read_settings

if TYPE_CHECKING:
    from db.cards import Explain
    from db.live import Predictor
    from db.promises import Wanted
    from db.queue import Posting
    from db.snapshot import LabelledJob, Snapshot
    from jobtool.files import Files
    from matcher.sources import Encoder, Store
    from tagger.batch_checks import BatchCheck
    from tagger.comparison import ModelComparison
    from tagger.jobs import Job
    from tagger.model import FloatArray
    from tagger.promises import Promise
    from tagger.rejects import Rejects
    from tagger.retraining import TrainedModel
    from tagger.tag_info import TagInfo
    from tagger.tagger import TaggerConfig
    from tagger.telling_words import TellingWord


DEBUG = "JOBTOOL_DEBUG"
"""With this variable set, errors that nobody foresaw come with a traceback."""


class Commands(TyperGroup):
    """Says what a user can act on in one line, without a traceback, and nothing that harms."""

    def main(self, *args: Any, **options: Any) -> Any:
        with guarded_output():
            return super().main(*args, **options)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands)) + 4
        for task, names in TASKS.items():
            with formatter.section(task):
                formatter.write_dl(
                    [
                        (name.ljust(width - 2), one.get_short_help_str(formatter.width - width - 4))
                        for name in names
                        if (one := self.get_command(ctx, name))
                    ]
                )

    def invoke(self, ctx: Any) -> Any:
        try:
            with (
                interrupts.restored(but=(typer.Exit, BrokenPipeError)),
                interrupts.terminable(),
            ):
                result = super().invoke(ctx)
                sys.stdout.flush()
        except (JobtoolError, StoreError) as error:
            raise _left(1, f"error: {error}", error) from None
        except KeyboardInterrupt as error:
            raise _left(interrupts.exit_code(error), "stopped", error) from None
        except BrokenPipeError:  # who reads our output has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except OSError as error:
            where = error.filename or "input or output"
            raise _left(1, f"error: {where}: {error.strerror or error}", error) from None
        except (typer.Exit, typer.Abort, TyperException):
            raise
        except MemoryError as error:
            raise _left(1, "error: there is not enough memory", error) from None
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            raise _left(1, f"error: {_fault(error)}", error) from None
        return result


def _fault(error: Exception) -> str:
    """What to say of an error that nobody foresaw: not its text, which may quote a posting."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = {str(Path(__file__).parent / name) for name in ("cli.py", "db", "matcher", "tagger")}
    own = [frame for frame in frames if frame.filename.startswith(tuple(ours))]
    place = (own or frames)[-1]
    return (
        f"a fault of jobtool: {type(error).__name__} in {Path(place.filename).name}, line "
        f"{place.lineno}. Please report it; with {DEBUG}=1 it comes with a traceback"
    )


def _left(code: int, message: str, error: BaseException) -> typer.Exit:
    """Say why we leave, with the notes that were added to the error on its way up."""
    for line in (message, *getattr(error, "__notes__", ())):
        typer.echo(line, err=True)
    return typer.Exit(code)


app = typer.Typer(
    name="jobtool",
    cls=Commands,
    no_args_is_help=True,
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
    context.default_map = read_settings(Path()).defaults(_options(context.command))


def _options(command: Any) -> dict[str, Any]:
    """Name -> the options of a command, or the commands of a group."""
    return {
        name: _options(one) if hasattr(one, "commands") else [param.name for param in one.params]
        for name, one in command.commands.items()
    }


@app.command()
def tag(
    context: typer.Context,
    source: commands.Source = None,
    model: commands.OneModel = None,
    output: commands.Output = None,
    title: commands.Title = "",
    explain: commands.Explain = False,
    keep: commands.Keep = None,
    long: commands.Long = False,
    wrong_at_most: promise_commands.PerhapsWrong = None,
    confidence: promise_commands.PerhapsSure = None,
    column: commands.Columns = None,
    encoding: commands.Encoding = "utf-8",
    delimiter: commands.Delimiter = None,
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
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            show_default="all cores; 1 with --db",
            help="Number of processes that tag JOBS or the jobs of a database. A file's output is "
            "the same with any number.",
        ),
    ] = None,
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
        int | None,
        typer.Option(min=1, metavar="N", help="Stop after N jobs, of a file or a database."),
    ] = None,
    as_json: commands.AsJson = False,
) -> None:
    """Tag one posting, a file of jobs, or with --db the jobs of a database.

    With --output rejected rows go to FILE.rejects.jsonl, unless --rejects names another file;
    otherwise they are counted and the first ones shown.

    With --db every job is tagged that the live model has not tagged yet. Start it as often and on
    as many machines as you like: no job is tagged twice, and none is lost if a worker dies.
    """
    columns, are_typed = parse_columns(column), is_typed(context, "column")
    if confidence is None:
        confidence = 0.9
    elif wrong_at_most is None:
        raise typer.BadParameter("--confidence is how sure --wrong-at-most is to hold: give both")
    if db:
        of_files = (source, model, output, title, explain, keep, long, rejects)
        if any(of_files) or (columns and are_typed):
            raise typer.BadParameter(
                "with --db the live model tags the jobs of the database: leave out FILE, --model, "
                "--output, --keep, --long, --title, --explain, --column and --rejects"
            )
        options: dict[str, Any] = {"lease_s": lease, "watch": watch, "limit": limit}
        if wrong_at_most is not None:
            options["promise"] = _wanted(wrong_at_most, confidence)
        return db_commands.tag_database(
            load_predictor, db, store, options, n_workers=workers or 1, as_json=as_json
        )
    if watch:
        raise typer.BadParameter("--watch needs --db")
    commands.tag_source(
        source,
        model or Path("model"),
        output=output,
        title=title,
        explain=explain,
        keep=keep,
        is_long=long,
        limit=limit,
        wrong_at_most=wrong_at_most,
        confidence=confidence,
        columns=columns,
        are_typed=are_typed,
        encoding=encoding,
        delimiter=delimiter,
        rejects=rejects,
        n_workers=workers,
        as_json=as_json,
    )


def _wanted(wrong_at_most: float, confidence: float) -> "Wanted":
    from db.promises import Wanted
    from tagger.promises import least_judged

    least_judged(wrong_at_most, confidence)  # refuses what nobody can promise, before any work
    return Wanted(wrong_at_most=wrong_at_most, confidence=confidence)


def load_predictor(folder: Path) -> "Predictor":
    """A saved model as `db.labelling` asks it."""
    from tagger.jobs import Job
    from tagger.model import Predictions, TagModel

    class Served:
        def __init__(self, model: TagModel) -> None:
            self.model, self.tags = model, model.tags

        def predict(self, postings: "Sequence[Posting]", /) -> Predictions:
            return self.model.predict_all([Job(str(p.id), p.title, p.text) for p in postings])

        def promises(self, *, wrong_at_most: float, confidence: float) -> "Sequence[Promise]":
            return self.model.promises(wrong_at_most=wrong_at_most, confidence=confidence).tags

    return Served(TagModel.load(folder))


class Tagging:
    """The tagger as the database's commands ask it; they find it as the context's object."""

    @property
    def files(self) -> "Files":
        from jobtool.files import Files

        return Files()

    def trainer(self, seed: int) -> "Trainer":
        return Trainer(seed)

    def clean(self, text: str) -> str:
        from tagger.text import clean

        return clean(text)

    def show_promises(
        self, folder: Path, *, wrong_at_most: float, confidence: float, as_json: bool
    ) -> None:
        promise_commands.show_promises(folder, wrong_at_most, confidence, as_json=as_json)

    def explainer(self, folder: Path) -> "Explain":
        from tagger.jobs import Job
        from tagger.model import TagModel

        model = TagModel.load(folder)
        return lambda title, text: model.explain(Job("", title, text))

    def telling_words(
        self,
        jobs: "Iterable[LabelledJob]",
        infos: "Sequence[TagInfo]",
        *,
        asked: Sequence[str],
        judged: Mapping[str, Sequence[str]],
        limit: int,
    ) -> "list[TellingWord]":
        from tagger.telling_words import telling_words

        return telling_words(labelled_jobs(jobs), infos, asked=asked, judged=judged, limit=limit)

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

    # ---- what `jobtool match` asks for

    def encoder(self, folder: Path) -> "Encoder":
        from tagger.coding import Coder

        return Coder(folder)

    @contextmanager
    def match_store(self, url: str, folder: Path | None) -> "Iterator[Store]":
        from db.match_store import MatchStore

        store = folder or Path(db_commands.default_store(url))
        with db_commands.opened(url) as engine:
            yield MatchStore(engine, store, self.encoder)

    @contextmanager
    def study_storage(self, url: str) -> Iterator[Any]:
        from db.tuning import study_storage

        with (
            db_commands.opened(url, create=True, checked=False) as engine,
            study_storage(engine) as storage,
        ):
            yield storage

    def collected(self, path: Path | None, *inputs: Path) -> "AbstractContextManager[Rejects]":
        return commands.collected(path, *inputs)


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
    ) -> "TrainedModel":
        commands.load_keras()
        from tagger.jobs import Job
        from tagger.retraining import train_challenger

        others = (Job(str(id), title, text) for id, title, text in unlabelled)
        with _as_store_error():
            return train_challenger(
                folder,
                labelled_jobs(snapshot.training),
                snapshot.tag_infos,
                others,
                parent=parent,
                refresh=refresh,
                config=self.config,
                seed=self.seed,
                show_progress=True,
            )

    def compare(
        self,
        snapshot: "Snapshot",
        champion: Path | None,
        challenger: Path,
        champion_rows: Sequence[int | None],
        renamed: Mapping[str, str],
    ) -> "ModelComparison":
        return self._compare(
            snapshot, champion, challenger, champion_rows, renamed, has_learned=True
        )

    def _compare(
        self,
        snapshot: "Snapshot",
        champion: Path | None,
        challenger: Path,
        champion_rows: Sequence[int | None],
        renamed: Mapping[str, str],
        *,
        has_learned: bool,
    ) -> "ModelComparison":
        from tagger.comparison import compare_models
        from tagger.model import TagModel

        with _as_store_error():
            return compare_models(
                TagModel.load(champion) if champion else None,
                TagModel.load(challenger),
                labelled_jobs(snapshot.training),
                champion_rows=champion_rows or None,
                has_learned=has_learned,
                groups=[job.group for job in snapshot.training],
                renamed=renamed,
                seed=self.seed,
            )

    def describe(self, folder: Path) -> "TrainedModel":
        from tagger.retraining import describe_model

        with _as_store_error():
            return describe_model(folder)

    def compare_added(
        self,
        snapshot: "Snapshot",
        champion: Path | None,
        added: Path,
        champion_rows: Sequence[int | None],
        renamed: Mapping[str, str],
    ) -> "ModelComparison":
        return self._compare(snapshot, champion, added, champion_rows, renamed, has_learned=False)

    def check(
        self,
        champion: Path,
        batches: "Sequence[Sequence[LabelledJob]]",
        renamed: Mapping[str, str],
    ) -> "list[BatchCheck]":
        from tagger.batch_checks import check_jobs
        from tagger.model import TagModel

        with _as_store_error():
            model = TagModel.load(champion)
            return [
                check_jobs(model, labelled_jobs(jobs), renamed=renamed, seed=self.seed)
                for jobs in batches
            ]


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


app.add_typer(export_commands.app)
app.add_typer(import_commands.imports)
app.add_typer(commands.app)
app.add_typer(promise_commands.app)
app.add_typer(db_commands.app)
app.add_typer(retrain_commands.app)
app.add_typer(drift_commands.app)
app.add_typer(model_commands.app)
app.add_typer(label_commands.app)
app.add_typer(batch_commands.app)
app.add_typer(audit_commands.app)
app.add_typer(people_commands.app)
app.add_typer(match_commands.app)


def main() -> None:
    """Run the command line."""
    interrupts.remember()
    app(prog_name="jobtool")


if __name__ == "__main__":
    main()
