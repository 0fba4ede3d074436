"""Where searches for hyper-parameters are kept: tables of Optuna beside ours.

On a server with schemas they get one of their own, so that its `alembic_version` and `trials` are
nobody else's; SQLite and MySQL have none, there they stand beside our tables.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from db.engine import BUSY_S, first_line, shown, translated
from db.errors import StoreError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

SCHEMA = "jobtool_tuning"
HEARTBEAT_S = 30
"""A search that has not been heard of for two of these was killed: others take its trial over."""

TRIES, WAIT_S = 3, 0.5
"""How often to try again where the tables are refused, and the seconds between."""
REFUSALS = (RuntimeError, ProgrammingError, IntegrityError, OperationalError)


@contextmanager
def study_storage(engine: Engine) -> "Iterator[RDBStorage]":
    """Storage for Optuna's studies, which many processes may share.

    Raises
    ------
    StoreError
        If the database can't be reached, or we may not make tables there.
    """
    import optuna

    with translated(engine):
        storage = _opened(optuna, engine)
        try:
            yield storage
        except optuna.exceptions.StorageInternalError as error:
            cause = error.__cause__ or error
            raise StoreError(f"{shown(engine)}: {first_line(cause)}") from error
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _opened(optuna: Any, engine: Engine) -> "RDBStorage":
    """The storage, with its tables."""
    for _ in range(TRIES):  # another process may be about to make them
        try:
            return _storage(optuna, engine)
        except REFUSALS:
            sleep(WAIT_S)
    try:
        return _storage(optuna, engine)
    except (RuntimeError, ProgrammingError) as error:
        raise StoreError(
            f"{shown(engine)}: its tables of searches can't be used by this Optuna "
            f"({first_line(error)}): "
            "drop those tables, or keep the searches elsewhere with --study"
        ) from error


def _engine_options(engine: Engine) -> dict[str, Any]:
    """Connections are not kept: where Optuna refuses the tables, nobody could close them."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            if not inspect(connection).has_schema(SCHEMA):
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        asked = str(engine.url.query.get("options", ""))
        options = f"{asked} -csearch_path={SCHEMA}".strip()
        return {"connect_args": {"options": options}, "poolclass": NullPool}
    if engine.dialect.name == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}, "poolclass": NullPool}
    return {"poolclass": NullPool}


def _storage(optuna: Any, engine: Engine) -> "RDBStorage":
    """Without the warning that heartbeats may change: the lock file says which Optuna we use."""
    url, options = engine.url.render_as_string(hide_password=False), _engine_options(engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage: RDBStorage = optuna.storages.RDBStorage(
            url, engine_kwargs=options, heartbeat_interval=HEARTBEAT_S
        )
    return storage
