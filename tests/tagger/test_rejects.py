"""The list of rows that were left out."""

import json

import pytest

from tagger.errors import DataError
from tagger.rejects import Rejects


def test_rejects_are_counted_and_the_first_ones_kept():
    rejects = Rejects(n_kept=2)
    for line in (2, 3, 4):
        rejects.add("jobs.csv", line, "x", "empty posting")
    assert rejects.count == 3
    assert [str(reject) for reject in rejects.first] == [
        "jobs.csv:2: empty posting",
        "jobs.csv:3: empty posting",
    ]


def test_the_file_comes_with_the_first_reject(tmp_path):
    with Rejects(tmp_path / "rejects.jsonl"):
        pass
    assert not list(tmp_path.iterdir())


def test_each_reject_is_on_disk_at_once(tmp_path):
    with Rejects(tmp_path / "rejects.jsonl") as rejects:
        rejects.add("jobs.csv", 7, None, "the text is null")
        rejects.add("jobs.csv", 8, "\ud800é", "empty posting")
        rows = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert [json.loads(row) for row in rows] == [
        {"file": "jobs.csv", "line": 7, "id": None, "reason": "the text is null"},
        {"file": "jobs.csv", "line": 8, "id": "\ud800é", "reason": "empty posting"},
    ]


def test_a_place_that_can_not_be_written_is_an_error(tmp_path):
    with pytest.raises(DataError, match="can't write the rejects"):
        Rejects(tmp_path).add("jobs.csv", 1, None, "empty posting")
