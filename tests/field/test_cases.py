"""Small inputs that once failed, each a folder beside the checkout: run as a user would.

A folder holds the inputs and `cmd.txt`, what to run there. What must come is asserted here, for the
folders that are known; of any other at least that no command ends in a traceback.
"""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from tests.db.conftest import postgres  # noqa: F401  # a fixture

ROOT = Path(__file__).parents[2]
CASES = ROOT.parent / "shared" / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/cmd.txt"))
NEEDS_A_DRIVER = ("09",)  # that of another database

pytestmark = pytest.mark.skipif(not FOLDERS, reason=f"there is no {CASES}")


class Case:
    """A copy of a folder, in which `jobtool` can be run."""

    def __init__(self, folder: Path, bin: Path, **variables: str) -> None:
        self.folder = folder
        path = f"{bin}{os.pathsep}{os.environ['PATH']}"
        self._environment = os.environ | variables | {"PATH": path, "PYTHONPATH": str(ROOT)}
        self._environment.pop("JOBTOOL_DATABASE_URL", None)

    def sh(self, command: str) -> str:
        """What a command writes, on both streams."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stdout
        return done.stdout

    def rows(self, query: str, database: str = "t.db") -> list[tuple]:
        """Rows of a SQLite database."""
        connection = sqlite3.connect(self.folder / database)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def tags(self, database: str = "t.db") -> dict[str, tuple[int, int]]:
        """Tag -> how many jobs have been said to carry it, and not to."""
        query = (
            "SELECT name, sum(\"after\" = 'yes'), sum(\"after\" = 'no') FROM tags "
            "LEFT JOIN labels ON tags.id = tag_id GROUP BY name"
        )
        return {name: (yes or 0, no or 0) for name, yes, no in self.rows(query, database)}


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """The folder whose name begins as the test says, copied."""
    start: str = request.param
    found = [folder for folder in FOLDERS if folder.name.startswith(start)]
    if not found:
        pytest.skip(f"there is no case {start}")
    program = tmp_path / "bin" / "jobtool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "cli.py"}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    copytree(found[0], tmp_path / "case")
    variables = {}
    if "PGURL" in (found[0] / "cmd.txt").read_text():
        server = request.getfixturevalue("postgres")
        server.admin("CREATE DATABASE field")
        variables["PGURL"] = server.url("field").replace("postgresql+psycopg", "postgresql")
    return Case(tmp_path / "case", program.parent, **variables)


def none_strings(case: Case, out: str) -> None:
    assert case.tags().keys() == {"office", "masonry", "outdoors"}
    assert case.rows("SELECT text FROM jobs WHERE external_id = '3'") == [("",)]
    rows = map(json.loads, (case.folder / "out.jsonl").read_text().splitlines())
    assert [row["text"] for row in rows] == ["Busy kitchen", "", ""]


def comma_tags(case: Case, out: str) -> None:
    assert "--tag-separator ," in out
    assert "'office#part-time'" in out
    assert case.tags() == {}
    told = case.sh("jobtool import jobs jobs.csv --db t.db --tag-separator , --yes")
    assert told.startswith("4 rows: 4 new")
    assert case.tags()["shift-work"] == (1, 3)


def reimport_duplicates(case: Case, out: str) -> None:
    first, *others = out.splitlines()
    assert first.startswith("4 rows: 2 new, 0 changed, 0 unchanged, 2 repeated")
    assert len(others) == 2
    assert all(
        one.startswith("4 rows: 0 new, 0 changed, 2 unchanged, 2 repeated") for one in others
    )


def unreadable_date(case: Case, out: str) -> None:
    assert "4 rows: 4 new" in out
    assert "jobs.jsonl:4: the time '2 days ago' can't be read" in out
    times = [time and time[:10] for (time,) in case.rows("SELECT posted_at FROM jobs ORDER BY id")]
    assert times == ["2026-06-19", "2026-08-18", "2023-11-04", None]


def label_studio_flat(case: Case, out: str) -> None:
    assert case.tags().keys() == {"healthcare", "shift-work", "hospitality"}
    assert case.tags("t2.db") == dict.fromkeys(case.tags(), (1, 1))


def taxonomy(case: Case, out: str) -> None:
    said = (
        'SELECT name, "after" FROM labels JOIN tags ON tags.id = tag_id '
        "JOIN jobs ON jobs.id = job_id"
    )
    assert ("healthcare", "no") not in case.rows(f"{said} WHERE external_id = '1'")
    assert case.rows(f"{said} WHERE external_id = '2'") == [("healthcare", "yes")]
    assert "good" not in case.tags()
    assert "Tags are the answers to tags; for quality: --control NAME" in out
    command = "jobtool import labels tasks.json --format label-studio --control quality --db t.db"
    assert "New tags: good" in case.sh(command)


def labels_by_text(case: Case, out: str) -> None:
    assert "4 rows: 4 labels" in out
    (case.folder / "twin.jsonl").write_text(
        '{"id": "j3", "text": "Line cook wanted for busy kitchen"}'
    )
    case.sh("jobtool import jobs twin.jsonl --db t.db")
    again = case.sh("jobtool import labels doccano.jsonl --format doccano --db t.db")
    assert "jobs 'j2' and 'j3' have this text" in again


def numeric_nan(case: Case, out: str) -> None:
    assert out.count("3 rows: 3 new") == 2
    for database in ("t.db", "t2.db"):
        fields = [one for (one,) in case.rows("SELECT fields FROM jobs ORDER BY id", database)]
        assert [bool(one) for one in fields] == [True, False, False]


def events_without_action(case: Case, out: str) -> None:
    assert "say with --action apply that all events are that" in out
    assert "--action favourite=OURS" in out
    common = "--db t.db --create-missing -c"
    first = f"applications.csv --action apply {common} candidate=user_id,job=job_id"
    names = "action=FeedbackType,candidate=UserId,job=ItemId,occurred_at=Timestamp"
    actions = "--action favourite=save --action read=view --action star=save"
    second = f"feedback.csv {actions} {common} {names}"
    assert "3 rows: 3 new" in case.sh(f"jobtool import events {first},occurred_at=applied_on")
    assert "3 rows: 3 new" in case.sh(f"jobtool import events {second}")
    assert case.rows("SELECT count(*) FROM events WHERE occurred_at IS NULL") == [(0,)]


def cats(case: Case, out: str) -> None:
    assert case.tags() == {"healthcare": (1, 1), "sales": (1, 1)}


def wrapped_json(case: Case, out: str) -> None:
    ids = case.rows("SELECT external_id FROM jobs ORDER BY id")
    assert ids == [("1",), ("2",), ("123",)]
    assert "2 rows: 0 new, 0 changed, 2 unchanged" in out


def merge_tags(case: Case, out: str) -> None:
    assert "differ only in capitals and spaces: 'REMOTE', 'Remote', 'remote'" in out
    case.sh("jobtool import jobs jobs.csv --db t.db --yes")
    assert "jobtool tags merge" in case.sh("jobtool tags rename --db t.db Remote remote")
    case.sh("jobtool tags merge --db t.db remote Remote REMOTE")
    listed = json.loads(case.sh("jobtool tags list --db t.db --json"))["tags"]
    assert {tag["name"]: tag["n_yes"] for tag in listed if not tag["retired_at"]} == {
        "remote": 3,
        "home-office": 1,
    }


CHECKS: dict[str, Callable[[Case, str], None]] = {
    "01": none_strings,
    "02": comma_tags,
    "03": reimport_duplicates,
    "04": unreadable_date,
    "05": label_studio_flat,
    "06": taxonomy,
    "07": labels_by_text,
    "08": numeric_nan,
    "10": events_without_action,
    "12": cats,
    "13": wrapped_json,
    "17": merge_tags,
}


@pytest.mark.parametrize("case", CHECKS, indirect=True, ids=list(CHECKS))
def test_a_known_case_gives_what_it_must(request: pytest.FixtureRequest, case: Case) -> None:
    start = request.node.callspec.id
    CHECKS[start](case, case.sh((case.folder / "cmd.txt").read_text()))


OTHERS = [
    folder.name for folder in FOLDERS if not folder.name.startswith((*CHECKS, *NEEDS_A_DRIVER))
]


@pytest.mark.parametrize("case", OTHERS, indirect=True, ids=OTHERS)
def test_any_other_case_ends_without_a_traceback(case: Case) -> None:
    assert case.sh((case.folder / "cmd.txt").read_text())
