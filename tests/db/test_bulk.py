"""Rows from arrays come back as they were, whatever writes them."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, select

from db.bulk import insert_arrays, insert_missing, table_of
from db.engine import reading, writing
from db.errors import StoreError
from db.schema import JobCode, Prediction, PredictionSet, QueuedJob
from tests.db.worker import add_jobs, add_model, count

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def model_id(engine: Engine, tmp_path: Path) -> int:
    add_jobs(engine, 3)
    return add_model(engine, tmp_path, "first")


def sets(model_id: int) -> dict[str, np.ndarray]:
    return {
        "model_id": np.full(3, model_id),
        "job_id": np.arange(1, 4),
        "needs_review": np.array([True, False, True]),
        "predicted_at": np.full(3, AT.replace(tzinfo=None), "M8[us]"),
    }


def test_numbers_flags_and_instants_come_back(engine: Engine, model_id: int) -> None:
    score = np.array([-1e300, 0.1, 1 / 3])
    predictions = {
        "model_id": np.full(3, model_id),
        "job_id": np.arange(1, 4),
        "tag_id": np.arange(3) + 1,
        "score": score,
        "probability": np.array([0.0, 0.5, 1.0]),
        "decision": np.array([False, True, True]),
        "review": np.array([True, False, False]),
    }
    with writing(engine) as session:
        insert_arrays(session, table_of(PredictionSet), sets(model_id))
        insert_arrays(session, table_of(Prediction), predictions)
    with reading(engine) as session:
        stored = session.scalars(select(PredictionSet).order_by(PredictionSet.job_id)).all()
        assert [row.needs_review for row in stored] == [True, False, True]
        assert {row.predicted_at for row in stored} == {AT}
        found = session.scalars(select(Prediction).order_by(Prediction.job_id)).all()
        assert [row.score for row in found] == score.tolist()
        assert [row.decision for row in found] == [False, True, True]


def test_bytes_come_back_with_their_zeros(engine: Engine, model_id: int) -> None:
    codes = np.array([[0, 1], [1, 0], [0, 0]], "<f4")
    columns = {
        "code_version_id": np.ones(3, int),
        "job_id": np.arange(1, 4),
        "code": codes.view("V8").ravel(),
    }
    with writing(engine) as session:
        insert_arrays(session, table_of(JobCode), columns)
    with reading(engine) as session:
        stored = session.scalars(select(JobCode.code).order_by(JobCode.job_id)).all()
    assert stored == [code.tobytes() for code in codes]


def test_a_row_that_is_there_is_an_error_and_nothing_is_stored(
    engine: Engine, model_id: int
) -> None:
    with writing(engine) as session:
        insert_arrays(session, table_of(PredictionSet), sets(model_id))
    with pytest.raises(StoreError, match="run it again"), writing(engine) as session:
        insert_arrays(session, table_of(PredictionSet), sets(model_id))
    assert count(engine, PredictionSet) == 3


def test_rows_that_are_there_are_left_alone(engine: Engine, model_id: int) -> None:
    row = {"model_id": model_id, "job_id": 1, "queued_at": AT}
    later = {**row, "queued_at": AT.replace(year=2027)}
    for rows in ([row], [later, {**later, "job_id": 2}]):
        with writing(engine) as session:
            session.execute(insert_missing(session, table_of(QueuedJob)), rows)
    with reading(engine) as session:
        years = [row.queued_at.year for row in session.scalars(select(QueuedJob))]
    assert sorted(years) == [2026, 2027]
