"""Rows of labels, jobs, candidates and events: which columns they have and what their cells say."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tagger.columns import CellError, is_null, read_id, read_label, tag_name
from tagger.rejects import Rejects
from tagger.tables import Found, iter_table, named, read_values
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
    prefix: str = "",
) -> Iterator[Found]:
    """Rows of a file one by one; memory stays flat. Times are in UTC.

    Parameters
    ----------
    kind
        labels: job, tag, label, labeller, source, labelled_at. jobs, for the matcher, which can
        do without their text: id, title, text, posted_at, repost_of. candidates: id, text. events:
        candidate, job, action, occurred_at, id. Other columns are kept, but for labels.
    path, rejects, columns, encoding
        As in `tagger.jobs.iter_jobs`.
    prefix
        What --column wants before our names, such as ``events.``.

    Raises
    ------
    DataError
        If the file as a whole can't be used, or lacks a column that must be there.
    """
    rows = iter_table(
        path,
        named(tuple(_KINDS[kind].readers), columns),
        needed=_KINDS[kind].needed,
        must=columns or (),
        rejects=rejects,
        encoding=encoding,
        keep_others=kind != "labels",
        prefix=prefix,
    )
    reject = partial(rejects.add, path)
    return read_values(rows, _KINDS[kind].readers, needed=_KINDS[kind].needed, reject=reject)
