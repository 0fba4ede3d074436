"""Tables of matching: models, the lists and vectors that they make, and codes of resumes."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import MAX_ID, MAX_NAME, Bytes, Id, ListOf, belongs, enum, numbered
from db.schema import Base


class MatchModel(Base):
    """A trained matching model: this row, and a folder in the store. The newest of a name is live.

    Whoever removes a model's folder removes its row, and with it all that it has said.
    """

    __tablename__ = "match_models"
    id: Mapped[int] = numbered()
    name: Mapped[str] = mapped_column(String(40), index=True)
    """Its kind, as the matcher calls it."""
    folder: Mapped[str] = mapped_column(String(MAX_ID), unique=True)
    """Name of the folder below the store directory."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of its `meta.json`, which holds the hashes of all its files."""
    config: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    seed: Mapped[int]
    code_version_id: Mapped[int | None] = belongs("code_versions.id", index=True)
    """Of the codes that it learned from; None if it learned without."""
    last_job: Mapped[int] = mapped_column(Id)
    """The last job that it knew of; likewise the others. 0 for none."""
    last_candidate: Mapped[int] = mapped_column(Id)
    last_event: Mapped[int] = mapped_column(Id)
    events_until: Mapped[datetime | None]
    """When the latest event it learned from happened; None if that isn't known."""
    trained_at: Mapped[datetime]
    lists_since: Mapped[datetime | None]
    """When the latest run for every candidate began; older lists are not of it. None: none did."""


class Recommendation(Base):
    """A place in the list of a candidate (which job?) or of a job (whom to invite?)."""

    __tablename__ = "recommendations"
    __table_args__ = ({"sqlite_with_rowid": False},)
    model_id: Mapped[int] = belongs("match_models.id", primary_key=True)
    list_of: Mapped[ListOf] = mapped_column(enum(ListOf, "list_of"), primary_key=True)
    candidate_id: Mapped[int] = belongs("candidates.id", primary_key=True, index=True)
    job_id: Mapped[int] = belongs("jobs.id", primary_key=True, index=True)
    score: Mapped[float]
    """As the model gives it: higher is better, comparable within one list."""
    rank: Mapped[int]
    """From 1."""
    computed_at: Mapped[datetime]


class CandidateCode(Base):
    """The code of a candidate's resume, float32, little endian; goes when the resume changes."""

    __tablename__ = "candidate_codes"
    __table_args__ = ({"sqlite_with_rowid": False},)
    code_version_id: Mapped[int] = belongs("code_versions.id", primary_key=True)
    candidate_id: Mapped[int] = belongs("candidates.id", primary_key=True, index=True)
    code: Mapped[bytes] = mapped_column(Bytes)


class EmbeddingVersion(Base):
    """Vectors of candidates that can be compared: a name, and the model that made them."""

    __tablename__ = "embedding_versions"
    __table_args__ = (UniqueConstraint("name", "model_id"),)
    id: Mapped[int] = numbered()
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    model_id: Mapped[int] = belongs("match_models.id", index=True)
    n_numbers: Mapped[int]
    vectors_since: Mapped[datetime]
    """When the latest run for every candidate began; older vectors are not of it."""


class Embedding(Base):
    """What a candidate did of late, as one vector: float32, little endian."""

    __tablename__ = "embeddings"
    __table_args__ = ({"sqlite_with_rowid": False},)
    version_id: Mapped[int] = belongs("embedding_versions.id", primary_key=True)
    candidate_id: Mapped[int] = belongs("candidates.id", primary_key=True, index=True)
    vector: Mapped[bytes] = mapped_column(Bytes)
    computed_at: Mapped[datetime]
