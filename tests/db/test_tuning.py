"""Searches for hyper-parameters live in the same database, and leave our tables alone."""

import optuna
import pytest
from sqlalchemy import Engine, inspect, text

from db import migrate
from db.errors import StoreError
from db.tuning import SCHEMA, study_storage


def test_a_study_is_kept_and_our_tables_stay_as_they_are(engine: Engine):
    with study_storage(engine) as storage:
        study = optuna.create_study(storage=storage, study_name="one", direction="maximize")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with study_storage(engine) as storage:
        again = optuna.load_study(storage=storage, study_name="one")
        assert len(again.trials) == 2
    assert migrate.check(engine) == []
    assert migrate.upgrade(engine) == (migrate.head(), migrate.head())


def test_on_postgresql_it_has_a_schema_of_its_own(engine: Engine):
    with study_storage(engine):
        pass
    names = inspect(engine).get_table_names()
    if engine.dialect.name == "postgresql":
        assert "trials" not in names
        assert "trials" in inspect(engine).get_table_names(schema=SCHEMA)
    else:
        assert migrate.TUNING_TABLES <= set(names)


def test_tables_of_another_optuna_are_one_clear_error(engine: Engine):
    with study_storage(engine):
        pass
    schema = f"{SCHEMA}." if engine.dialect.name == "postgresql" else ""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema}alembic_version SET version_num = 'v9.9.9.a'"))
    with pytest.raises(StoreError, match="can't be used by this Optuna"), study_storage(engine):
        pass
