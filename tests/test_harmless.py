"""What strangers write does no harm: on terminals, in pipes, in CSV."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import cli
from tagger.grid import grid, shorten
from tagger.harmless import Guarded, csv_cell, guarded_output, harmless, read_csv_cell
from tagger.rejects import Rejects
from tagger.tagged import TaggedJob, TagWriter
from tagger.writing import RowWriter

OBEYED = {
    "OSC": "\x1b]0;owned\x07",
    "CSI": "\x1b[2J",
    "C1": "\x9b31m",
    "bidi": "\u202e",
    "isolate": "\u2066",
    "carriage return": "a\rb",
    "bell": "\x07",
    "DEL": "\x7f",
}
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\uff1d1+1")


def is_harmless(text: str) -> bool:
    return harmless(text) == text


@pytest.mark.parametrize("kind", OBEYED)
def test_nothing_that_a_terminal_obeys_is_printed(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not is_harmless(OBEYED[kind])
    with guarded_output():
        typer.echo(f"job {OBEYED[kind]}")
        typer.echo(f"error: {OBEYED[kind]}", err=True)
        sys.stdout.write(f'{{"id": "{OBEYED[kind]}"}}\n')
    printed = capsys.readouterr()
    assert is_harmless(printed.out)
    assert is_harmless(printed.err)


def test_json_that_is_printed_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"id": "".join(OBEYED.values())}
    with guarded_output():
        typer.echo(json.dumps(said, ensure_ascii=False))
    printed = capsys.readouterr().out
    assert is_harmless(printed)
    assert json.loads(printed) == said


def test_bars_still_move() -> None:
    beneath = io.StringIO()
    stream = Guarded(beneath)
    for drawn in ("\rtagging: 50%", "\n", "\x1b[A", "\rtagging: 100%"):
        stream.write(drawn)
    assert beneath.getvalue() == "\rtagging: 50%\n\x1b[A\rtagging: 100%"


@pytest.mark.parametrize("kind", OBEYED)
def test_no_command_prints_what_a_tag_or_an_id_hides(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "jobs.db")
    name = f"x{OBEYED[kind]}y"
    row = {"id": name, "title": name, "text": "Cook", "tags": [name]}
    Path("jobs.jsonl").write_text(f"{json.dumps(row)}\n")
    commands = (
        ["import", "jobs", "jobs.jsonl", "--yes"],
        ["tags", "list"],
        ["tags", "list", "--json"],
        ["tags", "export"],
        ["history", name],
        ["labels", "batches"],
        ["tags", "history", name],
        ["status"],
        ["history", "no such job " + name],
        ["export", name, "out.csv"],
    )
    for command in commands:
        done = CliRunner().invoke(cli.app, command)
        assert is_harmless(done.output), command
    for output in ("out.csv", "out.jsonl"):
        assert CliRunner().invoke(cli.app, ["export", "jobs", output]).exit_code == 0
        assert is_harmless(Path(output).read_text())


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_a_text_in_every_csv(formula: str, tmp_path: Path) -> None:
    rows, tags = tmp_path / "rows.csv", tmp_path / "tags.csv"
    with RowWriter(rows, {"id": "text", "tags": "texts"}) as writer:
        writer.write({"id": formula, "tags": [formula]})
    with TagWriter(tags, [formula]) as tag_writer:
        tag_writer.write(TaggedJob(formula, (formula,), (), {formula: 0.5}))
    for path in (rows, tags):
        with path.open(newline="") as stream:
            cells = list(csv.reader(stream))[1]
        assert [cell[:1] for cell in cells[:2]] == ["'", "'"]


def test_what_was_protected_is_read_as_it_was(tmp_path: Path) -> None:
    from tagger.files import open_rows

    path = tmp_path / "rows.csv"
    texts = ["=1+1", "'=1+1", "-5", "nurse", "'90s bar", "- cook\n- clean"]
    with RowWriter(path, {"id": "text"}) as writer:
        for text in texts:
            writer.write({"id": text})
    with Rejects() as rejects, open_rows(path, rejects=rejects) as (_, rows):
        assert [row.cells["id"] for row in rows] == texts


@given(st.text())
def test_reading_undoes_what_protects(text: str) -> None:
    assert read_csv_cell(str(csv_cell(text))) == harmless(text)
    assert is_harmless(str(csv_cell(text)))


def test_numbers_stay_whole_and_long_names_lose_their_middle() -> None:
    name = "registered nurse in intensive care, night shift, ward 7"
    rows = [(name, 123456, "0.123", "a word or two " * 9)]
    narrow = grid(("tag", "jobs", "score", "why"), rows, right=(1, 2), width=60)
    assert max(map(len, narrow.splitlines())) <= 60
    assert "123456" in narrow
    assert "0.123" in narrow
    assert "register" in narrow
    assert "ward 7" in narrow
    assert name not in narrow
    assert "123456" in grid(("tag", "jobs", "score", "why"), rows, right=(1, 2), width=20)


def test_where_the_output_goes_elsewhere_nothing_is_wrapped() -> None:
    rows = [("t" * 90, 1, "a word or two " * 9)]
    lines = grid(("tag", "jobs", "why"), rows, right=(1,)).splitlines()
    assert len(lines) == 3
    assert "t" * 90 in lines[2]


@pytest.mark.parametrize("most", [12, 13, 40])
def test_a_shortened_name_is_as_long_as_told(most: int) -> None:
    assert len(shorten("x" * 50, most)) == most
