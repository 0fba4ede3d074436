"""Labels in the files of labelling tools: Label Studio, doccano and Prodigy, both ways.

In such a file a person looked at a job and chose the tags that apply. The tags that were offered
and not chosen are a "no". Which were offered is known from our own export (`asked`, which the tools
carry along) and from Prodigy's options; elsewhere it is every tag that the file names.

================  =================================================================================
label-studio      a JSON list of tasks with `annotations`, of type choices; one row a person
doccano           JSON lines of document classification: `text` and `label`
prodigy           JSON lines of the choice interface (`options`, `accept`) or of binary answers
================  =================================================================================

References
----------
https://labelstud.io/guide/task_format.html, https://doccano.github.io/doccano/,
https://prodi.gy/docs/api-interfaces
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tagger.columns import CellError, read_id, tag_name
from tagger.errors import DataError
from tagger.files import MAX_CHARS, open_rows
from tagger.rejects import Rejects
from tagger.times import read_time

FORMATS = ("label-studio", "doccano", "prodigy")
_JOB_KEYS = ("job", "job_id", "id")
_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")  # between the tasks of a list
_CHUNK = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one person says of one job."""

    line: int = 0
    """Line of the file, or number of the task in a list."""
    job: str = ""
    """Empty: the file tells only the text."""
    title: str = ""
    text: str = ""
    labeller: str = ""
    labelled_at: datetime | None = None
    yes: tuple[str, ...] = ()
    asked: tuple[str, ...] | None = None
    """The tags that are a yes or a no; None: every tag of the file."""
    unsure: tuple[str, ...] = ()

    def answers(self, all_tags: Iterable[str]) -> dict[str, str]:
        """Tag -> yes, no or unsure."""
        offered = all_tags if self.asked is None else self.asked
        no = dict.fromkeys(offered, "no")
        return no | dict.fromkeys(self.unsure, "unsure") | dict.fromkeys(self.yes, "yes")


# ---- reading


def iter_answered(
    path: Path, form: str, *, rejects: Rejects, columns: Mapping[str, str] | None = None
) -> Iterator[Answered]:
    """What a file of one of the `FORMATS` says; bad tasks are rejected, the rest goes on.

    Parameters
    ----------
    columns
        What job, title, text or labeller are called in a task: ``{"job": "posting_id"}``.

    Raises
    ------
    DataError
        If the file as a whole can't be read.
    """
    _check(form)
    for line, task in _documents(path, rejects):
        try:
            yield from _READERS[form](line, task, columns or {})
        except CellError as error:
            rejects.add(path, line, None, str(error))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            rejects.add(path, line, None, f"no task of {form}: {error!r:.80}")


def _check(form: str) -> None:
    if form not in FORMATS:
        raise DataError(f"unknown format {form!r}; known: {', '.join(FORMATS)}")


def tags_of(answered: Iterable[Answered]) -> list[str]:
    """Every tag that some rows name, sorted."""
    return sorted({tag for one in answered for tag in (*one.yes, *(one.asked or ()), *one.unsure)})


def _documents(path: Path, rejects: Rejects) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.name.lower().removesuffix(".gz").endswith(".json"):
        with ExitStack() as stack:
            opened = gzip.open if path.name.lower().endswith(".gz") else open
            try:
                stream = stack.enter_context(opened(path, "rt", encoding="utf-8-sig"))
                yield from enumerate(_json_list(iter(lambda: stream.read(_CHUNK), "")), start=1)
            except (OSError, EOFError, ValueError) as error:
                raise DataError(f"{path}: {error}") from error
        return
    with open_rows(path, rejects=rejects) as (_, rows):
        yield from ((row.line, row.cells) for row in rows)


def _json_list(chunks: Iterator[str]) -> Iterator[Any]:
    """The values of one JSON list, or of values one after the other, read as they come."""
    decoder, text, at = json.JSONDecoder(strict=False), "", 0
    is_last = False
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            if is_last and at == len(text):
                return
            if is_last or len(text) - at > MAX_CHARS:
                raise ValueError(f"not JSON, or cut off: {error}") from error
            chunk = next(chunks, "")
            is_last = not chunk
            text, at = text[at:] + chunk, 0
            continue
        yield value


def _about(columns: Mapping[str, str], *parts: Mapping[str, Any]) -> dict[str, Any]:
    """What a task says of its job, under our names."""
    merged = {name: value for part in parts for name, value in part.items()}
    return merged | {ours: merged.get(theirs) for ours, theirs in columns.items()}


