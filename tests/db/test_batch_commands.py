"""`jobtool labels` on the command line."""

import json
from getpass import getuser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from db.engine import open_engine, reading, writing
from db.labels import Batches
from db.migrate import upgrade
from db.schema import LabelBatch
from tests.db.made_up import NO, YES, add_champion, add_jobs, add_tags, retrained, say


@pytest.fixture(autouse=True)
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three batches; model 1 has learned from the first, 2 and 3 from the first two."""
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", str(tmp_path / "jobs.db"))
    engine = open_engine(str(tmp_path / "jobs.db"))
    upgrade(engine)
    with writing(engine) as session:
        remote, night = add_tags(session, "remote", "night")
        a, b, c = add_jobs(session, "a", "b", "c")
        c.title = "Cook\x1b[31m\nat night"

        def train(*jobs: int) -> None:
            retrained(session, add_champion(session, {"remote": 0.5}, job_ids=jobs))

        say(session, a, remote, YES, batches=Batches("first.csv"))
        train(a.id)
        bob = Batches("second.csv")
        say(session, b, remote, NO, "bob", batches=bob)
        say(session, c, night, YES, "bob", batches=bob)
        train(a.id, b.id)
        train(a.id, b.id, c.id)
        say(session, a, night, NO, batches=Batches("jobtool label"))
        session.get_one(LabelBatch, 2).suspects = [c.id, b.id]
    engine.dispose()
    return tmp_path / "jobs.db"


def labels(*arguments: str, expected: int = 0) -> str:
    done = CliRunner().invoke(cli.app, ["labels", *arguments])
    assert done.exit_code == expected, done.output
    return done.output


def test_the_list_is_a_table():
    labels("hold", "2", "--why", "the file had slipped", "--by", "cy")
    head, _, *rows = labels("batches").splitlines()
    assert head.split() == "batch started file labeller labels jobs state why".split()
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert rows[1].split()[3:] == "second.csv bob 2 2 held the file had slipped".split()
    assert "jobtool label" in rows[2]
    assert rows[2].endswith("new")
    found = json.loads(labels("batches", "--json"))
    assert [one["state"] for one in found] == ["new", "held", "new"]
    assert (found[1]["reason"], found[1]["decided_by"]) == ("the file had slipped", "cy")


def test_a_batch_is_shown_with_what_fits_least():
    labels("hold", "2", "--why", "the file had slipped", "--by", "cy")
    lines = labels("batches", "2").splitlines()
    assert lines[0].startswith("batch 2: second.csv, by bob, 20")
    assert lines[1:4] == [
        "2 labels of 2 postings",
        "held, by cy: the file had slipped",
        "the postings whose labels fit the live model least, worst first:",
    ]
    assert lines[4].startswith("  c  Cook")
    assert lines[4].endswith("at night: night")
    assert "\x1b" not in lines[4]
    assert lines[5] == "  b  Title b: no tag"
    found = json.loads(labels("batches", "2", "--json"))
    assert found["suspects"][1] == {"job": "b", "title": "Title b", "tags": []}
    assert "worst first" not in labels("batches", "1")


@pytest.mark.parametrize("name", ["hold", "quarantine"])
def test_holding_names_the_models_that_learned_from_it_and_what_to_do(name: str):
    assert labels(name, "2").splitlines() == [
        "batch 2 is held: its 2 labels of 2 postings no longer count",
        "Models that have learned from it: 2, 3",
        "Model 3 is live. Next: jobtool retrain",
    ]
    assert json.loads(labels("batches", "--json"))[1]["decided_by"] == getuser()


def test_a_model_that_a_rollback_brings_back_is_named_if_it_is_clean():
    CliRunner().invoke(cli.app, ["models", "rollback"])
    told = labels("hold", "2")
    assert "Model 2 is live. Next: jobtool retrain\n" in told
    assert "jobtool models rollback brings back model 1, which has not learned" in told
    CliRunner().invoke(cli.app, ["models", "rollback"])
    labels("release", "2")
    assert labels("hold", "2").endswith("The live model is none of them\n")
    assert labels("hold", "3").endswith("No model has learned from it\n")


def test_holding_as_json():
    found = json.loads(labels("hold", "2", "--json"))
    assert {name: found[name] for name in ("id", "state", "n_labels", "n_jobs")} == {
        "id": 2,
        "state": "held",
        "n_labels": 2,
        "n_jobs": 2,
    }
    assert found["learned_from_it"] == [2, 3]
    assert (found["live_model"], found["live_model_learned"]) == (3, True)
    assert found["previous_model"] is None  # it has learned from it, too


def test_released_labels_count_again(db: Path):
    def labelled() -> int:
        engine = open_engine(str(db))
        with reading(engine) as session:
            found = session.query(LabelBatch).filter_by(state="held").count()
        engine.dispose()
        return found

    labels("hold", "2")
    assert labelled() == 1
    assert labels("release", "2", "--by", "cy") == (
        "batch 2 is released: its 2 labels of 2 postings count again\nNext: jobtool retrain\n"
    )
    assert labelled() == 0
    assert json.loads(labels("batches", "--json"))[1]["decided_by"] == "cy"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["batches", "9"], "error: there is no batch 9; see jobtool labels batches\n"),
        (["hold", "9"], "error: there is no batch 9; see jobtool labels batches\n"),
        (["release", "1"], "error: batch 1 is not held\n"),
        (["hold", "1", "--by", "x" * 201], "error: a name has 1 to 200 characters"),
    ],
)
def test_errors_say_what_is_wrong(arguments: list[str], problem: str):
    assert problem in labels(*arguments, expected=1)


def test_wrong_numbers_are_wrong_use():
    for command in ("batches", "hold", "release"):
        labels(command, "two", expected=2)
        labels(command, "0", expected=2)


def test_the_alias_is_not_listed():
    assert "quarantine" not in labels("--help")


def test_status_counts_what_is_held():
    def status(*more: str) -> str:
        return CliRunner().invoke(cli.app, ["status", *more]).output

    assert "held back" not in status()
    labels("hold", "2")
    assert "held back        2 labels in 1 batch: jobtool labels batches\n" in status()
    labels("hold", "3")
    assert "3 labels in 2 batches" in status()
    found = json.loads(status("--json"))
    assert (found["held_batches"], found["held_labels"]) == (2, 3)


def test_without_batches_it_says_how_they_come(tmp_path: Path):
    engine = open_engine(str(tmp_path / "empty.db"))
    upgrade(engine)
    engine.dispose()
    told = labels("batches", "--db", str(tmp_path / "empty.db"))
    assert told == "no batches yet: jobtool import, or jobtool label\n"
