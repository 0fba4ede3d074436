"""Batches of labels: what is looked at before models learn from it, and what is held back.

A batch is what one labeller said in one import or sitting. A retrain looks at each new one with the
live model, which has not learned from it. One that looks nothing like older labels is held: until
somebody releases it, it is as if it had never been said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note
from db.columns import MAX_NAME, Answer, LabelBatchState
from db.engine import now
from db.errors import StoreError
from db.labels import all_tags, chunks, last_lines
from db.schema import BatchDecision, Job, Label, LabelBatch, Model, ModelJob, Run
from db.snapshot import GROUP, Answers, LabelledJob, known_labels, read_labelled

MIN_CONTRADICTED, MAX_CONTRADICTED = 10, 0.3
"""A batch is held that contradicts so many earlier answers, and such a share of those that it
repeats. Answers that both times are a no don't count."""


class Checked(Protocol):
    """What the tagger finds of a batch, see `tagger.batch_checks`."""

    @property
    def problems(self) -> Sequence[str]: ...
    @property
    def suspects(self) -> Sequence[int]:
        """Places of jobs in the batch, worst first."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch that nobody has looked at, and what it says."""

    id: int
    jobs: tuple[LabelledJob, ...]
    """Those that the live model has not learned from, nor a repost of them."""
    problems: tuple[str, ...]
    """What can be said without a model."""
    label_id: int
    """Its last label; later ones were not looked at."""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch as people see it."""

    id: int
    name: str
    labeller: str
    started_at: str
    state: str
    decided_by: str | None
    reason: str | None
    n_labels: int
    n_jobs: int


def new_batches(session: Session, champion: Model) -> list[NewBatch]:
    """Batches that no retrain has looked at, with their jobs' texts and what they say."""
    ids = list(session.scalars(select(LabelBatch.id).where(_is_new()).order_by(LabelBatch.id)))
    if not ids:
        return []
    tags = {tag.id: tag.name for tag in all_tags(session)}
    earlier = _by_group(session, known_labels(session, tags, without=[*_held(session), *ids]))
    learned = select(GROUP).join(ModelJob, ModelJob.job_id == Job.id)
    learned = learned.where(ModelJob.model_id == champion.id, ModelJob.position.is_not(None))
    known_groups = set(session.scalars(learned))
    found = []
    for batch_id in ids:
        said: Answers = {}
        for job_id, answers in said_in(session, batch_id).items():
            in_use = {tag: answer for tag, answer in answers.items() if tag in tags}
            said |= {job_id: in_use} if in_use else {}
        jobs = tuple(read_labelled(session, sorted(said), said, tags))
        problems = _contradictions(jobs, said, earlier)
        fresh = tuple(job for job in jobs if job.group not in known_groups)
        found.append(NewBatch(batch_id, fresh, problems, _last_label(session, batch_id)))
    return found


def decide(
    session: Session, new: Sequence[NewBatch], checks: Mapping[int, Checked]
) -> list[BatchLine]:
    """Let new batches hold, or hold them back; returns those. Does not commit.

    A batch that has grown since it was looked at stays new, unless it is held.

    Parameters
    ----------
    checks
        Of each batch by its id, where the live model could look at it.
    """
    held = []
    for batch in new:
        row = session.get(LabelBatch, batch.id, with_for_update=True)
        if row is None or row.state != LabelBatchState.NEW:
            continue  # somebody has decided meanwhile
        check = checks.get(batch.id)
        problems = [*batch.problems, *(check.problems if check else ())]
        if not problems and _last_label(session, batch.id) > batch.label_id:
            continue  # a sitting that goes on
        if check:
            row.suspects = [batch.jobs[place].id for place in check.suspects]
        _set(session, row, hold=bool(problems), by=None, reason="; ".join(problems) or None)
        if problems:
            held.append(row.id)
    return [line for line in list_batches(session) if line.id in held] if held else []


def set_state(session: Session, batch_id: int, *, hold: bool, by: str, why: str = "") -> LabelBatch:
    """Hold a batch or release it, until somebody says otherwise. Does not commit.

    Raises
    ------
    StoreError
        If there is no such batch, it is held already or not held, or `by` is no name.
    """
    if not by or len(by) > MAX_NAME:
        raise StoreError(f"a name has 1 to {MAX_NAME} characters, got {by!r:.60}")
    row = session.get(LabelBatch, batch_id, with_for_update=True)
    if row is None:
        raise StoreError(f"there is no batch {batch_id}; see jobtool labels batches")
    if hold == (row.state == LabelBatchState.HELD):
        raise StoreError(f"batch {batch_id} is {'held already' if hold else 'not held'}")
    _set(session, row, hold=hold, by=by, reason=why or None)
    return row


def _set(
    session: Session, row: LabelBatch, *, hold: bool, by: str | None, reason: str | None
) -> None:
    row.state = LabelBatchState.HELD if hold else LabelBatchState.USED
    decision = BatchDecision(
        batch_id=row.id, state=row.state, decided_by=by, decided_at=now(session), reason=reason
    )
    session.add(decision)
    note(session, Kind.DECIDED, decision)


