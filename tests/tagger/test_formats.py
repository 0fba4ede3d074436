"""The same rows in every format that is read, and what each format has of its own."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from tagger.columns import Unreadable
from tagger.errors import DataError
from tagger.feeds import FEEDS
from tagger.files import Layout
from tagger.jobs import Record, iter_records
from tagger.rejects import Rejects
from tagger.writing import RowWriter

ROWS = [
    {"id": "1", "title": "Cook", "text": "Busy kitchen", "pay": "12"},
    {"id": "2", "title": "Nurse", "text": "Night ward", "pay": "NULL"},
    {"id": "3.0", "title": "nan", "text": "Files", "pay": "N/A"},
    {"id": "4", "title": "Clerk", "text": "\\N", "pay": ""},
]


def save(path: Path, rows: list[dict[str, object]]) -> Path:
    names = list(rows[0])
    if path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps({"n": len(rows), "page": {"jobs": rows}}, indent=2))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        book = Workbook()
        for row in (names, *([row.get(name) for name in names] for row in rows)):
            book.active.append(row)
        book.save(path)
    return path


def read(path: Path, **options: object) -> tuple[list[Record], Rejects]:
    rejects = Rejects()
    return list(iter_records(path, rejects=rejects, all_columns=True, **options)), rejects


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet", "xlsx"])
def test_words_for_nothing_are_nothing_in_every_format(tmp_path: Path, ending: str):
    records, rejects = read(save(tmp_path / f"a.{ending}", ROWS))
    assert [(one.job.id, one.job.title, one.job.text) for one in records] == [
        ("1", "Cook", "Busy kitchen"),
        ("2", "Nurse", "Night ward"),
        ("3", "", "Files"),
        ("4", "Clerk", ""),
    ]
    assert (rejects.count, rejects.n_unknown) == (0, 0)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet", "xlsx"])
def test_a_time_that_can_not_be_read_costs_itself_alone(tmp_path: Path, ending: str):
    times = ["19 June 2026", "2 days ago", "2026-08-18 07:34:38 UTC", "1.699090e+12", "NaT"]
    rows = [{"id": i, "text": f"job {i}", "posted_at": at} for i, at in enumerate(times)]
    records, rejects = read(save(tmp_path / f"a.{ending}", rows))
    assert [one.posted_at for one in records] == [
        datetime(2026, 6, 19, tzinfo=UTC),
        None,
        datetime(2026, 8, 18, 7, 34, 38, tzinfo=UTC),
        datetime(2023, 11, 4, 9, 26, 40, tzinfo=UTC),
        None,
    ]
    assert (rejects.count, rejects.n_unknown) == (0, 1)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet", "xlsx"])
@pytest.mark.parametrize(
    ("said", "separator", "tags"),
    [
        ("a; b", ";", ("a", "b")),
        ("a, b", ",", ("a", "b")),
        ("['a', 'b']", ";", ("a", "b")),
        ("['a' 'b']", ";", ("a", "b")),
        ('{"choices": ["a", "b"]}', ";", ("a", "b")),
        ('{a,"b c"}', ";", ("a", "b c")),
        ("None", ";", None),
        ("[]", ";", None),
        ("a; nan", ";", ("a",)),
        ('[["a", "b"]]', ";", None),
        ("{'a': 1}", ";", None),
    ],
)
def test_tags_are_read_as_people_and_programs_write_them(
    tmp_path: Path, ending: str, said: str, separator: str, tags: tuple[str, ...] | None
):
    rows = [{"text": "x", "tags": said}]
    records, _ = read(save(tmp_path / f"a.{ending}", rows), layout=Layout(separator=separator))
    assert records[0].job.tags == tags


def test_bytes_of_another_encoding_in_a_side_column_cost_that_value(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b"id,text,city\n1,Cook,Z\xfcrich\n2,K\xf6chin,Bern\n")
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "Cook", "city": "Z\xfcrich"}\n{"text": "\xf6"}\n')
    for name in ("a.csv", "a.jsonl"):
        records, rejects = read(tmp_path / name)
        assert [(one.job.text, "city" in one.others) for one in records] == [("Cook", False)]
        assert (rejects.count, rejects.n_unknown) == (1, 1)


def test_cells_of_parquet_that_python_can_not_hold_cost_themselves_alone(tmp_path: Path):
    text = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0\7\0\0\0"), pa.py_buffer(b"CookN\xffr")],
    )
    late = pa.array([2**60, 0], pa.int64()).cast(pa.timestamp("ms"))
    nanoseconds = pa.array([1, 2], pa.timestamp("ns"))
    columns = {"text": text, "expires": late, "posted_at": nanoseconds}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    records, rejects = read(tmp_path / "a.parquet")
    assert [one.job.text for one in records] == ["Cook", "N\ufffdr"]
    assert ["expires" in one.others for one in records] == [False, True]
    assert (rejects.count, rejects.n_unknown) == (0, 2)


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [("sep=;\nid;text", ";"), ('"sep=|"\nid|text', "|"), ("id|text", "|"), ("id\ttext", "\t")],
)
def test_a_csv_says_what_separates_its_fields(tmp_path: Path, head: str, delimiter: str):
    (tmp_path / "a.csv").write_text(f"{head}\n7{delimiter}Cook, nurse\n")
    assert read(tmp_path / "a.csv")[0][0].job.text == "Cook, nurse"


def test_a_delimiter_can_be_named(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id~text, or so\n7~Cook\n")
    layout, columns = Layout(delimiter="~"), {"text": "text, or so"}
    assert read(tmp_path / "a.csv", layout=layout, columns=columns)[0][0].job.text == "Cook"
    with pytest.raises(DataError, match="a delimiter is one character"):
        Layout(delimiter="~~")


def test_columns_of_one_name_are_both_kept_unless_they_are_ours(tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,city,city\nCook,Rome,Oslo\n")
    assert read(tmp_path / "a.csv")[0][0].others == {"city": "Rome", "city (2)": "Oslo"}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("shape", ["list", "wrapped", "graph", "lines"])
def test_json_is_read_in_every_shape(tmp_path: Path, shape: str, indent: int | None):
    rows = [{"id": i, "text": f"job {i}", "places": [{"city": "Rome"}]} for i in range(3)]
    documents = {
        "list": [rows],
        "wrapped": [{"count": 3, "jobs": rows, "links": [{"href": "x"}] * 9}],
        "graph": [{"@context": "x", "@graph": rows}],
        "lines": rows,
    }
    text = "\n".join(json.dumps(one, indent=indent) for one in documents[shape])
    (tmp_path / "a.json").write_text(text)
    records, rejects = read(tmp_path / "a.json")
    assert [one.job.id for one in records] == ["0", "1", "2"]
    assert rejects.count == 0


def test_one_object_with_a_list_inside_is_a_row_if_it_has_our_names(tmp_path: Path):
    row = {"text": "Cook", "places": [{"city": "Rome"}, {"city": "Oslo"}]}
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert read(tmp_path / "a.json")[0][0].job.text == "Cook"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_names_with_dots_reach_into_objects(tmp_path: Path, ending: str):
    inner: object = {"value": "7", "deep": {"text": "Cook"}}
    row = {"job": json.dumps(inner) if ending == "csv" else inner}
    columns = {"id": "job.value", "text": "job.deep.text"}
    records, _ = read(save(tmp_path / f"a.{ending}", [row]), columns=columns)
    assert (records[0].job.id, records[0].job.text) == ("7", "Cook")


def test_a_workbook_comes_back_as_it_was_written(tmp_path: Path):
    path = tmp_path / "a.xlsx"
    columns = {"id": "text", "title": "text", "text": "text", "posted_at": "time", "tags": "texts"}
    at = datetime(2026, 1, 2, 3, tzinfo=UTC)
    row = {"id": "7", "title": "=1+1", "text": "a\x0bb", "posted_at": at, "tags": ["x", "y; z"]}
    with RowWriter(path, columns) as writer:
        writer.write(row)
    record = read(path)[0][0]
    assert (record.job.title, record.job.text) == ("=1+1", "a\ufffdb")
    assert (record.posted_at, record.job.tags) == (at, ("x", "y; z"))
    with pytest.raises(DataError, match="Excel holds 32,767"), RowWriter(path, columns) as writer:
        writer.write({"text": "x" * 32_768})


INDEED = """<?xml version="1.0" encoding="utf-8"?><source><publisher>X</publisher>
<job><title><![CDATA[Cook]]></title><date>Mon, 10 Dec 2025 22:49:39 GMT</date>
<referencenumber>7</referencenumber><description><![CDATA[<p>Busy kitchen</p>]]></description>
<jobtype>fulltime</jobtype></job></source>"""
FEED_ROWS: dict[str, object] = {
    "schema.org": {
        "@context": "https://schema.org",
        "@type": "JobPosting",
        "identifier": {"@type": "PropertyValue", "value": "7"},
        "title": "Cook",
        "description": "<p>Busy kitchen</p>",
        "datePosted": "2025-12-10",
        "employmentType": "FULL_TIME",
        "validThrough": "2026-02-01",
    },
    "greenhouse": {
        "jobs": [
            {
                "id": 7,
                "internal_job_id": 8,
                "absolute_url": "https://x",
                "title": "Cook",
                "updated_at": "2025-12-10T10:00:00-05:00",
                "content": "&lt;p&gt;Busy kitchen&lt;/p&gt;",
                "employmentType": "full",
            }
        ],
        "meta": {"total": 1},
    },
    "lever": [
        {
            "id": "7",
            "text": "Cook",
            "hostedUrl": "https://x",
            "createdAt": 1765324800000,
            "categories": {"commitment": "Full-time"},
            "description": "<p>Busy kitchen</p>",
            "descriptionPlain": "Busy kitchen",
            "lists": [{"text": "You bring", "content": "<li>knives</li>"}],
            "additional": "Apply soon",
            "tags": ["Engineering"],
            "employmentType": "x",
        }
    ],
    "ashby": {
        "apiVersion": "1",
        "jobs": [
            {
                "id": "7",
                "title": "Cook",
                "jobUrl": "https://x",
                "publishedAt": "2025-12-10T00:00:00.000+00:00",
                "descriptionHtml": "<p>Busy kitchen</p>",
                "descriptionPlain": "Busy kitchen",
                "employmentType": "FullTime",
            }
        ],
    },
    "workable": {
        "name": "X",
        "description": "About us",
        "jobs": [
            {
                "title": "Cook",
                "shortcode": "7",
                "application_url": "https://x",
                "shortlink": "https://x",
                "published_on": "2025-12-10",
                "description": "<p>Busy kitchen</p>",
                "employmentType": "Full-time",
            }
        ],
    },
}


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("is_named", [True, False])
def test_feeds_are_read_without_a_mapping(tmp_path: Path, name: str, is_named: bool):
    if name == "indeed":
        path, kind = tmp_path / "a.xml", "jobtype"
        path.write_text(INDEED)
    elif name == "jobspy":
        path, kind = tmp_path / "a.csv", "job_type"
        cells = ["7", "indeed", "https://x", "Cook", "2025-12-10", "fulltime", "Busy kitchen"]
        stream = io.StringIO("")
        header = ["id", "site", "job_url", "title", "date_posted", "job_type", "description"]
        csv.writer(stream).writerows([header, cells])
        path.write_text(stream.getvalue())
    else:
        path, kind = tmp_path / "a.json", "employmentType"
        path.write_text(json.dumps(FEED_ROWS[name]))
    records, rejects = read(path, layout=Layout(feed=name if is_named else None))
    (record,) = records
    assert (record.job.id, record.job.title, record.job.tags) == ("7", "Cook", None)
    assert "Busy kitchen" in record.job.text
    assert record.posted_at is not None
    assert record.posted_at.date().isoformat() == "2025-12-10"
    assert kind in record.others
    assert rejects.count == rejects.n_unknown == 0
    if name == "lever":
        assert all(part in record.job.text for part in ("You bring", "knives", "Apply soon"))
        assert record.others["tags (feed)"] == ["Engineering"]


def test_an_unknown_feed_and_xml_that_defines_entities_are_refused(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"text": "x"}')
    with pytest.raises(DataError, match=r"unknown format 'x'; known: schema\.org, indeed"):
        read(tmp_path / "a.json", layout=Layout(feed="x"))
    (tmp_path / "a.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b "c">]><a><job><title>&b;</title></job></a>'
    )
    with pytest.raises(DataError, match="EntitiesForbidden"):
        read(tmp_path / "a.xml")


def test_an_unreadable_value_says_why():
    value = Unreadable("x", "broken")
    assert (value, value.reason, value.is_usable) == ("x", "broken", False)
