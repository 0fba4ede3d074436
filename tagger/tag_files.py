"""Reading and writing what a team says of its tags: CSV, TSV, JSON, YAML or Parquet.

A file has one tag a row, in these columns (matched whatever their case; others are ignored):

===========  ===================================================================================
tag          the tag's name; the only column that must be there
description  what the team means by it, in a sentence or two
aliases      other names of the tag: a list, or a string separated by semicolons or line breaks
words        terms that speak for the tag, with a minus in front against it: a list, or a string
             separated by semicolons or line breaks (``night shift; rota; -office hours``)
share        the expected share of postings that carry the tag, between 0 and 1, or such as 5%
===========  ===================================================================================
"""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tagger.columns import check_found, check_header, match_columns
from tagger.errors import DataError
from tagger.files import open_rows
from tagger.harmless import csv_cell, harmless
from tagger.rejects import Rejects
from tagger.tag_info import TagInfo, check_distinct, one_line, some_problems
from tagger.writing import joined, writing

COLUMNS = ("tag", "description", "aliases", "words", "share")
MAX_TAGS = 20_000
Kind = Literal["csv", "json", "yaml"]

_DOCUMENTS = (".json", ".yaml", ".yml")
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_WRITTEN: dict[str, Kind] = {".csv": "csv", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}
"""How a cell begins that a spreadsheet would take for a formula."""


# ---- reading


class _Row(NamedTuple):
    place: str
    cells: Mapping[str, Any]


def read_tags(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    prefix: str = "",
) -> tuple[TagInfo, ...]:
    """Read what a file says of a team's tags.

    Parameters
    ----------
    path
        .csv, .tsv, .jsonl, .json (also one list of objects, or one object of tag -> object),
        .yaml, or .parquet.
    columns
        Our column name to the file's: ``{"tag": "preferredLabel"}``.
    prefix
        What --column wants before our name, for errors.

    Raises
    ------
    DataError
        If the file can't be used. Several rows with a problem are named at once: a list of tags
        of which some are missing would train a model that lacks them.
    """
    wanted = {name: name for name in COLUMNS} | dict(columns or {})
    unknown = sorted(set(columns or ()) - set(COLUMNS))
    if unknown:
        raise DataError(
            f"a tags file has no column {unknown[0]!r} of ours; they are {', '.join(COLUMNS)}"
        )
    must = {"tag", *(columns or ())}
    rows = _rows(path, encoding, wanted, must, prefix)
    found: list[TagInfo] = []
    problems: list[str] = []
    for place, cells in rows:
        try:
            matched = match_columns(cells, wanted)
            found.append(TagInfo.from_json({ours: cells[name] for ours, name in matched.items()}))
        except DataError as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise DataError(f"{path}: {some_problems(problems)}")
    if not found:
        raise DataError(f"{path} names no tag")
    if len(found) > MAX_TAGS:
        raise DataError(f"{path} names {len(found):,} tags; at most {MAX_TAGS:,} can be used")
    try:
        check_distinct(found)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return tuple(found)


def _rows(
    path: Path, encoding: str, wanted: Mapping[str, str], must: set[str], prefix: str
) -> Sequence[_Row]:
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if path.suffix.lower() in _DOCUMENTS:
        rows = _document(path, encoding, wanted)
    elif kind in _TABLES:
        rows, header = _table(path, encoding)
        if header is not None:
            check_header(path, header, wanted, must, prefix=prefix)
            return rows
    else:
        ends = ", ".join((*_TABLES, *_DOCUMENTS))
        raise DataError(f"{path}: unknown kind of file; the name must end in {ends}")
    names = dict.fromkeys(name for row in rows for name in row.cells)  # a row may leave some out
    if rows:
        missing = must - match_columns(names, wanted).keys()
        check_found(path, names, wanted, missing, prefix=prefix)
    return rows


def _table(path: Path, encoding: str) -> tuple[list[_Row], tuple[str, ...] | None]:
    with (
        Rejects(n_kept=10) as rejects,
        open_rows(path, rejects=rejects, encoding=encoding, wanted=None) as (header, rows),
    ):
        read = [_Row(f"line {row.line}", row.cells) for row in rows]
    if rejects.count:
        problems = [f"line {reject.line}: {reject.reason}" for reject in rejects.first]
        raise DataError(f"{path}: {some_problems(problems)}")
    return read, header


