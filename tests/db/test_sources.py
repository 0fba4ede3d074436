"""Reading the team's own tables, and never writing there."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from db.engine import writing
from db.errors import StoreError
from db.rows import fields_of
from db.sources import iter_rows
from tagger.jobs import split_records
from tagger.rejects import Rejects


@pytest.fixture
def table(engine: Engine) -> None:
    """1,200 postings in a table that is not ours."""
    with writing(engine) as session:
        session.execute(text('CREATE TABLE "Postings" (nr INTEGER, body TEXT)'))
        rows = [{"nr": nr, "body": f"Posting {nr}"} for nr in range(1200)]
        session.execute(text('INSERT INTO "Postings" VALUES (:nr, :body)'), rows)


def n_postings(engine: Engine) -> int:
    with writing(engine) as session:
        return session.execute(text('SELECT count(*) FROM "Postings"')).scalar_one()


@pytest.mark.usefixtures("table")
def test_a_table_comes_row_by_row(url: str):
    rows = list(iter_rows(url, from_table="Postings"))
    assert len(rows) == 1200
    assert rows[7] == {"nr": 7, "body": "Posting 7"}


@pytest.mark.usefixtures("table")
def test_a_query_comes_as_it_is_colons_and_all(url: str):
    query = "SELECT nr AS id, 'at 10:30 :x' AS said FROM \"Postings\" WHERE nr < 2 ORDER BY nr"
    assert list(iter_rows(url, query=query)) == [
        {"id": nr, "said": "at 10:30 :x"} for nr in range(2)
    ]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "query",
    [
        'DELETE FROM "Postings"',
        'DELETE FROM "Postings" RETURNING nr',
        'WITH gone AS (DELETE FROM "Postings" RETURNING nr) SELECT nr FROM gone',
        'SELECT 1; DELETE FROM "Postings"',
        'COMMIT; DELETE FROM "Postings"',
        'SELECT 1; COMMIT; DELETE FROM "Postings"; SELECT 2',
    ],
)
def test_a_query_can_write_nothing(url: str, engine: Engine, query: str):
    with pytest.raises(StoreError):
        list(iter_rows(url, query=query))
    assert n_postings(engine) == 1200


def test_a_missing_table_or_file_is_one_clear_line(url: str, tmp_path: Path):
    with pytest.raises(StoreError, match="nowhere"):
        list(iter_rows(url, from_table="nowhere"))
    with pytest.raises(StoreError, match="no database"):
        list(iter_rows(str(tmp_path / "none.db"), from_table="x"))
    assert not (tmp_path / "none.db").exists()


def test_a_reader_leaves_the_folder_of_a_file_as_it_was(tmp_path: Path):
    path = tmp_path / "odd ? name%.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x AS SELECT 1 AS a")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    assert list(iter_rows(str(path), from_table="x")) == [{"a": 1}]
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.usefixtures("table")
def test_rows_are_fetched_as_they_are_asked_for(url: str):
    rows = iter_rows(url, query='SELECT 10 / (nr - 1100) AS x FROM "Postings"')
    if "sqlite" in url:
        query = 'SELECT abs(-9223372036854775807 - (nr = 1100)) AS x FROM "Postings"'
        rows = iter_rows(url, query=query)
    for _ in range(500):
        next(rows)  # the error is 600 rows away
    with pytest.raises(StoreError, match=r"division by zero|overflow"):
        list(rows)


BEYOND = {
    "sqlite": "SELECT 1 AS id, 'Cook' AS text, 9e999 AS price, CAST(X'5AFF' AS TEXT) AS city",
    "postgresql": "SELECT 1 AS id, 'Cook' AS text, numeric 'Infinity' AS price, "
    "timestamptz 'infinity' AS expires, date '0044-03-15 BC' AS posted_at, "
    "time '24:00' AS starts, numeric 'NaN' AS bonus",
}


def test_values_that_python_can_not_hold_cost_themselves_alone(url: str):
    rejects = Rejects()
    rows = iter_rows(url, query=BEYOND[url.partition(":")[0].partition("+")[0]])
    (record,) = split_records(rows, "ads", rejects=rejects)
    assert (record.job.text, record.posted_at) == ("Cook", None)
    assert fields_of(record.others) is None
    assert rejects.count == 0
    assert rejects.n_unknown == (2 if "sqlite" in url else 4)
