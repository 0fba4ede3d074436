"""A model's defaults are the same in Python, by name and on the command line."""

import json

import numpy as np
import pytest

from matcher import registry
from matcher.configs import make, plain
from matcher.data import Profiles, RawEvent, build
from tests.match.asked import match, write

LINES = ("x a", "x b", "y a", "y b", "y c", "z a", "z c", "w c", "w d")


@pytest.mark.parametrize("name", registry.MODELS)
def test_the_class_the_name_and_the_command_have_the_same_settings(name):
    by_class = registry.find(name)()
    told = json.loads(match("train", name, "--list", "--json").stdout)["config"]
    assert told == plain(by_class)
    assert make(name).settings == make(name, told).settings == by_class.settings


@pytest.mark.parametrize("name", ["item-knn", "bm25-knn", "ease", "als"])
def test_the_command_trains_what_the_class_does(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [dict(zip(("candidate", "job"), line.split(), strict=True)) for line in LINES]
    write("events.jsonl", [{**row, "action": "apply"} for row in rows])
    jobs = write("jobs.jsonl", [{"id": id} for id in "abcd"])
    done = match("train", name, "--events=events.jsonl", f"--jobs={jobs}", "--model=m")
    assert done.exit_code == 0, done.stderr
    raw = [RawEvent(row["candidate"], row["job"], "apply") for row in rows]
    data = build(None, Profiles(ids=tuple("abcd")), raw, until=None)
    by_command, about = registry.load(tmp_path / "m")
    by_class = registry.find(name)().fit(data)
    people = np.arange(len(data.candidates))
    np.testing.assert_array_equal(
        by_command.score_jobs(data, people), by_class.score_jobs(data, people)
    )
    assert about["config"] == plain(by_class)


def test_bm25_is_not_cosine():
    raw = [RawEvent(*line.split(), "apply") for line in LINES]
    data = build(None, Profiles(ids=tuple("abcd")), raw, until=None)
    bm25, cosine = (make(name).fit(data).likeness_ for name in ("bm25-knn", "item-knn"))
    assert not np.allclose(bm25.toarray(), cosine.toarray())
