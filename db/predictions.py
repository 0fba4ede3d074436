"""Storing what a model says of a batch: sets, predictions and codes, in one transaction.

Letters for axes: B jobs, T tags.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import queue
from db.bulk import insert_arrays, insert_missing, table_of
from db.engine import now
from db.labels import chunks
from db.live import LiveModel, Predicted
from db.schema import JobCode, Prediction, PredictionSet

IdArray = npt.NDArray[np.int64]


def store(session: Session, live: LiveModel, claimed: queue.Claim, predicted: Predicted) -> int:
    """Store the predictions of a batch and take its jobs off the queue. Does not commit.

    Returns
    -------
    How many jobs were stored: none if another worker took over; fewer than were claimed if some
    have been changed or deleted meanwhile.
    """
    locked = queue.lock_claimed(session, claimed.batch_id)
    if locked is None:
        return queue.stored_before(session, claimed.batch_id)
    new = sorted(set(locked) - _said(session, live.id, locked))
    job_ids = np.array([posting.id for posting in claimed.postings], np.int64)
    rows = np.flatnonzero(np.isin(job_ids, new))
    if len(rows):
        _insert(session, live, job_ids[rows], predicted, rows)
    queue.finish(session, claimed.batch_id, locked)
    return len(rows)


def _said(session: Session, model_id: int, job_ids: Sequence[int]) -> set[int]:
    """Those that a model has spoken of: whoever queued them again hadn't seen that."""
    said: set[int] = set()
    for part in chunks(job_ids):
        same = (PredictionSet.model_id == model_id, PredictionSet.job_id.in_(part))
        said |= set(session.scalars(select(PredictionSet.job_id).where(*same)))
    return said


def _insert(
    session: Session,
    live: LiveModel,
    job_ids: IdArray,
    predicted: Predicted,
    rows: npt.NDArray[np.intp],
) -> None:
    """Insert the chosen rows of a batch; `job_ids` are theirs."""
    at, reviews = now(session), predicted.reviews[rows]
    sets = [
        {"model_id": live.id, "job_id": job_id, "needs_review": bool(row.any()), "predicted_at": at}
        for job_id, row in zip(job_ids.tolist(), reviews, strict=True)
    ]
    session.execute(table_of(PredictionSet).insert(), sets)
    n_jobs, n_tags = reviews.shape
    predictions = {
        "model_id": np.full(n_jobs * n_tags, live.id, np.int64),
        "job_id": np.repeat(job_ids, n_tags),
        "tag_id": np.tile(live.tag_ids, n_jobs),
        "score": predicted.scores[rows].ravel().astype(np.float64),
        "probability": predicted.probabilities[rows].ravel().astype(np.float64),
        "decision": predicted.decisions[rows].ravel(),
        "review": reviews.ravel(),
    }
    insert_arrays(session, table_of(Prediction), predictions)
    codes = predicted.codes[rows].astype("<f4")
    version = {"code_version_id": live.code_version_id}
    session.execute(
        insert_missing(session, table_of(JobCode)),
        [
            {**version, "job_id": job_id, "code": code.tobytes()}
            for job_id, code in zip(job_ids.tolist(), codes, strict=True)
        ],
    )
