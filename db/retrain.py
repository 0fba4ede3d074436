"""Retraining from SQL: snapshot, challenger, gate, and (if it passes) a new champion.

Nothing is changed before the last transaction: a retrain that fails or is killed leaves the
champion as it was.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from db.engine import now, reading, writing
from db.errors import StoreError
from db.gate import Comparison, Judgement, Margin, judge, to_details
from db.labels import chunks, find_tags
from db.registry import (
    CHALLENGER,
    CHAMPION,
    TrainedModel,
    aliased,
    promote,
    register,
    set_alias,
)
from db.runs import finish, last_run, running
from db.schema import CodeVersion, Job, Model, ModelJob, PseudoLabel, Verdict
from db.snapshot import MAX_UNLABELLED, Snapshot, assign_splits, iter_jobs, take_snapshot

MAX_DRIFT = 0.05
"""1 - mean cosine between old and new codes of the same jobs; above it, a new code version."""
REFRESH_SHARE = 0.5
"""The codes are refreshed when so many jobs have come since, as a share of those they know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """What a trainer says of the model that it saved."""

    sha256: str
    """Of its `meta.json`."""
    thresholds: dict[str, float | None]
    """Tag -> probability from which it is given; None where not learned."""
    seed: int
    versions: dict[str, Any]
    metrics: dict[str, Any]
    n_code: int
    """Numbers of a code."""
    drift: float | None
    """1 - mean cosine of old jobs' codes before and after; 0 where the codes were not touched,
    None where there was no model before."""
    pseudo_labels: tuple[tuple[int, str, float], ...] = ()
    """Job, tag and probability of each guess that it learned from."""


