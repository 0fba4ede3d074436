"""The queue of jobs that wait for the live model; workers claim them by lease.

A claim is a row of `batches`, and its jobs are the queued ones that carry its id. Who claims first
frees the batches whose lease has run out. A worker that comes back too late finds its batch taken
away and stores nothing: each (model, job) gets one prediction set, whoever dies or sleeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, bindparam, delete, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session

from db.bell import ring
from db.bulk import insert_missing, n_changed, table_of
from db.columns import BatchState
from db.engine import now
from db.schema import Batch, Job, PredictionSet, QueuedJob

CLOCK_SLACK = timedelta(seconds=60)
"""A batch claimed so far in the future tells that the clock was set back: its lease means
nothing."""


class Posting(NamedTuple):
    """What a model gets to see of a job."""

    id: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Jobs that this worker alone may tag, until its lease runs out."""

    batch_id: int
    model_id: int
    postings: Sequence[Posting]
    """Ordered by id."""


def enqueue_missing(session: Session, model_id: int) -> int:
    """Queue every job of which a model has said nothing yet; returns how many. Does not commit.

    Jobs that still wait for another model are dropped: nobody asks it any more.
    """
    others = QueuedJob.model_id != model_id
    session.execute(delete(QueuedJob).where(others, QueuedJob.batch_id.is_(None)))
    said = exists().where(PredictionSet.model_id == model_id, PredictionSet.job_id == Job.id)
    queued = exists().where(QueuedJob.model_id == model_id, QueuedJob.job_id == Job.id)
    missing = select(literal(model_id), Job.id, literal(now(session), QueuedJob.queued_at.type))
    names = ["model_id", "job_id", "queued_at"]
    adding = insert_missing(session, table_of(QueuedJob)).from_select(
        names, missing.where(~said, ~queued).order_by(Job.id)
    )
    n_added = n_changed(session.execute(adding, execution_options={"preserve_rowcount": True}))
    if n_added:
        ring(session)
    return n_added


def n_queued(session: Session, model_id: int) -> int:
    """How many jobs wait for a model or are being tagged by it."""
    query = select(func.count()).select_from(QueuedJob).where(QueuedJob.model_id == model_id)
    return session.scalar(query) or 0


def claim(
    session: Session, model_id: int, worker: str, *, n_jobs: int, n_chars: int, lease_s: float
) -> Claim | None:
    """Lease the oldest jobs that nobody else has; None if there are none. Does not commit.

    Parameters
    ----------
    n_jobs, n_chars
        A batch ends at so many jobs, or so much text; one job is always taken.
    """
    free_expired(session)
    waiting = (
        select(QueuedJob.job_id)
        .where(QueuedJob.model_id == model_id, QueuedJob.batch_id.is_(None))
        .order_by(QueuedJob.job_id)
        .limit(n_jobs)
        .with_for_update(skip_locked=True)
    )
    job_ids = _fitting(session, list(session.scalars(waiting)), n_chars)
    if not job_ids:
        return None
    at = now(session)
    batch = Batch(
        model_id=model_id,
        worker=worker,
        state=BatchState.LEASED,
        n_jobs=len(job_ids),
        claimed_at=at,
        lease_until=at + timedelta(seconds=lease_s),
    )
    session.add(batch)
    session.flush()
    mine = (QueuedJob.model_id == model_id, QueuedJob.job_id.in_(_inline(job_ids)))
    session.execute(update(table_of(QueuedJob)).where(*mine).values(batch_id=batch.id))
    texts = (
        select(Job.id, Job.title, Job.text)
        .join(QueuedJob, QueuedJob.job_id == Job.id)
        .where(QueuedJob.batch_id == batch.id)
        .order_by(Job.id)
    )
    return Claim(batch.id, model_id, [Posting(*row) for row in session.execute(texts)])


def _inline(job_ids: Sequence[int]) -> BindParameter[Any]:
    """Numbers written into the statement: drivers take long over hundreds of parameters."""
    return bindparam("job_ids", job_ids, expanding=True, literal_execute=True)


