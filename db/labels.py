"""What people say of tags: an append-only history, and what holds of it.

Each labeller's last line about a (job, tag) is what that labeller says. Of several labellers the
highest source counts (a referee over a person, a person over an import); where its labellers
disagree, or are unsure, the label is unknown. Lines of a batch that is held don't count.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Subquery, case, func, insert, or_, select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note, note_ids
from db.bulk import table_of
from db.columns import MAX_ID, MAX_NAME, Answer, LabelBatchState, Source
from db.engine import now, take_turns
from db.errors import StoreError
from db.schema import Label, LabelBatch, Tag, TagAlias

RANKS = {source: rank for rank, source in enumerate(Source)}
_CHUNK = 500  # SQLite takes at most 999 parameters in some builds


# ---- tags


def all_tags(session: Session, *, retired: bool = False) -> list[Tag]:
    """The team's tags in their order; with `retired` also those no longer in use."""
    query = select(Tag).order_by(Tag.position)
    return list(session.scalars(query if retired else query.where(Tag.retired_at.is_(None))))


def known_names(session: Session) -> list[str]:
    """Every name of a tag, and every other name of one."""
    return [*session.scalars(select(Tag.name)), *session.scalars(select(TagAlias.name))]


def find_tags(
    session: Session, names: Iterable[str], *, create: bool = False, merged: bool = True
) -> dict[str, Tag]:
    """Tags by name or alias; `create` makes those that are missing, each at a new position.

    A tag that was merged into another is retired, and its name is an alias of the other: it means
    that one. Without `merged` it means itself, as in the columns of a model.

    Raises
    ------
    StoreError
        If a name is empty or longer than `MAX_NAME`, or (without `create`) unknown.
    """
    wanted = list(dict.fromkeys(names))
    found: dict[str, Tag] = {}
    for part in chunks(wanted):
        found |= {tag.name: tag for tag in session.scalars(select(Tag).where(Tag.name.in_(part)))}
        aliases = select(TagAlias.name, Tag).join(Tag).where(TagAlias.name.in_(part))
        found |= {
            name: tag
            for name, tag in session.execute(aliases)
            if name not in found or (merged and found[name].retired_at is not None)
        }
    missing = [name for name in wanted if name not in found]
    if missing and not create:
        known = ", ".join(tag.name for tag in all_tags(session)[:20]) or "none yet"
        raise StoreError(f"unknown tag {missing[0]!r:.60}; the tags are: {known}")
    last = session.scalar(select(func.max(Tag.position)))
    for position, name in enumerate(missing, start=0 if last is None else last + 1):
        if not name or len(name) > MAX_NAME:
            raise StoreError(f"a tag has 1 to {MAX_NAME} characters, got {name!r:.60}")
        found[name] = Tag(name=name, position=position)
        session.add(found[name])
    session.flush()
    return found


