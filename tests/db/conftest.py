"""Databases for the tests: SQLite files, and a real PostgreSQL server that is started here."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from db.engine import open_engine, writing
from db.labels import Said, find_tags, record
from db.migrate import upgrade
from db.schema import Answer, Job, Source

START = datetime(2026, 1, 1, tzinfo=UTC)
_number = count()


class Postgres:
    """A server of its own in a new folder; as root it runs as another user, as it must."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="jobtool-pg-"))
        self.port = _free_port()
        self._user = None
        if os.geteuid() == 0:
            self._user = next(name for name in ("postgres", "nobody") if _exists(name))
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "jobtool", "-A", "trust")
        self.start()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://jobtool@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c fsync=off -c full_page_writes=off"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"),
            "-o", options, "start",
        )  # fmt: skip

    def stop(self, how: str = "fast") -> None:
        """`how` is fast or immediate: the second is a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", how, "stop")

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} failed: {done.stdout!r}"


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_binaries() -> Path | None:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database with all tables, as a URL: one after the other of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "jobs.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"test_{next(_number)}"
    server.admin(f"CREATE DATABASE {name} TEMPLATE template")
    yield server.url(name)
    server.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


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
    """`say(job_id, "ann", remote="yes")`: record answers of a person."""

    def record_answers(job_id: int, labeller: str = "ann", **tags: str) -> None:
        with writing(engine) as session:
            found = find_tags(session, tags, create=True)
            record(
                session,
                [
                    Said(job_id, found[tag].id, Answer(answer), labeller, Source.PERSON)
                    for tag, answer in tags.items()
                ],
            )

    return record_answers
