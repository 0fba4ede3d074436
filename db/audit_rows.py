"""What the audit log hashes of a row: the same bytes on every database, whenever it is read.

What is said of a job is hashed with the job's salt. Forgetting the job removes the salt, and what
is left in the log can't be matched with guesses.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Enum, String, func, select, true, type_coerce
from sqlalchemy.orm import Session

from db.bulk import table_of
from db.columns import RunState
from db.schema import (
    Base,
    BatchDecision,
    Job,
    Label,
    Model,
    Prediction,
    PredictionSet,
    Promotion,
    Run,
    TagFact,
    TagWord,
    Verdict,
)

ROW_HASHES = np.dtype([("id", ">i8"), ("hash", "V32")])
"""Rows as an entry holds them."""
GONE = bytes(32)
"""In the place of a hash: from here on the row is not there any more."""
LOGGED: dict[str, type[Base]] = {
    table.__tablename__: table
    for table in (
        Label,
        BatchDecision,
        TagFact,
        TagWord,
        Model,
        Run,
        Verdict,
        Promotion,
        PredictionSet,
    )
}
"""Tables whose rows are logged. A set of predictions goes by its model and its job."""
_AT_A_TIME = 500  # SQLite takes at most 999 parameters in some builds
CELL = np.dtype(
    [("tag", "<i8"), ("score", "<f8"), ("probability", "<f8"), ("decision", "u1"), ("review", "u1")]
)
"""A prediction as it is hashed."""

RowHashes = npt.NDArray[Any]


def hash_rows(
    session: Session, table: str, ids: Sequence[int], *, model_id: int | None = None
) -> dict[int, bytes]:
    """Id -> SHA-256 of what a row holds now; rows that are not there are left out.

    Parameters
    ----------
    ids
        Of rows; for predictions those of jobs, each standing for all that `model_id` says of it.
    """
    found: dict[int, bytes] = {}
    for start in range(0, len(ids), _AT_A_TIME):
        part = ids[start : start + _AT_A_TIME]
        if table == PredictionSet.__tablename__:
            found |= _hash_predictions(session, model_id, part)
        else:
            found |= _hash_table_rows(session, table, part)
    return found


def to_row_hashes(hashes: dict[int, bytes]) -> RowHashes:
    """The same as an entry holds them, ordered by id."""
    return np.array(sorted(hashes.items()), ROW_HASHES)


def iter_ids(
    session: Session, table: str, *, model_id: int | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """Ids of all rows that ought to be in the log, ascending, some thousand at a time."""
    column, condition = _key(table, model_id)
    query = select(column).where(condition).order_by(column).limit(5000)
    ids = session.scalars(query).all()
    while ids:
        yield np.array(ids, np.int64)
        ids = session.scalars(query.where(column > ids[-1])).all()


def count_rows(session: Session, table: str, *, model_id: int | None = None) -> int:
    """How many there are of them."""
    column, condition = _key(table, model_id)
    return session.scalar(select(func.count(column)).where(condition)) or 0


def models_with_predictions(session: Session) -> list[int]:
    """Models of which a prediction is stored."""
    has_any = select(PredictionSet.job_id).where(PredictionSet.model_id == Model.id).exists()
    return list(session.scalars(select(Model.id).where(has_any).order_by(Model.id)))


def without_postings(value: Any, names: Sequence[str] | None = None) -> Any:
    """A verdict's details without the parts that show a posting: objects in lists with a `job_id`.

    They may have to go when the posting is forgotten, so the log does not cover them.

    Parameters
    ----------
    names
        External ids of the postings to leave out. None: all.

    Examples
    --------
    >>> without_postings({"n": 2, "worse": [{"job_id": "a"}, {"job_id": "b"}]}, ["a"])
    {'n': 2, 'worse': [{'job_id': 'b'}]}
    """
    if isinstance(value, dict):
        return {key: without_postings(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [without_postings(one, names) for one in value if not _shows_posting(one, names)]
    return value


def _shows_posting(value: Any, names: Sequence[str] | None) -> bool:
    return isinstance(value, dict) and (
        "job_id" in value if names is None else value.get("job_id") in names
    )


def salts_of(session: Session, job_ids: Collection[int]) -> dict[int, bytes]:
    """Salts of at most some hundred jobs."""
    return dict(session.execute(select(Job.id, Job.salt).where(Job.id.in_(job_ids))).all())


def hash_prediction_set(model_id: int | None, salt: bytes, cells: npt.NDArray[Any]) -> bytes:
    """SHA-256 of all that a model says of a job: `CELL` by ascending tag."""
    return hashlib.sha256(salt + f"predictions of {model_id}".encode() + cells.tobytes()).digest()


# ---- rows to bytes


def _instant(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"the log can't hash a {type(value).__name__}")
    return value.isoformat(timespec="microseconds")  # all come out of the database in UTC


_to_json = json.JSONEncoder(
    check_circular=False, sort_keys=True, separators=(",", ":"), default=_instant
).encode


def _hash_table_rows(session: Session, table: str, ids: Sequence[int]) -> dict[int, bytes]:
    columns = table_of(LOGGED[table]).c
    # As the strings that are stored: making members of enums takes as long as hashing them.
    plain = (
        type_coerce(one, String).label(one.name) if isinstance(one.type, Enum) else one
        for one in columns
    )
    is_run = ids[-1] - ids[0] == len(ids) - 1  # a range is faster to ask for
    wanted = columns.id.between(ids[0], ids[-1]) if is_run else columns.id.in_(ids)
    names, head = columns.keys(), table.encode()
    # Without nulls: a column that is added later leaves the hashes as they are.
    rows = [
        {name: one for name, one in zip(names, values, strict=True) if one is not None}
        for values in session.execute(select(*plain).where(wanted))
    ]
    is_said_of_jobs = table == Label.__tablename__
    salts = salts_of(session, {row["job_id"] for row in rows}) if is_said_of_jobs else {}
    for row in rows:
        if "details" in row:
            row["details"] = without_postings(row["details"])
    return {
        row["id"]: hashlib.sha256(
            salts.get(row.get("job_id", 0), b"") + head + _to_json(row).encode()
        ).digest()
        for row in rows
    }


def _hash_predictions(
    session: Session, model_id: int | None, job_ids: Sequence[int]
) -> dict[int, bytes]:
    of_model = PredictionSet.model_id == model_id
    sets = select(PredictionSet.job_id).where(of_model, PredictionSet.job_id.in_(job_ids))
    salts = salts_of(session, session.scalars(sets).all())
    said = table_of(Prediction).c
    columns = (said.job_id, said.tag_id, said.score, said.probability, said.decision, said.review)
    query = select(*columns).where(said.model_id == model_id, said.job_id.in_(job_ids))
    rows = session.execute(query.order_by(said.job_id, said.tag_id)).all()
    job_of = np.array([row[0] for row in rows], np.int64)
    cells = np.array([tuple(row[1:]) for row in rows], CELL)
    bounds = {job_id: np.searchsorted(job_of, [job_id, job_id + 1]) for job_id in salts}
    return {
        job_id: hash_prediction_set(model_id, salts[job_id], cells[low:high])
        for job_id, (low, high) in bounds.items()
    }


def _key(table: str, model_id: int | None) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    if table == PredictionSet.__tablename__:
        return PredictionSet.job_id, PredictionSet.model_id == model_id  # type: ignore[return-value]
    id_column: ColumnElement[int] = table_of(LOGGED[table]).c.id
    return id_column, Run.state == RunState.DONE if table == Run.__tablename__ else true()