def _label_studio(
    line: int, task: Mapping[str, Any], columns: Mapping[str, str]
) -> Iterator[Answered]:
    data = _about(columns, task["data"])
    for annotation in task.get("annotations") or ():
        if annotation.get("was_cancelled"):
            continue
        chosen = [
            tag
            for result in annotation["result"]
            if result["type"] == "choices"
            for tag in result["value"]["choices"]
        ]
        by = annotation.get("completed_by")
        by = (by.get("email") or by.get("id")) if isinstance(by, Mapping) else by
        at = annotation.get("updated_at") or annotation.get("created_at")
        yield _answered(line, data, chosen, labeller=by, at=at)


def _doccano(line: int, row: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[Answered]:
    extra = row.get("meta") or {}
    chosen = row.get("label", row.get("labels")) or []
    # `id` is doccano's own number of the document.
    about = _about(columns, extra, row) | {"id": None}
    yield _answered(line, about, [chosen] if isinstance(chosen, str) else chosen)


def _prodigy(line: int, row: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[Answered]:
    about = _about(columns, row.get("meta") or {}, row)
    said = {
        "labeller": row.get("_annotator_id") or row.get("_session_id"),
        "at": row.get("_timestamp"),
    }
    answer = row.get("answer")
    if answer not in ("accept", "reject", "ignore"):
        raise CellError(f"the answer {answer!r:.40} is not accept, reject or ignore")
    if "accept" in row or "options" in row:
        if answer != "accept":  # the whole task was set aside: nothing is said of its tags
            return
        options = [option["id"] for option in row.get("options") or ()]
        unsure = set(row.get("unsure") or ())
        if options:
            about["asked"] = [tag for tag in options if tag not in unsure]
        yield _answered(line, about, row.get("accept") or [], **said)
        return
    tag = row["label"]
    about["asked"], about["unsure"] = ([tag], []) if answer != "ignore" else ([], [tag])
    yield _answered(line, about, [tag] if answer == "accept" else [], **said)


_Reader = Callable[[int, Mapping[str, Any], Mapping[str, str]], Iterator[Answered]]
_READERS: dict[str, _Reader] = {
    "label-studio": _label_studio,
    "doccano": _doccano,
    "prodigy": _prodigy,
}


def _answered(
    line: int,
    about: Mapping[str, Any],
    chosen: Iterable[str],
    *,
    labeller: object = None,
    at: object = None,
) -> Answered:
    asked = about.get("asked")
    job = next((found for key in _JOB_KEYS if (found := read_id(about.get(key)))), "")
    text = about.get("text") or ""
    if not job and not text:
        raise CellError("the task names neither a job nor a text; name yours with --column")
    return Answered(
        line=line,
        job=job,
        title=about.get("title") or "",
        text=text,
        labeller=read_id(labeller) or read_id(about.get("labeller")),
        labelled_at=read_time(at or about.get("labelled_at")),
        yes=_names(chosen),
        asked=None if asked is None else _names(asked),
        unsure=_names(about.get("unsure") or ()),
    )


def _names(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(tag_name, tags))))


# ---- writing


def task_writer(form: str) -> Callable[[Answered], dict[str, Any]]:
    """A function that makes a row of a file of this format; read back it gives the same answers.

    Raises
    ------
    DataError
        If the format is none of `FORMATS`.
    """
    _check(form)
    return _WRITERS[form]


def _common(said: Answered) -> dict[str, Any]:
    at = said.labelled_at.isoformat() if said.labelled_at else None
    return {
        "job": said.job,
        "labeller": said.labeller,
        "labelled_at": at,
        "asked": list(said.asked or ()),
        "unsure": list(said.unsure),
    }


def _shown(said: Answered) -> str:
    return f"{said.title}\n\n{said.text}" if said.title else said.text


def _to_label_studio(said: Answered) -> dict[str, Any]:
    common = _common(said)
    choices = {
        "from_name": "tags",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": list(said.yes)},
    }
    annotation = {"result": [choices] if said.yes else [], "created_at": common["labelled_at"]}
    return {
        "data": {**common, "title": said.title, "text": said.text},
        "annotations": [annotation],
    }


def _to_doccano(said: Answered) -> dict[str, Any]:
    return {"text": _shown(said), "label": list(said.yes), **_common(said)}


def _to_prodigy(said: Answered) -> dict[str, Any]:
    offered = [*(said.asked or ()), *said.unsure]
    return {
        "text": _shown(said),
        "options": [{"id": tag, "text": tag} for tag in offered],
        "accept": list(said.yes),
        "answer": "accept",
        "unsure": list(said.unsure),
        "meta": {"job": said.job},
        "_annotator_id": said.labeller,
        "_timestamp": int(said.labelled_at.timestamp()) if said.labelled_at else None,
    }


_WRITERS: dict[str, Callable[[Answered], dict[str, Any]]] = {
    "label-studio": _to_label_studio,
    "doccano": _to_doccano,
    "prodigy": _to_prodigy,
}
