"""Tasks for labelling tools: answers that people gave, or postings with a model's suggestions."""

from collections.abc import Callable
from typing import Any

from tagger.label_tools import Answered, check_form

Task = dict[str, Any]


def task_writer(form: str, *, suggested_by: str | None = None) -> Callable[[Answered], Task]:
    """A function that makes a row of a file of this format; read back it gives the same answers.

    Parameters
    ----------
    suggested_by
        A model: what it gives are suggestions, which a person looks through, not answers. doccano
        has no place for these: there they are labels to correct. Empty: nobody suggests anything.

    Raises
    ------
    DataError
        If the format is none of `FORMATS`.
    """
    check_form(form)
    write = _WRITERS[form]
    return lambda said: write(said, suggested_by)


def _common(said: Answered) -> Task:
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


def _to_label_studio(said: Answered, suggested_by: str | None) -> Task:
    common = _common(said)
    choices = {
        "from_name": "tags",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": list(said.yes)},
    }
    result = [choices] if said.yes else []
    data = {**common, "title": said.title, "text": said.text}
    if suggested_by is not None:
        prediction = {"model_version": suggested_by, "result": result}
        return {"data": data, "predictions": [prediction] if suggested_by else []}
    annotation = {"result": result, "created_at": common["labelled_at"]}
    return {"data": data, "annotations": [annotation]}


def _to_doccano(said: Answered, _: str | None) -> Task:
    return {"text": _shown(said), "label": list(said.yes), **_common(said)}


def _to_prodigy(said: Answered, suggested_by: str | None) -> Task:
    offered = [*(said.asked or ()), *said.unsure]
    task: Task = {
        "text": _shown(said),
        "options": [{"id": tag, "text": tag} for tag in offered],
        "accept": list(said.yes),
        "meta": {"job": said.job},
    }
    if suggested_by is not None:
        return task | {"meta": {"job": said.job, "model": suggested_by or None}}
    return task | {
        "answer": "accept",
        "unsure": list(said.unsure),
        "_annotator_id": said.labeller,
        "_timestamp": int(said.labelled_at.timestamp()) if said.labelled_at else None,
    }


_WRITERS: dict[str, Callable[[Answered, str | None], Task]] = {
    "label-studio": _to_label_studio,
    "doccano": _to_doccano,
    "prodigy": _to_prodigy,
}
