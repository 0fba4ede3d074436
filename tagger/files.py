"""Rows of CSV, TSV, JSON lines and parquet files, one after the other, bad ones reported.

Memory stays flat: no more than one row (a few hundred for parquet) is held at a time.
"""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO, cast

from tagger.errors import DataError
from tagger.rejects import Rejects

MAX_CHARS = 64 * 2**20
"""Longest line, and longest CSV field, in characters; what is longer is no posting."""

TEXT_KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")

Header = tuple[str, ...] | None
Report = Callable[[int, str], None]


class Row(NamedTuple):
    """One record of a file: `line` where it begins, `number` among the records, both from 1."""

    line: int
    number: int
    cells: dict[str, Any]


@contextmanager
def open_rows(
    path: Path, *, rejects: Rejects, encoding: str = "utf-8", wanted: Collection[str] | None = ()
) -> Iterator[tuple[Header, Iterator[Row]]]:
    """Open a file of records; its name says the format.

    Parameters
    ----------
    path
        A .csv, .tsv, .jsonl, .ndjson or .json file (one object a line), each also .gz, or
        .parquet. A .csv may be separated by semicolons or tabs: its first line tells.
    rejects
        Gets the rows that can't be read; the rest goes on.
    encoding
        Of a text file. A byte order mark of UTF-8 is skipped.
    wanted
        Case-folded names of the columns to read from a parquet file; None: all.

    Returns
    -------
    The column names (None for JSON lines, which have no header) and the rows.

    Raises
    ------
    DataError
        If the file as a whole can't be used: missing, empty, of another kind, ...
    """
    kind, zipped = _kind(path)
    _check_file(path)
    with ExitStack() as stack:
        if kind == ".parquet":
            yield _parquet_rows(path, wanted, stack)
            return
        codec = _codec(encoding)
        lines = _Lines(_open_text(path, stack, zipped=zipped, codec=codec), path, codec)

        def report(line: int, reason: str) -> None:
            rejects.add(path, line, None, reason)

        if kind in (".csv", ".tsv"):
            yield _csv_rows(lines, report, delimiters="\t" if kind == ".tsv" else ",;\t")
        else:
            yield None, _json_rows(lines, report)


def _kind(path: Path) -> tuple[str, bool]:
    name = path.name.lower()
    zipped = name.endswith(".gz")
    kind = Path(name.removesuffix(".gz")).suffix
    if kind not in TEXT_KINDS and (kind != ".parquet" or zipped):
        accepted = f"{', '.join(TEXT_KINDS)} (each also .gz) or .parquet"
        raise DataError(f"{path}: unknown kind of file; the name must end in {accepted}")
    return kind, zipped


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a directory, not a file")
    if not path.exists():
        raise DataError(f"{path}: no such file")


_OTHER_KINDS = {
    b"\x1f\x8b": "is compressed with gzip; let its name end in .gz",
    b"PK\x03\x04": "is a zip or Excel file; save it as CSV (UTF-8) first",
    b"PAR1": "is a parquet file; let its name end in .parquet",
    b"\xff\xfe": "is UTF-16; pass --encoding utf-16",
    b"\xfe\xff": "is UTF-16; pass --encoding utf-16",
}


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # fails for codecs that are not of text, such as base64
    except (LookupError, ValueError) as error:
        raise DataError(f"unknown encoding {encoding!r}; try utf-8, utf-16 or cp1252") from error
    return name.removesuffix("-sig")


def _open_text(path: Path, stack: ExitStack, *, zipped: bool, codec: str) -> TextIO:
    try:
        raw: io.BufferedReader | gzip.GzipFile = stack.enter_context(path.open("rb"))
        if zipped:
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw))
        head = raw.peek(4)[:4]
        # A bad byte becomes half a surrogate pair, so that the row it is in can be named.
        text = io.TextIOWrapper(
            cast(BinaryIO, raw),
            encoding="utf-8-sig" if codec == "utf-8" else codec,
            errors="surrogateescape",
            newline="",
        )
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is no gzip file, or cut off at its beginning") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if not head:
        raise DataError(f"{path} is empty")
    for magic, problem in _OTHER_KINDS.items():
        if codec == "utf-8" and head.startswith(magic):
            raise DataError(f"{path} {problem}")
    return stack.enter_context(text)


class _TooLong(Exception):
    """A line longer than MAX_CHARS; the next one can be read."""


class _Lines:
    """Lines of a text file: numbered, checked, and going on after a line that is too long."""

    def __init__(self, stream: TextIO, path: Path, codec: str) -> None:
        self._stream = stream
        self.path = path
        self.codec = codec
        self.number = 0
        self.ended = False
        self.damage = ""  # why the file ended too early
        self.bad_bytes = ""  # where the bytes are not in the encoding, since `begin`
        self.n_quotes = 0  # since `begin`
        self.closers: tuple[str, ...] = ()  # a line that begins so closes a quote, opens none
        self._is_first = True

    def __iter__(self) -> Iterator[str]:
        return self

    def begin(self) -> int:
        """Start a record; return the number of its first line."""
        self.bad_bytes, self.n_quotes, self._is_first = "", 0, True
        return self.number + 1

    def __next__(self) -> str:
        line = "" if self.ended else self._read(MAX_CHARS + 1)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        if len(line) > MAX_CHARS:
            while line and not line.endswith(("\n", "\r")):
                line = self._read(2**20)
            raise _TooLong(f"longer than {MAX_CHARS} characters")
        n_quotes = line.count('"')
        if self._is_first and n_quotes % 2 and line.startswith(self.closers):
            return "\n"
        self._is_first = False
        self.n_quotes += n_quotes
        if not line.isascii():
            self._check_bytes(line)
        return line

    def _read(self, n_chars: int) -> str:
        try:
            return self._stream.readline(n_chars)
        except EOFError:
            self.damage = "file ends in the middle; the rows before were read"
        except (zlib.error, gzip.BadGzipFile) as error:
            # The checksum stands at the end: rows read before may be wrong as well.
            raise DataError(f"{self.path} is damaged, its checksum is wrong: {error}") from error
        except UnicodeError as error:
            raise DataError(
                f"{self.path} is not {self.codec.upper()} after line {self.number}; "
                "convert it or pass another --encoding"
            ) from error
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}") from error
        return ""

    def _check_bytes(self, line: str) -> None:
        try:
            line.encode()
        except UnicodeEncodeError as error:
            byte = len(line[: error.start].encode(self.codec)) + 1
            self.bad_bytes = self.bad_bytes or (
                f"not {self.codec.upper()} at byte {byte} of line {self.number}; "
                "convert the file or pass --encoding"
            )


