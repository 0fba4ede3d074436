"""What cells say of tags: lists, joined and serialised ones, and yes or no for each tag."""

import csv
import json
import re
from collections.abc import Mapping
from typing import Any

from tagger.columns import CellError, Cells, Tags, is_null, read_label, tag_name, what

SEPARATOR = ";"
"""What stands between the tags of one cell, unless told."""

_QUOTED = r"""(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")"""
# A list as Python or NumPy prints it: ['a', 'b'] or ['a' 'b'] or {'a', 'b'}.
_PRINTED = re.compile(rf"[\[({{]\s*{_QUOTED}(?:[\s,]+{_QUOTED})*+,?\s*[\])}}]")
_PARTS = re.compile(_QUOTED)


def read_labels(cells: Cells, separator: str = SEPARATOR) -> tuple[Tags, Tags]:
    """What a row says of tags: those that apply and those that don't, as in `Job`.

    If there are both `tags` and `tag`, `tags` counts.

    Parameters
    ----------
    separator
        What stands between the tags of one cell.

    Raises
    ------
    CellError
        If it can't be told what the row says.
    """
    if "tag" in cells and "tags" not in cells:
        return _read_one_tag(cells)
    yes, each_no = read_tags(cells.get("tags"), "tags", separator)
    said_no = cells.get("not_tags")
    if isinstance(said_no, str) and said_no.strip() in ("", "[]"):
        no: Tags = () if said_no.strip() else None
    else:
        no, yes_too = read_tags(said_no, "not_tags", separator)
        if yes_too is not None:
            raise CellError("not_tags is an object, not a list of strings")
    no = no if each_no is None else (*(no or ()), *each_no)
    return (yes if no is None else yes or (), no)


def _read_one_tag(cells: Cells) -> tuple[Tags, Tags]:
    tag = cells["tag"]
    if is_null(tag):
        named: Tags = None
    elif isinstance(tag, str):
        named = _each_once([tag])
    else:
        raise CellError(f"the tag is {what(tag)}, not a string")
    if "label" not in cells:
        return named, None
    label = read_label(cells["label"])
    return (named or () if label == "yes" else (), named or () if label == "no" else ())


def read_tags(value: object, name: str, separator: str = SEPARATOR) -> tuple[Tags, Tags]:
    """The tags that a value names, each once and in their order; and those that it denies.

    None where it says nothing: of the second, where it is a plain list. Empty names are dropped.

    Examples
    --------
    >>> read_tags("remote; sales", "tags")
    (('remote', 'sales'), None)
    >>> read_tags({"remote": 1.0, "sales": 0.0, "night": None}, "tags")
    (('remote',), ('sales',))
    >>> read_tags("['remote' 'sales']", "tags")
    (('remote', 'sales'), None)
    """
    if is_null(value) or (isinstance(value, str) and value.strip() == "[]"):
        return None, None  # a printed empty list is where nothing was known, more often than not
    if isinstance(value, str):
        value = _parsed(value.strip(), name, separator)
    if isinstance(value, Mapping) and "choices" in value:
        value = value["choices"]  # as Label Studio has it
        value = [value] if isinstance(value, str) else value
    if isinstance(value, Mapping):
        return _yes_and_no(value, name)
    if not isinstance(value, list | tuple):
        raise CellError(f"{name} is {what(value)}, not a list of strings")
    return _each_once([_one(part, name) for part in value]), None


def _one(part: object, name: str) -> str:
    """A tag of a list; empty where there is none."""
    if is_null(part):
        return ""
    if not isinstance(part, str):
        raise CellError(f"{name} holds {what(part)}, not only strings")
    return part


def _each_once(names: list[str]) -> tuple[str, ...]:
    cleaned = (tag_name(name) for name in names if not is_null(name))
    return tuple(dict.fromkeys(filter(None, cleaned)))


def _yes_and_no(value: Mapping[Any, Any], name: str) -> tuple[Tags, Tags]:
    """Of an object of tags, as spaCy has it (``cats``): 1 is yes, 0 is no, all else is unknown."""
    said: dict[str, list[str]] = {"yes": [], "no": [], "unsure": []}
    for tag, one in value.items():
        if isinstance(one, list | dict):
            raise CellError(f"{name} is an object of other things than yes or no: {tag!r:.40}")
        is_number = isinstance(one, int | float) and not isinstance(one, bool)
        said["unsure" if is_number and one not in (0, 1) else read_label(one)].append(str(tag))
    return _each_once(said["yes"]), _each_once(said["no"])


def _parsed(cell: str, name: str, separator: str) -> object:
    """What a cell holds: a list or object as some program writes it, or tags and a separator."""
    if not (cell[:1] in ("[", "{", "(") and cell[-1:] in ("]", "}", ")")):
        return cell.split(separator)
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    if _PRINTED.fullmatch(cell):
        return [re.sub(r"\\(.)", r"\1", part[1:-1]) for part in _PARTS.findall(cell)]
    if cell[0] == "{" and ":" not in cell:  # an array as PostgreSQL writes it
        return next(csv.reader([cell[1:-1]], escapechar="\\"), [])
    if cell[0] == "(":
        return cell.split(separator)
    raise CellError(f"{name} is a list that is not JSON; write: remote; sales")
