"""Rows of jobs, labels, candidates and events, with what else their files hold."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.errors import DataError
from tagger.jobs import iter_records, merge_runs, split_records, tag_names
from tagger.records import iter_values
from tagger.rejects import Rejects


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    return path


def values(kind: str, path: Path, **options: object) -> tuple[list[tuple], Rejects]:
    with Rejects() as rejects:
        rows = list(iter_values(kind, path, rejects=rejects, **options))
        return [(row.cells, row.others) for row in rows], rejects


def test_labels_have_a_job_a_tag_and_perhaps_more(tmp_path: Path):
    path = write(tmp_path, "JOB,tag,said,labelled_at,x\n7, care ,1,2026-01-02,y\n8,sea,,,\n")
    rows, _ = values("labels", path, columns={"label": "said"})
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert rows == [
        ({"job": "7", "tag": "care", "label": "yes", "labelled_at": at}, {}),
        ({"job": "8", "tag": "sea", "label": "unsure", "labelled_at": None}, {}),
    ]


def test_events_keep_the_columns_that_are_not_ours(tmp_path: Path):
    path = write(tmp_path, "candidate,job,action,page\np,7,View,3\n")
    rows, _ = values("events", path)
    assert rows == [({"candidate": "p", "job": "7", "action": "view"}, {"page": "3"})]


def test_rows_that_lack_what_they_need_are_rejected(tmp_path: Path):
    path = write(tmp_path, "id,candidate,job,action,occurred_at\n1,p,,view,\n2,p,7,view,soon\n")
    rows, rejects = values("events", path)
    assert [cells["id"] for cells, _ in rows] == ["2"]
    assert [(one.line, one.reason) for one in rejects.first] == [(2, "the row has no job")]
    assert [(one.line, one.id) for one in rejects.first_unknown] == [(3, "2")]


def test_a_file_that_lacks_a_column_says_so(tmp_path: Path):
    with pytest.raises(DataError, match="no column 'tag'; it has: job, label"):
        values("labels", write(tmp_path, "job,label\n7,yes\n"))
    with pytest.raises(DataError, match="unknown column 'text'; jobtool reads job, tag"):
        values("labels", write(tmp_path, "job,tag\n"), columns={"text": "x"})


def test_jobs_come_with_their_time_and_other_columns(tmp_path: Path):
    path = write(tmp_path, "id,text,posted_at,pay,repost_of,tags\n7,Cook,2026-01-02,12,5,sea\n")
    with Rejects() as rejects:
        (record,) = iter_records(path, rejects=rejects, all_columns=True)
        (bare,) = iter_records(path, rejects=rejects, all_columns=True, labels=False)
    assert record.posted_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert record.others == bare.others == {"pay": "12"}
    assert (record.job.tags, bare.job.tags) == (("sea",), None)


def test_rows_of_one_job_that_stand_together_become_one(tmp_path: Path):
    text = "id,text,tag\n7,Cook,sea\n7,Cook,day\n8,Cook,day\n7,Other,night\n"
    with Rejects() as rejects:
        records = list(iter_records(write(tmp_path, text), rejects=rejects))
    assert [(one.job.id, one.job.tags) for one in merge_runs(records)] == [
        ("7", ("sea", "day")),
        ("8", ("day",)),
        ("7", ("night",)),
    ]
    assert tag_names(records) == ["day", "night", "sea"]


def test_rows_of_a_query_are_records_too():
    rows = [{"nr": 7, "body": "Cook", "pay": 2.5}, {"nr": 8, "body": None, "pay": None}]
    with Rejects() as rejects:
        columns = {"id": "nr", "text": "body"}
        (record,) = split_records(rows, "ads", rejects=rejects, columns=columns)
    assert (record.job.id, record.job.text, record.others) == ("7", "Cook", {"pay": 2.5})
    assert str(rejects.first[0]) == "ads:2: the text is null"
