"""What is written is what was stored: into a file, into another database, into a tool and back."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

import cli
from db.engine import open_engine, reading
from db.exporting import iter_rows
from db.migrate import ready

JOBS = [
    {
        "id": "n",
        "title": "Nurse, nights",
        "text": 'Three "nights"\na week\r\non a busy ward',
        "posted_at": "2026-03-01T08:00:00+01:00",
        "tags": ["care; more", "[x]"],
        "not_tags": ["sea"],
        "pay": {"min": 3},
    },
    {"id": "c", "title": "", "text": "Small kitchen, ünïcode, by the sea", "tags": []},
    {"id": "c2", "text": "Small kitchen, ünïcode, by the sea!"},
    {"id": "u", "text": "Nothing is known of this one", "tags": None},
]
LABELS = [
    {"job": "n", "tag": "care; more", "label": "unsure", "labeller": "Ada", "source": "person"},
    {"job": "c", "tag": "sea", "label": "yes", "labeller": "Ada", "labelled_at": 1706702400},
]
EVENTS = [
    {"candidate": "p", "job": "n", "action": "view", "occurred_at": "2026-01-02", "page": 3},
    {"candidate": "q", "job": "c", "action": "apply", "id": "e7"},
]
CANDIDATES = [{"id": "p", "text": "A resume", "age": 40}, {"id": "r", "text": ""}]
KINDS = {"jobs": JOBS, "labels": LABELS, "candidates": CANDIDATES, "events": EVENTS}


def jobtool(*args: object, expected: int = 0) -> str:
    done = CliRunner().invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == expected, done.output
    return done.output


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def load(url: str, folder: Path) -> None:
    for kind, rows in KINDS.items():
        jobtool("import", kind, write(folder / f"{kind}.in.jsonl", rows), "--db", url)


def stored(engine: Engine) -> dict[str, list[dict]]:
    """All rows of all kinds, in an order of their own."""
    with reading(engine) as session:
        rows = {kind: list(iter_rows(session, kind)) for kind in KINDS}
    for found in rows.values():
        found.sort(key=lambda row: json.dumps(row, default=str))
    return rows


@pytest.fixture
def other(tmp_path: Path):
    """An empty database."""
    engine = open_engine(str(tmp_path / "other.db"))
    ready(engine)
    yield engine
    engine.dispose()


def test_rows_are_told_as_they_were_imported(url: str, engine: Engine, tmp_path: Path):
    load(url, tmp_path)
    rows = stored(engine)
    jobs = {job["id"]: job for job in rows["jobs"]}
    assert jobs["n"]["posted_at"].isoformat() == "2026-03-01T07:00:00+00:00"
    assert jobs["n"]["fields"] == {"pay": {"min": 3}}
    assert (jobs["c2"]["repost_of"], jobs["c"]["repost_of"]) == ("c", None)
    assert (jobs["u"]["tags"], jobs["u"]["not_tags"]) == ([], [])
    # Ada, a person, is unsure of a tag that an import gave: hers counts.
    assert (jobs["n"]["tags"], jobs["n"]["not_tags"]) == (["[x]"], ["sea"])


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_a_round_trip_changes_nothing(
    url: str, engine: Engine, other: Engine, tmp_path: Path, ending: str
):
    load(url, tmp_path)
    to = str(tmp_path / "other.db")
    for kind in KINDS:
        output = tmp_path / f"{kind}.{ending}"
        jobtool("export", kind, output, "--db", url)
        jobtool("import", kind, output, "--db", to, *(["--no-labels"] * (kind == "jobs")))
    assert stored(other) == stored(engine)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("tool", "ending"),
    [
        ("label-studio", "json"),
        ("label-studio", "json.gz"),
        ("doccano", "jsonl"),
        ("prodigy", "jsonl"),
    ],
)
def test_a_round_trip_through_a_tool_keeps_every_answer(
    url: str, engine: Engine, other: Engine, tmp_path: Path, tool: str, ending: str
):
    load(url, tmp_path)
    to, output = str(tmp_path / "other.db"), tmp_path / f"labels.{ending}"
    jobtool("import", "jobs", tmp_path / "jobs.in.jsonl", "--db", to, "--no-labels")
    jobtool("export", "labels", output, "--db", url, "--format", tool)
    jobtool("import", "labels", output, "--db", to, "--format", tool)

    def answers(of: Engine) -> set[tuple]:
        labels = stored(of)["labels"]
        return {(one["job"], one["tag"], one["label"], one["labeller"]) for one in labels}

    assert answers(other) == answers(engine)
    again = jobtool("import", "labels", output, "--db", to, "--format", tool, "--json")
    assert json.loads(again)["labels"] == 0


def test_predictions_are_those_of_a_model(url: str, engine: Engine, tmp_path: Path):
    load(url, tmp_path)
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO code_versions (id, n_numbers, created_at) VALUES (1, 2, '2026-01-01')",
            "INSERT INTO models (id, folder, sha256, code_version_id, snapshot, seed, versions,"
            " metrics, created_at, codes_at, codes_drift)"
            " VALUES (1, 'm', '', 1, '', 0, '{}', '{}', '2026-01-01', '2026-01-01', 0)",
            "INSERT INTO prediction_sets VALUES (1, 1, false, '2026-01-02')",
            "INSERT INTO predictions VALUES (1, 1, 1, 0.5, 0.75, true, false)",
        ):
            connection.execute(text(statement))
    output = tmp_path / "out.jsonl"
    told = jobtool("export", "predictions", output, "--db", url, expected=1)
    assert "there is no live model yet" in told
    jobtool("export", "predictions", output, "--db", url, "--model", "m")
    row = json.loads(output.read_text())
    assert (row["job"], row["model"], row["probability"], row["given"]) == ("n", "m", 0.75, True)


def test_what_can_not_be_exported_is_named(url: str, tmp_path: Path):
    assert "unknown kind" in jobtool("export", "x", tmp_path / "x.csv", "--db", url, expected=2)
    told = jobtool("export", "jobs", tmp_path / "x.txt", "--db", url, expected=1)
    assert "the name must end in .jsonl" in told
    csv = ("export", "labels", tmp_path / "x.csv", "--db", url, "--format")
    assert "must end in .jsonl" in jobtool(*csv, "doccano", expected=1)
    assert "'word' is not one of" in jobtool(*csv, "word", expected=2)
