"""Rows of CSV and TSV files."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from tagger import lines as limits
from tagger.errors import DataError
from tagger.harmless import read_csv_cell
from tagger.lines import Lines, Report, Row, TooLong, with_bad_bytes

_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line that Excel takes as a word about the separator."""


def csv_rows(
    lines: Lines, report: Report, *, delimiters: str, keep_unreadable: bool = False
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The header and the rows below it.

    Parameters
    ----------
    delimiters
        What may separate fields: of several, what the first line has most of, or what it says
        itself (``sep=;``).
    keep_unreadable
        Keep rows with bytes that are not in the encoding, as `Unreadable` cells.

    Raises
    ------
    DataError
        If the first line is no header.
    """
    csv.field_size_limit(limits.MAX_CHARS)
    try:
        first = _first_line(lines)
        if said := _SEP.fullmatch(first):
            delimiters, first = said[1], _first_line(lines)
        delimiter = max(delimiters, key=first.count)
        reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
        header = tuple(name.strip() for name in next(reader))
    except (csv.Error, TooLong) as error:
        raise DataError(f"{lines.path}: the first line is no CSV header: {error}") from error
    if not header:
        raise DataError(
            f"{lines.path} is empty" if not lines.damage else f"{lines.path} is cut off"
        )
    if lines.bad_bytes:
        raise DataError(f"{lines.path}: {lines.bad_bytes}")
    closers = ('"\n', '"\r', '"' + delimiter)
    rows = _body(
        reader, apart(header), lines, report, closers=closers, keep_unreadable=keep_unreadable
    )
    return header, rows


def _first_line(lines: Lines) -> str:
    return next((line for line in lines if line.strip("\ufeff \r\n")), "").lstrip("\ufeff")


def apart(header: tuple[str, ...]) -> tuple[str, ...]:
    """Names of columns that tell them apart.

    Examples
    --------
    >>> apart(("id", "city", "city"))
    ('id', 'city', 'city (2)')
    """
    seen: Counter[str] = Counter()
    names = []
    for name in header:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def _body(
    reader: Iterator[list[str]],
    header: tuple[str, ...],
    lines: Lines,
    report: Report,
    *,
    closers: tuple[str, ...],
    keep_unreadable: bool,
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
            bad_bytes = lines.bad_bytes
            problem = "" if keep_unreadable else bad_bytes
            if recovering and lines.n_quotes % 2:
                problem = "left over from the broken row before it"
            elif len(cells) != len(header):
                problem = f"{len(cells)} fields, but the header has {len(header)}"
            recovering = recovering and bool(problem)
        except (csv.Error, TooLong) as error:
            problem, recovering = _problem(error, line, lines), True
        number += 1
        if not problem:
            row = dict(zip(header, map(read_csv_cell, cells or ()), strict=True))
            if bad_bytes:
                row = with_bad_bytes(row, bad_bytes)
            yield Row(line, number, row)
        elif not lines.damage:
            report(line, problem)
    if lines.damage:
        report(lines.number + 1, lines.damage)


def _problem(error: Exception, line: int, lines: Lines) -> str:
    if isinstance(error, TooLong):
        problem = str(error)
    elif "field limit" in str(error):
        problem = f"a field longer than {limits.MAX_CHARS} characters"
    elif lines.ended:
        return f"the quote opened here is never closed; lines {line} to {lines.number} are lost"
    else:
        problem = f"not CSV: {error}; write a quote inside a quoted field twice"
    return problem if lines.number == line else f"{problem}; lines {line} to {lines.number}"
