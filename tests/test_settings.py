"""Options kept in jobtool.toml or pyproject.toml; the command line counts more."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli

SETTINGS = """
database = "kept.db"
tag-separator = ","
delimiter = "~"
[columns]
text = "body"
tags = "labels"
[columns.events]
candidate = "who"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOBTOOL_DATABASE_URL", raising=False)
    Path("jobs.csv").write_text("id~body~labels~other\n1~Cook~sea, day~Baker\n")
    return tmp_path


def jobtool(*args: str) -> Result:
    return CliRunner().invoke(cli.app, args)


@pytest.mark.parametrize("name", ["jobtool.toml", "pyproject.toml"])
def test_what_is_kept_is_used(name: str) -> None:
    tables = SETTINGS.replace("[columns", "[tool.jobtool.columns")
    Path(name).write_text(SETTINGS if name == "jobtool.toml" else f"[tool.jobtool]\n{tables}")
    done = jobtool("import", "jobs", "jobs.csv")
    assert done.stdout.startswith("1 row: 1 new"), done.stderr
    Path("events.csv").write_text("who~job\np~1\n")
    assert jobtool("import", "events", "events.csv", "--action", "apply").exit_code == 0
    tags = json.loads(jobtool("tags", "list", "--json").stdout)["tags"]
    assert [tag["name"] for tag in tags] == ["day", "sea"]
    assert Path("kept.db").exists()


def test_the_command_line_and_the_environment_count_more(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("jobtool.toml").write_text(SETTINGS)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "named.db")
    done = jobtool("import", "jobs", "jobs.csv", "-c", "text=other", "--delimiter", "~")
    assert (done.exit_code, Path("kept.db").exists()) == (0, False)
    jobtool("export", "jobs", "out.jsonl")
    assert json.loads(Path("out.jsonl").read_text())["text"] == "Baker"


def test_one_posting_is_tagged_whatever_columns_are_kept() -> None:
    Path("jobtool.toml").write_text(SETTINGS)
    Path("posting.txt").write_text("Cook")
    done = jobtool("tag", "posting.txt")
    assert (done.exit_code, "there is no model" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("databse = 'x'", "jobtool.toml has unknown keys: databse; known: database"),
        ("database = 3", "the values of the file must be strings in quotes"),
        ("columns = 3", "columns must be a table"),
        ("[columns]\ntext = ['a']", "the values of jobs must be strings in quotes"),
        ("database = ", "jobtool.toml is no TOML"),
    ],
)
def test_what_can_not_be_used_is_named(text: str, problem: str) -> None:
    Path("jobtool.toml").write_text(text)
    done = jobtool("tags", "list")
    assert done.exit_code == 1
    assert problem in done.stderr
