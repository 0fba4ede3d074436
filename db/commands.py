"""The database's part of the command line: what needs neither the tagger nor the matcher.

What other commands need of the tagger is handed over by `cli`. What is slow to import is
imported inside the commands, so that `--help` answers at once.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.live import Load

URL_VARIABLE = "JOBTOOL_DATABASE_URL"

app = typer.Typer(rich_markup_mode=None)
schema = typer.Typer(
    name="db",
    help="The tables of a database: bring them to this version, check them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(schema)

Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        envvar=URL_VARIABLE,
        help="The database: a SQLite file (jobs.db) or a URL (postgresql://user@host/name).",
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        envvar="JOBTOOL_STORE",
        help="The folder of the models; for a SQLite file jobs.db it is jobs.models unless told.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@contextmanager
def opened(url: str | None, *, create: bool = False, checked: bool = True) -> "Iterator[Engine]":
    """An engine on the database that a command names; with `checked` of the right version.

    With `create` a SQLite file that is missing is made, and an empty database gets its tables.
    """
    from db.engine import open_engine
    from db.migrate import ready, refuse_other

    if not url:
        raise StoreError(f"name the database with --db, or in {URL_VARIABLE}")
    engine = open_engine(url)
    try:
        path = engine.url.database
        is_file = engine.dialect.name == "sqlite" and path and path != ":memory:"
        if is_file and not create and not os.path.exists(path or ""):
            raise StoreError(
                f"there is no database {path}; jobtool import or jobtool tags import makes one"
            )
        if checked:
            (ready if create else refuse_other)(engine)
        yield engine
    finally:
        engine.dispose()


def n_of(n: int, what: str) -> str:
    """A count and its noun.

    Examples
    --------
    >>> n_of(1, "row"), n_of(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def told_time(at: datetime) -> str:
    """An instant as the commands print it.

    Examples
    --------
    >>> told_time(datetime(2026, 1, 31, 9, 5, 59))
    '2026-01-31 09:05 UTC'
    """
    return f"{at:%F %R} UTC"


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


@schema.command()
def upgrade(db: Database = None, as_json: AsJson = False) -> None:
    """Make or bring the tables to this version, in one transaction."""
    from db import migrate

    with opened(db, create=True, checked=False) as engine:
        before, after = migrate.upgrade(engine)
    if as_json:
        return print_json({"before": before, "after": after})
    typer.echo(f"At revision {after}" + (" already" if before == after else ""))


@schema.command()
def current(db: Database = None, as_json: AsJson = False) -> None:
    """Show the revision of the database, and the one that this version needs."""
    from db import migrate

    with opened(db, checked=False) as engine:
        found = migrate.current(engine)
    if as_json:
        return print_json({"current": found, "needed": migrate.head()})
    typer.echo(f"{found or 'no tables yet'} (this jobtool needs {migrate.head()})")


@schema.command()
def check(db: Database = None, as_json: AsJson = False) -> None:
    """Compare the tables with what this version needs; exit 1 if they differ."""
    from db import migrate

    with opened(db) as engine:
        differences = migrate.check(engine)
    if as_json:
        print_json({"differences": differences})
    else:
        for line in differences:
            typer.echo(line)
        found = n_of(len(differences), "difference") if differences else "The tables are as needed"
        typer.echo(found)
    if differences:
        raise typer.Exit(1)


@app.command()
def status(db: Database = None, as_json: AsJson = False) -> None:
    """Show what is in a database: jobs, labels, predictions, the queue and the live model."""
    from db.engine import reading
    from db.status import status

    with opened(db) as engine, reading(engine) as session:
        found = status(session)
    if as_json:
        return print_json(found)
    for name, value in _shown(found):
        typer.echo(f"{name:<16} {value}")


def _shown(found: dict[str, Any]) -> "Iterator[tuple[str, str]]":
    """What `status` found, as lines to read."""

    def count(name: str) -> str:
        return "-" if found[name] is None else f"{found[name]:,}"

    yield "jobs", f"{count('jobs')}, {count('reposts')} of them reposts"
    yield "labelled", f"{n_of(found['labelled'], 'job')}, {n_of(found['tags'], 'tag')}"
    if found["held_batches"]:
        many = n_of(found["held_labels"], "label")
        number = "1 batch" if found["held_batches"] == 1 else f"{found['held_batches']:,} batches"
        yield "held back", f"{many} in {number}: jobtool labels batches"
    live, challenger = found["live_model"], found["challenger"]
    if live is None:
        yield "live model", "none yet: jobtool retrain"
    else:
        since = told_time(datetime.fromisoformat(live["live_since"]))
        yield "live model", f"{_told_model(live)}, since {since}: {live['live_by']}"
        if live["hardly_known_tags"]:
            yield "its tags", live["hardly_known_tags"]
        if live["promise"]:
            yield "without a person", told_promise(live["promise"])
        age = found["queue_age_s"]
        waits = "" if age is None else f", the oldest for {age:,.0f} s"
        yield "predicted", count("predicted")
        yield (
            "needs review",
            f"{count('needs_review')}: a tag in doubt, and nobody has said anything of the job",
        )
        yield "queued", f"{count('queued')}{waits}"
        yield "running batches", count("running_batches")
    if challenger:
        yield "challenger", _told_model(challenger)
    if verdict := found["last_verdict"]:
        outcome = "went live" if verdict["promoted"] else "did not go live"
        yield "last verdict", f"model {verdict['challenger']} {outcome}: {verdict['reason']}"
    if run := found["retrain"]:
        began = told_time(datetime.fromisoformat(run["started_at"]))
        state = "at work" if run["is_alive"] else "not heard of since its lease ran out"
        yield "retrain", f"{run['id']} {state}: {run['worker']}, since {began} ({run['reason']})"
    if found["labelling"]:
        yield "labelling", found["labelling"]
    if match := found["match_model"]:
        yield (
            "match model",
            f"{match['id']} ({match['folder']}), trained {match['trained_at']:.16} UTC; lists for "
            f"{match['candidates_with_list']:,} candidates, {match['newer_events']:,} newer events",
        )


def told_promise(promise: dict[str, Any]) -> str:
    """For how many tags what is promised, as `db.promises.summary` has it."""
    return (
        f"{promise['promised_tags']:,} of {n_of(promise['tags'], 'tag')}, each at most "
        f"{100 * promise['wrong_at_most']:.3g}% wrong with {100 * promise['confidence']:.3g}% "
        "confidence: jobtool models promise"
    )


def _told_model(model: dict[str, Any]) -> str:
    from db.model_notes import NO_LABELS

    told = f"{model['id']} ({model['folder']})"
    return f"{told} {NO_LABELS}, not calibrated" if model["without_labels"] else told


def tag_database(
    load: "Load",
    url: str,
    store: Path | None,
    options: dict[str, Any],
    *,
    n_workers: int,
    as_json: bool,
) -> None:
    """Tag the jobs of a database and say what came of it: `jobtool tag --db`."""
    from db.engine import reading
    from db.labelling import Settings
    from db.live import champion
    from db.model_notes import NO_LABELS, has_no_labels
    from db.promises import summary
    from db.schema import Model
    from db.workers import tag_database

    settings = Settings(store=store or Path(default_store(url)), **options)
    with opened(url) as engine:
        tagged = tag_database(engine, load, settings, n_workers=n_workers, show_progress=True)
        with reading(engine) as session:
            promise = summary(session, champion(session)) if settings.promise else None
            model = session.get(Model, tagged.model)
            without_labels = model is not None and has_no_labels(model)
    told = {**tagged.to_json(), "without_labels": without_labels}
    told |= {"promise": promise} if promise else {}
    if as_json:
        print_json(told)
    else:
        mark = f" ({NO_LABELS}, not calibrated)" if without_labels else ""
        typer.echo(
            f"Tagged {n_of(tagged.tagged, 'job')} with model {tagged.model}{mark} "
            f"in {tagged.seconds:.1f} s ({told['jobs_per_second']:,} jobs/s); {tagged.left:,} left"
        )
        if promise:
            typer.echo(f"Given without a person: {told_promise(promise)}")
    if tagged.is_stopped and not settings.watch:
        raise typer.Exit(130)


def default_store(url: str) -> str:
    """Where models go unless told: JOBTOOL_STORE, or a folder beside the SQLite file."""
    from db.engine import parse_url

    parsed = parse_url(url)
    if parsed.drivername == "sqlite" and parsed.database:
        return f"{os.path.splitext(parsed.database)[0]}.models"
    raise StoreError("name the folder of the models with --store, or in JOBTOOL_STORE")
