"""Retraining from SQL: snapshot, challenger, gate, and (if it passes) a new champion.

Nothing is changed before the last transaction: a retrain that fails or is killed leaves the
champion as it was.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import Session

from db.batches import held_of_run
from db.columns import RunState
from db.engine import now, reading, reading_snapshot, take_turns, writing
from db.errors import StoreError
from db.gate import Bar
from db.judging import (
    Comparisons,
    Rivals,
    Tell,
    compare_with,
    find_rivals,
    judgement_of,
    look_at_batches,
)
from db.labels import chunks
from db.model_notes import NO_LABELS, has_no_labels, tag_notes
from db.rebuild import record_inputs
from db.registering import place, record_verdict, register_trained
from db.registry import CHAMPION, aliased, remove_folders
from db.runs import finish, running
from db.schema import CodeVersion, Job, Label, Model, Run
from db.snapshot import MAX_UNLABELLED, Snapshot, iter_jobs, take_snapshot
from db.trainer import Trained, Trainer
from db.verdicts import verdict_page

MAX_DRIFT = 0.05
"""1 - mean cosine between old and new codes of the same jobs, summed over the refreshes of a code
version; above it, a new one begins."""
N_TEACHING = 5000
"""Newest unlabelled jobs that teach softly where the codes are not refreshed."""
REFRESH_SHARE = 0.5
"""The codes are refreshed when so many jobs have come since, as a share of those they know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to retrain."""

    bar: Bar = field(default_factory=Bar)
    fresh: bool = False
    """Forget the champion: learn everything anew, codes included."""
    refresh: bool | None = None
    """Whether the codes go on learning; None: when `REFRESH_SHARE` more jobs have come."""
    seed: int = 0
    """Decides which old jobs are replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainReport:
    """What a retrain did."""

    run_id: int
    reason: str
    """What started it."""
    model_id: int
    folder: str
    parent_id: int | None
    n_training: int
    n_replayed: int
    n_unlabelled: int
    held_batches: tuple[int, ...]
    """New batches of labels that it did not learn from; see `jobtool labels batches`."""
    drift: float | None
    code_version_id: int
    new_code_version: bool
    promoted: bool
    verdict: str
    without_labels: bool
    """Whether the model has learned no label at all: nothing that it says is calibrated."""
    tags_without_labels: tuple[str, ...]
    """Tags that it knows by their names alone."""
    rough_tags: tuple[str, ...]
    """Tags with few examples: their scores and thresholds are rough."""
    never_given_tags: tuple[str, ...]
    """Tags that it has not learned."""
    metrics: dict[str, Any]
    """By cross-fitting; None without labels."""
    page: str
    """The verdict to read, as Markdown; also a file in the store."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """What a retrain says that had nothing to learn."""

    run_id: int
    reason: str
    """What started it."""
    unchanged_since: int
    """The champion: it has learned from exactly what there is."""
    held_batches: tuple[int, ...]
    """New batches of labels that don't hold; see `jobtool labels batches`."""

    @property
    def page(self) -> str:
        """It in a line."""
        return f"nothing has changed since model {self.unchanged_since}\n"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def retrain(
    engine: Engine,
    store: Path,
    trainer: Trainer,
    settings: Settings | None = None,
    *,
    reason: str = "asked for",
    tell: Tell = lambda line: None,
) -> RetrainReport | Unchanged:
    """Train a challenger and let the gate decide.

    Without any label it learns what tags are called and mean: a start for `jobtool label`. Where
    the champion has learned from the same labels, texts and tags, nothing is trained, unless the
    settings ask for it.

    Parameters
    ----------
    store
        Directory of the model folders; made if it is missing.

    Raises
    ------
    StoreError
        If another retrain is at work, or there are no tags or no jobs yet.
    """
    settings = settings or Settings()
    with running(engine, reason=reason) as run_id:
        held = look_at_batches(engine, store, trainer, tell)
        with reading_snapshot(engine) as session:
            run = session.get_one(Run, run_id)
            work, folder = _prepare(session, settings, run.label_id), run.folder
            failed = select(Run.folder).where(Run.state == RunState.FAILED)
            left_behind = list(session.scalars(failed))
        if work.parent and _is_unchanged(work.parent, work):
            with writing(engine) as session:
                finish(session, run_id, model_id=None)
            return Unchanged(
                run_id=run_id,
                reason=reason,
                unchanged_since=work.parent.id,
                held_batches=held,
            )
        tell(f"retrain {run_id} ({reason}): {_plan(work)}")
        remove_folders(store, left_behind)
        with _new_folder(store, folder) as path:
            champion = store / work.champion.folder if work.champion else None
            trained = trainer.train(
                work.snapshot,
                _iter_jobs(engine, work.snapshot.unlabelled),
                path,
                parent=champion if work.parent else None,
                refresh=work.refresh,
            )
            found = compare_with(work.rivals, trainer, work.snapshot, store, path)
            with writing(engine) as session:
                report = _register(
                    session, run_id, reason, folder, work, trained, found, settings.bar, held
                )
    outcome = "goes live" if report.promoted else "does not go live"
    told = f"model {report.model_id}{f' ({NO_LABELS})' if report.without_labels else ''}"
    tell(f"{told} {outcome}: {report.verdict}; all of it: jobtool models show {report.model_id}")
    return report