def _document(path: Path, encoding: str, wanted: Mapping[str, str]) -> list[_Row]:
    """Rows of one JSON or YAML document: a list of objects, or an object of tag -> object."""
    try:
        text = path.read_text(encoding).removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (UnicodeError, LookupError) as error:
        raise DataError(f"{path} is not {encoding}: {error}; pass another --encoding") from error
    content = _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)
    if isinstance(content, dict):
        content = [content] if _is_row(content, wanted) else _by_tag(content, wanted)
    if not isinstance(content, list) or not content:
        raise DataError(f"{path} must hold a list of tags, or an object of tags")
    rows = []
    for number, one in enumerate(content, start=1):
        if isinstance(one, str):
            one = {wanted["tag"]: one}
        if not isinstance(one, dict):
            raise DataError(f"{path}: entry {number} is neither an object nor a name in quotes")
        rows.append(_Row(f"entry {number}", {str(name): said for name, said in one.items()}))
    return rows


def _is_row(content: Mapping[Any, Any], wanted: Mapping[str, str]) -> bool:
    """Whether an object is one tag, as in JSON lines of one line, and not tag -> object."""
    matched = match_columns((name for name in content if isinstance(name, str)), wanted)
    return isinstance(content.get(matched.get("tag")), str)


def _by_tag(content: Mapping[Any, Any], wanted: Mapping[str, str]) -> list[dict[Any, Any]]:
    """Rows of an object of tag -> object; instead of the object a description, or null."""
    key, description = wanted["tag"], wanted["description"]
    return [
        (said if isinstance(said, dict) else {description: said}) | {key: name}
        for name, said in content.items()
    ]


def _json(path: Path, text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, n in Counter(name for name, _ in pairs).items():
            if n > 1:
                raise _Twice(name)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except _Twice as twice:
        raise DataError(f"{path}: {twice}") from None
    except (ValueError, RecursionError) as error:
        lines = filter(str.strip, text.splitlines())
        try:  # one object a line
            return [json.loads(line, object_pairs_hook=once) for line in lines]
        except _Twice as twice:
            raise DataError(f"{path}: {twice}") from None
        except (ValueError, RecursionError):
            raise DataError(f"{path} is not JSON: {error}") from error


class _Twice(Exception):
    """An object names something twice; all but the last would be lost."""

    def __init__(self, name: object, where: str = "") -> None:
        super().__init__(f"{str(name)!r:.60} is there twice in one object{where}: keep one")


def _yaml(path: Path, text: str) -> Any:
    """What plain YAML holds: no objects of Python; no aliases, a few of which make gigabytes."""
    import yaml

    try:
        from yaml import CSafeLoader as Loader  # ten times as fast
    except ImportError:
        from yaml import SafeLoader as Loader  # type: ignore[assignment]

    class Once(Loader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                name = self.construct_object(key, deep=True)
                if isinstance(name, Hashable) and name in seen:
                    raise _Twice(name, f", again on line {key.start_mark.line + 1}")
                seen.add(name if isinstance(name, Hashable) else None)
            return super().construct_mapping(node, deep)

    try:
        for event in yaml.parse(text, Loader=Loader):
            if isinstance(event, yaml.AliasEvent):
                raise DataError(
                    f"{path} refers to another part of itself (*{event.anchor}): write it out there"
                )
        return yaml.load(text, Loader=Once)
    except _Twice as twice:
        raise DataError(f"{path}: {twice}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        problem = " ".join(str(error).split())
        raise DataError(f"{path} is not plain YAML: {problem:.200}") from error


# ---- writing


def write_tags(path: Path, tags: Iterable[TagInfo]) -> None:
    """Write a file that `read_tags` reads; its name ends in .csv, .json or .yaml.

    Raises
    ------
    DataError
        If it can't be written. An older file stays until the new one is whole.
    """
    kind = _WRITTEN.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: the name must end in {', '.join(_WRITTEN)}")
    part = path.with_name(f"{path.name}.part")
    with writing(path):
        part.write_bytes(format_tags(tags, kind).encode("utf-8", "backslashreplace"))
        os.replace(part, path)


def format_tags(tags: Iterable[TagInfo], kind: Kind) -> str:
    """What a file of this kind says of tags.

    In CSV an apostrophe stands before what a spreadsheet would take for a formula.
    """
    rows = [tag.to_json() for tag in tags]
    if kind == "json":
        return harmless(json.dumps(rows, ensure_ascii=False, indent=1)) + "\n"
    if kind == "yaml":
        import yaml

        dumped: str = yaml.safe_dump(rows, allow_unicode=True, sort_keys=False, width=100)
        return dumped
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([_cell(row.get(name, "")) for name in COLUMNS] for row in rows)
    return text.getvalue()


def _cell(value: str | float | list[str]) -> object:
    if isinstance(value, float):
        return str(value)
    return csv_cell(joined(value) if isinstance(value, list) else one_line(value))
