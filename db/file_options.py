"""What the commands share that import and export: options, counting, printing."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from db.commands import n_of, print_json
from tagger.column_options import Actions, Delimiter, TagSeparator

__all__ = ["Actions", "Delimiter", "TagSeparator"]  # shared with other commands
Row = TypeVar("Row")
_KINDS = ".csv, .tsv, .jsonl, .json, .xml (each also .gz), .xlsx or .parquet"

FileOrNone = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help=f"{_KINDS}; or a table or query.")
]
Output = Annotated[
    Path,
    typer.Argument(metavar="FILE", help=".csv, .jsonl, .json (each also .gz), .xlsx or .parquet."),
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
FeedFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FEED",
        help="Whose feed it is: schema.org, indeed, greenhouse, lever, ashby, workable or jobspy; "
        "by default the first row tells.",
    ),
]
Control = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="In Label Studio the control whose answers are tags, if not `tags`."
    ),
]
LabelSeparator = Annotated[
    str | None,
    typer.Option(
        "--tag-separator",
        metavar="SIGN",
        help="What separates several tags of one label, such as ',' or '|'; by default a label is "
        "of one tag.",
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Store the tags even if they look joined or misspelled.")
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


def print_counts(result: Any, rejects: Any, *, as_json: bool) -> None:
    """What came of an import, as JSON or in one line: every row that was read is in one count."""
    counts: dict[str, Any] = asdict(result) | {"rejected": rejects.count}
    counts["rows"] += rejects.count
    if as_json:
        counts["unknown_values"] = rejects.n_unknown
        return print_json(counts)
    rows = counts.pop("rows")
    tags = counts.pop("new_tags", ())
    names = ((value, name.replace("_", " ")) for name, value in counts.items())
    told = (n_of(n, what[:-1]) if what.endswith("s") else f"{n:,} {what}" for n, what in names)
    typer.echo(f"{n_of(rows, 'row')}: {', '.join(told)}")
    if counts.get("older"):
        typer.echo(
            "Older answers change nothing: the same labeller has said something later of the same "
            "tag on the same job. Answers without a time are of the time of their import."
        )
    if tags:
        typer.echo(f"New tags: {', '.join(tags)}")