def n_labels_decided_since(session: Session, at: datetime) -> int:
    """Labels that a person has held or released since then: they are to be unlearned or learned."""
    batches = select(BatchDecision.batch_id).where(
        BatchDecision.decided_by.is_not(None), BatchDecision.decided_at > at
    )
    counted = select(func.count()).select_from(Label).where(Label.batch_id.in_(batches))
    return session.scalars(counted).one()


def learned_from(session: Session, batch_id: int) -> list[Model]:
    """Models that learned labels of a batch, oldest first; those whose folders are gone, too.

    A model that was trained while the batch was held did not, though it may know the same jobs.
    """
    learned = (
        select(ModelJob.job_id)
        .join(Label, Label.job_id == ModelJob.job_id)
        .where(ModelJob.model_id == Model.id, ModelJob.position.is_not(None))
        .where(Label.batch_id == batch_id, Label.id <= Run.label_id)
        .exists()
    )
    query = select(Model, Run.inputs).join(Run, Run.model_id == Model.id).where(learned)
    return [
        model
        for model, inputs in session.execute(query.order_by(Model.id))
        if batch_id not in (inputs or {}).get("held_batches", ())
    ]


def list_batches(session: Session) -> list[BatchLine]:
    """Every batch, oldest first."""
    counted = (
        select(Label.batch_id, func.count().label("n"), func.count(Label.job_id.distinct()))
        .group_by(Label.batch_id)
        .subquery()
    )
    batch_id, n_labels, n_jobs = counted.c
    last = select(func.max(BatchDecision.id)).group_by(BatchDecision.batch_id)
    query = (
        select(LabelBatch, BatchDecision, func.coalesce(n_labels, 0), func.coalesce(n_jobs, 0))
        .outerjoin(counted, batch_id == LabelBatch.id)
        .outerjoin(
            BatchDecision,
            (BatchDecision.batch_id == LabelBatch.id) & BatchDecision.id.in_(last),
        )
        .order_by(LabelBatch.id)
    )
    return [
        BatchLine(
            id=row.id,
            name=row.name,
            labeller=row.labeller,
            started_at=f"{row.started_at:%F %R}",
            state=row.state.value,
            decided_by=decision.decided_by if decision else None,
            reason=decision.reason if decision else None,
            n_labels=n_said,
            n_jobs=n_about,
        )
        for row, decision, n_said, n_about in session.execute(query)
    ]


def held_of_run(session: Session, run_id: int) -> list[str]:
    """The batches that a retrain did not learn from, a line each."""
    run = session.get_one(Run, run_id)
    ids = [int(number) for number in (run.inputs or {}).get("held_batches", ())]
    return [
        f"batch {line.id} ({line.name}, by {line.labeller}): {line.reason or 'no reason given'}"
        for line in list_batches(session)
        if line.id in ids
    ]


def suspects(session: Session, batch: LabelBatch) -> list[tuple[str, str, tuple[str, ...]]]:
    """External id, title and tags of the postings of a batch that fit least, worst first."""
    tags = {tag.id: tag.name for tag in all_tags(session)}
    said = said_in(session, batch.id)
    found = []
    for job_id in batch.suspects or ():
        job = session.get(Job, job_id)
        if job is not None:  # None: it was forgotten
            yes = (tag for tag, answer in said.get(job_id, {}).items() if answer == Answer.YES)
            found.append((job.external_id, job.title, tuple(tags[t] for t in yes if t in tags)))
    return found


def said_in(session: Session, batch_id: int) -> Answers:
    """What a batch says, yes or no: job -> tag -> its last answer."""
    jobs = select(Label.job_id).where(Label.batch_id == batch_id)
    line = last_lines(jobs, only=batch_id).c
    said: Answers = {}
    for job_id, tag_id, answer in session.execute(select(line.job_id, line.tag_id, line.after)):
        if answer in (Answer.YES, Answer.NO):
            said.setdefault(job_id, {})[tag_id] = answer
    return said


def _last_label(session: Session, batch_id: int) -> int:
    return session.scalar(select(func.max(Label.id)).where(Label.batch_id == batch_id)) or 0


def _is_new() -> Any:
    return LabelBatch.state == LabelBatchState.NEW


def _held(session: Session) -> list[int]:
    held = select(LabelBatch.id).where(LabelBatch.state == LabelBatchState.HELD)
    return list(session.scalars(held))


def _by_group(session: Session, said: Answers) -> Answers:
    """What is said of each duplicate group; of several answers the last one."""
    groups: dict[int, int] = {}
    for part in chunks(sorted(said)):
        groups |= dict(session.execute(select(Job.id, GROUP).where(Job.id.in_(part))).all())
    merged: Answers = {}
    for job_id, answers in said.items():
        merged.setdefault(groups[job_id], {}).update(answers)
    return merged


def _contradictions(
    jobs: Sequence[LabelledJob], said: Answers, earlier: Answers
) -> tuple[str, ...]:
    n_same = n_other = 0
    for job in jobs:
        before = earlier.get(job.group, {})
        for tag, answer in said[job.id].items():
            if tag in before and Answer.YES in (answer, before[tag]):
                n_same += 1
                n_other += answer != before[tag]
    if n_other >= MIN_CONTRADICTED and n_other > MAX_CONTRADICTED * n_same:
        return (
            f"it contradicts {n_other:,} of {n_same:,} earlier answers about the same or repeated "
            "postings",
        )
    return ()
