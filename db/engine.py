"""From a URL to an engine and sessions; the differences between the databases end here."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from db.errors import StoreError

BUSY_S = 30
"""How long to wait for another process that writes to the same SQLite file, in seconds."""
_TURN = 0x6A6F6274  # an advisory lock on PostgreSQL; the number means nothing
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


def parse_url(url: str) -> URL:
    """A database URL, or the path of a SQLite file; StoreError if it is neither.

    Examples
    --------
    >>> str(parse_url("jobs.db")), str(parse_url("postgresql://host/jobs"))
    ('sqlite:///jobs.db', 'postgresql+psycopg://host/jobs')
    """
    if "://" not in url:
        if not url.strip() or Path(url).is_dir():
            raise StoreError(f"{url!r} is no database: name a file, or a URL: postgresql://...")
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        problem = "the database URL can't be read; write postgresql://user@host/name"
        raise StoreError(problem) from error
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def open_engine(url: str) -> Engine:
    """An engine for a database; connects only when it is used.

    SQLite runs in WAL mode with foreign keys on, and waits `BUSY_S` seconds for others.

    Raises
    ------
    StoreError
        If the URL can't be read or its driver is not installed.
    """
    engine = make_engine(parse_url(url), pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def make_engine(url: URL, **options: Any) -> Engine:
    """SQLAlchemy's engine.

    Raises
    ------
    StoreError
        If the driver is not installed, or there is none, or an option of the URL is unknown.
    """
    try:
        return create_engine(url, **options)
    except NoSuchModuleError as error:
        raise StoreError(
            f"jobtool has no driver for {url.drivername}; it knows sqlite, postgresql and mysql"
        ) from error
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{url.drivername} needs the package {error.name}: pip install {error.name}"
        ) from error
    except (TypeError, ValueError) as error:
        raise StoreError(f"{hidden(url)}: the URL's options can't be read: {error}") from error


def hidden(url: URL) -> str:
    """A URL without the password, wherever it stands: behind the user or among the options."""
    secret = [name for name in url.query if "pass" in name.lower() or "secret" in name.lower()]
    return url.update_query_dict(dict.fromkeys(secret, "hidden")).render_as_string()


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # Python's own BEGIN comes too late for a consistent view
    for pragma in (
        f"busy_timeout = {BUSY_S * 1000}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins by reading can't wait for the lock when it comes to write.
    how = "" if connection.get_execution_options().get("reads_only") else " IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN{how}")


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session in one transaction: committed at the end, rolled back on any error."""
    with translated(engine), Session(engine) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only reads; on SQLite it doesn't keep others from writing."""
    with translated(engine), Session(engine.execution_options(reads_only=True)) as session:
        yield session


@contextmanager
def reading_snapshot(engine: Engine) -> Iterator[Session]:
    """A session that reads one state of the database, however long it takes."""
    if engine.dialect.name == "postgresql":  # SQLite and MySQL read so anyway
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(engine) as session:
        yield session


def take_turns(session: Session) -> None:
    """Wait until no other transaction adds, links or removes jobs; until this one commits.

    On SQLite writing waits by itself.
    """
    name = session.get_bind().dialect.name
    if name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))
    elif name != "sqlite":
        session.execute(text("SELECT version_num FROM jobtool_version FOR UPDATE"))


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """What a database complains of, as a StoreError in one line that hides the password."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise StoreError(f"{shown(engine)}: {first_line(error)}") from error
    except IntegrityError as error:
        raise StoreError(
            f"{shown(engine)}: what was to be stored doesn't fit what another program stored or "
            f"removed meanwhile ({first_line(error)}): run it again"
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:  # never with the statement and its texts
        raise StoreError(f"{shown(engine)}: {first_line(error)}") from error


def shown(engine: Engine) -> str:
    """The database as a user named it, without the password."""
    url = engine.url
    return url.database or ":memory:" if url.drivername == "sqlite" else hidden(url)


def first_line(error: BaseException) -> str:
    """What a database complains of, without the statement."""
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]


def is_gone(error: BaseException) -> bool:
    """Whether an error says that the server went away, so that trying again may help."""
    cause = error.__cause__ if isinstance(error, StoreError) else error
    if isinstance(cause, DatabaseError) and cause.connection_invalidated:
        return True
    return isinstance(cause, OperationalError) and not isinstance(
        cause.orig, sqlite3.OperationalError
    )


def now(session: Session) -> datetime:
    """The database's clock, which workers on many machines share; SQLite's is this machine's."""
    asked = {
        "postgresql": "SELECT clock_timestamp()",
        "mysql": "SELECT utc_timestamp(6)",
        "mariadb": "SELECT utc_timestamp(6)",
    }.get(session.get_bind().dialect.name)
    if asked is None:
        return datetime.now(UTC)
    found: datetime = session.scalars(text(asked)).one()
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
