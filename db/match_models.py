"""Matching models as rows, each with a folder in the store; which one is live."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.columns import ListOf
from db.engine import now
from db.errors import StoreError
from db.live import META
from db.match_tables import MatchModel, Recommendation
from db.schema import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedMatcher:
    """A saved matching model before it is registered; see `MatchModel`."""

    name: str
    folder: str
    sha256: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    seed: int
    code_version_id: int | None
    last_job: int
    last_candidate: int
    last_event: int
    events_until: float | None
    """Seconds since 1970."""


def register(session: Session, trained: TrainedMatcher) -> MatchModel:
    """Add a model, which is live from now on. Does not commit."""
    values = asdict(trained)
    until = values.pop("events_until")
    at = None if until is None else datetime.fromtimestamp(until, UTC)
    model = MatchModel(**values, events_until=at, trained_at=now(session))
    session.add(model)
    session.flush()
    return model


def find_model(session: Session, name: str | None) -> MatchModel:
    """A model by its number or folder, or the newest of a name; None: the newest of all.

    Raises
    ------
    StoreError
        If there is none.
    """
    newest = select(MatchModel).order_by(MatchModel.id.desc()).limit(1)
    number = int(name) if name and name.isdecimal() else 0
    found = session.get(MatchModel, number) if 0 < number < 2**63 else None
    if found is None and name:
        found = session.scalar(newest.where(MatchModel.folder == name))
        found = found or session.scalar(newest.where(MatchModel.name == name))
    elif found is None:
        found = session.scalar(newest)
    if found is None:
        known = ", ".join(f"{model.id} ({model.folder})" for model in all_models(session))
        wanted = f"no matching model {name!r:.60}" if name else "there is no matching model yet"
        raise StoreError(f"{wanted}: {f'known: {known}' if known else 'jobtool match train'}")
    return found


def all_models(session: Session) -> list[MatchModel]:
    """Every model, oldest first."""
    return list(session.scalars(select(MatchModel).order_by(MatchModel.id)))


def checked_folder(model: MatchModel, store: Path) -> Path:
    """The folder of a model; StoreError unless it is the one that was registered, to the byte."""
    folder = store / model.folder
    try:
        found = sha256_of(folder / META)
    except OSError as error:
        raise StoreError(
            f"matching model {model.id}: can't read {folder / META} ({error.strerror}); name the "
            "folder of the models with --store, or train it again: jobtool match train"
        ) from error
    if found != model.sha256:
        raise StoreError(
            f"{folder / META} is not what was registered as matching model {model.id} (its sha256 "
            "differs): train it again: jobtool match train"
        )
    return folder


def sha256_of(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prunable(session: Session, *, keep: int) -> list[MatchModel]:
    """All but the `keep` newest models of each name."""
    seen: dict[str, int] = {}
    found = []
    for model in reversed(all_models(session)):
        seen[model.name] = seen.get(model.name, 0) + 1
        if seen[model.name] > keep:
            found.append(model)
    return found[::-1]


def remove_models(session: Session, models: Iterable[MatchModel]) -> list[str]:
    """Remove rows, with recommendations and embeddings of theirs. Does not commit.

    Returns
    -------
    Names of the folders, which may go when that is committed.
    """
    doomed = list(models)
    for model in doomed:
        session.delete(model)
    session.flush()
    return [model.folder for model in doomed]


def seen_by(session: Session, *, last: str, key: int) -> list[MatchModel]:
    """Models that knew of a job (`last` is "last_job") or of a candidate ("last_candidate")."""
    query = select(MatchModel).where(getattr(MatchModel, last) >= key)
    return list(session.scalars(query.order_by(MatchModel.id)))


def summary(session: Session) -> dict[str, Any] | None:
    """The newest model, and for how many candidates there is a list of it; None without one."""
    model = session.scalar(select(MatchModel).order_by(MatchModel.id.desc()).limit(1))
    if model is None:
        return None
    return {
        "id": model.id,
        "name": model.name,
        "folder": model.folder,
        "trained_at": model.trained_at.isoformat(),
        "candidates_with_list": session.scalar(
            select(func.count(Recommendation.candidate_id.distinct())).where(
                Recommendation.model_id == model.id, Recommendation.list_of == ListOf.CANDIDATE
            )
        ),
        "newer_events": session.scalar(
            select(func.count()).select_from(Event).where(Event.id > model.last_event)
        ),
    }
