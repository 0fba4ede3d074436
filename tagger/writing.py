"""Files of rows, written whole or not at all: JSON lines, a JSON list, CSV, Excel, Parquet."""

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, ClassVar, Self, TextIO, cast

from tagger.errors import DataError
from tagger.excel_writing import SheetWriter
from tagger.harmless import csv_cell, harmless

N_PARQUET = 1000  # rows that are written at a time
_WHOLE = (".xlsx", ".parquet")  # compressed by themselves


class PartWriter:
    """A text file that appears when it is whole; a context manager to inherit from.

    Until then, and after an interruption, the rows are in a file of that name with ``.part`` after
    it. An older file is replaced at the end.
    """

    kinds: tuple[str, ...] = (".jsonl", ".ndjson", ".csv")
    done: ClassVar[str] = "rows written"

    def __init__(self, output: Path) -> None:
        self.output = output
        self.part = output.with_name(output.name + ".part")
        self.n_rows = 0
        self.kind = Path(output.name.lower().removesuffix(".gz")).suffix
        zipped = output.name.lower().endswith(".gz")
        if self.kind not in self.kinds or (zipped and self.kind in _WHOLE):
            text = ", ".join(kind for kind in self.kinds if kind not in _WHOLE)
            more = " or .xlsx or .parquet" if ".parquet" in self.kinds else ""
            raise DataError(f"{output}: the name must end in {text} (each also .gz){more}")

    def __enter__(self) -> Self:
        with writing(self.output):
            self.stack = ExitStack()
            self.begin()
        return self

    def begin(self) -> None:
        """Open the file, write what comes before the rows."""
        self.stream = open_for_writing(self.part, self.stack)

    def end(self) -> None:
        """Write what comes after the rows."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            with writing(self.output):
                self.end()
                self.stack.close()
                os.replace(self.part, self.output)
            return
        try:
            self.stack.close()
        except OSError as second:
            error.add_note(f"{self.part} could not be closed: {second.strerror}")
        if self.n_rows:
            error.add_note(f"the {self.n_rows} {self.done} so far are in {self.part}")
        else:
            self.part.unlink(missing_ok=True)


class RowWriter(PartWriter):
    """Writes rows of named columns; .json is one list of objects.

    Parameters
    ----------
    columns
        Name to what it holds: text, texts, time, number, numbers, flag or object. An object goes
        into CSV and Parquet as a string of JSON, numbers into CSV. Rows may lack some columns.
    objects_only
        Rows are objects of any shape: no CSV, no Excel, no Parquet.
    """

    kinds: tuple[str, ...] = (".jsonl", ".ndjson", ".json", ".csv", ".xlsx", ".parquet")

    def __init__(
        self, output: Path, columns: Mapping[str, str], *, objects_only: bool = False
    ) -> None:
        self.kinds = RowWriter.kinds[:3] if objects_only else RowWriter.kinds
        super().__init__(output)
        self._columns = dict(columns)
        self._waiting: list[dict[str, Any]] = []

    def begin(self) -> None:
        if self.kind == ".parquet":
            self._begin_parquet()
            return
        if self.kind == ".xlsx":
            self._sheet = SheetWriter(self.output, tuple(self._columns))
            self.stack.callback(self._sheet.discard)
            return
        super().begin()
        if self.kind == ".csv":
            self._csv = csv.writer(self.stream, lineterminator="\n")
            self._csv.writerow(self._columns)

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        with writing(self.output):
            if self.kind == ".csv":
                self._csv.writerow([csv_cell(as_cell(row.get(name))) for name in self._columns])
            elif self.kind == ".xlsx":
                self._sheet.write([as_cell(row.get(name)) for name in self._columns])
            elif self.kind == ".parquet":
                self._waiting.append({name: self._plain(row, name) for name in self._columns})
                if len(self._waiting) == N_PARQUET:
                    self._write_waiting()
            else:
                before = "" if self.kind != ".json" else ",\n" if self.n_rows else "[\n"
                after = "" if self.kind == ".json" else "\n"
                self.stream.write(f"{before}{_as_json(row)}{after}")
        self.n_rows += 1

    def end(self) -> None:
        if self.kind == ".json":
            self.stream.write("\n]\n" if self.n_rows else "[]\n")
        elif self.kind == ".xlsx":
            self._sheet.save(self.part)
        elif self.kind == ".parquet":
            self._write_waiting()

    def _begin_parquet(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {
            "text": pa.string(),
            "texts": pa.list_(pa.string()),
            "time": pa.timestamp("us", tz="UTC"),
            "number": pa.float64(),
            "flag": pa.bool_(),
            "object": pa.string(),
            "numbers": pa.list_(pa.float32()),
        }
        schema = pa.schema([(name, types[kind]) for name, kind in self._columns.items()])
        self._table = pa.Table.from_pylist
        self._parquet = self.stack.enter_context(pq.ParquetWriter(self.part, schema))

    def _plain(self, row: Mapping[str, Any], name: str) -> Any:
        value = row.get(name)
        return _as_json(value) if self._columns[name] == "object" and value is not None else value

    def _write_waiting(self) -> None:
        if self._waiting:
            table = self._table(self._waiting, schema=self._parquet.schema)
            self._parquet.write_table(table)
            self._waiting = []


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in errors of the system."""
    try:
        yield
    except OSError as error:
        raise DataError(f"can't write {path}: {error.strerror}") from error


def open_for_writing(path: Path, stack: ExitStack) -> TextIO:
    """A text file to write, compressed if its name ends in .gz or .gz.part."""
    raw: BinaryIO = stack.enter_context(path.open("wb"))
    if path.name.lower().endswith((".gz", ".gz.part")):
        # No name and no time inside: the same rows make the same file.
        zipped = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0)
        raw = cast(BinaryIO, stack.enter_context(zipped))
    # Half a surrogate pair becomes \\udXXX, which JSON knows.
    return stack.enter_context(
        io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="")
    )


def as_cell(value: Any) -> object:
    """A CSV cell that `tagger.jobs` and `tagger.tables` read as this value."""
    if isinstance(value, list | tuple):
        if any(isinstance(part, float) for part in value):
            return _as_json(value)
        return joined(value) or "[]"
    if isinstance(value, dict):
        return _as_json(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value


def joined(tags: Sequence[str]) -> str:
    """Tags in one cell: separated by semicolons, or a JSON list where one of them needs it."""
    if any(";" in tag or tag.startswith(("[", "{", "(")) for tag in tags):
        return json.dumps(tags, ensure_ascii=False)
    return "; ".join(tags)


def _as_json(value: Any) -> str:
    return harmless(json.dumps(value, ensure_ascii=False, default=_time))


def _time(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value)} in a row")
