"""Reading what a team says of its tags: CSV, TSV, JSON, YAML or Parquet.

A file has one tag a row, in these columns (matched whatever their case; others are ignored):

===========  ===================================================================================
tag          the tag's name; the only column that must be there
description  what the team means by it, in a sentence or two
aliases      other names of the tag: a list, or a string separated by semicolons
words        terms that speak for the tag, with a minus in front against it: a list, or a string
             separated by semicolons (``night shift; rota; -office hours``)
share        the expected share of postings that carry the tag, between 0 and 1, or such as 5%
===========  ===================================================================================
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagger.columns import check_found, check_header, match_columns
from tagger.errors import DataError
from tagger.files import open_rows
from tagger.rejects import Rejects
from tagger.tag_info import TagInfo, check_distinct

COLUMNS = ("tag", "description", "aliases", "words", "share")
MAX_TAGS = 20_000
_N_SHOWN = 5


def read_tags(
    path: Path, *, columns: Mapping[str, str] | None = None, encoding: str = "utf-8"
) -> tuple[TagInfo, ...]:
    """Read what a file says of a team's tags.

    Parameters
    ----------
    path
        .csv, .tsv, .jsonl, .json (also one list of objects, or one object of tag -> object),
        .yaml, or .parquet.
    columns
        Our column name to the file's: ``{"tag": "preferredLabel"}``.

    Raises
    ------
    DataError
        If the file can't be used. All rows with a problem are named at once: a list of tags of
        which some are missing would train a model that lacks them.
    """
    wanted = {name: name for name in COLUMNS} | dict(columns or {})
    unknown = sorted(set(columns or ()) - set(COLUMNS))
    if unknown:
        raise DataError(
            f"a tags file has no column {unknown[0]!r} of ours; they are {', '.join(COLUMNS)}"
        )
    must = {"tag", *(columns or ())}
    rows = _document(path, encoding) if _is_document(path) else _table(path, encoding, wanted, must)
    found: list[TagInfo] = []
    problems: list[str] = []
    for place, cells in rows:
        matched = match_columns(cells, wanted)
        if _is_document(path):
            check_found(path, cells, wanted, must - matched.keys())
        try:
            said = {ours: cells[theirs] for ours, theirs in matched.items()}
            found.append(TagInfo.from_json(said))
        except DataError as error:
            problems.append(f"{place}: {error}")
    if not problems:
        if not found:
            raise DataError(f"{path} names no tag")
        if len(found) > MAX_TAGS:
            raise DataError(f"{path} names {len(found):,} tags; at most {MAX_TAGS:,} can be used")
        try:
            check_distinct(found)
        except DataError as error:
            problems.append(str(error))
    if problems:
        more = f"; and {len(problems) - _N_SHOWN} more" if len(problems) > _N_SHOWN else ""
        raise DataError(f"{path}: {'; '.join(problems[:_N_SHOWN])}{more}")
    return tuple(found)


def _is_document(path: Path) -> bool:
    return path.suffix.lower() in (".json", ".yaml", ".yml")


def _table(
    path: Path, encoding: str, wanted: Mapping[str, str], must: set[str]
) -> list[tuple[str, dict[str, Any]]]:
    with Rejects(n_kept=_N_SHOWN) as rejects:
        with open_rows(path, rejects=rejects, encoding=encoding, wanted=None) as (header, rows):
            if header is not None:
                check_header(path, header, wanted, must)
            read = [(f"line {row.line}", row.cells) for row in rows]
        if rejects.count:
            raise DataError(f"{path}: {'; '.join(str(reject) for reject in rejects.first)}")
    return read


def _document(path: Path, encoding: str) -> list[tuple[str, dict[str, Any]]]:
    """Rows of one JSON or YAML document: a list of objects, or an object of tag -> object."""
    try:
        text = path.read_text(encoding)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (UnicodeError, LookupError) as error:
        raise DataError(f"{path} is not {encoding}: {error}") from error
    content = _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)
    if isinstance(content, dict):
        content = [
            {"tag": name} | (said if isinstance(said, dict) else {"description": said})
            for name, said in content.items()
        ]
    if not isinstance(content, list) or not content:
        raise DataError(f"{path} must hold a list of tags, or an object of tags")
    rows = [{"tag": one} if isinstance(one, str) else one for one in content]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: entry {number} is neither an object nor a name")
    return [(f"entry {number}", row) for number, row in enumerate(rows, start=1)]


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error


def _yaml(path: Path, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path} is not YAML: {error}") from error
