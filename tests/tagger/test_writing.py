"""Files of rows, whole or not at all."""

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.errors import DataError
from tagger.writing import RowWriter

COLUMNS = {"id": "text", "tags": "texts", "at": "time", "p": "number", "is": "flag", "o": "object"}
AT = datetime(2026, 1, 2, tzinfo=UTC)
ROW = {"id": "ü", "tags": ["a;b", "c"], "at": AT, "p": 0.5, "is": True, "o": {"k": [1]}}


def write(path: Path, *rows: dict) -> Path:
    with RowWriter(path, COLUMNS) as writer:
        for row in rows:
            writer.write(row)
    return path


def test_json_lines_hold_the_rows_as_they_are(tmp_path: Path):
    plain = write(tmp_path / "x.jsonl", ROW, {"id": "2"}).read_bytes()
    assert [json.loads(line) for line in plain.splitlines()] == [
        ROW | {"at": "2026-01-02T00:00:00+00:00"},
        {"id": "2"},
    ]
    assert gzip.decompress(write(tmp_path / "x.jsonl.gz", ROW, {"id": "2"}).read_bytes()) == plain


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_a_json_file_is_one_list(tmp_path: Path, n_rows: int):
    path = write(tmp_path / "x.json", *[{"id": str(n)} for n in range(n_rows)])
    assert json.loads(path.read_text()) == [{"id": str(n)} for n in range(n_rows)]


def test_csv_cells_can_be_read_again(tmp_path: Path):
    path = write(tmp_path / "x.csv", ROW, {"tags": []})
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert json.loads(first["tags"]) == ["a;b", "c"]
    assert (first["is"], first["o"], first["p"]) == ("true", '{"k": [1]}', "0.5")
    assert (second["id"], second["tags"]) == ("", "[]")


def test_parquet_has_typed_columns(tmp_path: Path):
    import pyarrow.parquet as pq

    path = write(tmp_path / "x.parquet", *[ROW] * 1001, {})
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == 1002
    assert rows[1000] == ROW | {"o": '{"k": [1]}'}
    assert set(rows[1001].values()) == {None}


def test_after_an_error_the_rows_are_in_the_part_file(tmp_path: Path):
    path = write(tmp_path / "x.jsonl", {"id": "old"})
    writer = RowWriter(path, COLUMNS)

    def stopped() -> None:
        with writer:
            writer.write({"id": "new"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        stopped()
    assert "the 1 rows written so far are in" in caught.value.__notes__[0]
    assert json.loads(path.read_text()) == {"id": "old"}
    assert json.loads(writer.part.read_text()) == {"id": "new"}


@pytest.mark.parametrize("name", ["x", "x.txt", "x.parquet.gz"])
def test_other_endings_are_refused(tmp_path: Path, name: str):
    with pytest.raises(DataError, match=r"must end in .jsonl, .ndjson, .json, .csv \(each also"):
        RowWriter(tmp_path / name, COLUMNS)
