"""One retrain at a time; dead ones are found; whether one is due."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from db.columns import RunState
from db.engine import now, reading, writing
from db.errors import StoreError
from db.runs import finish, last_run, reason_to_retrain, running
from db.schema import Run
from db.tag_info import hash_of_tags


def only_run(engine: Engine) -> Run:
    with reading(engine) as session:
        return session.scalars(select(Run).order_by(Run.id.desc()).limit(1)).one()


def test_a_second_retrain_gives_up(engine):
    with running(engine, reason="first"):
        with (
            pytest.raises(StoreError, match=r"retrain \d+ is at work"),
            running(engine, reason="x"),
        ):
            raise AssertionError("two at once")
    assert only_run(engine).reason == "first"


def test_a_failed_retrain_says_why_and_lets_the_next_one_in(engine):
    with pytest.raises(ZeroDivisionError), running(engine, reason="x"):
        _ = 1 / 0
    assert (only_run(engine).state, only_run(engine).error) == (RunState.FAILED, "division by zero")
    with running(engine, reason="y"):
        assert only_run(engine).state == RunState.RUNNING


@pytest.mark.parametrize("off", [timedelta(seconds=-1), timedelta(days=2)])
def test_a_dead_one_is_found_whatever_the_clock_did(engine, off):
    with writing(engine) as session:
        at = now(session)
        dead = Run(
            worker="gone:1",
            state=RunState.RUNNING,
            lease_until=at + off,
            lock=1,
            reason="x",
            started_at=at,
            folder="x",
            label_id=0,
            job_id=0,
        )
        session.add(dead)
    with running(engine, reason="y"):
        pass
    with reading(engine) as session:
        found = session.scalars(select(Run).order_by(Run.id)).first()
    assert (found.state, found.error) == (RunState.FAILED, "killed: its lease ran out")


def test_the_lease_is_kept_alive(engine):
    with running(engine, reason="x", lease_s=0.4):
        before, end = only_run(engine).lease_until, time.monotonic() + 20
        while only_run(engine).lease_until == before and time.monotonic() < end:
            time.sleep(0.02)
        assert only_run(engine).lease_until > before


def test_who_lost_the_lease_can_not_finish(engine):
    def lose() -> None:
        with running(engine, reason="x") as run_id:
            with writing(engine) as session:
                run = session.get_one(Run, run_id)
                run.state, run.lock = RunState.FAILED, None
            with writing(engine) as session:
                finish(session, run_id, model_id=1)

    with pytest.raises(StoreError, match="taken for dead"):
        lose()


def test_a_retrain_is_due_by_labels_jobs_or_time(engine, add_jobs, say):
    jobs = add_jobs(3)
    for job in jobs[:2]:
        say(job, remote="yes")

    def due(**limits: object) -> str | None:
        with reading(engine) as session:
            return reason_to_retrain(session, **limits)

    assert due(new_labels=3, new_jobs=4) is None
    assert due(new_labels=2) == "2 new labels"
    assert due(new_jobs=3) == "3 new jobs"
    assert due(every=timedelta(hours=1)) == "none so far"


def test_what_the_last_one_knew_does_not_count(engine, add_jobs, say):
    say(add_jobs(1)[0], remote="yes")
    with writing(engine) as session:
        at = now(session)
        session.add(
            Run(
                worker="w",
                state=RunState.DONE,
                lease_until=at,
                reason="x",
                folder="x",
                label_id=1,
                job_id=1,
                started_at=at - timedelta(hours=2),
                tags_hash=hash_of_tags(session),
            )
        )
    with reading(engine) as session:
        assert last_run(session) is not None
        assert reason_to_retrain(session, new_labels=1, new_jobs=1) is None
        assert reason_to_retrain(session, every=timedelta(hours=3)) is None
        assert reason_to_retrain(session, every=timedelta(hours=1)).startswith("the last one began")
