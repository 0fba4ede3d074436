"""Retraining from SQL: snapshot, challenger, gate, and (if it passes) a new champion.

Nothing is changed before the last transaction: a retrain that fails or is killed leaves the
champion as it was.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note
from db.batches import decide, held_of_run, new_batches
from db.columns import RunState
from db.engine import now, reading, reading_snapshot, take_turns, writing
from db.errors import StoreError
from db.gate import Comparison, Judgement, Margin, judge, to_details
from db.labels import chunks
from db.model_notes import NO_LABELS, has_no_labels, tag_notes
from db.rebuild import record_inputs
from db.registry import (
    ANCHOR,
    CHALLENGER,
    CHAMPION,
    TrainedModel,
    aliased,
    learned_positions,
    promote,
    register,
    remove_folders,
    set_alias,
)
from db.runs import finish, running
from db.schema import CodeVersion, Job, Label, Model, Run, Tag, TagAlias, Verdict
from db.snapshot import (
    MAX_UNLABELLED,
    Snapshot,
    iter_jobs,
    take_snapshot,
)
from db.trainer import Trained, Trainer
from db.verdicts import verdict_page

logger = logging.getLogger(__name__)
Tell = Callable[[str], object]
"""Is told in a line what begins and what came of it."""

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

    margin: Margin = field(default_factory=Margin)
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
        held = _look_at_batches(engine, store, trainer, tell)
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
            found = _compare(trainer, work, store, path)
            with writing(engine) as session:
                report = _register(
                    session, run_id, reason, folder, work, trained, found, settings.margin, held
                )
    page = store / f"{folder}.md"
    _write_page(page, report.page)
    outcome = "goes live" if report.promoted else "does not go live"
    told = f"model {report.model_id}{f' ({NO_LABELS})' if report.without_labels else ''}"
    tell(f"{told} {outcome}: {report.verdict}; report: {page}")
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


def _look_at_batches(engine: Engine, store: Path, trainer: Trainer, tell: Tell) -> tuple[int, ...]:
    """Let the live model look at new batches of labels; ids of those that are held from now on."""
    with reading_snapshot(engine) as session:
        champion = aliased(session, CHAMPION)
        if champion is None or has_no_labels(champion):
            return ()
        new = new_batches(session, champion)
        renamed = _renamed(session)
        folder, model_id = store / champion.folder, champion.id
    if not new:
        return ()
    unknown = [batch for batch in new if batch.jobs]  # of the rest the model has learned already
    checks = {}
    if unknown:
        many = "1 new batch" if len(unknown) == 1 else f"{len(unknown):,} new batches"
        tell(f"looking at {many} of labels with model {model_id}")
        found = trainer.check(folder, [batch.jobs for batch in unknown], renamed)
        checks = {batch.id: check for batch, check in zip(unknown, found, strict=True)}
    with writing(engine) as session:
        take_turns(session)
        held = decide(session, new, checks)
        lines = [(row.id, row.name, row.labeller, row.reason) for row in held]
    for number, name, labeller, why in lines:
        tell(
            f"HELD: batch {number} ({name}, by {labeller}): {why}. See jobtool labels batches "
            f"{number}; if it is right, jobtool labels release {number}"
        )
    return tuple(number for number, *_ in lines)


def _renamed(session: Session) -> dict[str, str]:
    """Old names of tags -> the ones they have now."""
    names = select(TagAlias.name, Tag.name).join(Tag, Tag.id == TagAlias.tag_id)
    return dict(session.execute(names).all())


@dataclass(frozen=True, slots=True)
class _Found:
    """The challenger beside the champion (without one, beside the tags' names), and the anchor."""

    champion: Comparison | None
    anchor: Comparison | None


def _compare(trainer: Trainer, work: "_Work", store: Path, challenger: Path) -> _Found:
    jobs = work.snapshot.training
    if not jobs:
        return _Found(None, None)

    def beside(model: Model | None, positions: Mapping[int, int]) -> Comparison:
        rows = [positions.get(job.id) for job in jobs]
        folder = store / model.folder if model else None
        return trainer.compare(work.snapshot, folder, challenger, rows, work.renamed)

    anchor = beside(work.anchor, work.anchor_positions) if work.anchor else None
    return _Found(beside(work.champion, work.champion_positions), anchor)


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:  # the verdict itself is in the database
        logger.warning("can't write %s: %s", path, error.strerror)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one retrain starts from."""

    snapshot: Snapshot
    champion: Model | None
    parent: Model | None
    """The champion, unless it is to be forgotten."""
    anchor: Model | None
    """The best champion so far, if that is another one, and its folder is there."""
    champion_positions: Mapping[int, int]
    """Job -> its place among those that the champion learned from."""
    anchor_positions: Mapping[int, int]
    n_judged: int
    """Challengers that the gate has judged so far."""
    refresh: bool
    renamed: Mapping[str, str]
    """Old names of tags -> the ones they have now."""
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
    anchor = aliased(session, ANCHOR)
    if anchor is not None and (anchor.pruned_at or (champion and anchor.id == champion.id)):
        anchor = None
    return _Work(
        snapshot=snapshot,
        champion=champion,
        parent=parent,
        anchor=anchor,
        champion_positions=learned_positions(session, champion) if champion else {},
        anchor_positions=learned_positions(session, anchor) if anchor else {},
        n_judged=session.scalar(select(func.count(Verdict.id))) or 0,
        refresh=refresh,
        renamed=_renamed(session),
        began_at=now(session),
    )


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
    found: _Found,
    margin: Margin,
    held: tuple[int, ...],
) -> RetrainReport:
    take_turns(session)
    _check_all_there(session, work.snapshot)
    champion = aliased(session, CHAMPION, lock=True)
    judgement = _judgement(work, champion, found, margin)
    version, drift, is_new = _code_version(session, trained, work.parent)
    is_learned = work.refresh or work.parent is None
    model = register(
        session,
        TrainedModel(
            folder=folder,
            sha256=trained.sha256,
            thresholds=trained.thresholds,
            snapshot=work.snapshot.sha256,
            seed=trained.seed,
            versions=trained.versions,
            metrics=trained.metrics,
            labelled_ids=[job.id for job in work.snapshot.training],
            unlabelled_ids=work.snapshot.unlabelled,
            codes_at=work.began_at if is_learned or not work.parent else work.parent.codes_at,
            codes_drift=drift,
            n_yes=trained.n_yes,
            remarks=trained.remarks,
        ),
        parent=work.parent,
        code_version=version,
    )
    verdict = Verdict(
        run_id=run_id,
        challenger_id=model.id,
        champion_id=champion.id if champion else None,
        promoted=judgement.promote,
        reason=judgement.reason,
        details=_details(session, found, work),
        judged_at=now(session),
    )
    session.add(verdict)
    note(session, Kind.JUDGED, verdict)
    if judgement.promote:
        promote(session, model, reason=f"retrain {run_id}", is_best=judgement.is_best)
    else:
        set_alias(session, CHALLENGER, model)
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


def _details(session: Session, found: _Found, work: _Work) -> dict[str, Any]:
    """Both comparisons as plain values, with example postings under the ids that people know."""
    details = to_details(found.champion)
    ids = [int(one["job_id"]) for one in details.get("examples", ())]
    names = dict(session.execute(select(Job.id, Job.external_id).where(Job.id.in_(ids))).all())
    for one in details.get("examples", ()):
        one["job_id"] = names[int(one["job_id"])]
    if found.anchor and work.anchor:
        against = to_details(found.anchor)["mean_average_precision"]
        details["anchor"] = {"model": work.anchor.id, "mean_average_precision": against}
    return details


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


def _judgement(work: _Work, champion: Model | None, found: _Found, margin: Margin) -> Judgement:
    compared = work.champion.id if work.champion else None
    if (champion.id if champion else None) != compared:
        return Judgement(False, "another champion went live meanwhile: retrain again", False)
    if champion and found.champion is None:
        if has_no_labels(champion):
            return Judgement(True, "neither it nor the champion has learned labels")
        return Judgement(False, "there are no labelled jobs to judge by: label more", False)
    return judge(
        found.champion,
        margin,
        anchor=found.anchor,
        n_before=int(champion.metrics.get("n_labelled") or 0) if champion else 0,
        n_now=len(work.snapshot.training),
        attempt=work.n_judged + 1,
        versus="the champion" if champion else "what tags are called",
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
