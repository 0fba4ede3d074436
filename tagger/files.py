"""Rows of files, one after the other, bad ones reported: CSV, JSON, Parquet, Excel, XML feeds.

Memory stays flat: no more than one row (a few hundred for parquet) is held at a time, unless a file
is one JSON object with a list in it.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import DataError
from tagger.lines import Row, open_lines
from tagger.rejects import Rejects

TEXT_KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".xml")
OTHER_KINDS = (".parquet", ".xlsx")

Header = tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is to be read where it does not tell by itself."""

    delimiter: str | None = None
    """What separates the fields of a CSV file. None: its first line tells."""
    separator: str = ";"
    """What separates the tags of one cell."""
    feed: str | None = None
    """Whose feed it is, one of `tagger.feeds.FEEDS`. None: the first row tells."""

    def __post_init__(self) -> None:
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise DataError(f"a delimiter is one character, got {self.delimiter!r:.40}")
        if not self.separator:
            raise DataError("the separator of tags must not be empty")


PLAIN = Layout()


@contextmanager
def open_rows(
    path: Path,
    *,
    rejects: Rejects,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    wanted: Collection[str] | None = (),
    ours: Collection[str] = (),
    keep_unreadable: bool = False,
) -> Iterator[tuple[Header, Iterator[Row]]]:
    """Open a file of records; its name says the format.

    Parameters
    ----------
    path
        A .csv, .tsv, .jsonl, .ndjson, .json or .xml file, each also .gz, .parquet or .xlsx. A .csv
        may be separated by semicolons, tabs or bars: its first line tells. JSON is one object a
        line, a list of objects, or an object with a list inside.
    rejects
        Gets the rows that can't be read; the rest goes on.
    encoding
        Of a text file. A byte order mark of UTF-8 is skipped.
    wanted
        Case-folded names of the columns to read from a parquet file; None: all.
    ours
        Case-folded names that tell an object that is a row from one with a list of rows inside.
    keep_unreadable
        Keep text rows with bytes that are not in the encoding, as `Unreadable` cells.

    Returns
    -------
    The column names (None for JSON and XML, which have no header) and the rows.

    Raises
    ------
    DataError
        If the file as a whole can't be used: missing, empty, of another kind, ...
    """
    kind = kind_of(path)
    _check_file(path)
    with ExitStack() as stack:

        def report(line: int, reason: str) -> None:
            rejects.add(path, line, None, reason)

        if kind == ".parquet":
            from tagger.parquet_rows import parquet_rows

            yield parquet_rows(path, wanted, stack)
        elif kind == ".xlsx":
            from tagger.excel_rows import excel_rows

            yield excel_rows(path, stack)
        elif kind == ".xml":
            from tagger.xml_rows import xml_rows

            yield None, xml_rows(path, stack)
        elif kind in (".csv", ".tsv"):
            from tagger.csv_rows import csv_rows

            delimiters = layout.delimiter or ("\t" if kind == ".tsv" else ",;\t|")
            lines = open_lines(path, encoding, stack)
            yield csv_rows(lines, report, delimiters=delimiters, keep_unreadable=keep_unreadable)
        else:
            from tagger.json_rows import json_rows

            lines = open_lines(path, encoding, stack)
            yield None, json_rows(lines, report, ours=ours, keep_unreadable=keep_unreadable)


def kind_of(path: Path) -> str:
    """The ending of a file's name without .gz, in lower case; DataError if it is unknown."""
    name = path.name.lower()
    kind = Path(name.removesuffix(".gz")).suffix
    if kind not in TEXT_KINDS and (kind not in OTHER_KINDS or name.endswith(".gz")):
        accepted = f"{', '.join(TEXT_KINDS)} (each also .gz), .xlsx or .parquet"
        raise DataError(f"{path}: unknown kind of file; the name must end in {accepted}")
    return kind


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a directory, not a file")
    if not path.exists():
        raise DataError(f"{path}: no such file")
