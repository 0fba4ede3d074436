"""What the commands of `jobtool match` share: options, where data come from, what is printed."""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from tagger.column_options import Actions, Delimiter, read_actions, read_layout
from tagger.errors import DataError

if TYPE_CHECKING:
    from matcher.sources import Encoder, Known, Store
    from tagger.rejects import Rejects

Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        envvar="JOBTOOL_DATABASE_URL",
        help="The database: a SQLite file (jobs.db) or a URL (postgresql://user@host/name).",
    ),
]
StoreDir = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        envvar="JOBTOOL_STORE",
        help="With a database: the folder of the models; for jobs.db it is jobs.models.",
    ),
]
EventsFile = Annotated[
    Path | None,
    typer.Option(
        "--events",
        metavar="FILE",
        help="Instead of a database: candidate, job, action, and if there is one occurred_at; "
        ".csv, .tsv, .jsonl (each also .gz) or .parquet.",
    ),
]
JobsFile = Annotated[
    Path | None,
    typer.Option(
        "--jobs",
        metavar="FILE",
        help="With --events: id, and if there are title, text, posted_at, repost_of; other "
        "columns are fields to learn from.",
    ),
]
CandidatesFile = Annotated[
    Path | None,
    typer.Option(
        "--candidates",
        metavar="FILE",
        help="With --events: id, and if there is one text (the resume); other columns likewise.",
    ),
]
TaggerDir = Annotated[
    Path | None,
    typer.Option(
        "--tagger",
        metavar="DIR",
        help="With --events: the tagger that makes codes of texts; without, none are used. A "
        "database has its live one.",
    ),
]
WordVectorsFile = Annotated[
    Path | None,
    typer.Option(
        "--word-vectors",
        metavar="FILE",
        help="With --events, in the place of --tagger: codes are means of these vectors; GloVe or "
        "word2vec as text (also .gz), frequent words first, or .npz of words and vectors.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "-c",
        metavar="KIND.OURS=YOURS",
        help="What a column is called in a file, such as events.occurred_at=time; may be repeated.",
    ),
]
Encoding = Annotated[str, typer.Option(help="Encoding of text files.")]
RejectFile = Annotated[
    Path | None,
    typer.Option(
        "--rejects", metavar="FILE", dir_okay=False, help="Where rejected rows go, as JSON lines."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Decides all that is random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


OneModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A folder (default: match-model); with a database a number or a kind of model "
        "(default: the newest).",
    ),
]
NewModel = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="DIR",
        show_default="match-model",
        help="With --events: the folder to write.",
    ),
]
Epochs = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="DIR",
        help="Keep each epoch here, to go on after a stop.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="JSON, as jobtool match tune or match train KIND --list --json writes it.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help=".csv, .jsonl, .json (each also .gz) or .parquet, instead of the database.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on after a stop: leave out whom the latest run has done."),
]


Kind = Annotated[
    str | None, typer.Argument(metavar="KIND", help="A kind of model; --list shows all.")
]
Listed = Annotated[
    bool,
    typer.Option("--list", help="Show the kinds of models; behind a kind, its settings."),
]


def print_kinds(name: str | None, *, as_json: bool) -> None:
    """All kinds of models; or one with its settings, as JSON a file for --config."""
    from matcher.kinds import settings, summaries

    told = summaries()
    if name is None:
        rows = [{"model": kind, "about": about} for kind, about in told.items()]
        return print_json(rows) if as_json else _print_rows(told)
    from matcher.configs import make, plain

    model = make(name)
    if as_json:
        return print_json({"model": name, "about": told[name], "config": plain(model)})
    _print_rows({name: told[name]})
    for setting, value, meaning in settings(model.settings) if model.settings else ():
        typer.echo(f"  {f'{setting} = {json.dumps(value)}':<34}  {meaning}")


def _print_rows(told: dict[str, str]) -> None:
    for name, about in told.items():
        typer.echo(f"{name:<22} {about}")


