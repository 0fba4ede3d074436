"""Databases are brought to this version, and those of other versions are refused."""

import pytest
from sqlalchemy import Engine, inspect, text

from db import migrate
from db.engine import open_engine
from db.errors import OutdatedError, StoreError
from db.schema import Base


def test_migrations_make_what_the_schema_says(engine: Engine):
    assert migrate.check(engine) == []
    assert migrate.current(engine) == migrate.head()


def test_every_constraint_has_a_name(engine: Engine):
    for table in Base.metadata.tables:
        keys = inspect(engine).get_foreign_keys(table)
        assert all(key["name"].startswith(f"fk_{table}_") for key in keys)


def test_a_database_of_the_version_before_keeps_its_rows(engine: Engine):
    with engine.begin() as connection:
        made_later = (
            "feed_values",
            "tag_facts",
            "tag_words",
            "audit_entries",
            "batch_decisions",
            "label_batches",
        )
        for table in (*made_later, "promises"):
            connection.execute(text(f"DROP TABLE {table}"))
        added = ("model_tags.n_yes", "model_tags.remark", "runs.tags_hash", "runs.alarms")
        connection.execute(text("DROP INDEX ix_labels_batch_id"))
        of_batches = ("labels.batch_id", "model_jobs.position")
        for column in (*added, *of_batches, "jobs.salt", "runs.inputs"):
            table, name = column.split(".")
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        connection.execute(text("CREATE TABLE pseudo_labels (job_id INTEGER)"))
        connection.execute(text("INSERT INTO tags (id, name, position) VALUES (1, 'remote', 0)"))
        connection.execute(text("UPDATE jobtool_version SET version_num = '0003'"))
    with pytest.raises(OutdatedError, match="is at revision 0003"):
        migrate.ready(engine)
    assert migrate.upgrade(engine) == ("0003", migrate.head())
    assert migrate.check(engine) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM tags")).scalars().all() == ["remote"]


def test_an_empty_database_gets_its_tables_by_itself(tmp_path):
    engine = open_engine(str(tmp_path / "new.db"))
    migrate.ready(engine)
    assert migrate.current(engine) == migrate.head()


def test_upgrading_twice_changes_nothing(engine: Engine):
    assert migrate.upgrade(engine) == (migrate.head(), migrate.head())


def test_a_newer_database_is_refused(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobtool_version SET version_num = '9999'"))
    for use in (migrate.ready, migrate.upgrade):
        with pytest.raises(OutdatedError, match="9999, which this jobtool doesn't know"):
            use(engine)


def test_a_database_without_our_tables_is_not_touched(tmp_path):
    engine = open_engine(str(tmp_path / "theirs.db"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    with pytest.raises(OutdatedError, match="run jobtool db upgrade"):
        migrate.ready(engine)
    assert inspect(engine).get_table_names() == ["theirs"]


def test_tables_of_another_program_stand_in_the_way(tmp_path):
    engine = open_engine(str(tmp_path / "theirs.db"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE jobs (id INTEGER)"))
    with pytest.raises(StoreError, match="database of its own"):
        migrate.upgrade(engine)


def test_a_half_migrated_database_says_so(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE jobtool_version"))
    with pytest.raises(OutdatedError, match="run jobtool db upgrade"):
        migrate.ready(engine)
    with pytest.raises(StoreError, match="stopped half way"):
        migrate.upgrade(engine)


def test_a_migration_that_fails_leaves_nothing(tmp_path, monkeypatch):
    engine = open_engine(str(tmp_path / "new.db"))

    def fails(*_: object) -> None:
        with engine.connect() as other:
            assert other is not None
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("alembic.operations.Operations.create_index", fails)
    with pytest.raises(RuntimeError, match="disk on fire"):
        migrate.upgrade(engine)
    assert inspect(engine).get_table_names() == []
