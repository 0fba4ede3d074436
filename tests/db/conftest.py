"""Databases for the tests: SQLite files, and a real PostgreSQL server that is started here.

MariaDB or MySQL, too, if JOBTOOL_TEST_MYSQL_URL names a server and a user who may make databases:
mysql://user:password@127.0.0.1:3306
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from bench.postgres import Postgres, postgres_binaries
from db.columns import Answer, Source
from db.engine import open_engine, parse_url, writing
from db.labels import Batches, Said, find_tags, record
from db.migrate import upgrade
from db.schema import Job

START = datetime(2026, 1, 1, tzinfo=UTC)
MYSQL_URL = os.environ.get("JOBTOOL_TEST_MYSQL_URL")
_number = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server with one migrated database, `template`, to copy from."""
    binaries = postgres_binaries()
    if binaries is None:
        if os.environ.get("JOBTOOL_TEST_POSTGRES") == "required":
            pytest.fail("there is no initdb: install PostgreSQL (Debian: postgresql)")
        pytest.skip("there is no initdb: install PostgreSQL to run this")
    server = Postgres(binaries)
    try:
        server.admin("CREATE DATABASE template")
        engine = open_engine(server.url("template"))
        upgrade(engine)
        engine.dispose()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_engine(str(path))
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql", *(["mysql"] if MYSQL_URL else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database with all tables, as a URL: one after the other of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "jobs.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    if request.param == "mysql":
        yield from _mysql(f"test_{next(_number)}")
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"test_{next(_number)}"
    server.admin(f"CREATE DATABASE {name} TEMPLATE template")
    yield server.url(name)
    server.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _mysql(name: str) -> Iterator[str]:
    server = create_engine(parse_url(f"{MYSQL_URL}/mysql"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    engine = open_engine(f"{MYSQL_URL}/{name}")
    upgrade(engine)
    engine.dispose()
    yield f"{MYSQL_URL}/{name}"
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    server.dispose()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine on such a database."""
    engine = open_engine(url)
    yield engine
    engine.dispose()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """As `kill -9` does."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)


def wait_for(condition: object, *, timeout_s: float = 60) -> None:
    """Wait until `condition()` is true; fail after a while."""
    end = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)


@pytest.fixture
def add_jobs(engine: Engine) -> Callable[..., list[int]]:
    """`add_jobs(3, first=0, **fields)`: jobs "job 0", "job 1", ..., a minute apart; their ids."""

    def add(n: int, *, first: int = 0, **fields: object) -> list[int]:
        with writing(engine) as session:
            jobs = [
                Job(
                    external_id=f"job {i}",
                    title=f"Title {i}",
                    text=f"text of job {i}",
                    imported_at=START + timedelta(minutes=i),
                    text_hash=i.to_bytes(16),
                    **fields,
                )
                for i in range(first, first + n)
            ]
            session.add_all(jobs)
            session.flush()
            return [job.id for job in jobs]

    return add


@pytest.fixture
def say(engine: Engine) -> Callable[..., None]:
    """`say(job_id, "ann", remote="yes")`: record answers of a person, in one sitting of theirs."""
    sitting = Batches("a sitting")

    def record_answers(job_id: int, labeller: str = "ann", **tags: str) -> None:
        with writing(engine) as session:
            found = find_tags(session, tags, create=True)
            record(
                session,
                [
                    Said(job_id, found[tag].id, Answer(answer), labeller, Source.PERSON)
                    for tag, answer in tags.items()
                ],
                sitting,
            )

    return record_answers
