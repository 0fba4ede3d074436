"""Rows of a file or of SQL in our columns: which is which, what else is there, what each says."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tagger.columns import CellError, check_found, check_header, fold, match_columns, read_id
from tagger.errors import DataError
from tagger.files import Row, open_rows
from tagger.rejects import Rejects

N_SPARSE = 100
"""Rows of JSON lines that may leave out a column before we say that it's not there."""


class Found(NamedTuple):
    """One row: the cells of our columns under our names, and the others under theirs."""

    line: int
    number: int
    cells: dict[str, Any]
    others: dict[str, Any]


def iter_table(
    path: Path,
    wanted: Mapping[str, str],
    *,
    needed: Collection[str],
    must: Collection[str] = (),
    rejects: Rejects,
    encoding: str = "utf-8",
    keep_others: bool = False,
    prefix: str = "",
) -> Iterator[Found]:
    """Rows of a file one after the other; memory stays flat.

    Parameters
    ----------
    wanted
        Our column names and what they are called in the file.
    needed, must
        Columns of ours that must be there: `needed` in the first `N_SPARSE` rows, `must` anywhere.
    rejects
        Gets the rows that can't be read; the rest goes on.
    keep_others
        Read the other columns too.
    prefix
        What --column wants before our names, such as ``events.``.

    Raises
    ------
    DataError
        If the file as a whole can't be used, or lacks one of those columns.
    """
    names = None if keep_others else {fold(theirs) for theirs in wanted.values()}
    missing = {*needed, *must} & wanted.keys()
    with open_rows(path, rejects=rejects, encoding=encoding, wanted=names) as (header, rows):
        if header is not None:
            check_header(path, header, wanted, missing, prefix=prefix)
            missing = set()
        row = None
        for row in rows:
            found = match_columns(row.cells, wanted)
            missing -= found.keys()
            if row.number >= N_SPARSE and missing & set(needed):
                break
            yield _found(row, found, keep_others=keep_others)
        if row is not None:
            check_found(path, row.cells, wanted, missing, prefix=prefix)


def split_table(
    rows: Iterable[Mapping[str, Any]], name: str, wanted: Mapping[str, str], must: Collection[str]
) -> Iterator[Found]:
    """The same for rows that come from elsewhere, such as a query; `name` is what errors call it.

    Raises
    ------
    DataError
        If the first row lacks a column of ours that must be there.
    """
    for number, cells in enumerate(rows, start=1):
        found = match_columns(cells, wanted)
        if number == 1:
            check_found(Path(name), cells, wanted, set(must) - found.keys())
        yield _found(Row(number, number, dict(cells)), found, keep_others=True)


def _found(row: Row, found: Mapping[str, str], *, keep_others: bool) -> Found:
    cells = {ours: row.cells[theirs] for ours, theirs in found.items()}
    ours = set(found.values())
    others = {k: v for k, v in row.cells.items() if k not in ours} if keep_others else {}
    return Found(row.line, row.number, cells, others)


def read_values(
    rows: Iterable[Found],
    readers: Mapping[str, Callable[[object], Any]],
    *,
    needed: Collection[str],
    reject: Callable[[int, str | None, str], None],
) -> Iterator[Found]:
    """What the cells of each row say; rows with a cell that can't be read are rejected.

    Parameters
    ----------
    readers
        Our column name to a function of the cell that returns its value or raises `CellError`.
    needed
        Columns that a row can't do without; an empty value rejects it.
    """
    for row in rows:
        try:
            values = {ours: readers[ours](cell) for ours, cell in row.cells.items()}
            for ours in needed:
                if not values.get(ours):
                    raise CellError(f"the row has no {ours}")
        except CellError as error:
            reject(row.line, id_or_none(row.cells), str(error))
        else:
            yield row._replace(cells=values)


def id_or_none(cells: Mapping[str, object]) -> str | None:
    """The id of a row that may have none, or one that can't be read."""
    try:
        return read_id(cells.get("id")) or None
    except CellError:
        return None


def named(ours: Collection[str], columns: Mapping[str, str] | None) -> dict[str, str]:
    """Our column names and what a file calls them; DataError for a column that is none of ours."""
    columns = columns or {}
    for name in columns:
        if name not in ours:
            raise DataError(f"unknown column {name!r}; jobtool reads {', '.join(ours)}")
    return {name: columns.get(name, name) for name in ours}
