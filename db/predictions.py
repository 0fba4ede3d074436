"""Storing what a model says of a batch: sets, predictions and codes, in one transaction.

Letters for axes: B jobs, T tags.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Select, delete, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from db import queue
from db.audit_log import Kind, note_gone, note_hashes
from db.audit_rows import CELL, hash_prediction_set, salts_of
from db.bulk import insert_arrays, table_of
from db.engine import now
from db.feed_values import suggestions_of, sure_tags
from db.labels import chunks
from db.live import LiveModel, Predicted
from db.schema import JobCode, Model, Prediction, PredictionSet, QueuedJob

IdArray = npt.NDArray[np.int64]
IdColumn = InstrumentedAttribute[int]
RowArray = npt.NDArray[np.intp]


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
    job_ids = np.array([posting.id for posting in claimed.postings], np.int64)
    said = session.scalars(
        _known(claimed.batch_id, PredictionSet.job_id, PredictionSet.model_id == live.id)
    )
    rows = np.flatnonzero(np.isin(job_ids, list(set(locked) - set(said))))
    if len(rows):
        _insert_sets(session, live, job_ids[rows], predicted, rows)
        _insert_predictions(session, live, job_ids[rows], predicted, rows)
        _insert_codes(session, live, claimed.batch_id, job_ids, predicted, rows)
        _log(session, live, job_ids[rows], predicted, rows)
    queue.finish(session, claimed.batch_id, locked)
    return len(rows)


def remove(session: Session, job_ids: Sequence[int], *, kind: Kind = Kind.WITHDRAWN) -> None:
    """Take back all that models say of some jobs; `kind` is for the log. Does not commit."""
    of_jobs = PredictionSet.job_id.in_(job_ids)
    pairs = select(PredictionSet.model_id, PredictionSet.job_id).where(of_jobs)
    for model_id, job_id in session.execute(pairs):
        note_gone(session, kind, PredictionSet, [job_id], model_id=model_id)
    said = tuple_(Prediction.model_id, Prediction.job_id).in_(pairs)
    session.execute(delete(table_of(Prediction)).where(said))
    session.execute(delete(table_of(PredictionSet)).where(of_jobs))


def _known(batch_id: int, job_id: IdColumn, of_model: ColumnElement[bool]) -> Select[int]:
    """Jobs of a batch that have a row already: whoever queued them again hadn't seen it."""
    waiting = select(job_id).join(QueuedJob, QueuedJob.job_id == job_id)
    return waiting.where(QueuedJob.batch_id == batch_id, of_model)


def _insert_sets(
    session: Session, live: LiveModel, job_ids: IdArray, predicted: Predicted, rows: RowArray
) -> None:
    at = np.datetime64(now(session).replace(tzinfo=None), "us")
    learned = live.learned
    needs_review = np.asarray(predicted.reviews[rows][:, learned].any(axis=1))
    needs_review |= _contradicted(session, live, job_ids, predicted.decisions[rows])
    sets = {
        "model_id": np.full(len(rows), live.id, np.int64),
        "job_id": job_ids,
        "needs_review": needs_review,
        "predicted_at": np.full(len(rows), at, "M8[us]"),
    }
    insert_arrays(session, table_of(PredictionSet), sets)


def _contradicted(
    session: Session, live: LiveModel, job_ids: IdArray, decisions: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Whether a job's feed says something else of a tag that the model has learned, shape (B,)."""
    found = np.zeros(len(job_ids), bool)
    said = suggestions_of(session, job_ids.tolist())
    if not said:
        return found
    sure = sure_tags(session, session.get_one(Model, live.id))
    column = {tag_id: at for at, tag_id in enumerate(live.tag_ids.tolist()) if tag_id in sure}
    for row, job_id in enumerate(job_ids.tolist()):
        found[row] = any(
            tag_id in column and feed.answer != decisions[row, column[tag_id]]
            for tag_id, feed in said.get(job_id, {}).items()
        )
    return found


def _insert_predictions(
    session: Session, live: LiveModel, job_ids: IdArray, predicted: Predicted, rows: RowArray
) -> None:
    """Of each job and each tag that the model has learned."""
    cells = np.ix_(rows, np.flatnonzero(live.learned))
    tag_ids = live.tag_ids[live.learned]
    n_jobs, n_tags = len(rows), len(tag_ids)
    predictions = {
        "model_id": np.full(n_jobs * n_tags, live.id, np.int64),
        "job_id": np.repeat(job_ids, n_tags),
        "tag_id": np.tile(tag_ids, n_jobs),
        "score": predicted.scores[cells].ravel().astype(np.float64),
        "probability": predicted.probabilities[cells].ravel().astype(np.float64),
        "decision": predicted.decisions[cells].ravel(),
        "review": predicted.reviews[cells].ravel(),
    }
    if n_tags:
        insert_arrays(session, table_of(Prediction), predictions)


def _log(
    session: Session, live: LiveModel, job_ids: IdArray, predicted: Predicted, rows: RowArray
) -> None:
    """Note the hashes of what is stored; reading it again would take as long as storing it."""
    columns = np.flatnonzero(live.learned)
    columns = columns[np.argsort(live.tag_ids[columns])]
    of_rows = np.ix_(rows, columns)
    cells = np.empty((len(rows), len(columns)), CELL)
    cells["tag"] = live.tag_ids[columns]
    cells["score"] = predicted.scores[of_rows]
    cells["probability"] = predicted.probabilities[of_rows]
    cells["decision"] = predicted.decisions[of_rows]
    cells["review"] = predicted.reviews[of_rows]
    salts: dict[int, bytes] = {}
    for part in chunks(job_ids.tolist()):
        salts |= salts_of(session, part)
    hashes = {
        job_id: hash_prediction_set(live.id, salts[job_id], said)
        for job_id, said in zip(job_ids.tolist(), cells, strict=True)
    }
    note_hashes(session, Kind.TAGGED, PredictionSet, hashes, model_id=live.id)


def _insert_codes(
    session: Session,
    live: LiveModel,
    batch_id: int,
    job_ids: IdArray,
    predicted: Predicted,
    rows: RowArray,
) -> None:
    """Codes of the rows whose job has none of this version, from this or an older model."""
    version_id = live.code_version_id
    known = list(
        session.scalars(_known(batch_id, JobCode.job_id, JobCode.code_version_id == version_id))
    )
    rows = rows[~np.isin(job_ids[rows], known)]
    codes = np.ascontiguousarray(predicted.codes[rows], "<f4")
    columns = {
        "code_version_id": np.full(len(rows), version_id, np.int64),
        "job_id": job_ids[rows],
        "code": codes.view(f"V{codes.shape[1] * codes.itemsize}").ravel(),
    }
    if len(rows):
        insert_arrays(session, table_of(JobCode), columns)
