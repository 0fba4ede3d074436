"""Label Studio's exports: JSON (tasks with annotations), JSON_MIN and CSV (a row per annotation).

A labelling interface has controls, each with a name: choices, a taxonomy, a rating, a text field.
Tags are the answers to one of them. Choices are tags, and so are the ends of the paths in a
taxonomy; what is above a chosen end was not asked by itself.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tagger.columns import CellError, is_null
from tagger.errors import DataError
from tagger.label_tools import JOB_KEYS, Answered, Columns, Told, about, answered

_UNDERSTOOD = ("choices", "taxonomy")
_OWN = "tags"
"""The control whose answers are tags, where there are several."""
_NEVER = frozenset({"asked", "unsure", "meta", "labeller", "job", "id", "text", "title"})
"""What in a flat row is never an answer."""


def find_control(tasks: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[str | None, list[str]]:
    """The control whose answers are tags, and the names of all that could be; None without any.

    Raises
    ------
    DataError
        If there are several, none of them called tags.
    """
    names: dict[str, None] = {}
    for _, task in tasks:
        try:
            names |= dict.fromkeys(_controls(task))
        except (AttributeError, CellError, KeyError, TypeError):
            continue  # rejected when it is read
    found = list(names)
    if _OWN in found or len(found) < 2:
        return (_OWN if _OWN in found else next(iter(found), None)), found
    raise DataError(
        f"the file has answers to {len(found)} controls: {', '.join(found[:20])}; say which are "
        "tags with --control NAME"
    )


def _controls(task: Mapping[str, Any]) -> Iterator[str]:
    if _is_whole(task):
        for annotation in task.get("annotations") or ():
            for result in annotation["result"]:
                if result["type"] in _UNDERSTOOD:
                    yield str(result.get("from_name", ""))
        return
    for name, value in task.items():
        if name == _OWN or (name not in _NEVER and _looks_chosen(value)):
            yield name


def _is_whole(task: Mapping[str, Any]) -> bool:
    return "data" in task or "annotations" in task


def _looks_chosen(value: Any) -> bool:
    value = _opened(value)
    if isinstance(value, Mapping):
        return "choices" in value
    return isinstance(value, list) and bool(value) and isinstance(value[0], list)


def read_task(
    task: Mapping[str, Any], columns: Columns, told: Told, *, control: str | None
) -> Iterator[Answered]:
    """What each person says in one task.

    Raises
    ------
    CellError
        If an answer to the control can't be understood: it says nothing of any tag.
    """
    if not _is_whole(task):
        yield from _read_flat(task, columns, told, control)
        return
    data = about(columns, task["data"])
    for annotation in task.get("annotations") or ():
        if annotation.get("was_cancelled"):
            continue
        by = annotation.get("completed_by")
        by = (by.get("email") or by.get("id")) if isinstance(by, Mapping) else by
        at = annotation.get("updated_at") or annotation.get("created_at")
        results = annotation["result"]
        mine = [one for one in results if control in (None, one.get("from_name", ""))]
        if results and not mine:
            told(f"nobody answered the control {control!r:.40}")
            continue
        kinds = sorted({str(one["type"]) for one in mine}) or ["choices"]
        if len(kinds) > 1 or kinds[0] not in _UNDERSTOOD:
            raise CellError(
                f"the answer is of type {', '.join(kinds)}, which is not understood; tags are of "
                f"type {' or '.join(_UNDERSTOOD)}"
            )
        chosen = [tag for one in mine for tag in one["value"][kinds[0]]]
        # Under one name choices and a taxonomy are two questions: they offer other tags.
        yield _answered(data, chosen, told, labeller=by, at=at, question=f"{control} {kinds[0]}")


def _read_flat(
    row: Mapping[str, Any], columns: Columns, told: Told, control: str | None
) -> Iterator[Answered]:
    data = about(columns, row)
    if data.get("text") and "job" not in columns:
        data["id"] = None  # Label Studio's own number of the task
    if control is None or not any(data.get(name) for name in (*JOB_KEYS, "text")):
        raise CellError("the row is no task with an answer; name the control with --control")
    value = _opened(row.get(control))
    if is_null(value) or value in ("", [], {}):
        told(f"nobody answered the control {control!r:.40}")
        return
    chosen = value.get("choices") if isinstance(value, Mapping) else value
    chosen = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(chosen, list) or not all(isinstance(one, str | list) for one in chosen):
        raise CellError(f"the answer to {control!r:.40} is neither choices nor a taxonomy")
    at = row.get("updated_at") or row.get("created_at")
    kind = "taxonomy" if isinstance(chosen[0], list) else "choices"
    question = f"{control} {kind}"
    yield _answered(data, chosen, told, labeller=row.get("annotator"), at=at, question=question)


def _answered(data: Mapping[str, Any], chosen: list[Any], told: Told, **more: Any) -> Answered:
    ends = [path[-1] if isinstance(path, list) else path for path in chosen]
    above = {name for path in chosen if isinstance(path, list) for name in path[:-1]}
    return answered(data, ends, told, open=sorted(above - set(ends)), **more)


def _opened(value: Any) -> Any:
    """A value, or what a string of JSON holds, as cells of a CSV have it."""
    if not (isinstance(value, str) and value[:1] in ("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise CellError(f"the answer {value!r:.40} is not JSON") from None
