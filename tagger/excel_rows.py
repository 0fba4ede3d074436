"""Rows of Excel workbooks (.xlsx): of the first sheet that has any."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from tagger.csv_rows import apart
from tagger.errors import DataError
from tagger.lines import Row


def need_openpyxl(path: Path) -> Any:
    """The package that reads and writes workbooks; DataError says how to install it."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path}: Excel files need openpyxl: pip install 'jobtool[excel]'"
        ) from error
    return openpyxl


def excel_rows(path: Path, stack: ExitStack) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The header, which is the first row with anything in it, and the rows below.

    Raises
    ------
    DataError
        If it is no workbook, or an empty one.
    """
    openpyxl = need_openpyxl(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise DataError(f"{path} is no Excel workbook (.xlsx), or damaged: {error}") from error
    stack.callback(book.close)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # some programs write a wrong size
        rows = enumerate(sheet.iter_rows(values_only=True), start=1)
        header = next((cells for _, cells in rows if _has_any(cells)), None)
        if header is not None:
            names = tuple("" if name is None else str(name).strip() for name in header)
            return names, _body(rows, apart(names))
    raise DataError(f"{path} is empty")


def _body(rows: "Iterator[tuple[int, tuple[Any, ...]]]", names: tuple[str, ...]) -> Iterator[Row]:
    number = 0
    for line, cells in rows:
        if _has_any(cells):
            number += 1
            padded = (*cells, *[None] * (len(names) - len(cells)))
            named = zip(names, padded, strict=False)
            yield Row(line, number, {name: cell for name, cell in named if name})


def _has_any(cells: tuple[Any, ...]) -> bool:
    return any(cell is not None for cell in cells)
