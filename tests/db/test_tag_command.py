"""`jobtool tag --db` as people run it: real processes, a real model, signals."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select
from typer.testing import CliRunner, Result

import cli
from db.engine import open_engine, reading, writing
from db.migrate import upgrade
from db.queue import enqueue_missing
from db.registry import TrainedModel, promote, register
from db.schema import CodeVersion, Job, ModelTag, Prediction, PredictionSet, Tag
from tagger.jobs import Job as Posting
from tagger.model import TagModel
from tests.db.conftest import wait_for

RUN = [sys.executable, "-c", "import cli; cli.main()", "tag"]
TEXTS = [f"Night nurse for ward {n}, three nights a week, ${n + 20}/hr." for n in range(12)]


def add_jobs(engine: Engine, texts: list[str], *, first: int = 0) -> None:
    with writing(engine) as session:
        rows = [
            {
                "external_id": f"j{first + n}",
                "title": "Nurse",
                "text": text,
                "imported_at": datetime.now(UTC),
                "text_hash": bytes(16),
            }
            for n, text in enumerate(texts)
        ]
        session.execute(insert(Job), rows)


def add_model(engine: Engine, store: Path, folder: Path) -> int:
    """Copy a model folder into the store, register it and make it live."""
    model = TagModel.load(folder)
    shutil.copytree(folder, store / "first")
    sha256 = hashlib.sha256((store / "first/meta.json").read_bytes()).hexdigest()
    with writing(engine) as session:
        n_code = model.predict_all([Posting("x")]).codes.shape[1]
        version = CodeVersion(n_numbers=n_code, created_at=datetime.now(UTC))
        session.add(version)
        session.flush()
        trained = TrainedModel(
            folder="first",
            sha256=sha256,
            thresholds=dict(zip(model.tags, model.thresholds.tolist(), strict=True)),
            snapshot="",
            seed=0,
            versions={},
            metrics={},
            labelled_ids=(),
            unlabelled_ids=(),
        )
        row = register(session, trained, parent=None, code_version=version)
        promote(session, row, reason="a test")
        return row.id


@pytest.fixture
def store(engine: Engine, tmp_path: Path, tiny_model: Path) -> Path:
    """A store with the live model of a database with twelve jobs."""
    add_jobs(engine, TEXTS)
    add_model(engine, tmp_path / "store", tiny_model)
    return tmp_path / "store"


def tag(*args: object) -> Result:
    return CliRunner().invoke(cli.app, ["tag", *(str(arg) for arg in args)])


def n_tagged(engine: Engine) -> int:
    with reading(engine) as session:
        return len(session.scalars(select(PredictionSet.job_id)).all())


def test_what_is_stored_is_what_the_model_says(engine: Engine, url: str, store: Path) -> None:
    done = tag("--db", url, "--store", store, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["tagged"], told["left"], told["model"], told["is_stopped"]) == (12, 0, 1, False)
    model = TagModel.load(store / "first")
    said = model.predict_all([Posting("", "Nurse", text) for text in TEXTS])
    columns = (Prediction.score, Prediction.probability, Prediction.decision, Prediction.review)
    query = select(Prediction.job_id, Tag.name, *columns).join(Tag, Tag.id == Prediction.tag_id)
    with reading(engine) as session:
        stored = {(job_id, name): rest for job_id, name, *rest in session.execute(query)}
    for (job_id, name), found in stored.items():
        cell = (job_id - 1, model.tags.index(name))
        np.testing.assert_array_equal(found, [part[cell] for part in said[:4]])
    assert len(stored) == said.scores.size


def test_two_processes_share_the_work(engine: Engine, url: str, store: Path) -> None:
    done = run("--db", url, "--store", str(store), "--workers", "2", "--json")
    assert (done.returncode, json.loads(done.stdout)["tagged"]) == (0, 12), done.stderr
    assert n_tagged(engine) == 12


def test_a_sentence_tells_what_was_done(url: str, store: Path) -> None:
    done = tag("--db", url, "--store", store, "--limit", 5)
    assert done.stdout.startswith("Tagged 5 jobs with model 1 in ")
    assert done.stdout.endswith("7 left\n")


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *args], capture_output=True, text=True, timeout=120)


@contextmanager
def watching(*args: str) -> Iterator[subprocess.Popen[str]]:
    """A worker that waits for jobs, in a process group of its own."""
    pipe = subprocess.PIPE
    command = [*RUN, *args, "--watch", "--json"]
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_watching_takes_new_jobs_and_sigterm_ends_it_cleanly(
    engine: Engine,
    url: str,
    store: Path,
    workers: str,
) -> None:
    with watching("--db", url, "--store", str(store), "--workers", workers) as process:
        wait_for(lambda: n_tagged(engine) == 12)
        add_jobs(engine, ["A cook for a busy kitchen."], first=12)
        with writing(engine) as session:
            enqueue_missing(session, 1)
        wait_for(lambda: n_tagged(engine) == 13)
        process.send_signal(signal.SIGTERM)
        out, problems = process.communicate(timeout=60)
    assert process.returncode == 0, problems
    assert json.loads(out)["tagged"] == 13
    assert problems == ""


def test_ctrl_c_reaches_all_processes_and_leaves_nothing_leased(
    engine: Engine,
    url: str,
    store: Path,
) -> None:
    with watching("--db", url, "--store", str(store), "--workers", "2") as process:
        wait_for(lambda: n_tagged(engine) == 12)
        os.killpg(process.pid, signal.SIGINT)
        out, problems = process.communicate(timeout=60)
    assert (process.returncode, problems) == (0, "")
    assert json.loads(out)["is_stopped"] is True


def test_when_one_process_is_killed_the_other_goes_on(
    engine: Engine,
    url: str,
    store: Path,
) -> None:
    with watching("--db", url, "--store", str(store), "--workers", "2", "--lease", "1") as process:
        wait_for(lambda: n_tagged(engine) == 12)
        os.kill(workers_of(process.pid).pop(), signal.SIGKILL)
        add_jobs(engine, ["A cook for a busy kitchen."], first=12)
        with writing(engine) as session:
            enqueue_missing(session, 1)
        wait_for(lambda: n_tagged(engine) == 13)
        process.send_signal(signal.SIGTERM)
        _, problems = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "was killed by signal 9; the others take over" in problems


def test_killed_processes_are_replaced(engine: Engine, url: str, store: Path) -> None:
    with watching("--db", url, "--store", str(store), "--workers", "2", "--lease", "1") as process:
        wait_for(lambda: n_tagged(engine) == 12)
        for pid in workers_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        add_jobs(engine, ["A cook for a busy kitchen."], first=12)
        with writing(engine) as session:
            enqueue_missing(session, 1)
        wait_for(lambda: n_tagged(engine) == 13)
        process.send_signal(signal.SIGTERM)
        _, problems = process.communicate(timeout=60)
    assert process.returncode == 0
    assert problems.count("another starts in its place") == 2


def test_what_kills_every_process_ends_the_command(url: str, store: Path) -> None:
    killed: set[int] = set()

    def kill_all() -> bool:
        for pid in workers_of(process.pid) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        return process.poll() is not None

    with watching("--db", url, "--store", str(store), "--workers", "2") as process:
        wait_for(kill_all)
        _, problems = process.communicate()
    assert (process.returncode, len(killed)) == (1, 5)
    assert "all workers were killed" in problems


def workers_of(pid: int) -> set[int]:
    """The worker processes among the children of a process."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        if parent == pid and "spawn_main" in command:
            found.add(int(folder.name))
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_one_changed_byte_is_refused_and_nothing_is_tagged(
    engine: Engine,
    url: str,
    store: Path,
    workers: int,
) -> None:
    path = store / "first/mixture.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = run("--db", url, "--store", str(store), "--workers", str(workers))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: {path} is not what was saved" in done.stderr
    assert "Traceback" not in done.stderr
    assert n_tagged(engine) == 0


def test_another_models_folder_is_refused(engine: Engine, url: str, store: Path) -> None:
    with writing(engine) as session:
        session.delete(session.scalars(select(ModelTag)).first())
    done = tag("--db", url, "--store", store)
    assert done.exit_code == 1
    assert "is another model's folder" in done.output


# ---- wrong use


def test_without_a_live_model_it_says_what_to_do(tmp_path: Path) -> None:
    upgrade(open_engine(str(tmp_path / "jobs.db")))
    done = tag("--db", tmp_path / "jobs.db")
    assert done.exit_code == 1
    assert "run jobtool retrain" in done.output


@pytest.mark.parametrize(
    "args",
    [
        ("--db", "jobs.db", "--model", "model"),
        ("--db", "jobs.db", "jobs.csv"),
        ("--db", "jobs.db", "--explain"),
        ("--watch",),
        ("posting.txt", "--workers", "2"),
        ("--limit", "2"),
        ("--db", "jobs.db", "--workers", "0"),
    ],
)
def test_options_of_files_and_of_databases_do_not_mix(args: tuple[str, ...]) -> None:
    assert tag(*args).exit_code == 2
