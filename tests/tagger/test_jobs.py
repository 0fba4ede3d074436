"""Jobs from files: columns, cells, labels, and rows that belong together."""

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.columns import is_null
from tagger.errors import DataError
from tagger.jobs import Job, Rejects, iter_jobs, tag_name
from tagger.labelled_files import read_labelled
from tagger.tag_info import TagInfo, plain_tags


def save(path: Path, content: str | list[dict[str, object]]) -> Path:
    if not isinstance(content, str):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_text(content, encoding="utf-8", newline="")
    return path


def told(rejects: Rejects) -> list[str]:
    """ "line: reason" of each rejected row, and of each value that is unknown."""
    found = [*rejects.first, *rejects.first_unknown]
    return [f"{one.line}: {one.reason.removesuffix('; it counts as unknown')}" for one in found]


def read(path: Path, content, **options) -> tuple[list[Job], list[str]]:
    rejects = Rejects()
    jobs = list(iter_jobs(save(path, content), rejects=rejects, **options))
    return jobs, told(rejects)


def gather(path: Path, content, **options) -> tuple[list[Job], list[str]]:
    rejects = Rejects()
    jobs = read_labelled([save(path, content)], rejects=rejects, **options)
    return jobs, told(rejects)


# ---- columns


def test_column_names_match_whatever_their_case_and_others_are_ignored(tmp_path):
    jobs, _ = read(tmp_path / "a.csv", "ID,pay,Title, TEXT \n7,9,Cook,soup\n")
    assert jobs == [Job("7", "Cook", "soup")]


def test_columns_can_be_named(tmp_path):
    jobs, _ = read(tmp_path / "a.csv", "text,Body\na,b\n", columns={"text": "body"})
    assert jobs == [Job("row 1", "", "b")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "name,body\n1,x\n"),
        ("a.jsonl", [{"name": "1", "body": "x"}]),
        ("b.jsonl", [{"name": "1", "body": "x"}] * 100),
    ],
)
def test_a_file_without_text_says_which_columns_it_has(tmp_path, name, content):
    advice = r"has no column 'text'; it has: name, body\. Name yours with --column text=NAME"
    with pytest.raises(DataError, match=advice):
        read(tmp_path / name, content)


def test_a_named_column_must_be_there(tmp_path):
    with pytest.raises(DataError, match=r"no column 'nr'; .* --column id=NAME"):
        read(tmp_path / "a.csv", "text\nx\n", columns={"id": "nr"})
    with pytest.raises(DataError, match=r"no column 'nr'; .* --column id=NAME"):
        read(tmp_path / "a.jsonl", [{"text": "x"}], columns={"id": "nr"})


def test_only_our_columns_can_be_named(tmp_path):
    with pytest.raises(DataError, match="unknown column 'body'; jobtool reads id, title, text"):
        read(tmp_path / "a.csv", "text\nx\n", columns={"body": "text"})


def test_a_column_that_is_there_twice_is_an_error(tmp_path):
    with pytest.raises(DataError, match="more than one column 'text'"):
        read(tmp_path / "a.csv", "text,text\na,b\n")