# ---- saying and taking back


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, before it is stored."""

    job_id: int
    tag_id: int
    answer: Answer
    labeller: str
    source: Source
    labelled_at: datetime | None = None
    """None: now."""


class Batches:
    """The batches of one import, or of one sitting: one for each labeller, made when it is needed.

    Parameters
    ----------
    name
        The file, or the command, that the labels come by.
    """

    def __init__(self, name: str) -> None:
        self._name = name[:MAX_ID]
        self._ids: dict[str, int] = {}

    def of(self, session: Session, labeller: str) -> int:
        """Id of a labeller's batch: another one once somebody has decided on the last.

        What comes later was not looked at, so it must not slip in with what was.
        """
        known = self._ids.get(labeller)
        batch = session.get(LabelBatch, known, populate_existing=True) if known else None
        if batch is None or batch.state != LabelBatchState.NEW:
            batch = LabelBatch(
                name=self._name,
                labeller=labeller,
                started_at=now(session),
                state=LabelBatchState.NEW,
            )
            session.add(batch)
            session.flush()
            self._ids[labeller] = batch.id
        return batch.id


def record(session: Session, said: Sequence[Said], batches: Batches) -> int:
    """Add answers to the history, but for those that only repeat what holds. Does not commit.

    Returns
    -------
    How many lines were added.
    """
    new = _new_lines(session, said, batches)
    if new:
        last = session.scalar(select(func.max(Label.id))) or 0
        session.execute(insert(table_of(Label)), new)  # past the mapper, which takes as long again
        added = session.scalars(select(Label.id).where(Label.id > last))
        note_ids(session, Kind.SAID, Label, added)
    return len(new)


def add_lines(session: Session, said: Sequence[Said], batches: Batches) -> list[Label]:
    """The same for a few answers, returning the lines that were added."""
    added = [Label(**line) for line in _new_lines(session, said, batches)]
    session.add_all(added)
    note(session, Kind.SAID, *added)
    return added


def _new_lines(session: Session, said: Sequence[Said], batches: Batches) -> list[dict[str, Any]]:
    take_turns(session)  # so that lines are numbered in the order in which they are stored
    held = _held(session, {one.job_id for one in said})
    at = now(session)
    new: list[dict[str, Any]] = []
    for one in said:
        key = (one.job_id, one.tag_id, one.labeller)
        before, source = held.get(key, (None, None))
        if before == one.answer and source == one.source:
            continue
        held[key] = (one.answer, one.source)
        new.append(
            {
                "job_id": one.job_id,
                "tag_id": one.tag_id,
                "labeller": one.labeller,
                "source": one.source,
                "before": before,
                "after": one.answer,
                "labelled_at": one.labelled_at or at,
            }
        )
    batch_ids = {who: batches.of(session, who) for who in {line["labeller"]: 0 for line in new}}
    return [{**line, "batch_id": batch_ids[line["labeller"]]} for line in new]


def undo(session: Session, label: Label) -> Label:
    """Take back one line of history by adding another. Does not commit.

    Raises
    ------
    StoreError
        If the same labeller has said something else of this (job, tag) since.
    """
    take_turns(session)
    same = (Label.job_id == label.job_id, Label.tag_id == label.tag_id)
    lines = select(Label).where(*same, Label.labeller == label.labeller)
    last, earlier = [*session.scalars(lines.order_by(Label.id.desc()).limit(2)), None][:2]
    if last is not None and last.id != label.id:
        raise StoreError(f"label {label.id} can't be undone: a later one stands on it")
    back = Label(
        job_id=label.job_id,
        tag_id=label.tag_id,
        labeller=label.labeller,
        source=earlier.source if earlier else label.source,  # a referee's counts no longer
        before=label.after,
        after=label.before,
        undoes_id=label.id,
        batch_id=label.batch_id,  # held and released with what it takes back
        labelled_at=now(session),
    )
    session.add(back)
    note(session, Kind.UNDONE, back)
    return back


# ---- what holds


class Held(NamedTuple):
    """What holds of one tag on one job."""

    job_id: int
    tag_id: int
    answer: Answer | None
    """None: those who count are unsure or disagree."""
    is_disputed: bool


def iter_held(
    session: Session,
    *,
    job_ids: Sequence[int] | None = None,
    until: int | None = None,
    without: Sequence[int] | None = None,
) -> Iterator[Held]:
    """What holds of every labelled (job, tag), ordered by job and tag; memory stays flat.

    Parameters
    ----------
    job_ids
        Only these jobs. None: all.
    until
        What held when this was the last label. None: what holds now.
    without
        Batches that were held then. None: those that are held now.
    """
    for part in [None] if job_ids is None else chunks(sorted(job_ids)):
        rows = session.execute(
            _counted(part, until, without), execution_options={"yield_per": 5000}
        )
        for job_id, tag_id, n_yes, n_no in rows:
            answer = Answer.YES if n_yes and not n_no else Answer.NO if n_no and not n_yes else None
            yield Held(job_id, tag_id, answer, bool(n_yes and n_no))


def held_batches() -> Select[Any]:
    """Query: ids of the batches that are held."""
    return select(LabelBatch.id).where(LabelBatch.state == LabelBatchState.HELD)


def not_held(without: Sequence[int] | None = None) -> ColumnElement[bool]:
    """Condition: a line is in no batch that is held, or (`without`) that was."""
    held_back = held_batches() if without is None else without
    return or_(Label.batch_id.is_(None), Label.batch_id.not_in(held_back))


def last_lines(
    job_ids: Sequence[int] | Select[Any] | None = None,
    until: int | None = None,
    without: Sequence[int] | None = None,
    only: int | None = None,
) -> Subquery:
    """Subquery: the last line of each labeller about each (job, tag), if it still says anything.

    Parameters
    ----------
    job_ids
        Only these jobs, as numbers or a query. None: all.
    until
        Leave out labels after this one. None: all count.
    without
        Leave out these batches. None: those that are held now.
    only
        Of this batch alone, held or not.
    """
    last = select(func.max(Label.id).label("id")).group_by(
        Label.job_id, Label.tag_id, Label.labeller
    )
    if job_ids is not None:
        last = last.where(Label.job_id.in_(job_ids))
    if until is not None:
        last = last.where(Label.id <= until)
    last = last.where(not_held(without) if only is None else Label.batch_id == only)
    newest = last.subquery()
    return (
        select(Label.job_id, Label.tag_id, Label.labeller, Label.source, Label.after)
        .join(newest, newest.c.id == Label.id)
        .where(Label.after.is_not(None))
        .subquery()
    )


def _counted(
    job_ids: Sequence[int] | None, until: int | None, without: Sequence[int] | None
) -> Select[Any]:
    """Job, tag, and how many of those that count say yes and no."""
    line = last_lines(job_ids, until, without).c
    rank = case(RANKS, value=line.source, else_=0)
    top = func.max(rank).over(partition_by=(line.job_id, line.tag_id)).label("top")
    ranked = select(line.job_id, line.tag_id, line.after, rank.label("rank"), top).subquery().c
    return (
        select(
            ranked.job_id,
            ranked.tag_id,
            func.sum(case((ranked.after == Answer.YES, 1), else_=0)),
            func.sum(case((ranked.after == Answer.NO, 1), else_=0)),
        )
        .where(ranked.rank == ranked.top)
        .group_by(ranked.job_id, ranked.tag_id)
        .order_by(ranked.job_id, ranked.tag_id)
    )


def _held(
    session: Session, job_ids: Iterable[int]
) -> dict[tuple[int, int, str], tuple[Answer | None, Source | None]]:
    held: dict[tuple[int, int, str], tuple[Answer | None, Source | None]] = {}
    for part in chunks(sorted(job_ids)):
        line = last_lines(part).c
        columns = select(line.job_id, line.tag_id, line.labeller, line.after, line.source)
        for job_id, tag_id, labeller, answer, source in session.execute(columns):
            held[job_id, tag_id, labeller] = (answer, source)
    return held


def check_name(what: str, name: str) -> None:
    """StoreError if a name is empty or too long."""
    if not 0 < len(name.strip()) <= MAX_NAME:
        raise StoreError(f"a {what} has 1 to {MAX_NAME} characters, got {name!r:.60}")


def chunks(items: Sequence[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """Parts of a list that fit into one statement."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