class Trainer(Protocol):
    """What retraining needs of the tagger."""

    def train(
        self,
        snapshot: Snapshot,
        unlabelled: Iterator[tuple[int, str, str]],
        folder: Path,
        *,
        parent: Path | None,
        refresh: bool,
    ) -> Challenger:
        """Train on `snapshot.training`, warm from `parent` if there is one, and save.

        With `refresh` the codes go on learning from `unlabelled`; else they stay as they are.
        """

    def compare(self, snapshot: Snapshot, champion: Path, challenger: Path) -> Comparison:
        """Ask both models about `snapshot.evaluation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainReport:
    """What a retrain did."""

    run_id: int
    model_id: int
    folder: str
    parent_id: int | None
    n_training: int
    n_replayed: int
    n_evaluation: int
    n_unlabelled: int
    drift: float | None
    new_code_version: bool
    promoted: bool
    reason: str
    comparison: Comparison | None
    metrics: dict[str, Any]


def retrain(
    engine: Engine,
    store: Path,
    trainer: Trainer,
    *,
    reason: str = "asked for",
    margin: Margin | None = None,
    fresh: bool = False,
    refresh: bool | None = None,
    seed: int = 0,
) -> RetrainReport:
    """Train a challenger and let the gate decide.

    Parameters
    ----------
    store
        Directory of the model folders; made if it is missing.
    fresh
        Forget the champion: learn everything anew, codes included.
    refresh
        Whether the codes go on learning; None: when `REFRESH_SHARE` more jobs have come.

    Raises
    ------
    StoreError
        If another retrain is at work, or nothing is labelled yet.
    """
    with running(engine, reason=reason) as run_id:
        with writing(engine) as session:
            assign_splits(session)
        with reading(engine) as session:
            champion = aliased(session, CHAMPION)
            parent = None if fresh or champion is None else champion
            if refresh is None:
                refresh = parent is not None and _is_refresh_due(session, parent)
            last = last_run(session)
            snapshot = take_snapshot(
                session,
                known_label=last.label_id if last and parent else 0,
                n_unlabelled=MAX_UNLABELLED if refresh or parent is None else 0,
                seed=seed,
            )
            _check(snapshot)
        folder = f"run-{run_id:06d}"
        with _new_folder(store, folder) as path:
            champion_path = store / champion.folder if champion else None
            challenger = trainer.train(
                snapshot,
                _iter_jobs(engine, snapshot.unlabelled),
                path,
                parent=champion_path if parent else None,
                refresh=refresh,
            )
            comparison = None
            if champion_path and snapshot.evaluation:
                comparison = trainer.compare(snapshot, champion_path, path)
            judgement = judge(comparison, margin or Margin())
            if champion and comparison is None:
                judgement = Judgement(False, "no labelled jobs to judge by: label more")
            with writing(engine) as session:
                report = _register(
                    session,
                    run_id,
                    folder,
                    snapshot,
                    challenger,
                    parent,
                    comparison,
                    judgement,
                    champion.id if champion else None,
                )
    return report


def _check(snapshot: Snapshot) -> None:
    if not snapshot.training:
        raise StoreError(
            f"nothing to learn from: {len(snapshot.evaluation)} jobs are labelled, all of them "
            "kept to judge by; label more: jobtool import labels, or jobtool label"
        )


def _iter_jobs(engine: Engine, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
    """As `iter_jobs`, without a transaction that lasts as long as the training."""
    for part in chunks(ids):
        with reading(engine) as session:
            found = list(iter_jobs(session, part))
        yield from found


def _is_refresh_due(session: Session, parent: Model) -> bool:
    """Whether many jobs have come since the codes were learned."""
    learned = select(Model).where(Model.code_version_id == parent.code_version_id)
    first = session.scalars(learned.order_by(Model.id).limit(1)).one()
    known = select(ModelJob.job_id).where(ModelJob.model_id == first.id)
    n_known = len(session.scalars(known).all())
    newer = select(Job.id).where(Job.imported_at > first.created_at, Job.canonical_id.is_(None))
    return len(session.scalars(newer).all()) >= REFRESH_SHARE * max(n_known, 1)


@contextmanager
def _new_folder(store: Path, folder: str) -> Iterator[Path]:
    """A folder that goes away if the retrain does not come to its end."""
    path = store / folder
    try:
        store.mkdir(parents=True, exist_ok=True)
        if path.exists():  # of a run that was killed before it was registered
            shutil.rmtree(path)
        yield path
    except OSError as error:
        raise StoreError(f"can't write to the store {store}: {error.strerror or error}") from error
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _register(
    session: Session,
    run_id: int,
    folder: str,
    snapshot: Snapshot,
    challenger: Challenger,
    parent: Model | None,
    comparison: Comparison | None,
    judgement: Judgement,
    compared_id: int | None,
) -> RetrainReport:
    champion = aliased(session, CHAMPION, lock=True)
    if (champion.id if champion else None) != compared_id:
        judgement = Judgement(False, "another champion went live meanwhile: retrain again")
    version, is_new = _code_version(session, challenger, parent)
    model = register(
        session,
        TrainedModel(
            folder=folder,
            sha256=challenger.sha256,
            thresholds=challenger.thresholds,
            snapshot=snapshot.sha256,
            seed=challenger.seed,
            versions=challenger.versions,
            metrics=challenger.metrics,
            job_ids=snapshot.job_ids,
        ),
        parent=parent,
        code_version=version,
    )
    _store_pseudo_labels(session, model, challenger)
    verdict = Verdict(
        run_id=run_id,
        challenger_id=model.id,
        champion_id=champion.id if champion else None,
        promoted=judgement.promote,
        reason=judgement.reason,
        details=to_details(comparison),
        judged_at=now(session),
    )
    session.add(verdict)
    if judgement.promote:
        promote(session, model, reason=f"retrain {run_id}")
    else:
        set_alias(session, CHALLENGER, model)
    finish(session, run_id, model_id=model.id)
    return RetrainReport(
        run_id=run_id,
        model_id=model.id,
        folder=folder,
        parent_id=parent.id if parent else None,
        n_training=len(snapshot.training),
        n_replayed=snapshot.n_replayed,
        n_evaluation=len(snapshot.evaluation),
        n_unlabelled=len(snapshot.unlabelled),
        drift=challenger.drift,
        new_code_version=is_new,
        promoted=judgement.promote,
        reason=judgement.reason,
        comparison=comparison,
        metrics=challenger.metrics,
    )


def _code_version(
    session: Session, challenger: Challenger, parent: Model | None
) -> tuple[CodeVersion, bool]:
    """The parent's code space if its codes have hardly moved, else a new one."""
    if parent is not None and challenger.drift is not None and challenger.drift <= MAX_DRIFT:
        return session.get_one(CodeVersion, parent.code_version_id), False
    version = CodeVersion(
        n_numbers=challenger.n_code, drift=challenger.drift, created_at=now(session)
    )
    session.add(version)
    session.flush()
    return version, True


def _store_pseudo_labels(session: Session, model: Model, challenger: Challenger) -> None:
    tags = find_tags(session, {tag for _, tag, _ in challenger.pseudo_labels})
    rows = [
        {
            "model_id": model.id,
            "job_id": job_id,
            "tag_id": tags[tag].id,
            "probability": probability,
        }
        for job_id, tag, probability in challenger.pseudo_labels
    ]
    if rows:
        session.execute(insert(PseudoLabel), rows)