def test_columns_of_parquet_files_are_found_too(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    columns = {"Id": [1.0, float("nan")], "TEXT": ["a", "b"], "tags": [["x", None], None]}
    pq.write_table(pa.table(columns), path)
    jobs = list(iter_jobs(path, rejects=Rejects()))
    assert jobs == [Job("1", "", "a", ("x",)), Job("row 2", "", "b")]


# ---- rows


def test_a_bad_row_is_rejected_and_the_rest_goes_on(tmp_path):
    rows = [
        {"id": "a", "text": None},
        {"id": "b", "title": "x"},
        {"id": "c", "text": 5},
        {"id": "d", "text": " \n", "title": "\t"},
        {"id": "e", "text": "x", "title": ["x"]},
        {"id": [], "text": "x"},
        {"id": "g", "text": ["x"]},
        {"id": "f", "text": "fine"},
    ]
    jobs, bad = read(tmp_path / "a.jsonl", rows)
    assert [(job.id, job.title, job.text) for job in jobs] == [
        ("b", "x", ""),
        ("c", "", "5"),
        ("e", "", "x"),
        ("f", "", "fine"),
    ]
    assert bad == [
        "1: the text is null",
        "4: empty posting",
        "6: the id is a list",
        "7: the text is a list, not a string",
        "5: the title is a list, not a string",
    ]


def test_a_reject_names_the_job(tmp_path):
    rejects = Rejects()
    path = save(tmp_path / "a.jsonl", [{"id": " 7 ", "text": ""}, {"text": ""}])
    assert list(iter_jobs(path, rejects=rejects)) == []
    assert [reject.id for reject in rejects.first] == ["7", None]
    assert rejects.first[0].file == str(path)


def test_a_job_may_have_a_title_only(tmp_path):
    assert read(tmp_path / "a.csv", "title,text\nCook,\n") == ([Job("row 1", "Cook", "")], [])


def test_nul_bytes_and_half_surrogate_pairs_in_the_text_are_left_to_cleaning(tmp_path):
    jobs, bad = read(tmp_path / "a.jsonl", '{"text": "a\0b"}\n{"text": "a\\ud800b"}\n')
    assert [job.text for job in jobs] == ["a\0b", "a\ud800b"]
    assert read(tmp_path / "a.csv", "text\na\0b\n")[0][0].text == "a\0b"
    assert bad == []


def test_ids_are_strings_that_can_be_written_anywhere(tmp_path):
    ids = [50, 60.0, " x ", "\ud800\0", None, "", float("nan")]
    jobs, _ = read(tmp_path / "a.jsonl", [{"id": id, "text": "a"} for id in ids])
    assert [job.id for job in jobs] == ["50", "60", "x", "\ufffd\ufffd", "row 5", "row 6", "row 7"]


def test_without_an_id_the_number_of_the_row_counts_rejected_rows_too(tmp_path):
    jobs, _ = read(tmp_path / "a.csv", 'text\n"a\nb"\n""\nc\n')
    assert [job.id for job in jobs] == ["row 1", "row 3"]


def test_a_second_row_with_the_same_id_is_rejected(tmp_path):
    jobs, bad = read(tmp_path / "a.csv", "id,text\nx,a\ny,b\nx,c\n")
    assert [job.text for job in jobs] == ["a", "b"]
    assert bad == ["4: duplicate id 'x', first on line 2"]


def test_the_number_of_a_row_is_not_the_id_of_another(tmp_path):
    rows = [{"id": "2", "text": "a"}, {"text": "b"}]
    for jobs, bad in (read(tmp_path / "a.jsonl", rows), gather(tmp_path / "a.jsonl", rows)):
        assert [(job.id, job.text) for job in jobs] == [("2", "a"), ("row 2", "b")]
        assert bad == []


def test_an_id_that_reads_like_the_number_of_a_row_is_told_of(tmp_path):
    rows = [{"id": "row 2", "text": "a"}, {"text": "b"}]
    for jobs, bad in (read(tmp_path / "a.jsonl", rows), gather(tmp_path / "a.jsonl", rows)):
        assert [(job.id, job.text) for job in jobs] == [("row 2", "a")]
        assert len(bad) == 1


def test_ids_need_not_be_unique_if_nobody_minds(tmp_path):
    jobs, bad = read(tmp_path / "a.csv", "id,text\nx,a\nx,b\n", unique=False)
    assert [job.text for job in jobs] == ["a", "b"]
    assert bad == []


def test_reading_is_lazy_and_closes_the_file(tmp_path):
    jobs = iter_jobs(save(tmp_path / "a.csv", "text\na\nb\n"), rejects=Rejects())
    assert isinstance(jobs, Iterator)
    assert next(jobs).text == "a"
    jobs.close()  # an open file would warn, and warnings are errors


# ---- labels of a row


@pytest.mark.parametrize(
    ("row", "tags", "not_tags"),
    [
        ({}, None, None),
        ({"tags": None}, None, None),
        ({"tags": []}, (), None),
        ({"tags": ""}, (), None),
        ({"tags": "b; a;;b"}, ("b", "a"), None),
        ({"tags": '["a; b", "c"]'}, ("a; b", "c"), None),
        ({"tags": ["a", None, " "], "not_tags": None}, ("a",), None),
        ({"tags": ["a"], "not_tags": " "}, ("a",), None),
        ({"tags": ["a"], "not_tags": []}, ("a",), ()),
        ({"tags": None, "not_tags": "b"}, (), ("b",)),
        ({"tag": "a; b"}, ("a; b",), None),
        ({"tag": None}, None, None),
        ({"tag": ""}, (), None),
        ({"tag": "a", "label": "Yes"}, ("a",), ()),
        ({"tag": "a", "label": False}, (), ("a",)),
        ({"tag": "a", "label": "unsure"}, (), ()),
        ({"tag": "a", "label": None}, (), ()),
        ({"tag": "a", "tags": ["b"]}, ("b",), None),
    ],
)
def test_what_a_row_says_of_its_tags(tmp_path, row, tags, not_tags):
    assert read(tmp_path / "a.jsonl", [{"text": "x"} | row]) == (
        [Job("row 1", "", "x", tags, not_tags)],
        [],
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tags": 3}, "tags is 3, not a list of strings"),
        ({"tags": ["a", 3]}, "tags holds 3, not only strings"),
        ({"tags": "['a', b]"}, "tags is a list that is not JSON; write: remote; sales"),
        ({"not_tags": {"a": 1}}, "not_tags is an object, not a list of strings"),
        ({"tag": ["a"]}, "the tag is a list, not a string"),
        ({"tag": "a", "label": "maybe"}, "the label 'maybe' is not yes, no or unsure"),
    ],
)
def test_labels_that_can_not_be_read_are_unknown_and_told_of(tmp_path, row, reason):
    rows = [{"text": "x"} | row]
    assert read(tmp_path / "a.jsonl", rows) == ([Job("row 1", "", "x")], [f"1: {reason}"])
    assert read(tmp_path / "a.jsonl", rows, labels=False) == ([Job("row 1", "", "x")], [])


