"""Promises in SQL: what they mark, and that they are history."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from typer.testing import CliRunner

import cli
from db.engine import reading
from db.exporting import iter_rows
from db.labelling import Settings, label
from db.promises import Wanted
from db.schema import Promise
from db.status import status
from tests.db import test_tag_command as real
from tests.db.worker import ByLength, add_jobs, add_model

WANTED = Wanted(wrong_at_most=0.05, confidence=0.9)


def tag(engine: Engine, store: Path, wanted: Wanted | None = WANTED) -> None:
    label(engine, ByLength, Settings(store=store, promise=wanted))


def exported(engine: Engine) -> list[dict[str, Any]]:
    with reading(engine) as session:
        return list(iter_rows(session, "predictions"))


def test_predictions_above_the_promised_threshold_are_marked(
    engine: Engine, tmp_path: Path
) -> None:
    add_jobs(engine, 40)
    add_model(engine, tmp_path, "first")
    tag(engine, tmp_path)
    rows = exported(engine)
    marked = [row for row in rows if row["promised"]]
    assert {row["tag"] for row in marked} == {"long"}
    assert all(row["given"] and row["probability"] >= 0.95 for row in marked)
    given = [row for row in rows if row["given"] and row["tag"] == "long"]
    assert 0 < len(marked) < len(given)


def test_without_promises_nothing_is_marked(engine: Engine, tmp_path: Path) -> None:
    add_jobs(engine, 40)
    add_model(engine, tmp_path, "first")
    tag(engine, tmp_path, None)
    assert not any(row["promised"] for row in exported(engine))
    with reading(engine) as session:
        assert status(session)["live_model"]["promise"] is None


def test_promises_reach_back_and_another_share_replaces_them(
    engine: Engine, tmp_path: Path
) -> None:
    add_jobs(engine, 40)
    add_model(engine, tmp_path, "first")
    tag(engine, tmp_path, None)
    n_marked = []
    for wanted in (WANTED, WANTED, Wanted(wrong_at_most=0.4, confidence=0.9)):
        tag(engine, tmp_path, wanted)  # all jobs are tagged already
        n_marked.append(sum(row["promised"] for row in exported(engine)))
    assert 0 < n_marked[0] == n_marked[1] < n_marked[2]
    with reading(engine) as session:
        lines = session.scalars(select(Promise.wrong_at_most).order_by(Promise.id)).all()
    assert lines == [0.05] * 3 + [0.4] * 3  # the second time said nothing new


def test_a_new_champion_makes_promises_of_its_own(engine: Engine, tmp_path: Path) -> None:
    add_jobs(engine, 4)
    add_model(engine, tmp_path, "first")
    tag(engine, tmp_path)
    add_model(engine, tmp_path, "second")
    with reading(engine) as session:
        assert status(session)["live_model"]["promise"] is None
    tag(engine, tmp_path)
    with reading(engine) as session:
        found = status(session)["live_model"]["promise"]
    assert (found["promised_tags"], found["tags"], found["wrong_at_most"]) == (1, 3, 0.05)


# ---- as people run it, with a real model


@pytest.fixture
def store(engine: Engine, tmp_path: Path, tiny_model: Path) -> Path:
    real.add_jobs(engine, real.TEXTS)
    real.add_model(engine, tmp_path / "store", tiny_model)
    return tmp_path / "store"


def jobtool(*args: object) -> Any:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def test_commands_show_keep_and_export_promises(url: str, store: Path, tmp_path: Path) -> None:
    where = ("--db", url, "--store", store)
    shown = json.loads(
        jobtool("models", "promise", *where, "--wrong-at-most", 0.6, "--json").stdout
    )
    promised = {one["tag"]: one["threshold"] for one in shown["tags"] if one["threshold"]}
    assert promised
    done = jobtool("tag", *where, "--wrong-at-most", 0.6)
    assert done.exit_code == 0, done.output
    told = f"{len(promised)} of {len(shown['tags'])} tags, each at most 60% wrong"
    assert f"Given without a person: {told}" in done.stdout
    assert told in jobtool("status", "--db", url).stdout
    jobtool("export", "predictions", tmp_path / "out.csv", "--db", url)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        reached = float(row["probability"]) >= promised.get(row["tag"], 2)
        assert (row["promised"] == "true") == (row["given"] == "true" and reached)
    assert any(row["promised"] == "true" for row in rows)


def test_a_share_out_of_range_stops_before_any_work(engine: Engine, url: str, store: Path) -> None:
    done = jobtool("tag", "--db", url, "--store", store, "--wrong-at-most", 5)
    assert done.exit_code == 1
    assert "wrong_at_most must lie between 0 and 1" in done.stderr
    assert real.n_tagged(engine) == 0
