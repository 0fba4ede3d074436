"""`jobtool models add`: a model that was trained from files, in a database."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "jobs.db")
    return tmp_path


def jobtool(*args: object) -> Result:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def test_a_first_model_goes_live_and_tags(tiny_model: Path) -> None:
    Path("jobs.csv").write_text("id,text\n1,Night nurse on a ward\n")
    jobtool("import", "jobs", "jobs.csv")
    done = jobtool("models", "add", tiny_model)
    assert done.stdout.endswith(" is live: there is no champion yet\n"), done.output
    tagged = jobtool("tag", "--db", "jobs.db", "--json")
    assert json.loads(tagged.stdout)["tagged"] == 1, tagged.output
    jobtool("export", "jobs", "tasks.json", "--format", "label-studio")
    (task,) = json.loads(Path("tasks.json").read_text())
    assert task["data"]["job"] == "1"
    (store,) = Path("jobs.models").glob("*-*")
    assert task["predictions"][0]["model_version"] == store.name


def test_another_one_must_pass_the_gate_unless_told(tiny_model: Path) -> None:
    row = {"text": "Night nurse on a ward", "tags": ["nursing"], "not_tags": ["driving"]}
    Path("jobs.jsonl").write_text(json.dumps(row))
    jobtool("import", "jobs", "jobs.jsonl")
    jobtool("models", "add", tiny_model, "--promote")
    second = jobtool("models", "add", tiny_model)
    assert "model 2" in second.stdout, second.output
    assert "does not go live" in second.stdout
    assert "jobtool models promote 2" in second.stdout
    third = jobtool("models", "add", tiny_model, "--promote", "--json")
    assert json.loads(third.stdout)["promoted"]
    assert jobtool("audit").exit_code == 0


def test_what_is_no_model_is_refused_and_leaves_nothing(folder: Path) -> None:
    (folder / "other").mkdir()
    done = jobtool("models", "add", "other")
    assert (done.exit_code, "error: " in done.stderr) == (1, True)
    assert list(folder.glob("jobs.models/*")) == []
