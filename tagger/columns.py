"""From the columns of a file to ours: which is which, and what a cell says."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Self

from tagger.errors import DataError

COLUMNS = ("id", "title", "text", "tags", "not_tags", "tag", "label")
ABOUT_TAGS = COLUMNS[3:]

Tags = tuple[str, ...] | None
Cells = Mapping[str, object]

_LABELS = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
_LABELS |= {"unsure": "unsure", "": "unsure"}
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # no database or UTF-8 file takes these
_NULLS = frozenset(
    (*("none", "nan", "null", "nil", "\\n", "n/a", "#n/a", "<na>", "nat"), "undefined", "(null)")
)
"""What Python, pandas, SQL dumps, spreadsheets and JavaScript write for nothing, in lower case."""
_LONGEST_NULL = 20
_FLOAT_ID = re.compile(r"\d+\.0")


class CellError(Exception):
    """Why a row, or one value of it, can't be used."""


class Unreadable(str):
    """A value that a file or database holds, but can't give as what it is.

    Parameters
    ----------
    shown
        As much of it as can be shown.
    reason
        What is wrong with it.
    is_usable
        Whether a text may go by what is shown: all of it, but for single characters.
    """

    __slots__ = ("is_usable", "reason")
    reason: str
    is_usable: bool

    def __new__(cls, shown: str, reason: str, *, is_usable: bool = False) -> Self:
        self = super().__new__(cls, shown)
        self.reason, self.is_usable = reason, is_usable
        return self


# ---- columns


def match_columns(names: Iterable[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Our column names to the file's own: the exact one, else the first but for its case."""
    return _match(tuple(names), tuple(wanted.items()))


@lru_cache(maxsize=256)  # rows of JSON lines have few different sets of names
def _match(names: tuple[str, ...], wanted: tuple[tuple[str, str], ...]) -> dict[str, str]:
    folded = {fold(name): name for name in reversed(names)}
    exact = {ours: theirs for ours, theirs in wanted if theirs in names}
    return {ours: folded[fold(theirs)] for ours, theirs in wanted if fold(theirs) in folded} | exact


def fold(name: str) -> str:
    """A column name without what does not matter in it.

    Examples
    --------
    >>> fold(" Text ")
    'text'
    """
    return name.strip().casefold()


def check_found(
    path: Path,
    names: Iterable[str],
    wanted: Mapping[str, str],
    missing: Iterable[str],
    *,
    prefix: str = "",
) -> None:
    """Raise DataError if one of our columns is missing; `names` are those of the file.

    `prefix` is what --column wants before our name.
    """
    for ours in sorted(missing):
        raise DataError(
            f"{path} has no column {wanted[ours]!r}; it has: {some(names)}. "
            f"Name yours with --column {prefix}{ours}=NAME{_OR_ELSE.get(ours, '')}"
        )


_OR_ELSE = {"action": ", or say with --action apply that all events are that"}
"""What else can be done about a column that is missing."""


def check_header(
    path: Path,
    header: tuple[str, ...],
    wanted: Mapping[str, str],
    must: Iterable[str],
    *,
    prefix: str = "",
) -> None:
    """Raise DataError if a column that must be there is missing, or one we read is there twice."""
    found = match_columns(header, wanted)
    check_found(path, header, wanted, set(must) - found.keys(), prefix=prefix)
    for theirs in found.values():
        if header.count(theirs) > 1:
            raise DataError(f"{path} has more than one column {theirs!r}; rename all but one")


def some(names: Iterable[str]) -> str:
    """The first names of a list that may be long."""
    names = list(names)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# ---- cells


def read_id(value: object) -> str:
    """The id as a string; empty if there is none.

    Examples
    --------
    >>> read_id(7.0), read_id("7.0"), read_id("v7.0")  # pandas turns whole numbers into floats
    ('7', '7', 'v7.0')
    """
    if is_null(value):
        return ""
    if isinstance(value, bool | list | dict):
        raise CellError(f"the id is {what(value)}")
    if isinstance(value, float | Decimal) and not isfinite(value):
        raise CellError(f"the id is {value}")
    id = _writable(str(_whole(value))).strip()
    return id[:-2] if _FLOAT_ID.fullmatch(id) else id


def read_text(cells: Cells, name: str) -> str:
    """The title or the text; empty if there is none. A number counts as its digits."""
    value = cells.get(name)
    if is_null(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(_whole(value))
    if not isinstance(value, str):
        raise CellError(f"the {name} is {what(value)}, not a string")
    return value


def read_label(said: object) -> str:
    """yes, no or unsure; an empty cell is unsure."""
    label = "unsure" if is_null(said) else _LABELS.get(str(_whole(said)).strip().lower())
    if label is None:
        raise CellError(f"the label {said!r:.60} is not yes, no or unsure")
    return label


def tag_name(name: str) -> str:
    """A tag as we write it: NFC, stripped, white space inside collapsed, case kept.

    Examples
    --------
    >>> tag_name("  part   time ")
    'part time'
    """
    return " ".join(unicodedata.normalize("NFC", _writable(name)).split())


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)


def is_null(value: object) -> bool:
    """Whether a cell holds nothing, or only the name of nothing that a program has written.

    Examples
    --------
    >>> is_null(float("nan")), is_null("NULL"), is_null("no")
    (True, True, False)
    """
    if isinstance(value, str):
        return len(value) <= _LONGEST_NULL and value.strip().casefold() in _NULLS
    return is_missing(value)


def is_missing(value: object) -> bool:
    """Whether a value is none; a string always is one."""
    if isinstance(value, Decimal):
        return value.is_nan()
    # pandas writes a missing value as NaN, and NaT differs from itself, too
    return value is None or (isinstance(value, float | datetime) and value != value)


def _whole(value: object) -> object:
    """1 for 1.0: pandas turns whole numbers into floats where one is missing."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def what(value: object) -> str:
    """What a value is, for people."""
    kinds = {bool: "true or false", list: "a list", dict: "an object", str: "a string"}
    return kinds.get(type(value), f"{value!r:.40}")
