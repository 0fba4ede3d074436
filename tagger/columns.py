"""From the columns of a file to ours: which is which, and what a cell says."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from tagger.errors import DataError

COLUMNS = ("id", "title", "text", "tags", "not_tags", "tag", "label")
ABOUT_TAGS = COLUMNS[3:]

Tags = tuple[str, ...] | None
Cells = Mapping[str, object]

_LABELS = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
_LABELS |= {"unsure": "unsure", "": "unsure"}
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # no database or UTF-8 file takes these


class CellError(Exception):
    """Why a row can't be used."""


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
            f"Name yours with --column {prefix}{ours}=NAME"
        )


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
    """The id as a string; empty if there is none."""
    if is_null(value):
        return ""
    if isinstance(value, bool | list | dict):
        raise CellError(f"the id is {_what(value)}")
    return _writable(str(_whole(value))).strip()


def read_text(cells: Cells, name: str) -> str:
    """The title, empty if there is none, or the text, which must be there."""
    value = cells.get(name)
    if isinstance(value, str):
        return value
    if not is_null(value):
        raise CellError(f"the {name} is {_what(value)}, not a string")
    if name == "text":
        raise CellError("the text is null" if "text" in cells else "the row has no text")
    return ""


def read_labels(cells: Cells) -> tuple[Tags, Tags]:
    """What a row says of tags: those that apply and those that don't, as in `Job`.

    If there are both `tags` and `tag`, `tags` counts.
    """
    if "tag" in cells and "tags" not in cells:
        return _read_one_tag(cells)
    said_no = cells.get("not_tags")
    is_blank = isinstance(said_no, str) and not said_no.strip()
    yes = _read_tags(cells.get("tags"), "tags")
    no = None if is_blank else _read_tags(said_no, "not_tags")
    return (yes if no is None else yes or (), no)


def _read_one_tag(cells: Cells) -> tuple[Tags, Tags]:
    tag = cells["tag"]
    if not is_null(tag) and not isinstance(tag, str):
        raise CellError(f"the tag is {_what(tag)}, not a string")
    named = _read_tags(None if is_null(tag) else [tag], "tag")
    if "label" not in cells:
        return named, None
    label = read_label(cells["label"])
    return (named or () if label == "yes" else (), named or () if label == "no" else ())


def read_label(said: object) -> str:
    """yes, no or unsure; an empty cell is unsure."""
    label = "unsure" if is_null(said) else _LABELS.get(str(_whole(said)).strip().lower())
    if label is None:
        raise CellError(f"the label {said!r:.60} is not yes, no or unsure")
    return label


def _read_tags(value: object, name: str) -> Tags:
    """Tags of a list or a cell, each once, in their order; empty ones and nulls are dropped."""
    if is_null(value):
        return None
    if isinstance(value, str):
        value = _split(value, name)
    if not isinstance(value, list):
        raise CellError(f"{name} is {_what(value)}, not a list of strings")
    for one in value:
        if not isinstance(one, str) and not is_null(one):
            raise CellError(f"{name} holds {_what(one)}, not only strings")
    cleaned = (tag_name(one) for one in value if isinstance(one, str))
    return tuple(dict.fromkeys(filter(None, cleaned)))


def _split(cell: str, name: str) -> object:
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return cell.split(";")
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise CellError(f"{name} is a list that is not JSON; write: remote; sales") from None


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
    """Whether a cell holds nothing."""
    return value is None or value != value  # pandas writes a missing value as NaN


def _whole(value: object) -> object:
    """1 for 1.0: pandas turns whole numbers into floats where one is missing."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _what(value: object) -> str:
    kinds = {bool: "true or false", list: "a list", dict: "an object", str: "a string"}
    return kinds.get(type(value), f"{value!r:.40}")
