"""Imports in processes of their own: two at once, killed, stopped, and without a server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TextIO

import pytest
from sqlalchemy import Engine, func, select

from db.engine import reading
from db.schema import Job, JobBand, Label

RUN = [sys.executable, "-c", "import cli; cli.main()", "import", "jobs"]
N_JOBS = 2600


def start(*args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RUN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> dict[str, int]:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return json.loads(out)


def posting(n: int) -> dict[str, object]:
    """Every fifth repeats the one before it."""
    words = Random(n - (n % 5 == 4)).choices([f"word{k}" for k in range(400)], k=40)
    return {"id": f"j{n}", "text": " ".join(words), "tags": ["care"] if n % 2 else []}


def write(path: Path, numbers: Iterable[int]) -> Path:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(posting(n))}\n" for n in numbers)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("jobs") / "jobs.jsonl", range(N_JOBS))


def n_rows(engine: Engine, table: type = Job) -> int:
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def check_whole(engine: Engine) -> None:
    """All jobs are there, with their reposts and bands."""
    with reading(engine) as session:
        jobs = session.execute(select(Job.id, Job.external_id, Job.canonical_id)).all()
        banded = set(session.scalars(select(JobBand.job_id)))
    ids = {name: id for id, name, _ in jobs}
    assert set(ids) == {f"j{n}" for n in range(N_JOBS)}
    canonical = {id: of for id, _, of in jobs}
    assert all(canonical[of] is None for of in canonical.values() if of)
    assert banded == {id for id, of in canonical.items() if of is None}
    for n in range(4, N_JOBS, 5):
        pair = (ids[f"j{n - 1}"], ids[f"j{n}"])
        assert pair[0] in (canonical[pair[1]], pair[1]) or canonical[pair[0]] == pair[1]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe to feed an import as slowly as a test likes."""
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    return path


def feed_half(pipe: Path, engine: Engine, *args: object) -> "tuple[subprocess.Popen[str], TextIO]":
    """An import that has stored 1,000 rows, holds some hundreds, and waits for more."""
    process = start(pipe, "--no-labels", *args)
    stream = pipe.open("w", encoding="utf-8")
    stream.writelines(f"{json.dumps(posting(n))}\n" for n in range(1500))
    stream.flush()
    end = time.monotonic() + 60
    while n_rows(engine) < 1000:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    return process, stream


def test_two_processes_may_import_the_same_file(url: str, engine: Engine, whole: Path):
    processes = [start(whole, "--db", url, "--json") for _ in range(2)]
    done = [finish(process) for process in processes]
    assert sum(one["new"] for one in done) == N_JOBS
    assert sum(one["unchanged"] for one in done) == N_JOBS
    assert sum(one["labels"] for one in done) == n_rows(engine, Label) == N_JOBS
    check_whole(engine)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_import_is_finished_by_the_next(
    url: str, engine: Engine, whole: Path, pipe: Path, how: signal.Signals
):
    process, stream = feed_half(pipe, engine, "--db", url)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    stream.close()
    assert n_rows(engine) == 1000
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "1,000 rows are stored; import again to go on after them" in err
    done = finish(start(whole, "--db", url, "--json", "--no-labels"))
    assert (done["new"], done["unchanged"]) == (N_JOBS - 1000, 1000)
    check_whole(engine)


def test_without_its_server_an_import_ends_clearly_and_goes_on_later(
    request: pytest.FixtureRequest, url: str, engine: Engine, whole: Path, pipe: Path
):
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    server = request.getfixturevalue("postgres")
    process, stream = feed_half(pipe, engine, "--db", url)
    server.stop("immediate")
    try:
        with suppress(BrokenPipeError), stream:  # it ends before it has read all
            stream.writelines(f"{json.dumps(posting(n))}\n" for n in range(1500, N_JOBS))
        _, err = process.communicate(timeout=60)
    finally:
        server.start()
    assert process.returncode == 1
    assert err.startswith("error: postgresql+psycopg://")
    assert "1,000 rows are stored; import again to go on after them" in err
    assert "Traceback" not in err
    done = finish(start(whole, "--db", url, "--json", "--no-labels"))
    assert (done["new"], done["unchanged"]) == (N_JOBS - 1000, 1000)
    check_whole(engine)


def test_a_restart_between_two_batches_is_not_even_noticed(
    request: pytest.FixtureRequest, url: str, engine: Engine, pipe: Path
):
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    server = request.getfixturevalue("postgres")
    process, stream = feed_half(pipe, engine, "--db", url, "--json")
    server.stop("fast")
    server.start()
    stream.writelines(f"{json.dumps(posting(n))}\n" for n in range(1500, N_JOBS))
    stream.close()
    assert finish(process)["new"] == N_JOBS
    check_whole(engine)


def test_a_bad_row_goes_to_the_rejects_and_the_exit_code_is_3(
    url: str, engine: Engine, tmp_path: Path
):
    path, rejects = tmp_path / "jobs.csv", tmp_path / "bad.jsonl"
    path.write_text('id,text,posted_at\na,One,2026-01-01\nb,Two,soon\nc,Nul \0 here,\nd,"",\n')
    done = start(path, "--db", url, "--json", "--rejects", rejects)
    out, err = done.communicate(timeout=60)
    assert (done.returncode, json.loads(out)["new"], json.loads(out)["rejected"]) == (3, 3, 1)
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["line"], one["id"]) for one in told] == [(3, "b"), (5, "d")]
    assert "the time 'soon' can't be read; write 2024-01-31" in err
    with reading(engine) as session:
        assert "Nul \ufffd here" in session.scalars(select(Job.text)).all()


def test_the_teams_own_table_is_imported_and_left_alone(url: str, engine: Engine, tmp_path: Path):
    from sqlalchemy import text

    from db.engine import writing

    with writing(engine) as session:
        session.execute(text("CREATE TABLE ads (nr INTEGER, body TEXT, head TEXT, pay FLOAT)"))
        session.execute(text("INSERT INTO ads VALUES (7, 'Three nights a week', 'Nurse', 2.5)"))
    to = str(tmp_path / "to.db")
    options = ("--source-url", url, "--db", to, "--json")
    by_name = ("--from-table", "ads", "--columns", "id=nr,text=body", "--column", "title=head")
    assert finish(start(*by_name, *options))["new"] == 1
    query = "SELECT nr AS id, body AS text, head AS title, pay FROM ads"
    assert finish(start("--query", query, *options))["unchanged"] == 1
    missing = start("--from-table", "ads", *options)
    _, err = missing.communicate(timeout=60)
    assert "ads has no column 'text'; it has: nr, body, head, pay" in err