def _is_unchanged(parent: Model, work: "_Work") -> bool:
    """Whether there is nothing to learn that the parent has not learned."""
    return not work.refresh and parent.snapshot == work.snapshot.sha256


def _plan(work: "_Work") -> str:
    found = work.snapshot
    parent = f"goes on from model {work.parent.id}" if work.parent else "begins anew"
    replayed = f" ({found.n_replayed:,} of them old)" if work.parent else ""
    if not found.training:
        return f"{parent}, {NO_LABELS}: from what tags mean and {len(found.unlabelled):,} jobs"
    return (
        f"{parent} with {len(found.training):,} labelled jobs{replayed} and "
        f"{len(found.unlabelled):,} others"
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What one retrain starts from."""

    snapshot: Snapshot
    champion: Model | None
    parent: Model | None
    """The champion, unless it is to be forgotten."""
    rivals: Rivals
    refresh: bool
    began_at: datetime


def _prepare(session: Session, settings: Settings, label_id: int) -> _Work:
    champion = aliased(session, CHAMPION)
    parent = None if settings.fresh else champion
    refresh = settings.refresh
    if refresh is None or parent is None:
        refresh = parent is not None and _is_refresh_due(session, parent)
    snapshot = take_snapshot(
        session,
        known_label=_known_label(session, parent),
        label_id=label_id,
        n_unlabelled=MAX_UNLABELLED if refresh or parent is None else N_TEACHING,
        seed=settings.seed,
    )
    _check(snapshot)
    return _Work(snapshot, champion, parent, find_rivals(session, champion), refresh, now(session))


def _known_label(session: Session, parent: Model | None) -> int:
    """The last label that the parent knew of; from scratch all are as old as another."""
    if parent is None:
        return session.scalar(select(func.max(Label.id))) or 0
    return session.scalar(select(Run.label_id).where(Run.model_id == parent.id)) or 0


def _check(snapshot: Snapshot) -> None:
    if not snapshot.tags:
        raise StoreError(
            "nothing to learn: there are no tags yet; name them with jobtool tags import or "
            "jobtool tags add, or import labels"
        )
    if not snapshot.job_ids:
        raise StoreError("nothing to learn from: there are no jobs; jobtool import jobs")


def _iter_jobs(engine: Engine, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
    """As `iter_jobs`, without a transaction that lasts as long as the training."""
    for part in chunks(ids):
        with reading(engine) as session:
            found = list(iter_jobs(session, part))
        yield from found


def _is_refresh_due(session: Session, parent: Model) -> bool:
    """Whether many jobs have come since the parent's codes learned last."""
    came_later = case((Job.imported_at > parent.codes_at, 1), else_=0)
    query = select(func.count(), func.coalesce(func.sum(came_later), 0))
    n_all, n_new = session.execute(query.where(Job.canonical_id.is_(None))).one()
    return bool(n_new >= REFRESH_SHARE * max(n_all - n_new, 1))


@contextmanager
def _new_folder(store: Path, folder: str) -> Iterator[Path]:
    """A folder that goes away if the retrain does not come to its end."""
    path = store / folder
    try:
        store.mkdir(parents=True, exist_ok=True)
        yield path
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            problem = f"can't write to the store {store}: {error.strerror or error}"
            raise StoreError(problem) from error
        raise


def _register(
    session: Session,
    run_id: int,
    reason: str,
    folder: str,
    work: _Work,
    trained: Trained,
    found: Comparisons,
    bar: Bar,
    held: tuple[int, ...],
) -> RetrainReport:
    take_turns(session)
    _check_all_there(session, work.snapshot)
    champion = aliased(session, CHAMPION, lock=True)
    judgement = judgement_of(work.rivals, champion, found, work.snapshot, bar)
    version, drift, is_new = _code_version(session, trained, work.parent)
    is_learned = work.refresh or work.parent is None
    model = register_trained(
        session,
        trained,
        folder,
        snapshot=work.snapshot.sha256,
        parent=work.parent,
        version=version,
        labelled_ids=[job.id for job in work.snapshot.training],
        unlabelled_ids=work.snapshot.unlabelled,
        codes_at=work.began_at if is_learned or not work.parent else work.parent.codes_at,
        codes_drift=drift,
    )
    verdict = record_verdict(session, run_id, model, champion, judgement, found, work.rivals)
    place(
        session,
        model,
        is_live=judgement.promote,
        is_best=judgement.is_best,
        reason=f"retrain {run_id}",
    )
    record_inputs(session, run_id, work.snapshot, refresh=work.refresh)
    finish(session, run_id, model_id=model.id)
    notes = tag_notes(session, model)
    return RetrainReport(
        run_id=run_id,
        reason=reason,
        model_id=model.id,
        folder=folder,
        parent_id=work.parent.id if work.parent else None,
        n_training=len(work.snapshot.training),
        n_replayed=work.snapshot.n_replayed,
        n_unlabelled=len(work.snapshot.unlabelled),
        held_batches=held,
        drift=trained.drift,
        code_version_id=version.id,
        new_code_version=is_new,
        promoted=judgement.promote,
        verdict=judgement.reason,
        without_labels=has_no_labels(model),
        tags_without_labels=notes.without_labels,
        rough_tags=notes.rough,
        never_given_tags=notes.never_given,
        metrics=dict(trained.metrics),
        page=verdict_page(verdict, model, champion, notes, held_of_run(session, run_id)),
    )


def _check_all_there(session: Session, snapshot: Snapshot) -> None:
    """A model must not go live that knows a job which somebody wants forgotten."""
    ids = snapshot.job_ids
    n_there = sum(
        session.scalar(select(func.count()).where(Job.id.in_(part))) or 0 for part in chunks(ids)
    )
    if n_there < len(ids):
        raise StoreError(
            f"{len(ids) - n_there} jobs were removed while the model learned from them: "
            "retrain again"
        )


def _code_version(
    session: Session, trained: Trained, parent: Model | None
) -> tuple[CodeVersion, float, bool]:
    """The code space, how far codes have moved in it so far, and whether it is a new one.

    It is the parent's, if the codes have hardly moved since that one began.
    """
    if parent is not None and trained.drift is not None:
        drift = parent.codes_drift + trained.drift
        if drift <= MAX_DRIFT:
            return session.get_one(CodeVersion, parent.code_version_id), drift, False
    version = CodeVersion(n_numbers=trained.n_code, drift=trained.drift, created_at=now(session))
    session.add(version)
    session.flush()
    return version, 0.0, True
