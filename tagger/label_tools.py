"""Labels in the files of labelling tools: Label Studio, doccano and Prodigy.

In such a file a person looked at a job and chose the tags that apply. The tags that were offered
and not chosen are a "no". Which were offered is known from our own export (`asked`, which the tools
carry along) and from Prodigy's options; elsewhere it is every tag that the file names as an answer
to the same question. An answer that isn't understood says nothing: it is never a "no".

================  =================================================================================
label-studio      JSON tasks with `annotations`, JSON_MIN or CSV; see `tagger.label_studio`
doccano           JSON lines of document classification: `text` and `label`
prodigy           JSON lines of the choice interface (`options`, `accept`), of binary answers, or of
                  spaCy's `cats`
================  =================================================================================

References
----------
https://labelstud.io/guide/task_format.html, https://doccano.github.io/doccano/,
https://prodi.gy/docs/api-interfaces, https://spacy.io/api/data-formats
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tagger.columns import CellError, is_null, read_id, tag_name
from tagger.errors import DataError
from tagger.files import PLAIN, Layout, open_rows
from tagger.rejects import Rejects
from tagger.tables import read_or_note
from tagger.tag_cells import read_tags
from tagger.times import read_time

FORMATS = ("label-studio", "doccano", "prodigy")
JOB_KEYS = ("job", "job_id", "id")
_TASK_KEYS = ("data", "annotations", "text", "label", "labels", "answer", "cats")


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
    """The tags that are a yes or a no; None: all that the file names in answer to `question`."""
    unsure: tuple[str, ...] = ()
    question: str = ""
    """What was answered, where a file has several questions."""
    open: tuple[str, ...] = ()
    """Of the tags that were asked, those of which nothing is said."""

    def answers(self, offered: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """Tag -> yes, no or unsure, where each question offers some tags."""
        asked = offered.get(self.question, ()) if self.asked is None else self.asked
        no = {tag: "no" for tag in asked if tag not in self.open}
        return no | dict.fromkeys(self.unsure, "unsure") | dict.fromkeys(self.yes, "yes")


Columns = Mapping[str, str]
Told = Callable[[str], None]
"""Is told of a value that can't be read and counts as unknown."""


def iter_answered(
    path: Path,
    form: str,
    *,
    rejects: Rejects,
    columns: Columns | None = None,
    layout: Layout = PLAIN,
    control: str | None = None,
) -> Iterator[Answered]:
    """What a file of one of the `FORMATS` says; bad tasks are rejected, the rest goes on.

    Parameters
    ----------
    columns
        What job, title, text or labeller are called in a task: ``{"job": "posting_id"}``.
    control
        In Label Studio the name of the control whose answers are tags. None: the only one, or
        that called ``tags``.

    Raises
    ------
    DataError
        If the file as a whole can't be read, or has several controls, none of them called tags.
    """
    check_form(form)
    read = _READERS.get(form)
    if read is None:
        from tagger.label_studio import find_control, read_task

        control = control or find_control(iter_tasks(path, Rejects(n_kept=0), layout))[0]

        def read(task: Mapping[str, Any], columns: Columns, told: Told) -> Iterator[Answered]:
            return read_task(task, columns, told, control=control)

    for line, task in iter_tasks(path, rejects, layout):
        unknown: list[str] = []
        try:
            for said in read(task, columns or {}, unknown.append):
                yield replace(said, line=line)
        except CellError as error:
            rejects.add(path, line, None, str(error))
        except (AttributeError, KeyError, TypeError, ValueError):
            problem = f"no task of {form} that can be read; export it as JSON"
            rejects.add(path, line, None, problem)
        for reason in unknown:
            rejects.unknown(path, line, None, reason)


