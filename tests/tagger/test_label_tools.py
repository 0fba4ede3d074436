"""What labelling tools export, as they export it."""

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.errors import DataError
from tagger.label_tasks import task_writer
from tagger.label_tools import FORMATS, Answered, iter_answered, offered_tags
from tagger.rejects import Rejects


def read(path: Path, form: str, **options: object) -> tuple[list[Answered], Rejects]:
    with Rejects() as rejects:
        return list(iter_answered(path, form, rejects=rejects, **options)), rejects


def task(chosen: list[str], **annotation: object) -> dict:
    result = {"from_name": "t", "to_name": "text", "type": "choices", "value": {"choices": chosen}}
    data = {"posting_id": 7, "text": "Three nights"}
    return {"id": 1, "data": data, "annotations": [{"result": [result], **annotation}]}


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_label_studio_tasks_have_a_row_for_each_person(tmp_path: Path):
    first = task(["care"], completed_by={"id": 3, "email": "ada@x"}, created_at="2026-01-02T03:00Z")
    first["annotations"] += [
        {"result": [], "completed_by": 4},
        {"result": [], "was_cancelled": True},
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps([first, task(["sea", "care"])], indent=1))
    found, rejects = read(path, "label-studio", columns={"job": "posting_id"})
    assert [(one.job, one.labeller, one.yes) for one in found] == [
        ("7", "ada@x", ("care",)),
        ("7", "4", ()),
        ("7", "", ("sea", "care")),
    ]
    assert found[0].labelled_at == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert rejects.count == 0
    assert found[0].answers(offered_tags(found)) == {"care": "yes", "sea": "no"}


def test_doccano_rows_are_known_by_our_id_or_their_text_never_by_its_own(tmp_path: Path):
    rows = (
        {"id": 1, "text": "Three nights", "label": ["care"], "Comments": []},
        {"id": 2, "text": "Weekends off", "label": [], "job": "c"},
        {"id": 3, "data": "?", "text": "x", "labels": ["sea"], "meta": {"job": "d"}},
    )
    found, _ = read(write(tmp_path / "admin.jsonl", *rows), "doccano")
    assert [(one.job, one.text, one.yes) for one in found] == [
        ("", "Three nights", ("care",)),
        ("c", "Weekends off", ()),
        ("d", "x", ("sea",)),
    ]


def test_prodigy_choices_answer_their_options_and_binary_tasks_one_tag(tmp_path: Path):
    options = [{"id": "care", "text": "Care"}, {"id": "sea", "text": "Sea"}]
    choice = {"text": "x", "options": options, "accept": ["care"], "meta": {"job": "a"}}
    rows = (
        choice | {"answer": "accept", "_session_id": "set-ada", "_timestamp": 1706702400},
        choice | {"answer": "ignore"},
        choice | {"answer": "reject"},
        {"text": "x", "label": "sea", "answer": "accept"},
        {"text": "x", "label": "sea", "answer": "reject"},
        {"text": "x", "label": "sea", "answer": "ignore"},
    )
    found, rejects = read(write(tmp_path / "set.jsonl", *rows), "prodigy")
    assert [one.answers({"": ["other"]}) for one in found] == [
        {"care": "yes", "sea": "no"},
        {"sea": "yes"},
        {"sea": "no"},
        {"sea": "unsure"},
    ]
    assert (found[0].labeller, found[0].job, rejects.count) == ("set-ada", "a", 0)
    assert found[0].labelled_at == datetime(2024, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ending", ["json", "jsonl", "json.gz"])
def test_what_is_written_reads_back(tmp_path: Path, form: str, ending: str):
    said = Answered(
        job="n",
        title="",
        text="Three\nnights",
        labeller="Ada",
        labelled_at=datetime(2026, 1, 2, 3, tzinfo=UTC),
        yes=("care", "a; b"),
        asked=("care", "a; b", "sea"),
        unsure=("far",),
    )
    other = Answered(job="m", text="x", labeller="Bo", asked=(), unsure=("sea",))
    path = tmp_path / f"labels.{ending}"
    rows = [json.dumps(task_writer(form)(one)) for one in (said, other)]
    text = f"[{', '.join(rows)}]" if "jsonl" not in ending else "\n".join(rows)
    path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    found, rejects = read(path, form)
    keep = ("job", "text", "labeller", "labelled_at", "yes", "unsure")
    assert [[getattr(one, name) for name in keep] for one in found] == [
        [getattr(one, name) for name in keep] for one in (said, other)
    ]
    assert [one.answers({}) for one in found] == [one.answers({}) for one in (said, other)]
    assert rejects.count == 0


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("bad", [7, {}, {"data": 3, "annotations": [4], "options": 5, "label": 6}])
def test_what_is_no_task_is_rejected_and_the_rest_goes_on(tmp_path: Path, form: str, bad: object):
    good = task_writer(form)(Answered(job="n", text="x", yes=("a",), asked=("a",)))
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([bad, good, bad]))
    found, rejects = read(path, form)
    assert [one.job for one in found] == ["n"]
    assert [one.line for one in rejects.first] == [1, 3]


