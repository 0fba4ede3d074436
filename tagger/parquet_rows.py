"""Rows of Parquet files; a cell that Python can't hold costs itself alone."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tagger.columns import Unreadable, fold
from tagger.errors import DataError
from tagger.lines import Row

N_ROWS = 256
"""Rows in memory at a time."""


def parquet_rows(
    path: Path, wanted: Collection[str] | None, stack: ExitStack
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The names of all columns, and the rows.

    Parameters
    ----------
    wanted
        Case-folded names of the columns to read; None: all.

    Raises
    ------
    DataError
        If it is no Parquet file, cut off or damaged.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f"{path}: parquet files need pyarrow: pip install pyarrow") from error

    failures = (pa.ArrowException, OSError)

    def rows(file: Any, columns: list[str]) -> Iterator[Row]:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=N_ROWS, columns=columns):
                for cells in _to_python(batch):
                    number += 1
                    yield Row(number, number, cells)
        except failures as error:
            raise DataError(f"{path} is damaged after row {number}: {error}") from error

    try:
        file = stack.enter_context(pq.ParquetFile(path))
        names = tuple(file.schema_arrow.names)
    except failures as error:
        raise DataError(f"{path} is no parquet file, or cut off: {error}") from error
    read = [name for name in names if wanted is None or fold(name) in wanted]
    return names, rows(file, read)


def _to_python(batch: Any) -> Iterator[dict[str, Any]]:
    names = batch.schema.names
    for cells in zip(*map(_column, batch.columns), strict=True):
        yield dict(zip(names, cells, strict=True))


def _column(column: Any) -> list[Any]:
    """The cells of one column; where one fails, each by itself."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):  # UnicodeError is a ValueError
        return [_cell(scalar) for scalar in column]


def _cell(scalar: Any) -> Any:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        shown = error.object.decode("utf-8", "replace")
        return Unreadable(shown, "not UTF-8; broken characters are replaced", is_usable=True)
    except (ValueError, OverflowError, pa.ArrowException) as error:
        return Unreadable("", f"out of range: {error}"[:200])
