"""Words of strangers made harmless: on terminals, in pipes, in CSV and in spreadsheets.

A posting, a tag or an id may hold what a terminal obeys (escape sequences, controls, signs that
turn the direction of writing around), and what a spreadsheet takes for a formula.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_OBEYED = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"  # bidirectional; line and paragraph separators
)
_FORMULA = re.compile("'*\\s*[=+@\\-\t\r\n\uff1d\uff0b\uff20\uff0d]")
_BREAKS = re.compile("[\t\r\n\v\f]+")
_MOVES = re.compile(r"\n*(\x1b\[A)*")  # how tqdm goes from one bar to another


def harmless(text: str) -> str:
    r"""Text in which what a terminal would obey is spelt out, as JSON spells it.

    Examples
    --------
    >>> print(harmless("a\x1b[31mb\u202e"))
    a\u001b[31mb\u202e
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(text: str) -> str:
    """Harmless text in one line.

    Examples
    --------
    >>> shown("Nurse,\\r\\nnight")
    'Nurse, night'
    """
    return harmless(_BREAKS.sub(" ", text))


def csv_cell(value: object) -> object:
    """A value as a cell of CSV: an apostrophe stands before what would be a formula.

    Examples
    --------
    >>> csv_cell("=1+1"), csv_cell(-5.0), csv_cell("nurse")
    ("'=1+1", -5.0, 'nurse')
    """
    if not isinstance(value, str):
        return value
    text = harmless(value)
    return f"'{text}" if _FORMULA.match(text) else text


def read_csv_cell(cell: str) -> str:
    """What `csv_cell` was given, control characters aside."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


class Guarded:
    """A text stream on which nothing that a terminal obeys is written, but for progress bars."""

    def __init__(self, stream: TextIO) -> None:
        self.beneath = stream

    def write(self, text: str) -> int:
        if text.startswith("\r"):  # a bar draws itself anew
            self.beneath.write("\r")
            self.beneath.write(harmless(text[1:]))
        else:
            self.beneath.write(text if _MOVES.fullmatch(text) else harmless(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Any:
        """Bytes would pass unseen."""
        raise AttributeError("buffer")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Within, standard output and error are `Guarded`."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):  # half a surrogate pair, or what ASCII lacks
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (Guarded(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def screen_stream() -> TextIO:
    """Standard output for a screen that is drawn by escape sequences of ours."""
    return sys.stdout.beneath if isinstance(sys.stdout, Guarded) else sys.stdout
