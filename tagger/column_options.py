"""What --column says: which column of a file of jobs, or of a file of tags, is which of ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tagger.tag_info import TagInfo


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
