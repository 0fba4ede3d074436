"""The command line as a whole: the commands of the packages, and `tag`, which joins them."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from jobtool.boundary import Commands
from jobtool.tagging import Tagging, load_predictor
from matcher import commands as match_commands
from matcher.options import is_typed
from tagger import commands, interrupts, options, promise_commands
from tagger.column_options import parse_columns
from tagger.settings import read_settings

if TYPE_CHECKING:
    from db.promises import Wanted


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
    source: options.Source = None,
    model: options.OneModel = None,
    output: options.Output = None,
    title: options.Title = "",
    explain: options.Explain = False,
    keep: options.Keep = None,
    long: options.Long = False,
    wrong_at_most: promise_commands.PerhapsWrong = None,
    confidence: promise_commands.PerhapsSure = None,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    rejects: options.RejectFile = None,
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
    as_json: options.AsJson = False,
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
        how: dict[str, Any] = {"lease_s": lease, "watch": watch, "limit": limit}
        if wrong_at_most is not None:
            how["promise"] = _wanted(wrong_at_most, confidence)
        return db_commands.tag_database(
            load_predictor, db, store, how, n_workers=workers or 1, as_json=as_json
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
