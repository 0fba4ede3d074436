"""Whatever goes wrong in a command: one line, no traceback, no secret, no text of a posting."""

import errno
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import typer.core
import typer.main
from sqlalchemy.exc import DataError, OperationalError, StatementError
from typer.testing import CliRunner

import cli
from db.engine import open_engine, translated
from db.errors import StoreError
from jobtool.boundary import DEBUG
from tagger.errors import DataError as TaggerError

SECRET, TEXT = "pa55word", "the text of a posting"
STATEMENT = f"INSERT INTO jobs (text) VALUES ('{TEXT}')"
FAULTS: dict[str, BaseException] = {
    "ours": StoreError("name the database"),
    "the tagger's": TaggerError("row 7 has no text"),
    "a value": ValueError(f"could not convert string to float: {TEXT!r}"),
    "a key": KeyError(TEXT),
    "a type": TypeError(TEXT),
    "too deep": RecursionError(TEXT),
    "characters": UnicodeDecodeError("utf-8", TEXT.encode(), 0, 1, "invalid start byte"),
    "no memory": MemoryError(),
    "no driver": ModuleNotFoundError("No module named 'pymysql'", name="pymysql"),
    "full disk": OSError(errno.ENOSPC, "No space left on device", "out.csv"),
    "no permission": PermissionError(errno.EACCES, "Permission denied", "out.csv"),
    "SQL": OperationalError(STATEMENT, {"text": TEXT}, sqlite3.OperationalError("disk I/O error")),
    "SQL's parameters": StatementError(TEXT, STATEMENT, {"text": TEXT}, TypeError(TEXT)),
}


def leaves(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by the words that call it."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, *path, name)
    if path and not getattr(command, "commands", {}):
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(cli.app)))


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 40
    assert {("tag",), ("import", "jobs"), ("match", "train")} <= COMMANDS.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_any_fault_in_any_command_is_one_line(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEBUG, raising=False)

    def fail(*_: Any, **__: Any) -> None:
        raise FAULTS[fault]

    monkeypatch.setattr(typer.core.TyperCommand, "invoke", fail)
    for path in COMMANDS:
        done = CliRunner().invoke(cli.app, [*path])
        if "Usage" in done.output:  # it asks for an argument first
            continue
        (line,) = done.output.splitlines()
        assert done.exit_code == 1, path
        assert line.startswith("error: ")
        assert TEXT not in line
        assert STATEMENT not in line


def test_a_fault_that_nobody_foresaw_names_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEBUG, raising=False)

    def fail(*_: Any) -> None:
        raise ValueError(TEXT)

    monkeypatch.setattr("db.people_commands.opened", fail)
    done = CliRunner().invoke(cli.app, ["agreement", "--db", "jobs.db"])
    assert done.exit_code == 1
    assert "a fault of jobtool: ValueError in people_commands.py, line " in done.output
    monkeypatch.setenv(DEBUG, "1")
    again = CliRunner().invoke(cli.app, ["agreement", "--db", "jobs.db"])
    assert isinstance(again.exception, ValueError)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/x",
        f"postgresql://127.0.0.1:1/x?user=u&password={SECRET}",
        f"postgresql://127.0.0.1:1/x?passfile={SECRET}&sslpassword={SECRET}",
        f"postgresql://u:{SECRET}@127.0.0.1:1/x?no_such_option=1",
        f"mysql://u:{SECRET}@127.0.0.1:1/x",
        f"oracle://u:{SECRET}@127.0.0.1:1/x",
        f"no-such-thing://u:{SECRET}@127.0.0.1:1/x",
        f"postgresql://u:{SECRET}@127.0.0.1:port/x",
    ],
)
@pytest.mark.parametrize(
    "command",
    [["status", "--db"], ["import", "jobs", "--from-table", "ads", "--db", "x.db", "--source-url"]],
    ids=["own", "source"],
)
def test_no_error_shows_a_password(
    command: list[str], url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, [*command, url])
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith("error: ")
    assert SECRET not in line


def test_a_database_that_refuses_a_value_does_not_quote_the_statement() -> None:
    engine = open_engine(":memory:")
    with pytest.raises(StoreError) as caught, translated(engine):
        raise DataError(STATEMENT, {"text": TEXT}, sqlite3.DataError("string or blob too big"))
    assert str(caught.value) == ":memory:: string or blob too big"
