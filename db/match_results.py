"""What matching models say: lists of recommendations, vectors of candidates in versions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from db.columns import ListOf
from db.engine import now, take_turns
from db.labels import chunks
from db.match_tables import CandidateCode, Embedding, EmbeddingVersion, Recommendation
from db.schema import Candidate, Job


class Place(NamedTuple):
    """A place in a list, by primary keys."""

    candidate_id: int
    job_id: int
    score: float
    rank: int


def store_places(
    session: Session, model_id: int, list_of: ListOf, owners: Sequence[int], places: Sequence[Place]
) -> int:
    """Put lists in the place of older ones of the same model. Does not commit.

    Parameters
    ----------
    owners
        Primary keys of the candidates, or jobs, whose lists these are; some may be empty.

    Returns
    -------
    How many places were stored: none whose candidate or job was removed meanwhile.
    """
    take_turns(session)
    owner = Recommendation.candidate_id if list_of == ListOf.CANDIDATE else Recommendation.job_id
    for part in chunks(list(owners)):
        session.execute(
            delete(Recommendation).where(
                Recommendation.model_id == model_id,
                Recommendation.list_of == list_of,
                owner.in_(part),
            )
        )
    people = _existing(session, Candidate, {place.candidate_id for place in places})
    jobs = _existing(session, Job, {place.job_id for place in places})
    common = {"model_id": model_id, "list_of": list_of, "computed_at": now(session)}
    rows = [
        {**common, **place._asdict()}
        for place in places
        if place.candidate_id in people and place.job_id in jobs
    ]
    if rows:
        session.execute(insert(Recommendation), rows)
    return len(rows)


def listed(session: Session, model_id: int, *, since: datetime) -> set[int]:
    """Primary keys of the candidates who have a list of a model, computed at that time or later."""
    query = select(Recommendation.candidate_id).where(
        Recommendation.model_id == model_id,
        Recommendation.list_of == ListOf.CANDIDATE,
        Recommendation.computed_at >= since,
    )
    return set(session.scalars(query.distinct()))


# ---- vectors


def find_version(session: Session, name: str, model_id: int) -> EmbeddingVersion | None:
    """The version of a name and a model, if it is there."""
    same = EmbeddingVersion.name == name, EmbeddingVersion.model_id == model_id
    return session.scalar(select(EmbeddingVersion).where(*same))


def embedding_version(
    session: Session, name: str, model_id: int, n_numbers: int
) -> EmbeddingVersion:
    """The same, made if it isn't there. Does not commit."""
    take_turns(session)
    version = find_version(session, name, model_id)
    if version is None:
        version = EmbeddingVersion(
            name=name, model_id=model_id, n_numbers=n_numbers, vectors_since=now(session)
        )
        session.add(version)
        session.flush()
    return version


def embedded(session: Session, version: EmbeddingVersion) -> set[int]:
    """Primary keys of the candidates who have a vector of the latest run of a version."""
    query = select(Embedding.candidate_id).where(
        Embedding.version_id == version.id, Embedding.computed_at >= version.vectors_since
    )
    return set(session.scalars(query))


def store_embeddings(
    session: Session,
    version_id: int,
    candidate_ids: Sequence[int],
    vectors: npt.NDArray[np.floating[Any]],
) -> int:
    """Put vectors, shape (N, D), in the place of older ones of a version. Does not commit."""
    values = {"version_id": version_id, "computed_at": now(session)}
    return _store_vectors(session, Embedding, "vector", values, candidate_ids, vectors)


def store_candidate_codes(
    session: Session,
    version_id: int,
    candidate_ids: Sequence[int],
    codes: npt.NDArray[np.floating[Any]],
) -> int:
    """Keep codes of resumes, shape (N, D), for the next time. Does not commit."""
    values = {"code_version_id": version_id}
    return _store_vectors(session, CandidateCode, "code", values, candidate_ids, codes)


def _store_vectors(
    session: Session,
    table: type[Any],
    column: str,
    values: Mapping[str, Any],
    candidate_ids: Sequence[int],
    vectors: npt.NDArray[np.floating[Any]],
) -> int:
    take_turns(session)
    version = next(name for name in values if name.endswith("version_id"))
    ids = [int(one) for one in candidate_ids]
    for part in chunks(ids):
        session.execute(
            delete(table).where(
                getattr(table, version) == values[version], table.candidate_id.in_(part)
            )
        )
    there = _existing(session, Candidate, set(ids))
    rows = [
        {**values, "candidate_id": id, column: vector.tobytes()}
        for id, vector in zip(ids, np.ascontiguousarray(vectors, "<f4"), strict=True)
        if id in there
    ]
    if rows:
        session.execute(insert(table), rows)
    return len(rows)


def _existing(session: Session, table: type[Candidate] | type[Job], ids: set[int]) -> set[int]:
    """Those that were not removed meanwhile."""
    found: set[int] = set()
    for part in chunks(sorted(ids)):
        found.update(session.scalars(select(table.id).where(table.id.in_(part))))
    return found