def test_tag_names_have_one_spelling_but_keep_their_case():
    assert tag_name(" Cafe\u0301 \n au\u00a0lait ") == "Café au lait"
    assert tag_name("\ud800") == "\ufffd"


# ---- rows that belong together


def test_one_row_per_job_and_tag_becomes_one_fully_labelled_job(tmp_path):
    content = "id,text,tag\n1,a,sales\n2,b,\n1,a,remote\n"
    jobs = [Job("1", "", "a", ("remote", "sales")), Job("2", "", "b", ())]
    assert gather(tmp_path / "a.csv", content) == (jobs, [])


def test_one_row_per_job_and_tag_needs_no_id(tmp_path):
    jobs, _ = gather(tmp_path / "a.csv", "text,tag\na,x\nb,x\na,y\n")
    assert jobs == [Job("row 1", "", "a", ("x", "y")), Job("row 2", "", "b", ("x",))]


def test_with_a_label_only_what_was_said_is_known(tmp_path):
    content = "id,text,tag,label\n1,a,x,yes\n1,a,y,no\n1,a,z,unsure\n2,b,x,unsure\n"
    jobs, _ = gather(tmp_path / "a.csv", content)
    assert jobs == [Job("1", "", "a", ("x",), ("y",)), Job("2", "", "b", None, None)]


def test_yes_and_no_make_unknown_and_are_reported_once(tmp_path):
    content = "id,text,tag,label\n1,a,x,yes\n1,a,y,no\n1,a,x,no\n1,a,x,yes\n"
    jobs, bad = gather(tmp_path / "a.csv", content)
    assert jobs == [Job("1", "", "a", (), ("y",))]
    assert bad == ["4: tag 'x' is both yes and no (first on line 2)"]


def test_a_dispute_makes_a_fully_labelled_job_unknown_in_that_tag_only(tmp_path):
    rows = [
        {"id": 1, "text": "a", "tags": ["x", "y"]},
        {"id": 1, "text": "a", "tags": [], "not_tags": ["x"]},
        {"id": 2, "text": "b", "tags": ["z"]},
    ]
    jobs, bad = gather(tmp_path / "a.jsonl", rows)
    assert jobs == [Job("1", "", "a", ("y",), ("z",)), Job("2", "", "b", ("z",))]
    assert len(bad) == 1


