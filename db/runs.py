"""Retrains as rows: one at a time, found dead when their lease runs out, and whether one is due."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from secrets import token_hex

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.audit_log import Kind, note
from db.batches import n_labels_decided_since
from db.columns import MAX_NAME, RunState
from db.engine import is_gone, now, take_turns, writing
from db.errors import StoreError
from db.labels import all_tags
from db.schema import Job, Label, Run
from db.tag_info import hash_of_tags

LEASE_S = 60.0
"""A retrain that has not been heard of for so many seconds was killed."""

logger = logging.getLogger(__name__)


def worker_name() -> str:
    """This process as others know it: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"[:MAX_NAME]


def last_run(session: Session) -> Run | None:
    """The last retrain that came to its end."""
    query = select(Run).where(Run.state == RunState.DONE).order_by(Run.id.desc()).limit(1)
    return session.scalar(query)


def n_new(session: Session) -> tuple[int, int]:
    """Labels and jobs that have come since the last retrain; labels held or released, too."""
    last = last_run(session)
    labels = select(func.count()).where(Label.id > (last.label_id if last else 0))
    jobs = select(func.count()).where(Job.id > (last.job_id if last else 0))
    n_decided = n_labels_decided_since(session, last.started_at) if last else 0
    return session.scalars(labels).one() + n_decided, session.scalars(jobs).one()


def reason_to_retrain(
    session: Session,
    *,
    new_labels: int | None = None,
    new_jobs: int | None = None,
    every: timedelta | None = None,
) -> str | None:
    """Why a retrain is due, in words; None if it is not.

    It is due, too, when what is known of tags is another than at the last one, or there was none
    and there are tags and jobs but no label that more could be waited for.

    Parameters
    ----------
    new_labels, new_jobs
        Due when so many have come since the last retrain. None: they don't count.
    every
        Due when the last one began so long ago. None: time doesn't count.
    """
    n_labels, n_jobs = n_new(session)
    for name, found, limit in (("labels", n_labels, new_labels), ("jobs", n_jobs, new_jobs)):
        if limit is not None and found >= limit:
            return f"{found:,} new {name}"
    last = last_run(session)
    if last is not None and last.tags_hash != hash_of_tags(session):
        return "tags have changed"
    if last is None and n_jobs and not n_labels and all_tags(session):
        return "tags without labels"
    if every is not None and (last is None or now(session) - last.started_at >= every):
        return "none so far" if last is None else f"the last one began {last.started_at:%F %R} UTC"
    return None


@contextmanager
def running(engine: Engine, *, reason: str, lease_s: float = LEASE_S) -> Iterator[int]:
    """Be the only retrain while the block runs; yields the id of the run.

    A thread keeps the lease alive. If the block fails, the run is marked as failed.

    Raises
    ------
    StoreError
        If another one is at work.
    """
    run_id = _begin(engine, reason, lease_s)
    over = threading.Event()
    beat = threading.Thread(
        target=_keep_alive, args=(engine, run_id, lease_s, over), daemon=True, name="lease"
    )
    beat.start()
    try:
        yield run_id
    except BaseException as error:
        over.set()
        beat.join()
        _fail(engine, run_id, str(error) or type(error).__name__, error)
        raise
    finally:
        over.set()
        beat.join()


def finish(session: Session, run_id: int, *, model_id: int | None) -> None:
    """Mark a run as done, in the transaction that registers its model, if any. Does not commit.

    Raises
    ------
    StoreError
        If the lease was lost meanwhile: another one may be at work.
    """
    run = session.get_one(Run, run_id, with_for_update=True)
    if run.state != RunState.RUNNING:
        raise StoreError(f"retrain {run_id} was taken for dead ({run.error}): nothing was changed")
    run.state, run.lock, run.model_id = RunState.DONE, None, model_id
    run.finished_at = now(session)
    note(session, Kind.RETRAINED, run)


def _begin(engine: Engine, reason: str, lease_s: float) -> int:
    try:
        with writing(engine) as session:
            take_turns(session)  # so that no label with a lower number is stored later
            at = now(session)
            _end_dead(session, lease_s)
            run = Run(
                worker=worker_name(),
                state=RunState.RUNNING,
                lease_until=at + timedelta(seconds=lease_s),
                lock=1,
                reason=reason[:MAX_NAME],
                folder=f"{at:%Y%m%d-%H%M%S}-{token_hex(3)}",  # databases may share a store
                started_at=at,
                label_id=session.scalar(select(func.max(Label.id))) or 0,
                job_id=session.scalar(select(func.max(Job.id))) or 0,
                tags_hash=hash_of_tags(session),
            )
            session.add(run)
            session.flush()
            return run.id
    except StoreError as error:
        if isinstance(error.__cause__, IntegrityError):
            problem = "another retrain began at the same moment: let it finish"
            raise StoreError(problem) from error
        raise


def _end_dead(session: Session, lease_s: float) -> None:
    """Mark a killed run as failed; StoreError if one is alive."""
    at = now(session)
    for run in session.scalars(select(Run).where(Run.state == RunState.RUNNING)):
        # A lease far in the future is of a clock that was set back since.
        if at <= run.lease_until <= at + timedelta(seconds=2 * lease_s):
            raise StoreError(
                f"retrain {run.id} is at work ({run.worker}, since {run.started_at:%F %T} UTC): "
                "let it finish, or stop that process"
            )
        run.state, run.lock, run.error = RunState.FAILED, None, "killed: its lease ran out"
        run.finished_at = at
    session.flush()


def _keep_alive(engine: Engine, run_id: int, lease_s: float, over: threading.Event) -> None:
    while not over.wait(lease_s / 4):
        try:
            with writing(engine) as session:
                run = session.get_one(Run, run_id, with_for_update=True)
                if run.state != RunState.RUNNING:
                    return  # `finish` will say so
                run.lease_until = now(session) + timedelta(seconds=lease_s)
        except StoreError as error:
            logger.warning("the lease of retrain %s was not renewed: %s", run_id, error)


def _fail(engine: Engine, run_id: int, why: str, error: BaseException) -> None:
    try:
        with writing(engine) as session:
            run = session.get_one(Run, run_id, with_for_update=True)
            if run.state == RunState.RUNNING:
                run.state, run.lock, run.error = RunState.FAILED, None, why
                run.finished_at = now(session)
    except StoreError as second:
        if not is_gone(second):
            raise
        error.add_note(f"retrain {run_id} could not be marked as failed: {second}")
