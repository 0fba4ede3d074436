"""Rows of XML feeds: each <job> (or <item>, <position>, <vacancy>) with its simple children."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import Element, ParseError

from tagger.errors import DataError
from tagger.lines import Row

_ROWS = frozenset({"job", "item", "position", "vacancy"})


def xml_rows(path: Path, stack: ExitStack) -> Iterator[Row]:
    """The jobs of a feed, one after the other; memory stays flat.

    Entities that the file defines itself are refused: they can blow up memory or read files.

    Raises
    ------
    DataError
        If it is no XML, damaged, or has no job in it.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    stream: Any = stack.enter_context(path.open("rb"))
    if path.name.lower().endswith(".gz"):
        stream = stack.enter_context(gzip.GzipFile(fileobj=cast(BinaryIO, stream)))
    number = 0
    try:
        above: list[Element] = []
        for event, element in iterparse(stream, events=("start", "end")):
            if event == "start":
                above.append(element)
                continue
            above.pop()
            if _name(element) in _ROWS and len(element):
                number += 1
                yield Row(number, number, _cells(element))
                if above:
                    above[-1].remove(element)  # let it go
    except (ParseError, DefusedXmlException, OSError, EOFError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} is no XML, or damaged, after job {number}: {reason}") from error
    if not number:
        raise DataError(f"{path} holds no <job>")


def _cells(element: Element) -> dict[str, Any]:
    """Name -> text of the children; of several with one name a list, of nested ones an object."""
    cells: dict[str, Any] = {}
    for child in element:
        name, value = _name(child), _cells(child) if len(child) else (child.text or "").strip()
        if name in cells:
            before = cells[name]
            cells[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            cells[name] = value
    return cells


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
