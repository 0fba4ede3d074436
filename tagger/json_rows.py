"""Rows of JSON: one object a line, a list of objects, or a list inside of an object."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any

from tagger import lines as limits
from tagger.columns import fold
from tagger.errors import DataError
from tagger.lines import Lines, Report, Row, TooLong, with_bad_bytes

_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")  # between the values of a list
_MAX_DEPTH = 3
_NO_OBJECT = "a JSON value, but not an object {...}"


def json_rows(
    lines: Lines, report: Report, *, ours: Collection[str] = (), keep_unreadable: bool = False
) -> Iterator[Row]:
    """The objects of a file. In a list, rows have the number of their object as their line.

    Parameters
    ----------
    ours
        Case-folded names of what is looked for. Where a file is one object that has fewer of them
        than the objects of a list inside, as pages of an API are, that list is read.
    keep_unreadable
        Keep rows with bytes that are not in the encoding, as `Unreadable` cells.

    Raises
    ------
    DataError
        If a file that is one JSON document is broken or cut off; the rows before were read.
    """
    head = lines.read(1)
    while head and not head.strip("\ufeff \t\r\n"):
        lines.number += head.endswith("\n")
        head = lines.read(1)
    if head == "[":
        yield from _objects(_values(chain([head], lines.chunks()), lines), report)
        return
    at = lines.begin()
    try:
        text = head + next(lines, "")
    except TooLong as error:
        text = ""
        report(at, str(error))
    if text.rstrip().endswith(("{", "[", ",")):  # a document on several lines
        values = _values(chain([text], lines.chunks()), lines)
        yield from _objects(_unwrapped(values, ours), report)
        return
    yield from _rows(_line_objects(text, lines, report, keep_unreadable), ours, report)
    if lines.damage:
        report(lines.number + 1, lines.damage)


# ---- one object a line


_Objects = Iterator[tuple[int, int, dict[str, Any]]]


def _line_objects(text: str, lines: Lines, report: Report, keep_unreadable: bool) -> _Objects:
    """Line, number and object of each line that holds one; `text` is the first line."""
    number, at = 0, lines.number
    while True:
        text = text.strip("\ufeff \t\r\n")
        if text:
            number += 1
            bad = lines.bad_bytes
            row, problem = (None, bad) if bad and not keep_unreadable else _object(text)
            if row is None:
                report(at, bad or problem)
            else:
                yield at, number, with_bad_bytes(row, bad) if bad else row
        at = lines.begin()
        try:
            following = next(lines, None)
        except TooLong as error:
            number += 1
            report(at, str(error))
            following = ""
        if following is None:
            break
        text = following
    if not number and not lines.damage:
        raise DataError(f"{lines.path} is empty")


def _rows(objects: _Objects, ours: Collection[str], report: Report) -> Iterator[Row]:
    first = next(objects, None)
    if first is None:
        return
    second = next(objects, None)
    if second is None:
        inner = _inner_list(first[2], ours)
        yield from [Row(*first)] if inner is None else _objects(iter(inner), report)
        return
    for one in chain([first, second], objects):
        yield Row(*one)


def _object(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        row = json.loads(text, strict=False)  # strict would refuse raw tabs and NULs in strings
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"
    return (row, "") if isinstance(row, dict) else (None, _NO_OBJECT)


# ---- documents


def _objects(values: Iterator[Any], report: Report) -> Iterator[Row]:
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Row(number, number, value)
        else:
            report(number, _NO_OBJECT)


def _values(chunks: Iterator[str], lines: Lines) -> Iterator[Any]:
    """The values of one JSON list, or of values one after the other, read as they come."""
    decoder, text, at = json.JSONDecoder(strict=False), "", 0
    is_last, number = False, 0
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if is_last and at == len(text) and not lines.damage:
                if not number:
                    raise DataError(f"{lines.path} is empty") from None
                return
            if is_last or len(text) - at > limits.MAX_CHARS:
                place = f" after object {number}" if number else ""
                raise DataError(f"{lines.path}: not JSON, or cut off,{place}: {error}") from error
            more = _at_least(chunks, len(text) - at)  # twice as much: long values stay cheap
            is_last = not more
            text, at = text[at:] + more, 0
            continue
        number += 1
        yield value


def _at_least(chunks: Iterator[str], n_chars: int) -> str:
    parts: list[str] = []
    while part := next(chunks, ""):
        parts.append(part)
        n_chars -= len(part)
        if n_chars <= 0:
            break
    return "".join(parts)


# ---- lists inside of an object


def _unwrapped(values: Iterator[Any], ours: Collection[str]) -> Iterator[Any]:
    first, second = next(values, None), next(values, None)
    inner = _inner_list(first, ours) if second is None and isinstance(first, dict) else None
    if inner is not None:
        yield from inner
    else:
        yield from chain([one for one in (first, second) if one is not None], values)


def _inner_list(value: Mapping[str, Any], ours: Collection[str]) -> list[Any] | None:
    """The list of objects in a value that has most of our names, if they have more than itself."""
    names = {name.partition(".")[0] for name in ours} | set(ours)

    def count(row: Any) -> int:
        return sum(fold(str(name)) in names for name in row)

    found = [(count(one[0]), len(one), one) for one in _lists(value, _MAX_DEPTH)]
    best = max(found, key=lambda one: one[:2], default=None)
    if best is None or not ours or best[0] < count(value) or (best[0] == 0 and count(value)):
        return None
    return best[2] if best[0] > count(value) or not count(value) else None


def _lists(value: Mapping[str, Any], depth: int) -> Iterator[list[Any]]:
    for inner in value.values():
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield inner
        elif isinstance(inner, dict) and depth > 1:
            yield from _lists(inner, depth - 1)
