"""`jobtool models` on the command line."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

import cli
from db.columns import RunState
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.registry import TrainedModel, register
from db.schema import CodeVersion, Run, Verdict


@pytest.fixture
def db(tmp_path):
    """A database with three models, and their folders in the store beside it."""
    path = tmp_path / "jobs.db"
    engine = open_engine(str(path))
    upgrade(engine)
    with writing(engine) as session:
        version = CodeVersion(n_numbers=2, drift=None, created_at=datetime.now(UTC))
        session.add(version)
        session.flush()
        for name in "abc":
            (tmp_path / "jobs.models" / name).mkdir(parents=True)
            trained = TrainedModel(
                folder=name,
                sha256="0" * 64,
                thresholds={"remote": 0.5},
                snapshot="1" * 64,
                seed=0,
                versions={},
                metrics={"mean_average_precision": 0.5, "n_labelled": 7},
                labelled_ids=[],
                unlabelled_ids=[],
            )
            register(session, trained, parent=None, code_version=version)
    engine.dispose()
    return path


def models(db, *arguments: str, expected: int = 0) -> str:
    done = CliRunner().invoke(cli.app, ["models", *arguments, "--db", str(db)])
    assert done.exit_code == expected, done.output
    return done.output


def test_models_go_live_and_back(db):
    assert models(db, "promote", "a") == "model 1 is live\n"
    assert models(db, "promote", "2") == "model 2 is live, instead of model 1\n"
    assert json.loads(models(db, "promote", "2", "--json")) == {"champion": 2, "previous": 2}
    assert models(db, "rollback") == "model 1 is live, instead of model 2\n"
    assert "first champion" in models(db, "rollback", expected=1)


def test_the_list_says_which_is_live(db):
    models(db, "promote", "c")
    lines = models(db, "list").splitlines()
    assert [line.split()[-1] for line in lines] == ["0.500", "0.500", "anchor"]
    assert [row["state"] for row in json.loads(models(db, "list", "--json"))][
        -1
    ] == "champion, anchor"


def test_the_list_says_how_models_compare_with_the_best_of_their_time(db):
    def judged(champion_id: int | None, details: dict[str, object]) -> Verdict:
        return Verdict(
            run_id=1,
            challenger_id=2 if champion_id == 1 else 3 if champion_id else 1,
            champion_id=champion_id,
            promoted=True,
            reason="a test",
            details=details,
            judged_at=datetime.now(UTC),
        )

    gain = {"mean_average_precision": {"value": 0.02}}
    engine = open_engine(str(db))
    with writing(engine) as session:
        at = datetime.now(UTC)
        session.add(
            Run(
                worker="w", state=RunState.DONE, lease_until=at, reason="a test", folder="x",
                started_at=at, label_id=0, job_id=0,
            )
        )  # fmt: skip
        session.flush()
        session.add(judged(None, gain))  # beside what tags are called
        session.add(judged(1, gain))
        loss = {"model": 1, "mean_average_precision": {"value": -0.0104}}
        session.add(judged(2, {**gain, "anchor": loss}))
    engine.dispose()
    for name in "abc":
        models(db, "promote", name)
    ends = [line.split("0.500  ")[1] for line in models(db, "list").splitlines()]
    assert ends == [
        "",
        "  +0.020 against model 1",
        "champion, anchor  -0.010 against model 1",
    ]
    found = [row["against_anchor"] for row in json.loads(models(db, "list", "--json"))]
    assert found == [
        None,
        {"model": 1, "mean_average_precision": 0.02},
        {"model": 1, "mean_average_precision": -0.0104},
    ]
    assert "tags" not in models(db, "diff", "anchor", "a").splitlines()[0]


def test_show_and_diff_say_what_there_is(db):
    assert "remote: 0.5" in models(db, "show", "a")
    assert "jobs tagged by both: 0" in models(db, "diff", "a", "b")
    assert "the same model" in models(db, "diff", "a", "1", expected=2)
    assert "no model 'nosuch'" in models(db, "show", "nosuch", expected=1)


def test_prune_removes_folders_unless_it_is_a_dry_run(db, tmp_path):
    store = tmp_path / "jobs.models"
    models(db, "promote", "c")
    assert "2 model folders would be removed" in models(db, "prune", "--keep", "0", "--dry-run")
    assert len(list(store.iterdir())) == 3
    models(db, "prune", "--keep", "0")
    assert [path.name for path in store.iterdir()] == ["c"]
    assert "pruned" in models(db, "promote", "a", expected=1)


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    assert "there is no database" in models(tmp_path / "typo.db", "list", expected=1)
    assert not (tmp_path / "typo.db").exists()
