"""`jobtool match predict` on files: what it prints, where it writes, how it ends."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.match.asked import iso, match, write


def test_jobs_for_a_candidate_are_printed_with_model_and_time(trained):
    done = match("predict", "--candidate", "c1", "-k", "3", *trained)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("model match-model, 20")
    assert lines[1].startswith("A score ")
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "3"]
    assert all(line.split()[2] == "c1" for line in lines[2:])


def test_reasons_are_sentences(trained):
    told = match("predict", "--candidate", "c1", "-k", "3", "--explain", *trained).stdout
    assert "candidates applied to it, the most of 40 jobs" in told
    found = json.loads(
        match("predict", "--candidate", "c1", "--explain", "--json", *trained).stdout
    )
    assert all(row["reasons"] for row in found)


def test_candidates_to_invite_for_a_job(trained):
    found = json.loads(match("predict", "--job", "j3", "-k", "4", "--json", *trained).stdout)
    assert [row["rank"] for row in found] == [1, 2, 3, 4]
    assert {row["job"] for row in found} == {"j3"}
    assert len({row["candidate"] for row in found}) == 4


def test_the_list_of_a_job_goes_into_a_file_too(trained):
    done = match("predict", "--job", "j3", "-k", 4, "-o", "invite.csv", *trained)
    assert (done.exit_code, done.stdout) == (0, "4 places for 4 candidates: invite.csv\n")
    assert len(Path("invite.csv").read_text().splitlines()) == 5


def test_lists_of_everyone_go_into_a_file(trained):
    done = match("predict", "--all", "-k", "2", "-o", "lists.parquet", "--explain", *trained)
    assert (done.exit_code, done.stdout) == (0, "120 places for 60 candidates: lists.parquet\n")
    table = pq.read_table("lists.parquet")
    assert table.column_names == [
        *("candidate", "job", "score", "rank", "model", "computed_at", "reasons")
    ]
    assert table.num_rows == 120


def test_lists_that_mean_nothing_are_counted(files):
    with Path("candidates.jsonl").open("a") as more:
        more.write(json.dumps({"id": "new", "text": "whoever"}) + "\n")
    match("train", "item-knn", *files)
    done = match("predict", "--candidate", "new", *files)
    assert "1 lists have equal scores: the model knows too little" in done.stderr
    assert "equal scores" not in match("predict", "--candidate", "c1", *files).stderr


def test_a_model_of_pairs_under_way_says_that_it_lists_them_alone(files):
    Path("tiny.json").write_text(json.dumps({"filters": [2], "epochs": 1}))
    match("train", "sequence-cnn", *files, "--config", "tiny.json")
    done = match("predict", "--all", "-o", "lists.csv", *files)
    assert done.exit_code == 0, done.output
    assert "does not rank jobs that a candidate has not met, so lists hold pairs" in done.stderr
    assert 1 < len(Path("lists.csv").read_text().splitlines()) < 60 * 10


def test_only_young_jobs_with_a_limit_of_age():
    now = datetime.now(UTC).timestamp()
    jobs = [{"id": n, "posted_at": iso(now - 86_400 * n)} for n in range(1, 8)]
    events = [{"candidate": "p", "job": n, "action": "apply"} for n in (1, 7, 7)]
    write("e.jsonl", [*events, {"candidate": "q", "job": 7, "action": "view"}])
    files = ("--events=e.jsonl", f"--jobs={write('j.jsonl', jobs)}")
    assert match("train", "popularity", *files).exit_code == 0
    asked = ("predict", "--candidate", "q", "--json", *files)
    assert [row["job"] for row in json.loads(match(*asked).stdout)][:2] == ["1", "7"]
    young = json.loads(match(*asked, "--max-age", "3.5").stdout)
    assert [row["job"] for row in young] == ["1", "2", "3"]
    assert "all are too old" in match(*asked, "--max-age", "0.1").stderr
    assert "no job has a date" in match(*asked[:-1], "--max-age", "1").stderr


def test_jobs_posted_in_the_future_are_left_out_and_counted():
    now = datetime.now(UTC).timestamp()
    jobs = [{"id": n, "posted_at": iso(now + 86_400 * (n - 3.5))} for n in range(1, 6)]
    events = [{"candidate": "p", "job": n, "action": "apply"} for n in (1, 4)]
    write("e.jsonl", [*events, {"candidate": "q", "job": 2, "action": "view"}])
    files = ("--events=e.jsonl", f"--jobs={write('j.jsonl', jobs)}")
    assert match("train", "popularity", *files).exit_code == 0
    done = match("predict", "--candidate", "q", "--json", *files)
    assert {row["job"] for row in json.loads(done.stdout)} == {"1", "2", "3"}
    assert "note: 2 jobs are left out: their posted_at lies in the future" in done.stderr
    aged = match("predict", "--candidate", "q", "--json", "--max-age", "1", *files)
    assert {row["job"] for row in json.loads(aged.stdout)} == {"3"}
    assert match("predict", "--job", "5", *files).exit_code == 0


def test_a_missing_model_is_told_of_before_anything_is_read(files, monkeypatch):
    monkeypatch.setattr("matcher.files.read_files", lambda *_, **__: 1 / 0)
    done = match("predict", "--candidate", "c1", *files)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "there is no model match-model" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "problem"),
    [
        (("--candidate", "nobody"), 1, "there is no candidate 'nobody'"),
        (("--job", "nothing"), 1, "there is no job 'nothing'"),
        ((), 2, "say for whom"),
        (("--all", "--job", "j1"), 2, "these exclude each other"),
        (("--candidate", "c1", "--job", "j1"), 2, "give one of them: --candidate ID"),
        (("--all",), 2, "name the --output FILE"),
        (("--candidate", "c1", "--save"), 2, "go into a database"),
        (("--candidate", "c1", "-o", "x.csv", "--save"), 2, "go into a database"),
        (("--job", "j1", "--resume"), 2, "go into a database"),
        (("--candidate", "c1", "-m", "none"), 1, "there is no model none"),
    ],
)
def test_what_cannot_be_predicted_is_one_clear_error(trained, args, code, problem):
    done = match("predict", *args, *trained)
    assert done.exit_code == code
    assert problem in done.stderr