def test_an_unlabelled_repeat_takes_nothing_away(tmp_path):
    rows = [{"id": 1, "text": "a"}, {"id": 1, "text": "a", "tags": ["x"]}]
    assert gather(tmp_path / "a.jsonl", rows)[0] == [Job("1", "", "a", ("x",))]


def test_the_same_id_with_another_text_is_rejected(tmp_path):
    jobs, bad = gather(tmp_path / "a.csv", "id,text,tags\n1,a,x\n1,b,y\n")
    assert jobs == [Job("1", "", "a", ("x",))]
    assert bad == ["3: id '1' stands for another posting, first on line 2"]


def test_a_repeat_in_another_file_names_that_file(tmp_path):
    paths = [save(tmp_path / f"{name}.csv", f"id,text\n1,{name}\n") for name in "ab"]
    rejects = Rejects()
    assert len(read_labelled(paths, rejects=rejects)) == 1
    assert rejects.first[0].reason.endswith(f"first on line 2 of {paths[0]}")


def test_row_numbers_of_several_files_are_told_apart(tmp_path):
    paths = [save(tmp_path / f"{name}.csv", "text\nx\n") for name in "ab"]
    jobs = read_labelled(paths, rejects=Rejects())
    assert [job.id for job in jobs] == ["a.csv:row 1", "b.csv:row 1"]


def test_tags_outside_the_list_are_reported_and_dropped(tmp_path):
    rows = [{"text": "a", "tags": ["x", "new"]}, {"text": "b", "tags": ["x"], "not_tags": ["old"]}]
    jobs, bad = gather(tmp_path / "a.jsonl", rows, tags=plain_tags(["x", "y"]))
    assert jobs == [Job("row 1", "", "a", ("x",)), Job("row 2", "", "b", ("x",), ())]
    assert bad == ["1: unknown tag 'new'; known: x, y", "2: unknown tag 'old'; known: x, y"]


def test_other_names_of_a_tag_are_read_as_the_tag(tmp_path):
    tags = (TagInfo(name="x", aliases=("ex", "Former")), TagInfo(name="go"), TagInfo(name="Go"))
    rows = [
        {"text": "a", "tags": ["ex", "X", "go"], "not_tags": ["former"]},
        {"text": "b", "tags": ["EX", "go", "GO"]},
    ]
    jobs, bad = gather(tmp_path / "a.jsonl", rows, tags=tags)
    assert jobs == [Job("row 1", "", "a", ("go",), ()), Job("row 2", "", "b", ("go", "x"))]
    assert bad == [
        "1: tag 'x' is both yes and no (first on line 1)",
        "2: tag 'GO' could mean 'Go' or 'go': write it as it is written there",
    ]


# ---- what was written is read again

_some = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not is_null(text))
texts = _some.filter(str.strip)
_ours = st.characters(exclude_characters=";[]{}()", exclude_categories=["Cs"])
names = st.text(_ours).map(tag_name).filter(lambda name: name and not is_null(name))
job_rows = st.lists(st.tuples(texts, texts, st.sets(names)), min_size=1, max_size=4)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@given(rows=job_rows)
@settings(max_examples=60, deadline=None)
def test_any_text_and_tags_survive_writing_and_reading(name, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        with path.open("w", encoding="utf-8", newline="") as stream:
            if name == "a.jsonl":
                for title, text, tags in rows:
                    row = {"title": title, "text": text, "tags": list(tags)}
                    stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            else:
                writer = csv.writer(stream, "excel" if name == "a.csv" else "excel-tab")
                writer.writerow(["title", "text", "tags"])
                writer.writerows([title, text, "; ".join(tags)] for title, text, tags in rows)
        rejects = Rejects()
        jobs = read_labelled([path], rejects=rejects)
    assert [(job.title, job.text, set(job.tags or ())) for job in jobs] == rows
    assert rejects.count == 0
