"""`jobtool audit` at the command line."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

import cli
from db.columns import Answer
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.schema import Label
from tests.db.made_up import NO, YES, add_champion, add_jobs, add_tags, say


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.db"
    engine = open_engine(str(path))
    upgrade(engine)
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        for n, job in enumerate(add_jobs(session, *(f"job {n}" for n in range(30)))):
            say(session, job, remote, YES if n % 2 else NO)
        add_champion(session, {"remote": 0.5}, folder="m1")
    engine.dispose()
    return path


def audit(database: Path, *options: object) -> Result:
    command = ["audit", "--db", str(database), *map(str, options)]
    return CliRunner().invoke(cli.app, command)


def change_labels(database: Path) -> None:
    engine = open_engine(str(database))
    with writing(engine) as session:
        session.execute(update(Label).values(after=Answer.UNSURE))
    engine.dispose()


def test_a_log_in_order_tells_its_head(database: Path):
    done = audit(database)
    assert done.exit_code == 0
    verdict, head = done.stdout.splitlines()
    assert verdict == "The log is in order: 32 rows checked against 3 entries"
    found = json.loads(audit(database, "--json").stdout)
    assert found["ok"] is True
    assert head == f"Head: {found['head']}"
    assert audit(database, "--expect", found["head"]).exit_code == 0


def test_changed_rows_are_listed_and_counted(database: Path):
    change_labels(database)
    done = audit(database)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "30 rows changed after being logged:"
    assert lines[1] == "  labels 1 (entry 1)"
    assert lines[21] == "  ... and 10 more"
    assert lines[22].startswith("The log is NOT in order")
    found = json.loads(audit(database, "--json").stdout)
    assert (found["ok"], found["changed"]["n"]) == (False, 30)


def test_a_head_that_is_not_there(database: Path):
    done = audit(database, "--expect", "a" * 64)
    assert done.exit_code == 1
    assert "the end of the log was cut off or rewritten" in done.stdout


@pytest.mark.parametrize("head", ["", "a" * 63, "g" * 64])
def test_what_can_be_no_head_is_wrong_use(database: Path, head: str):
    done = audit(database, "--expect", head)
    assert done.exit_code == 2
    assert "64 hexadecimal digits" in done.stderr.replace("\n", " ")


def test_a_model_that_cannot_be_rebuilt_says_why(database: Path):
    done = audit(database, "--rebuild", "champion")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("The log is in order")
    assert lines[2] == "Model 1 (m1) cannot be rebuilt:"
    assert any("its folder is not there" in line for line in lines)
    found = json.loads(audit(database, "--rebuild", "1", "--json").stdout)
    assert found["rebuilt"]["outcome"] == "cannot be rebuilt"


def test_an_unknown_model_is_an_error(database: Path):
    done = audit(database, "--rebuild", "77")
    assert done.exit_code == 1
    assert "no model '77'" in done.stderr


def test_a_database_that_is_not_there_is_an_error(tmp_path: Path):
    done = audit(tmp_path / "none.db")
    assert done.exit_code == 1
    assert "there is no database" in done.stderr
