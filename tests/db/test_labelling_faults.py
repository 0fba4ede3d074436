"""Workers that are killed, share the jobs, and lose their server."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from bench.postgres import Postgres, postgres_binaries
from db.columns import BatchState
from db.engine import open_engine, reading
from db.labelling import Settings, label
from db.migrate import upgrade
from db.schema import Batch, PredictionSet
from tests.db.conftest import wait_for
from tests.db.worker import (
    ByLength,
    add_jobs,
    add_model,
    check_complete,
    count,
    start_worker,
)

N_KILLS = 12


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_workers_killed_many_times_over_lose_nothing_and_store_nothing_twice(
    engine: Engine, url: str, store: Path
) -> None:
    model_id = add_model(engine, store, "first")
    rng = random.Random(0)
    for number in range(N_KILLS):
        add_jobs(engine, 40, first=40 * number)
        before = count(engine, Batch)
        workers = [start_worker(url, store, lease_s=1, seconds=0.01) for _ in range(2)]
        wait_for(lambda n=before: count(engine, Batch) > n)
        for worker in workers:
            time.sleep(rng.uniform(0, 0.15))
            worker.kill()
        for worker in workers:
            worker.join()
    n_interrupted = count(engine, Batch, Batch.state != BatchState.DONE)
    n_stored = count(engine, PredictionSet)
    assert n_interrupted > 0
    assert n_stored > 0
    assert label(engine, ByLength, Settings(store=store)) == 40 * N_KILLS - n_stored
    check_complete(engine, model_id)
    assert count(engine, Batch, Batch.state == BatchState.EXPIRED) >= n_interrupted


def test_two_workers_at_once_share_the_jobs(engine: Engine, url: str, store: Path) -> None:
    add_jobs(engine, 200)
    model_id = add_model(engine, store, "first")
    workers = [start_worker(url, store, lease_s=60, seconds=0.02) for _ in range(2)]
    for worker in workers:
        worker.join(timeout=120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    check_complete(engine, model_id)
    with reading(engine) as session:
        assert len(session.scalars(select(Batch.worker).distinct()).all()) == 2


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that this test alone may stop."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("there is no initdb: install PostgreSQL to run this")
    server = Postgres(binaries)
    server.admin("CREATE DATABASE jobs")
    yield server
    server.remove()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_work_goes_on_when_the_server_comes_back(
    own_postgres: Postgres, store: Path, how: str
) -> None:
    url = own_postgres.url("jobs")
    engine = open_engine(url)
    upgrade(engine)
    add_jobs(engine, 120)
    model_id = add_model(engine, store, "first")
    worker = start_worker(url, store, lease_s=1, seconds=0.05)
    wait_for(lambda: count(engine, PredictionSet) >= 8)
    own_postgres.stop(how)
    time.sleep(0.5)
    assert worker.is_alive()
    own_postgres.start()
    worker.join(timeout=120)
    assert worker.exitcode == 0
    check_complete(engine, model_id)
    engine.dispose()
