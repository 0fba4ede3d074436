"""Bringing a database to this version of the schema, and refusing one that is newer."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.orm import Session

import db.match_tables  # noqa: F401  # its tables are part of Base.metadata
from db.audit_log import adopt
from db.audit_tables import AuditEntry
from db.engine import shown, translated
from db.errors import OutdatedError, StoreError
from db.schema import Base

VERSION_TABLE = "jobtool_version"
TUNING_TABLES = frozenset(
    (
        *("alembic_version", "studies", "study_directions", "study_system_attributes"),
        *("study_user_attributes", "trial_heartbeats", "trial_intermediate_values"),
        *("trial_params", "trial_system_attributes", "trial_user_attributes", "trial_values"),
        *("trials", "version_info"),
    )
)
"""What Optuna makes; see `db.tuning`."""
_FOLDER = Path(__file__).parent / "migrations"


def head() -> str:
    """The revision that this version of jobtool works with."""
    return str(ScriptDirectory(str(_FOLDER)).get_current_head())


def current(engine: Engine) -> str | None:
    """The revision of a database; None if jobtool has no tables there."""
    with translated(engine), engine.connect() as connection:
        return _context(connection).get_current_revision()


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring a database to `head` in one transaction (MySQL has none for tables).

    Returns
    -------
    The revision before and the one after.

    Raises
    ------
    OutdatedError
        If it is newer than this program.
    StoreError
        If tables of another program stand in the way, or it stopped half way once.
    """
    before = current(engine)
    _refuse_newer(engine, before)
    if before is None:
        _refuse_others(engine)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    with translated(engine), engine.begin() as connection:
        has_log = inspect(connection).has_table(AuditEntry.__tablename__)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if not has_log:
            with Session(connection) as session:
                adopt(session)
    return before, head()


def check(engine: Engine) -> list[str]:
    """What differs between a database and the schema, one line each; empty if nothing does."""
    ready(engine)
    with translated(engine), engine.connect() as connection:
        return [
            str(difference) for difference in compare_metadata(_context(connection), Base.metadata)
        ]


def ready(engine: Engine) -> None:
    """Make the tables in a database that is all empty; refuse one of another version.

    Raises
    ------
    OutdatedError
        If `jobtool db upgrade`, or a newer jobtool, is needed.
    """
    if current(engine) is None:
        with translated(engine):
            is_empty = not inspect(engine).get_table_names()
        if is_empty:
            upgrade(engine)
    refuse_other(engine)


def refuse_other(engine: Engine) -> None:
    """Refuse a database of another version, or without tables of ours; OutdatedError."""
    found = current(engine)
    if found == head():
        return
    _refuse_newer(engine, found)
    state = "has no tables of jobtool" if found is None else f"is at revision {found}"
    raise OutdatedError(
        f"{shown(engine)} {state}, this jobtool needs {head()}: run jobtool db upgrade"
    )


def _context(connection: Connection) -> MigrationContext:
    options = {
        "version_table": VERSION_TABLE,
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "table" or name not in TUNING_TABLES,
    }
    return MigrationContext.configure(connection, opts=options)


def _refuse_newer(engine: Engine, found: str | None) -> None:
    if found is None:
        return
    try:
        known = ScriptDirectory(str(_FOLDER)).get_revision(found)
    except CommandError:
        known = None
    if known is None:
        raise OutdatedError(
            f"{shown(engine)} is at revision {found}, which this jobtool doesn't know: "
            "it was written by a newer one; install that"
        )


def _refuse_others(engine: Engine) -> None:
    with translated(engine):
        there = set(inspect(engine).get_table_names())
    ours = sorted(there & set(Base.metadata.tables))
    if ours:
        raise StoreError(
            f"{shown(engine)} has tables that jobtool would make ({', '.join(ours[:5])}), but no "
            f"{VERSION_TABLE}: they are another program's, or a migration stopped half way. "
            "Give jobtool a database of its own"
        )