class Host(Protocol):
    """What `cli` hands over: the matcher knows neither SQL nor texts."""

    def encoder(self, folder: Path) -> "Encoder": ...
    def clean(self, text: str) -> str: ...
    def match_store(self, url: str, folder: Path | None) -> "AbstractContextManager[Store]": ...
    def study_storage(self, url: str) -> AbstractContextManager[Any]: ...
    def collected(self, path: Path | None, *inputs: Path) -> "AbstractContextManager[Rejects]": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The options of a command that say where its data are."""

    db: Database = None
    store: StoreDir = None
    events: EventsFile = None
    jobs: JobsFile = None
    candidates: CandidatesFile = None
    tagger: TaggerDir = None
    word_vectors: WordVectorsFile = None
    column: Columns = None
    action: Actions = None
    delimiter: Delimiter = None
    encoding: Encoding = "utf-8"
    rejects: RejectFile = None


def with_data(command: Callable[..., None]) -> Callable[..., None]:
    """A command that also takes the options that say where its data are.

    It gets them as one argument, `where`.
    """
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(Named).parameters
    parameters = [one for one in own.parameters.values() if one.name != "where"]
    parameters += shared.values()

    @wraps(command)
    def run(**given: Any) -> None:
        command(where=Named(**{name: given.pop(name) for name in shared}), **given)

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


@dataclass(frozen=True, slots=True)
class Source:
    """What was read, and the database it came from."""

    known: "Known"
    store: "Store | None"
    n_rejected: int
    found: Any
    """What `before` has returned."""


@contextmanager
def opened(
    context: typer.Context,
    named: Named,
    *,
    before: "Callable[[Store | None], Any]" = lambda store: None,
) -> Iterator[Source]:
    """Read the data of a command and tell what they lack; exit code 3 if rows were rejected.

    `before` is what can fail before much is read; it gets the database, None where there are files.
    """
    host: Host = context.obj
    if named.events is None:
        with store_of(context, named) as store:
            from matcher.sources import read_store

            found = before(store)
            known = read_store(store, watch=watched)
            tell(*known.data.notes)
            yield Source(known, store, 0, found)
        return
    if is_typed(context, "db"):
        raise typer.BadParameter("name a database with --db, or files with --events, not both")
    if named.tagger and named.word_vectors:
        raise typer.BadParameter("codes come from --tagger or from --word-vectors, not from both")
    files = [path for path in (named.events, named.jobs, named.candidates) if path]
    with host.collected(named.rejects, *files) as rejects:
        from matcher.files import Files, read_files

        found = before(None)
        asked = Files(
            events=named.events,
            jobs=named.jobs,
            candidates=named.candidates,
            columns=parse_columns(named.column),
            actions=read_actions(named.action),
            layout=read_layout(named.delimiter),
            encoding=named.encoding,
        )
        known = read_files(asked, encoder=_encoder(host, named), rejects=rejects, watch=watched)
        tell(*known.data.notes)
        yield Source(known, None, rejects.count, found)


def _encoder(host: Host, named: Named) -> "Encoder | None":
    if not named.word_vectors:
        return host.encoder(named.tagger) if named.tagger else None
    from matcher.word_vectors import WordCoder
    from tagger.rejects import Rejects

    bad = Rejects(n_kept=0)  # the usual file has some: no reason for exit code 3
    coder = WordCoder(named.word_vectors, host.clean, rejects=bad)
    if bad.count:
        tell(f"{bad.count:,} lines of {named.word_vectors} are no word with its vector")
    return coder


def store_of(context: typer.Context, named: Named) -> "AbstractContextManager[Store]":
    """The database that a command names; options that are for files are wrong use."""
    codes = (named.tagger, named.word_vectors)
    shape = (named.column, named.action, named.delimiter)
    if any((named.jobs, named.candidates, *codes, *shape, named.rejects)):
        raise typer.BadParameter(
            "--jobs, --candidates, --tagger, --word-vectors, --column, --action, --delimiter and "
            "--rejects go with --events"
        )
    if not named.db:
        raise typer.BadParameter("name a database with --db, or files: --events FILE")
    host: Host = context.obj
    return host.match_store(named.db, named.store)


def is_typed(context: typer.Context, option: str) -> bool:
    """Whether an option was given on the command line, not by the environment."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def parse_columns(pairs: Sequence[str] | None) -> dict[str, dict[str, str]]:
    """Kind of file -> our column name -> the file's.

    Examples
    --------
    >>> parse_columns(["events.occurred_at=time", "jobs.id=nr"])
    {'events': {'occurred_at': 'time'}, 'jobs': {'id': 'nr'}}
    """
    found: dict[str, dict[str, str]] = {}
    for pair in pairs or ():
        name, _, yours = pair.partition("=")
        kind, _, ours = name.strip().partition(".")
        if not (kind and ours and yours):
            raise DataError(f"write --column KIND.OURS=YOURS, as in jobs.id=nr, not {pair!r:.60}")
        found.setdefault(kind, {})[ours] = yours
    return found


def watched(rows: Iterator[Any], what: str) -> Iterator[Any]:
    """The rows, and a progress bar where somebody looks."""
    from tqdm import tqdm

    yield from tqdm(rows, desc=what, unit=" rows", disable=None)


def tell(*lines: str) -> None:
    """Remarks: to standard error."""
    for line in lines:
        typer.echo(f"note: {line}", err=True)


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))
