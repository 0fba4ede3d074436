"""`jobtool import` as a user runs it: what it prints, and how it ends."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "jobs.db")
    Path("jobs.csv").write_text("id,text\na,Night nurse\nb,Line cook\n")
    return tmp_path


def jobtool(*args: str) -> Result:
    return CliRunner().invoke(cli.app, args)


def test_counts_are_told_with_the_rejects_apart() -> None:
    Path("labels.csv").write_text("job,tag\na,care\nb,\nnosuch,care\n")
    assert jobtool("import", "jobs", "jobs.csv").stdout.startswith("2 rows: 2 new, ")
    done = jobtool("import", "labels", "labels.csv")
    assert done.exit_code == 3
    assert done.stdout == "3 rows: 1 label, 0 unchanged, 0 older, 2 rejected\nNew tags: care\n"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
def test_labels_that_look_joined_stop_the_import_and_can_be_split(kind: str) -> None:
    path, form = Path(f"labels.{kind}"), []
    if kind == "csv":
        path.write_text('job,tag\na,"care, nights"\n')
    else:
        path.write_text('{"text": "Night nurse", "label": ["care, nights"]}')
        form = ["--format", "doccano"]
    jobtool("import", "jobs", "jobs.csv")
    stopped = jobtool("import", "labels", path.name, *form)
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    assert "look like several joined by ',': 'care, nights'" in stopped.stderr
    done = jobtool("import", "labels", path.name, *form, "--tag-separator", ",")
    assert "New tags: care, nights" in done.stdout


def test_tags_that_only_capitals_tell_from_known_ones_stop_the_import() -> None:
    Path("more.jsonl").write_text('{"text": "Cook", "tags": ["Care"]}')
    Path("labels.csv").write_text("job,tag\na,care\n")
    jobtool("import", "jobs", "jobs.csv")
    jobtool("import", "labels", "labels.csv")
    stopped = jobtool("import", "jobs", "more.jsonl")
    assert (stopped.exit_code, "capitals and spaces: 'Care', 'care'" in stopped.stderr) == (1, True)
    assert jobtool("import", "jobs", "more.jsonl", "--yes").exit_code == 0
    assert jobtool("import", "jobs", "more.jsonl").exit_code == 0  # it is known now


def test_an_unknown_format_is_wrong_use() -> None:
    done = jobtool("import", "labels", "jobs.csv", "--format", "excel")
    assert done.exit_code == 2
    assert "label-studio" in done.stderr
    assert not Path("jobs.db").exists()


def test_the_formats_are_those_that_can_be_read() -> None:
    from tagger.label_tools import FORMATS

    for form in FORMATS:
        assert jobtool("export", "labels", "x.json", "--format", form).exit_code == 1  # no database


def test_an_import_that_stores_nothing_does_not_say_what_is_stored() -> None:
    done = jobtool("import", "labels", "nosuch.csv")
    assert done.exit_code == 1
    assert "stored" not in done.stderr


def test_rejects_in_a_folder_that_is_not_there_are_refused_at_once() -> None:
    done = jobtool("import", "jobs", "jobs.csv", "--rejects", "nosuch/rejects.jsonl")
    assert done.exit_code == 1
    assert "there is no folder nosuch for the rejected rows" in done.stderr