def _fitting(session: Session, job_ids: Sequence[int], n_chars: int) -> list[int]:
    """The first of these jobs, until their texts are so long."""
    # PostgreSQL knows the bytes of a long text without reading it, but not its characters.
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    length = func.octet_length if is_postgresql else func.length
    sizes = select(Job.id, length(Job.title) + length(Job.text)).where(Job.id.in_(_inline(job_ids)))
    total = 0
    fitting: list[int] = []
    for job_id, size in session.execute(sizes.order_by(Job.id)):
        total += size
        if fitting and total > n_chars:
            break
        fitting.append(job_id)
    return fitting


def free_expired(session: Session) -> int:
    """Give back the jobs of batches whose worker is gone; returns how many batches.

    Does not commit.
    """
    at = now(session)
    ended = or_(Batch.lease_until < at, Batch.claimed_at > at + CLOCK_SLACK)
    query = select(Batch.id).where(Batch.state == BatchState.LEASED, ended)
    batch_ids = list(session.scalars(query.with_for_update(skip_locked=True)))
    for batch_id in batch_ids:
        give_back(session, batch_id)
    return len(batch_ids)


def give_back(session: Session, batch_id: int) -> None:
    """Let others have the jobs of a batch at once. Does not commit."""
    mine = (Batch.id == batch_id, Batch.state == BatchState.LEASED)
    ended = {"state": BatchState.EXPIRED, "finished_at": now(session)}
    if n_changed(session.execute(update(Batch).where(*mine).values(**ended))):
        jobs = update(QueuedJob).where(QueuedJob.batch_id == batch_id)
        session.execute(jobs.values(batch_id=None))


def renew(session: Session, batch_id: int, *, lease_s: float) -> None:
    """Lengthen a lease that is still ours. Does not commit."""
    mine = (Batch.id == batch_id, Batch.state == BatchState.LEASED)
    until = now(session) + timedelta(seconds=lease_s)
    session.execute(update(Batch).where(*mine).values(lease_until=until))


def lock_claimed(session: Session, batch_id: int) -> list[int] | None:
    """The jobs of a batch whose predictions may be stored now; None if it was taken away.

    They stay locked until the session commits. Jobs that somebody is changing or deleting at this
    moment are not among them, nor those that were changed since they were claimed.
    """
    mine = select(Batch.id).where(Batch.id == batch_id, Batch.state == BatchState.LEASED)
    if session.scalar(mine.with_for_update()) is None:
        return None
    ours = (
        select(QueuedJob.job_id)
        .join(Job, Job.id == QueuedJob.job_id)
        .where(QueuedJob.batch_id == batch_id)
        .order_by(QueuedJob.job_id)
        .with_for_update(key_share=True, skip_locked=True)  # labels may refer to the job meanwhile
    )
    return list(session.scalars(ours))


def finish(session: Session, batch_id: int, job_ids: Sequence[int]) -> None:
    """Take stored jobs off the queue and close their batch. Does not commit.

    Jobs of the batch that are not among them come back: its lease ends now.
    """
    of_batch = QueuedJob.batch_id == batch_id
    n_left = session.scalar(select(func.count()).select_from(QueuedJob).where(of_batch)) or 0
    is_whole = n_left == len(job_ids)
    stored = of_batch if is_whole else of_batch & QueuedJob.job_id.in_(_inline(job_ids))
    session.execute(delete(table_of(QueuedJob)).where(stored))
    at = now(session)
    ended: dict[str, Any] = {"lease_until": at, "n_jobs": len(job_ids)}
    if is_whole:
        ended |= {"state": BatchState.DONE, "finished_at": at}
    session.execute(update(Batch).where(Batch.id == batch_id).values(**ended))


def stored_before(session: Session, batch_id: int) -> int:
    """Jobs of a batch that was stored by a try whose answer got lost; 0 if there was none."""
    done = select(Batch.n_jobs).where(Batch.id == batch_id, Batch.state == BatchState.DONE)
    return session.scalar(done) or 0
