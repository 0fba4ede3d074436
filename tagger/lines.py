"""Lines of text files, compressed or not: numbered, checked, and going on after long ones."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO, cast

from tagger.columns import Unreadable
from tagger.errors import DataError

MAX_CHARS = 64 * 2**20
"""Longest line, and longest CSV field, in characters; what is longer is no posting."""
_CHUNK = 2**18

_ESCAPED = re.compile("[\udc80-\udcff]")  # what bytes become that are not in the encoding

Report = Callable[[int, str], None]
"""Is told the line of a row that can't be read, and why."""


class Row(NamedTuple):
    """One record of a file: `line` where it begins, `number` among the records, both from 1."""

    line: int
    number: int
    cells: dict[str, Any]


def open_lines(path: Path, encoding: str, stack: ExitStack) -> "Lines":
    """Open a text file, compressed if its name ends in .gz."""
    codec = _codec(encoding)
    zipped = path.name.lower().endswith(".gz")
    return Lines(_open_text(path, stack, zipped=zipped, codec=codec), path, codec)


_OTHER_KINDS = {
    b"\x1f\x8b": "is compressed with gzip; let its name end in .gz",
    b"PK\x03\x04": "is a zip or Excel file; let its name end in .xlsx, or save it as CSV (UTF-8)",
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


def with_bad_bytes(cells: dict[str, Any], reason: str) -> dict[str, Any]:
    """The cells of a row; those with bytes that are not in the encoding as `Unreadable`."""
    return {
        name: Unreadable(_ESCAPED.sub("\ufffd", cell), reason)
        if isinstance(cell, str) and _ESCAPED.search(cell)
        else cell
        for name, cell in cells.items()
    }


class TooLong(Exception):
    """A line longer than MAX_CHARS; the next one can be read."""


class Lines:
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
        line = "" if self.ended else self.read(MAX_CHARS + 1)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        if len(line) > MAX_CHARS:
            while line and not line.endswith(("\n", "\r")):
                line = self.read(2**20)
            raise TooLong(f"longer than {MAX_CHARS} characters")
        n_quotes = line.count('"')
        if self._is_first and n_quotes % 2 and line.startswith(self.closers):
            return "\n"
        self._is_first = False
        self.n_quotes += n_quotes
        if not line.isascii():
            self._check_bytes(line)
        return line

    def chunks(self) -> Iterator[str]:
        """The rest of the file in parts of any length, whatever its lines; not numbered.

        Raises
        ------
        DataError
            If it is of another encoding.
        """
        while part := self.read(_CHUNK):
            if not part.isascii():
                self._check_bytes(part)
                if self.bad_bytes:
                    codec = self.codec.upper()
                    advice = "convert the file or pass --encoding"
                    raise DataError(f"{self.path} is not {codec}; {advice}")
            yield part

    def read(self, n_chars: int) -> str:
        """At most so many characters, none beyond the end of a line."""
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
