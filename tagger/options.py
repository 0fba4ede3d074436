"""Options and arguments that the tagger's commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tagger import column_options

KINDS = ".csv, .tsv, .json, .jsonl, .xml (each also .gz), .xlsx or .parquet"
"""Files of jobs, by their endings."""

Labelled = Annotated[
    list[Path],
    typer.Argument(
        metavar="LABELLED...",
        help=f"Jobs with tags: {KINDS}; one row per job, or one row per job and tag.",
    ),
]
ModelDir = Annotated[Path, typer.Option("--model", "-m", metavar="DIR", help="The model folder.")]
OneModel = Annotated[
    Path | None,
    typer.Option("--model", "-m", metavar="DIR", show_default="model", help="The model folder."),
]
Source = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="A file with one posting (text or HTML; - or nothing for standard input), or JOBS: "
        f"{KINDS}.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help="Where the tags of JOBS go: .jsonl or .csv, each also .gz. "
        "Without it JSON lines are printed.",
    ),
]
Title = Annotated[str, typer.Option(help="Title of one posting.")]
Keep = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS",
        help="Columns of JOBS to write beside the tags, such as title,url; separated by commas.",
    ),
]
Long = Annotated[bool, typer.Option("--long", help="Write one row per job and tag.")]
Explain = Annotated[
    bool, typer.Option("--explain", help="Add the words that raised or lowered each tag.")
]
PerhapsLabelled = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[LABELLED]...",
        help=f"Jobs with tags: {KINDS}; one row per job, or one row per job and tag. "
        "None are needed with --tags.",
    ),
]
Unlabelled = Annotated[
    list[Path] | None,
    typer.Option(
        "--unlabelled",
        "-u",
        metavar="FILE",
        help="Jobs without tags; may be repeated. Your own teach most: what looks like the "
        "labelled jobs teaches tags, other jobs teach only which words go together.",
    ),
]
TagsFile = Annotated[
    Path | None,
    typer.Option(
        "--tags",
        metavar="FILE",
        dir_okay=False,
        help="What your tags mean: .csv, .json or .yaml with tag, and if you like description, "
        "aliases, words, share. The model learns from it before anybody labels a job.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "-c",
        metavar="OURS=YOURS",
        help="What a column is called in your files, such as text=description; may be repeated. "
        "Ours are text, title, id, tags, not_tags; or tag and label. For the file of --tags: "
        "tags.tag=preferredLabel.",
    ),
]
Encoding = Annotated[str, typer.Option(help="Encoding of text files.")]
Delimiter = column_options.Delimiter
TagSeparator = column_options.TagSeparator
RejectFile = Annotated[
    Path | None,
    typer.Option(
        "--rejects", metavar="FILE", dir_okay=False, help="Where rejected rows go, as JSON lines."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Decides all that is random.")]
Plain = Annotated[
    bool, typer.Option("--plain-chain", help="Tag from the code alone, without the wide path.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
