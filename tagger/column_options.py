"""What --column says: which column of a file of jobs, or of a file of tags, is which of ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tagger.files import Layout
    from tagger.tag_info import TagInfo


Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN",
        help="What separates the fields of a CSV file, such as '|' or '\\t'; by default its first "
        "line tells.",
    ),
]
TagSeparator = Annotated[
    str,
    typer.Option(metavar="SIGN", help="What separates the tags of one cell, such as ',' or '|'."),
]


Actions = Annotated[
    list[str] | None,
    typer.Option(
        "--action",
        metavar="THEIRS=OURS",
        help="What an action is called in your events, as favourite=save; may be repeated. Without "
        "THEIRS= it is the action of all events.",
    ),
]
ACTIONS = ("impression", "view", "save", "visit", "apply", "dismiss", "reply")
"""What a candidate does with a job; a reply is the employer's."""


def read_layout(
    delimiter: str | None = None, tag_separator: str = ";", feed: str | None = None
) -> "Layout":
    """How files are to be read, from options; ``\\t`` stands for a tab."""
    from tagger.files import Layout

    return Layout(
        delimiter=None if delimiter is None else _sign(delimiter),
        separator=_sign(tag_separator),
        feed=feed,
    )


def _sign(said: str) -> str:
    return {r"\t": "\t", "tab": "\t", r"\n": "\n"}.get(said, said)


def parse_columns(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """Our column names to the file's, from options; each may hold several: ``id=nr,text=body``."""
    split = [one.partition("=") for pair in pairs or () for one in _apart(pair)]
    for ours, _, yours in split:
        if not ours or not yours:
            raise typer.BadParameter(f"write --column OURS=YOURS, not {ours + yours!r}")
    return {ours.strip(): yours for ours, _, yours in split} or None


def read_tags_file(
    path: Path | None, columns: dict[str, str] | None, encoding: str
) -> "tuple[dict[str, str] | None, tuple[TagInfo, ...]]":
    """Column names that are left for files of jobs, and what the tags file says."""
    from tagger.tag_files import read_tags

    ours = {name: theirs for name, theirs in (columns or {}).items() if name.startswith("tags.")}
    if ours and path is None:
        raise typer.BadParameter(
            "--column tags.OURS=YOURS names columns of a tags file: give it with --tags FILE"
        )
    left = {name: theirs for name, theirs in (columns or {}).items() if name not in ours} or None
    of_tags = {name.removeprefix("tags."): theirs for name, theirs in ours.items()} or None
    infos = (
        () if path is None else read_tags(path, columns=of_tags, encoding=encoding, prefix="tags.")
    )
    return left, infos


def _apart(pair: str) -> list[str]:
    parts = pair.split(",")
    return parts if all("=" in part for part in parts) else [pair]  # or a name has a comma


def read_actions(said: Sequence[str] | None) -> dict[str, str]:
    """What the events call an action -> ours, from ``--action`` options."""
    found: dict[str, str] = {}
    for one in said or ():
        theirs, sign, ours = one.rpartition("=")
        if ours.strip() not in ACTIONS:
            raise typer.BadParameter(
                f"--action {one}: write --action apply if all events are that, or THEIRS=OURS; "
                f"ours are {', '.join(ACTIONS)}"
            )
        found[theirs.strip().lower() if sign else ""] = ours.strip()
    if "" in found and len(found) > 1:
        raise typer.BadParameter("one --action for all events, or THEIRS=OURS for each")
    return found
