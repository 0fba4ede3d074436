"""URLs, sessions and what a database complains of."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, text

from db.engine import is_gone, now, open_engine, parse_url, reading, writing
from db.errors import StoreError
from db.migrate import ready
from db.schema import Tag


def test_a_plain_path_is_sqlite():
    assert parse_url("some/jobs.db").drivername == "sqlite"


@pytest.mark.parametrize("url", ["", "  ", "://", "postgresql://host:port/x", "/tmp"])
def test_what_is_no_database_is_refused(url):
    with pytest.raises(StoreError, match="database"):
        open_engine(url)


def test_an_unknown_driver_is_named():
    with pytest.raises(StoreError, match="no driver for nosuch"):
        open_engine("nosuch://host/x")


def test_a_missing_server_is_one_line_without_the_password():
    engine = open_engine("postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1") as caught, reading(engine) as session:
        session.execute(text("SELECT 1"))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert is_gone(caught.value)


def test_what_fails_is_rolled_back(engine: Engine):
    def fails() -> None:
        with writing(engine) as session:
            session.add(Tag(name="remote", position=0))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with reading(engine) as session:
        assert session.query(Tag).count() == 0


def test_instants_come_back_in_utc(engine: Engine):
    told = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    with writing(engine) as session:
        session.add(Tag(name="old", position=0, retired_at=told))
    with reading(engine) as session:
        found = session.query(Tag).one().retired_at
    assert found == told
    assert found.tzinfo is UTC


def test_the_clock_of_the_database_goes(engine: Engine):
    with reading(engine) as session:
        first = now(session)
        assert first <= now(session)
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=5)


def test_foreign_keys_are_kept(engine: Engine):
    with (
        pytest.raises(StoreError, match="another program stored"),
        writing(engine) as session,
    ):
        session.execute(text("INSERT INTO tag_aliases (name, tag_id) VALUES ('x', 99)"))


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    path = tmp_path / "junk.db"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match=r"junk\.db: file is not a database"):
        ready(open_engine(str(path)))
