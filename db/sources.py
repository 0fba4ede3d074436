"""Reading the team's own tables: row by row, in a connection that can't write."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event, select, table, text
from sqlalchemy.engine import URL

from db.engine import BUSY_S, first_line, make_engine, parse_url, translated
from db.errors import StoreError
from tagger.columns import Unreadable

N_FETCHED = 500
"""Rows that the server sends at a time."""


def iter_rows(
    url: str, *, from_table: str | None = None, query: str | None = None
) -> Iterator[Mapping[str, Any]]:
    """Rows of a table or a query, as the database's own types; memory stays flat.

    The connection reads only, whatever the query says: PostgreSQL and MySQL run it in a read-only
    transaction, SQLite opens the file for reading and allows nothing but SELECT.

    Parameters
    ----------
    from_table
        A table or view, ``postings`` or ``schema.postings``.
    query
        Or any SELECT.

    Raises
    ------
    StoreError
        If the database can't be reached, or refuses the query.
    """
    engine = _read_only_engine(parse_url(url))
    try:
        with translated(engine), engine.connect() as connection:
            yield from _rows(connection, from_table, query)
    except StoreError as error:
        if first_line(error.__cause__ or error) == "not authorized":  # see _allow_only_reading
            raise StoreError("the query may only read: write a SELECT") from error
        raise
    finally:
        engine.dispose()


def _rows(
    connection: Connection, from_table: str | None, query: str | None
) -> Iterator[Mapping[str, Any]]:
    statement: Any = text(query.replace(":", r"\:")) if query else None
    if from_table:
        schema, _, name = from_table.rpartition(".")
        statement = select(text("*")).select_from(table(name, schema=schema or None))
    streamed = connection.execution_options(stream_results=True, yield_per=N_FETCHED)
    result = streamed.execute(statement)
    if not result.returns_rows:
        raise StoreError("the query gives no rows: write a SELECT")
    for row in result.mappings():
        yield dict(row)


def _read_only_engine(url: URL) -> Engine:
    if url.drivername.startswith("sqlite"):
        engine = _read_only_sqlite(url)
        event.listen(engine, "connect", _allow_only_reading)
        return engine
    if url.drivername.startswith("postgresql"):
        options = {"options": "-c default_transaction_read_only=on"}
        engine = make_engine(url, connect_args=options)
        event.listen(engine, "connect", _make_lenient)
        return engine.execution_options(postgresql_readonly=True)
    engine = make_engine(url)
    event.listen(engine, "connect", _make_session_read_only)
    return engine


def _read_only_sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    if not path.is_file():
        raise StoreError(f"no database {path}")
    name = f"file:{quote(str(path.resolve()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(name, uri=True, timeout=BUSY_S)
        connection.text_factory = _decoded
        return connection

    return make_engine(url, creator=connect)


def _decoded(data: bytes) -> str:
    """A text of SQLite, which stores whatever bytes it is given."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        shown = data.decode("utf-8", "replace")
        return Unreadable(shown, "not UTF-8; broken characters are replaced", is_usable=True)


_TIMES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")


def _make_lenient(connection: Any, _: Any) -> None:
    """Let a time that Python has no value for, such as infinity, cost itself alone."""
    from psycopg.adapt import Loader
    from psycopg.errors import DataError
    from psycopg.pq import Format

    def lenient(inner: Any) -> type[Loader]:
        class Lenient(Loader):
            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._inner = inner(oid, context)

            def load(self, data: Any) -> Any:
                try:
                    return self._inner.load(data)
                except (DataError, ValueError, OverflowError):
                    shown = bytes(data).decode("utf-8", "replace")
                    return Unreadable(shown, f"{shown:.60} lies beyond the calendar")

        return Lenient

    for name in _TIMES:
        oid = connection.adapters.types[name].oid
        found = connection.adapters.get_loader(oid, Format.TEXT)
        connection.adapters.register_loader(oid, lenient(found))


_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
}


def _allow_only_reading(connection: sqlite3.Connection, _: Any) -> None:
    """SQLite opens the file for reading, but ATTACH would make and write another one."""
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
    )


def _make_session_read_only(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
