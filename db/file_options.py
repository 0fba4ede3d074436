"""What the commands share that import and export: options, counting, printing."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from db.commands import n_of, print_json

Row = TypeVar("Row")
_KINDS = ".csv, .tsv, .jsonl (each also .gz) or .parquet"

File = Annotated[Path, typer.Argument(metavar="FILE", help=f"{_KINDS}.")]
FileOrNone = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help=f"{_KINDS}; or a table or query.")
]
Output = Annotated[
    Path, typer.Argument(metavar="FILE", help=".csv, .jsonl, .json (each also .gz) or .parquet.")
]
Kind = Annotated[str, typer.Argument(help="jobs, labels, predictions, candidates or events.")]
FromTable = Annotated[
    str | None, typer.Option(metavar="NAME", help="Read your own table instead of a file.")
]
Query = Annotated[
    str | None, typer.Option(metavar="SELECT", help="Or what a query of yours gives.")
]
SourceUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Database of the table; it is only read.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "--columns",
        "-c",
        metavar="OURS=YOURS",
        help="What a column is called in your data; several, separated by commas, or repeated.",
    ),
]
Encoding = Annotated[str, typer.Option(help="Encoding of text files.")]
Labeller = Annotated[
    str, typer.Option(metavar="NAME", help="Who gave the tags, where the rows don't tell.")
]
WithLabels = Annotated[
    bool, typer.Option("--labels/--no-labels", help="Record what the rows say of tags.")
]
Format = Annotated[
    Literal["label-studio", "doccano", "prodigy"] | None,
    typer.Option("--format", metavar="TOOL", help="label-studio, doccano or prodigy."),
]
CreateMissing = Annotated[
    bool, typer.Option("--create-missing", help="Make jobs that are not there, without a text.")
]
OfModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whose predictions (default: the live model's).")
]
RejectFile = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        metavar="FILE",
        help="Where rejected rows go, as JSON lines (default: NAME.rejects.jsonl in this folder).",
    ),
]


def counted(rows: Iterable[Row], doing: str) -> Iterator[Row]:
    """The rows, and a progress bar where somebody looks."""
    from tqdm import tqdm

    yield from tqdm(rows, desc=doing, unit=" rows", disable=None)


def print_counts(result: Any, n_rejected: int, *, as_json: bool) -> None:
    """What came of an import, as JSON or in one line."""
    counts: dict[str, Any] = asdict(result) | {"rejected": n_rejected}
    if as_json:
        return print_json(counts)
    rows = counts.pop("rows")
    tags = counts.pop("new_tags", ())
    names = ((value, name.replace("_", " ")) for name, value in counts.items())
    told = (n_of(n, what[:-1]) if what.endswith("s") else f"{n:,} {what}" for n, what in names)
    typer.echo(f"{n_of(rows, 'row')}: {', '.join(told)}")
    if tags:
        typer.echo(f"New tags: {', '.join(tags)}")
