"""`jobtool models` on the command line."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

import cli
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.registry import TrainedModel, register
from db.schema import CodeVersion


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
