"""Rows of labels, jobs, candidates and events: which columns they have and what their cells say."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.columns import CellError, is_null, read_id, read_label, tag_name
from tagger.files import PLAIN, Layout
from tagger.rejects import Rejects
from tagger.tables import Found, iter_table, named, read_values, split_table
from tagger.times import read_time


def _read_text(value: object) -> str:
    if not isinstance(value, str) and not is_null(value):
        raise CellError(f"the text is {value!r:.40}, not a string")
    return value if isinstance(value, str) else ""


def _read_action(value: object) -> str:
    return read_id(value).lower()


def _read_tag(value: object) -> str:
    return tag_name(read_id(value))


@dataclass(frozen=True, slots=True)
class _Kind:
    readers: Mapping[str, Callable[[object], Any]]
    needed: tuple[str, ...]
    decisive: tuple[str, ...] = ()
    """Columns that a row may lack, but that reject it if they can't be read."""


_KINDS = {
    "labels": _Kind(
        {
            "job": read_id,
            "tag": _read_tag,
            "label": read_label,
            "labeller": read_id,
            "source": _read_action,
            "labelled_at": read_time,
        },
        ("job", "tag"),
        ("label",),
    ),
    "jobs": _Kind(
        {
            "id": read_id,
            "title": _read_text,
            "text": _read_text,
            "posted_at": read_time,
            "repost_of": read_id,
        },
        ("id",),
    ),
    "candidates": _Kind({"id": read_id, "text": _read_text}, ("id",)),
    "events": _Kind(
        {
            "candidate": read_id,
            "job": read_id,
            "action": _read_action,
            "occurred_at": read_time,
            "id": read_id,
        },
        ("candidate", "job", "action"),
    ),
}


def iter_values(
    kind: str,
    path: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    actions: Mapping[str, str] | None = None,
    prefix: str = "",
) -> Iterator[Found]:
    """Rows of a file one by one; memory stays flat. Times are in UTC.

    Parameters
    ----------
    kind
        labels: job, tag, label, labeller, source, labelled_at. jobs, for the matcher, which can
        do without their text: id, title, text, posted_at, repost_of. candidates: id, text. events:
        candidate, job, action, occurred_at, id. Other columns are kept, but for labels.
    path, rejects, columns, encoding, layout
        As in `tagger.jobs.iter_jobs`.
    actions
        What events call an action -> ours; under "" the action of all rows.
    prefix
        What --column wants before our names, such as ``events.``.

    Raises
    ------
    DataError
        If the file as a whole can't be used, or lacks a column that must be there.
    """
    of_kind = _of_kind(kind, actions)
    rows = iter_table(
        path,
        named(tuple(of_kind.readers), columns),
        needed=of_kind.needed,
        must=columns or (),
        rejects=rejects,
        encoding=encoding,
        layout=layout,
        keep_others=kind != "labels",
        prefix=prefix,
    )
    return _to_values(rows, of_kind, path, rejects, actions)


def split_values(
    kind: str,
    rows: Iterable[Mapping[str, Any]],
    name: str,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    actions: Mapping[str, str] | None = None,
) -> Iterator[Found]:
    """The same for rows that come from elsewhere, such as a query; errors call it `name`."""
    of_kind = _of_kind(kind, actions)
    must = {*of_kind.needed, *(columns or ())}
    found = split_table(rows, name, named(tuple(of_kind.readers), columns), must)
    return _to_values(found, of_kind, name, rejects, actions)


def _of_kind(kind: str, actions: Mapping[str, str] | None) -> _Kind:
    of_kind = _KINDS[kind]
    if not (actions and "" in actions):
        return of_kind
    readers = {name: reader for name, reader in of_kind.readers.items() if name != "action"}
    return _Kind(readers, tuple(name for name in of_kind.needed if name != "action"))


def _to_values(
    rows: Iterable[Found],
    kind: _Kind,
    name: Path | str,
    rejects: Rejects,
    actions: Mapping[str, str] | None,
) -> Iterator[Found]:
    values = read_values(
        rows,
        kind.readers,
        needed=kind.needed,
        decisive=kind.decisive,
        name=name,
        rejects=rejects,
    )
    return values if not actions else (_with_action(row, actions) for row in values)


def _with_action(row: Found, actions: Mapping[str, str]) -> Found:
    said = row.cells.get("action", "")
    return row._replace(cells={**row.cells, "action": actions.get(said, said)})
