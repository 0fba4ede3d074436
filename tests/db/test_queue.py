"""The queue: who claims what, and what becomes of it when a worker is gone."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select, update

from db import queue
from db.columns import BatchState
from db.engine import now, reading, writing
from db.schema import Batch, Job, PredictionSet, QueuedJob
from tests.db.worker import add_jobs, add_model, count, promote_model


@pytest.fixture
def model_id(engine: Engine, tmp_path: Path) -> int:
    """A live model, and ten jobs that wait for it."""
    add_jobs(engine, 10)
    model_id = add_model(engine, tmp_path / "store", "first")
    assert enqueue(engine, model_id) == 10
    return model_id


def enqueue(engine: Engine, model_id: int) -> int:
    with writing(engine) as session:
        return queue.enqueue_missing(session, model_id)


def claim(
    engine: Engine, model_id: int, *, n_jobs: int = 4, n_chars: int = 1000, lease_s: float = 60
) -> list[int]:
    """Ids of the jobs claimed."""
    claimed = claim_batch(engine, model_id, n_jobs=n_jobs, n_chars=n_chars, lease_s=lease_s)
    return [posting.id for posting in claimed.postings] if claimed else []


def claim_batch(
    engine: Engine, model_id: int, *, n_jobs: int = 4, n_chars: int = 1000, lease_s: float = 60
) -> queue.Claim | None:
    with writing(engine) as session:
        return queue.claim(session, model_id, "me", n_jobs=n_jobs, n_chars=n_chars, lease_s=lease_s)


def test_claims_take_the_oldest_jobs_and_never_the_same(engine: Engine, model_id: int) -> None:
    claimed = [claim(engine, model_id) for _ in range(4)]
    assert claimed == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


def test_a_claim_holds_the_text(engine: Engine, model_id: int) -> None:
    claimed = claim_batch(engine, model_id, n_jobs=2)
    assert claimed.postings == [(1, "Cook", ""), (2, "Cook", "x")]


def test_a_batch_ends_at_so_much_text_but_takes_one_job(engine: Engine, model_id: int) -> None:
    assert claim(engine, model_id, n_jobs=10, n_chars=4 + 5 + 6) == [1, 2, 3]
    assert claim(engine, model_id, n_jobs=10, n_chars=1) == [4]


def test_a_claim_that_is_open_does_not_stop_another(engine: Engine, model_id: int) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with writing(engine) as first:
        queue.claim(first, model_id, "me", n_jobs=4, n_chars=1000, lease_s=60)
        assert claim(engine, model_id) == [5, 6, 7, 8]


def test_what_is_queued_is_not_queued_again(engine: Engine, model_id: int) -> None:
    claim(engine, model_id)
    assert enqueue(engine, model_id) == 0
    add_jobs(engine, 3, first=10)
    assert enqueue(engine, model_id) == 3


def test_jobs_with_predictions_are_not_queued(engine: Engine, model_id: int) -> None:
    with writing(engine) as session:
        session.add(
            PredictionSet(
                model_id=model_id, job_id=2, needs_review=False, predicted_at=now(session)
            )
        )
        session.execute(delete(QueuedJob))
    assert enqueue(engine, model_id) == 9


def test_jobs_that_wait_for_an_old_model_are_dropped_and_its_batches_stay(
    engine: Engine, model_id: int, tmp_path: Path
) -> None:
    claim(engine, model_id)
    second = add_model(engine, tmp_path / "store", "second")
    assert enqueue(engine, second) == 10
    assert count(engine, QueuedJob, QueuedJob.model_id == model_id) == 4


def test_a_batch_whose_lease_has_run_out_is_taken_over(engine: Engine, model_id: int) -> None:
    gone = claim_batch(engine, model_id, lease_s=-1)
    assert claim(engine, model_id) == [1, 2, 3, 4]
    with writing(engine) as session:
        assert queue.lock_claimed(session, gone.batch_id) is None


def test_a_batch_claimed_before_the_clock_was_set_back_is_taken_over(
    engine: Engine, model_id: int
) -> None:
    claim(engine, model_id)
    with writing(engine) as session:
        ahead = now(session) + timedelta(days=1)
        session.execute(update(Batch).values(claimed_at=ahead, lease_until=ahead))
    assert claim(engine, model_id) == [1, 2, 3, 4]


def test_a_renewed_lease_holds(engine: Engine, model_id: int) -> None:
    claimed = claim_batch(engine, model_id, lease_s=-1)
    with writing(engine) as session:
        queue.renew(session, claimed.batch_id, lease_s=60)
    assert claim(engine, model_id) == [5, 6, 7, 8]


def test_a_lease_that_was_lost_is_not_renewed(engine: Engine, model_id: int) -> None:
    lost = claim_batch(engine, model_id, lease_s=-1)
    claim(engine, model_id)
    with writing(engine) as session:
        queue.renew(session, lost.batch_id, lease_s=60)
    with reading(engine) as session:
        assert session.get_one(Batch, lost.batch_id).state == BatchState.EXPIRED


def test_what_is_given_back_is_there_at_once(engine: Engine, model_id: int) -> None:
    claimed = claim_batch(engine, model_id)
    with writing(engine) as session:
        queue.give_back(session, claimed.batch_id)
    assert claim(engine, model_id) == [1, 2, 3, 4]


def test_giving_back_what_another_took_over_leaves_it_there(engine: Engine, model_id: int) -> None:
    lost = claim_batch(engine, model_id, lease_s=-1)
    claim(engine, model_id)
    with writing(engine) as session:
        queue.give_back(session, lost.batch_id)
    assert claim(engine, model_id) == [5, 6, 7, 8]


def test_a_job_that_somebody_is_changing_is_left_out_and_comes_back(
    engine: Engine, model_id: int
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    claimed = claim_batch(engine, model_id)
    with writing(engine) as other:
        other.execute(update(Job).where(Job.id == 2).values(text="changed"))
        with writing(engine) as session:
            stored = queue.lock_claimed(session, claimed.batch_id)
            queue.finish(session, claimed.batch_id, stored)
    assert stored == [1, 3, 4]
    assert claim(engine, model_id) == [2, 5, 6, 7]


def test_a_job_that_was_forgotten_is_left_out(engine: Engine, model_id: int) -> None:
    claimed = claim_batch(engine, model_id)
    with writing(engine) as session:
        session.execute(delete(Job).where(Job.id == 3))
    with writing(engine) as session:
        stored = queue.lock_claimed(session, claimed.batch_id)
        queue.finish(session, claimed.batch_id, stored)
    assert stored == [1, 2, 4]
    with reading(engine) as session:
        assert session.scalars(select(Batch.state)).one() == BatchState.DONE


def test_a_promotion_back_queues_only_what_is_missing(
    engine: Engine, model_id: int, tmp_path: Path
) -> None:
    second = add_model(engine, tmp_path / "store", "second")
    enqueue(engine, second)
    promote_model(engine, model_id)
    assert enqueue(engine, model_id) == 10
    assert count(engine, QueuedJob, QueuedJob.model_id == second) == 0
