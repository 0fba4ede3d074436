"""Rows of a file or of SQL in our columns: which is which, what else is there, what each says."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from tagger.columns import (
    CellError,
    Unreadable,
    check_found,
    check_header,
    fold,
    is_null,
    match_columns,
    read_id,
)
from tagger.errors import DataError
from tagger.feeds import Convert, reach
from tagger.files import PLAIN, Layout, open_rows
from tagger.lines import Row
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
    layout: Layout = PLAIN,
    feed: Callable[[Mapping[str, Any]], Convert | None] | None = None,
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
    layout
        How else the file is to be read.
    feed
        Returns what makes our rows of the file's, if its first row is of a feed that we know.
    keep_others
        Read the other columns too.
    prefix
        What --column wants before our names, such as ``events.``.

    Raises
    ------
    DataError
        If the file as a whole can't be used, or lacks one of those columns.
    """
    ours = {fold(theirs) for theirs in wanted.values()}
    with open_rows(
        path,
        rejects=rejects,
        encoding=encoding,
        layout=layout,
        wanted=None if keep_others or feed else ours | {name.partition(".")[0] for name in ours},
        ours=ours,
        keep_unreadable=True,
    ) as (header, rows):
        first = next(rows, None)
        convert = feed(first.cells) if feed and first else None
        rows = chain([first] if first else [], rows)
        if convert:
            rows = (row._replace(cells=convert(row.cells)) for row in rows)
            yield from (_found(row, wanted, keep_others=keep_others) for row in rows)
            return
        missing = {*needed, *must} & wanted.keys()
        if header is not None:
            inside = {name for name in missing if _is_inside(header, wanted[name])}
            check_header(path, header, wanted, missing - inside, prefix=prefix)
            missing = inside
        row = None
        for row in rows:
            found = _found(row, wanted, keep_others=keep_others)
            missing -= found.cells.keys()
            if row.number >= N_SPARSE and missing & set(needed):
                break
            yield found
        if row is not None:
            check_found(path, row.cells, wanted, missing, prefix=prefix)


def _is_inside(header: Collection[str], theirs: str) -> bool:
    """Whether a name with dots reaches into a column that is there."""
    head, dot, _ = theirs.partition(".")
    return bool(dot) and theirs not in header and head in header


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
        found = _found(Row(number, number, dict(cells)), wanted, keep_others=True)
        if number == 1:
            check_found(Path(name), cells, wanted, set(must) - found.cells.keys())
        yield found


def _found(row: Row, wanted: Mapping[str, str], *, keep_others: bool) -> Found:
    found = match_columns(row.cells, wanted)
    cells = {ours: row.cells[theirs] for ours, theirs in found.items()}
    for ours, theirs in _dotted(tuple(wanted.items())):
        if ours not in found:
            inside = reach(_opened(row.cells, theirs), theirs)
            if inside is not None:
                cells[ours] = inside
    taken = set(found.values())
    others = {k: v for k, v in row.cells.items() if k not in taken} if keep_others else {}
    return Found(row.line, row.number, cells, others)


@lru_cache(maxsize=16)
def _dotted(wanted: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The names that reach into objects."""
    return [(ours, theirs) for ours, theirs in wanted if "." in theirs]


def _opened(cells: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The cells, with an object that a string of JSON holds where a name reaches into it."""
    head = name.partition(".")[0]
    value = cells.get(head)
    if not (isinstance(value, str) and value.lstrip().startswith("{")):
        return cells
    try:
        return {**cells, head: json.loads(value)}
    except (ValueError, RecursionError):
        return cells


def read_values(
    rows: Iterable[Found],
    readers: Mapping[str, Callable[[object], Any]],
    *,
    needed: Collection[str],
    decisive: Collection[str] = (),
    name: Path | str,
    rejects: Rejects,
) -> Iterator[Found]:
    """What the cells of each row say; what can't be read is unknown.

    Parameters
    ----------
    readers
        Our column name to a function of the cell that returns its value or raises `CellError`.
    needed
        Columns that a row can't do without: it is rejected if one is empty or can't be read.
    decisive
        Columns that reject a row only if they can't be read.
    """
    for row in rows:
        unknown: list[str] = []
        try:
            values = {}
            for ours, cell in row.cells.items():
                told = None if ours in needed or ours in decisive else unknown
                values[ours] = read_or_note(readers[ours], cell, told)
            for ours in needed:
                if not values.get(ours):
                    raise CellError(f"the row has no {ours}")
        except CellError as error:
            rejects.add(name, row.line, id_or_none(row.cells), str(error))
            continue
        others = readable(row.others, unknown)
        for reason in unknown:
            rejects.unknown(name, row.line, id_or_none(row.cells), reason)
        yield row._replace(cells=values, others=others)


def read_or_note(reader: Callable[[object], Any], cell: object, unknown: list[str] | None) -> Any:
    """What a cell says; None if it can't be read, with the reason added to `unknown`.

    Raises
    ------
    CellError
        If it can't be read and `unknown` is None.
    """
    try:
        if isinstance(cell, Unreadable) and not cell.is_usable:
            raise CellError(cell.reason)
        return reader(cell)
    except CellError as error:
        if unknown is None:
            raise
        unknown.append(str(error))
        return None


def readable(others: Mapping[str, Any], unknown: list[str]) -> dict[str, Any]:
    """Other columns, without the values that can't be read; why not is added to `unknown`."""
    bad = {
        name: reason
        for name, cell in others.items()
        if type(cell) is not str and (reason := _why_not(cell))
    }
    if not bad:
        return dict(others)
    unknown += [f"{name}: {reason}" for name, reason in bad.items()]
    return {name: cell for name, cell in others.items() if name not in bad}


def _why_not(cell: Any) -> str:
    """Why a cell can't be kept; empty if it can."""
    if isinstance(cell, Unreadable):
        return cell.reason
    is_number = isinstance(cell, float | Decimal) and not is_null(cell)
    return f"{cell} is no number to keep" if is_number and not isfinite(cell) else ""


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