def iter_tasks(
    path: Path, rejects: Rejects, layout: Layout = PLAIN
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The tasks of a file, as they are, each with its line."""
    with open_rows(path, rejects=rejects, layout=layout, wanted=None, ours=_TASK_KEYS) as (_, rows):
        yield from ((row.line, row.cells) for row in rows)


def check_form(form: str) -> None:
    """DataError if it is none of `FORMATS`."""
    if form not in FORMATS:
        raise DataError(f"unknown format {form!r}; known: {', '.join(FORMATS)}")


def offered_tags(answered: Iterable[Answered]) -> dict[str, list[str]]:
    """Question -> every tag that some answers to it name, sorted."""
    found: dict[str, set[str]] = {}
    for one in answered:
        tags = (*one.yes, *(one.asked or ()), *one.unsure, *one.open)
        found.setdefault(one.question, set()).update(tags)
    return {question: sorted(tags) for question, tags in found.items()}


def about(columns: Columns, *parts: Mapping[str, Any]) -> dict[str, Any]:
    """What a task says of its job, under our names."""
    merged = {name: value for part in parts for name, value in part.items()}
    return merged | {ours: merged.get(theirs) for ours, theirs in columns.items()}


def _doccano(row: Mapping[str, Any], columns: Columns, told: Told) -> Iterator[Answered]:
    extra = row.get("meta") or {}
    chosen = row.get("label", row.get("labels")) or []
    # `id` is doccano's own number of the document.
    said = about(columns, extra, row) | {"id": None}
    yield answered(said, [chosen] if isinstance(chosen, str) else chosen, told)


def _prodigy(row: Mapping[str, Any], columns: Columns, told: Told) -> Iterator[Answered]:
    said = about(columns, row.get("meta") or {}, row)
    who: dict[str, Any] = {
        "labeller": row.get("_annotator_id") or row.get("_session_id"),
        "at": row.get("_timestamp"),
    }
    answer = row.get("answer")
    if "cats" in row and answer in (None, "accept"):
        yes, no = read_tags(row["cats"], "cats")
        said["asked"] = [*(yes or ()), *(no or ())]
        yield answered(said, yes or (), told, **who)
        return
    if answer not in ("accept", "reject", "ignore"):
        raise CellError(f"the answer {answer!r:.40} is not accept, reject or ignore")
    if "accept" in row or "options" in row:
        if answer != "accept":  # the whole task was set aside: nothing is said of its tags
            return
        options = [option["id"] for option in row.get("options") or ()]
        unsure = set(row.get("unsure") or ())
        if options:
            said["asked"] = [tag for tag in options if tag not in unsure]
        yield answered(said, row.get("accept") or [], told, **who)
        return
    tag = row["label"]
    said["asked"], said["unsure"] = ([tag], []) if answer != "ignore" else ([], [tag])
    yield answered(said, [tag] if answer == "accept" else [], told, **who)


_Reader = Callable[[Mapping[str, Any], Columns, Told], Iterator[Answered]]
_READERS: dict[str, _Reader] = {"doccano": _doccano, "prodigy": _prodigy}


def answered(
    said: Mapping[str, Any],
    chosen: Iterable[str],
    told: Told,
    *,
    labeller: object = None,
    at: object = None,
    question: str = "",
    open: Iterable[str] = (),
) -> Answered:
    """One person's answers, from what a task says of its job; CellError if it names none."""
    asked = said.get("asked")
    job = next((found for key in JOB_KEYS if (found := read_id(said.get(key)))), "")
    title, text = (
        "" if is_null(said.get(name)) else str(said.get(name)) for name in ("title", "text")
    )
    if not job and not text:
        raise CellError("the task names neither a job nor a text; name yours with --column")
    unknown: list[str] = []
    labelled_at = read_or_note(read_time, at or said.get("labelled_at"), unknown)
    for reason in unknown:
        told(reason)
    return Answered(
        job=job,
        title=title,
        text=text,
        labeller=read_id(labeller) or read_id(said.get("labeller")),
        labelled_at=labelled_at,
        yes=_names(chosen),
        asked=None if asked is None else _names(asked),
        unsure=_names(said.get("unsure") or ()),
        question=question,
        open=_names(open),
    )


def _names(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag_name(tag) for tag in tags if not is_null(tag) and tag.strip()))