def test_a_list_longer_than_what_is_read_at_a_time_comes_whole(tmp_path: Path):
    tasks = [task(["care"]) | {"note": "é" * 1000} for _ in range(400)]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    found, _ = read(path, "label-studio")
    assert [one.line for one in found] == list(range(1, 401))


def test_a_list_that_is_cut_off_is_an_error_after_what_is_whole(tmp_path: Path):
    path = tmp_path / "tasks.json"
    rows = [{"text": "x", "label": ["care"]}, {"text": "y", "label": ["sea"]}]
    path.write_text(json.dumps(rows)[:-9])
    with Rejects() as rejects:
        answered = iter_answered(path, "doccano", rejects=rejects)
        assert next(answered).yes == ("care",)
        with pytest.raises(DataError, match="cut off"):
            next(answered)


def test_an_unknown_format_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="unknown format 'word'; known: label-studio, doccano"):
        read(tmp_path / "x.json", "word")


def answer(kind: str, name: str, *value: object) -> dict:
    return {"type": kind, "from_name": name, "to_name": "text", "value": {kind: [*value]}}


def answers_of(path: Path, **options: object) -> tuple[list[dict[str, str]], Rejects]:
    found, rejects = read(path, "label-studio", **options)
    offered = offered_tags(found)
    return [one.answers(offered) for one in found], rejects


def save_tasks(path: Path, *results: list[dict]) -> Path:
    tasks = [
        {"data": {"text": f"job {i}"}, "annotations": [{"result": one}]}
        for i, one in enumerate(results)
    ]
    path.write_text(json.dumps(tasks))
    return path


def test_the_ends_of_a_taxonomy_are_tags_and_what_is_above_is_not_asked(tmp_path: Path):
    path = save_tasks(
        tmp_path / "tasks.json",
        [answer("taxonomy", "tags", ["Health", "Nursing"])],
        [answer("taxonomy", "tags", ["Health"])],
        [answer("choices", "tags", "care")],
    )
    found, rejects = answers_of(path)
    assert found == [
        {"Nursing": "yes"},
        {"Health": "yes", "Nursing": "no"},
        {"care": "yes"},
    ]
    assert rejects.count == 0


def test_an_answer_that_is_not_understood_is_rejected_and_never_a_no(tmp_path: Path):
    path = save_tasks(
        tmp_path / "tasks.json",
        [answer("choices", "tags", "care")],
        [answer("rating", "tags", 4)],
        [answer("textarea", "note", "unsure")],
    )
    found, rejects = answers_of(path)
    assert found == [{"care": "yes"}]
    assert [one.line for one in rejects.first] == [2]
    assert [one.line for one in rejects.first_unknown] == [3]


def test_of_several_controls_one_is_read(tmp_path: Path):
    both = [answer("choices", "topic", "care"), answer("choices", "quality", "good")]
    path = save_tasks(tmp_path / "tasks.json", both)
    with pytest.raises(DataError, match=r"2 controls: topic, quality; .* --control NAME"):
        answers_of(path)
    assert answers_of(path, control="quality")[0] == [{"good": "yes"}]
    both[0]["from_name"] = "tags"
    assert answers_of(save_tasks(path, both))[0] == [{"care": "yes"}]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_flat_exports_of_label_studio_are_read(tmp_path: Path, ending: str):
    chosen = [{"choices": ["care", "sea"]}, "care", None, {"rating": 3}]
    path = tmp_path / f"flat.{ending}"
    if ending == "json":
        rows = [{"text": f"job {i}", "id": i, "tags": one} for i, one in enumerate(chosen)]
        path.write_text(json.dumps(rows))
    else:
        cells = [one if isinstance(one, str) else one and json.dumps(one) for one in chosen]
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "id", "tags", "annotator"])
            writer.writerows([f"job {i}", i, one, 7] for i, one in enumerate(cells))
    found, rejects = answers_of(path)
    assert found == [{"care": "yes", "sea": "yes"}, {"care": "yes", "sea": "no"}]
    assert (rejects.count, rejects.n_unknown) == (1, 1)


def test_cats_are_yes_no_or_unknown(tmp_path: Path):
    cats = {"care": 1.0, "sea": 0.0, "far": 0.5, "day": True, "odd": None}
    found, _ = read(write(tmp_path / "cats.jsonl", {"text": "x", "cats": cats}), "prodigy")
    assert found[0].answers({}) == {"care": "yes", "day": "yes", "sea": "no"}