def _csv_rows(lines: _Lines, report: Report, *, delimiters: str) -> tuple[Header, Iterator[Row]]:
    csv.field_size_limit(MAX_CHARS)
    try:
        first = next((line for line in lines if line.strip("\ufeff \r\n")), "").lstrip("\ufeff")
        delimiter = max(delimiters, key=first.count)
        reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
        header = tuple(name.strip() for name in next(reader))
    except (csv.Error, _TooLong) as error:
        raise DataError(f"{lines.path}: the first line is no CSV header: {error}") from error
    if not header:
        raise DataError(
            f"{lines.path} is empty" if not lines.damage else f"{lines.path} is cut off"
        )
    if lines.bad_bytes:
        raise DataError(f"{lines.path}: {lines.bad_bytes}")
    closers = ('"\n', '"\r', '"' + delimiter)
    return header, _csv_body(reader, header, lines, report, closers)


def _csv_body(
    reader: Iterator[list[str]],
    header: tuple[str, ...],
    lines: _Lines,
    report: Report,
    closers: tuple[str, ...],
) -> Iterator[Row]:
    """Rows below the header.

    After broken quoting we go on at the next line. It may be the rest of the broken row, whose
    closing quote then stands alone. So until a good row comes, quotes must come in pairs, and
    a line that begins with one of `closers` does not open a quoted field. What can't be told
    from a row is a line of the broken one that happens to have as many fields as the header.
    """
    number, recovering = 0, False
    while True:
        line = lines.begin()
        lines.closers = closers if recovering else ()
        try:
            cells = next(reader, None)
            if cells is None:
                break
            if not cells:
                continue
            problem = lines.bad_bytes
            if recovering and lines.n_quotes % 2:
                problem = "left over from the broken row before it"
            elif len(cells) != len(header):
                problem = f"{len(cells)} fields, but the header has {len(header)}"
            recovering = recovering and bool(problem)
        except (csv.Error, _TooLong) as error:
            problem, recovering = _csv_problem(error, line, lines), True
        number += 1
        if not problem:
            yield Row(line, number, dict(zip(header, cells or (), strict=True)))
        elif not lines.damage:
            report(line, problem)
    if lines.damage:
        report(lines.number + 1, lines.damage)


def _csv_problem(error: Exception, line: int, lines: _Lines) -> str:
    if isinstance(error, _TooLong):
        problem = str(error)
    elif "field limit" in str(error):
        problem = f"a field longer than {MAX_CHARS} characters"
    elif lines.ended:
        return f"the quote opened here is never closed; lines {line} to {lines.number} are lost"
    else:
        problem = f"not CSV: {error}; write a quote inside a quoted field twice"
    return problem if lines.number == line else f"{problem}; lines {line} to {lines.number}"


def _json_rows(lines: _Lines, report: Report) -> Iterator[Row]:
    number = 0
    while True:
        at = lines.begin()
        try:
            text = next(lines, None)
        except _TooLong as error:
            number += 1
            report(at, str(error))
            continue
        if text is None:
            break
        text = text.strip("\ufeff \t\r\n")
        if not text:
            continue
        number += 1
        if number == 1 and (text == "{" or text.startswith("[")):
            query = "'.[]'" if text.startswith("[") else "."
            raise DataError(
                f"{lines.path} is one JSON document, not one object a line; convert it: "
                f"jq -c {query} FILE > NEW.jsonl"
            )
        row, problem = (None, lines.bad_bytes) if lines.bad_bytes else _json_object(text)
        if row is None:
            report(at, problem)
        else:
            yield Row(at, number, row)
    if lines.damage:
        report(lines.number + 1, lines.damage)
    elif not number:
        raise DataError(f"{lines.path} is empty")


def _json_object(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        row = json.loads(text, strict=False)  # strict would refuse raw tabs and NULs in strings
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"
    if not isinstance(row, dict):
        return None, "a JSON value, but not an object {...}"
    return row, ""


def _parquet_rows(
    path: Path, wanted: Collection[str] | None, stack: ExitStack
) -> tuple[Header, Iterator[Row]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f"{path}: parquet files need pyarrow: pip install pyarrow") from error

    failures = (pa.ArrowException, OSError)

    def rows(file: Any, columns: list[str]) -> Iterator[Row]:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=256, columns=columns):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, number, cells)
        except failures as error:
            raise DataError(f"{path} is damaged after row {number}: {error}") from error

    try:
        file = stack.enter_context(pq.ParquetFile(path))
        names = tuple(file.schema_arrow.names)
    except failures as error:
        raise DataError(f"{path} is no parquet file, or cut off: {error}") from error
    read = [name for name in names if wanted is None or name.strip().casefold() in wanted]
    return names, rows(file, read)
