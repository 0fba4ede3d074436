"""What a labeller is shown of a posting: its text, its tags, what the model suggests and why."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.columns import Answer, Source
from db.feed_values import FeedSuggestions
from db.job_source import came_from, came_since
from db.labels import all_tags, find_tags, iter_held, last_lines
from db.registry import CHAMPION, aliased
from db.schema import Job, ModelTag, Prediction, Tag, TagAlias
from db.usefulness import Offer, answered, iter_offers, load_pool
from tagger.feed_facts import Suggestion

Reasons = Mapping[str, Sequence[tuple[str, float]]]
Explain = Callable[[str, str], Reasons]
"""Title and text of a posting -> tag -> terms with what each did to the tag's logit."""


class Mode(StrEnum):
    """Which postings are offered, and which of their tags are open."""

    NEW = "new"
    """The most useful; tags that nobody has answered."""
    SECOND = "second"
    """Labelled by somebody else; the tags they answered, without showing how, in random order."""
    DISPUTED = "disputed"
    """People disagree; the tags on which they do, and who said what."""
    SUSPECTS = "suspects"
    """Labels that are probably wrong, and who said what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who labels what, and how."""

    labeller: str
    mode: Mode = Mode.NEW
    tag_ids: tuple[int, ...]
    """The tags asked about, in their order."""
    is_referee: bool = False
    """Every answer settles; else those on disputes that the labeller had no part in."""
    is_blind: bool = False
    """Without the model's suggestions."""
    explain: Explain | None = None
    source: str | None = None
    """Only postings from there; see `db.job_source`."""
    since: datetime | None = None
    """Only postings that came then or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tag of a card."""

    tag_id: int
    tag: str
    source: Source
    """What an answer to it will count as."""
    suggestion: Answer | None = None
    probability: float | None = None
    threshold: float | None = None
    reasons: tuple[tuple[str, float], ...] = ()
    said: tuple[tuple[str, Answer], ...] = ()
    """Who said what so far, where that is shown."""
    feed: Suggestion | None = None
    """What the posting's feed says of the tag, where that is shown: never an answer by itself."""

    @property
    def is_contradicted(self) -> bool:
        """Whether the feed says something else than the model."""
        if self.feed is None or self.suggestion is None:
            return False
        return self.feed.answer != (self.suggestion is Answer.YES)


@dataclass(frozen=True, slots=True)
class Card:
    """A posting with the tags that are open."""

    offer: Offer
    external_id: str
    title: str
    text: str
    rows: tuple[Row, ...]


def asked_tags(session: Session, names: Iterable[str] | None) -> tuple[int, ...]:
    """Ids of the tags of these names, or of all in use, in their order.

    Raises
    ------
    StoreError
        If one is unknown.
    """
    tags = all_tags(session)
    if names:
        wanted = {tag.id for tag in find_tags(session, names).values()}
        tags = [tag for tag in all_tags(session, retired=True) if tag.id in wanted]
    return tuple(tag.id for tag in tags)


def find_offers(session: Session, question: Question, *, seed: int) -> Iterator[Offer]:
    """The postings to label, in order. What is asked of the database is asked at once."""
    if question.mode is Mode.NEW:
        only = [] if question.source is None else [came_from(session, question.source)]
        only += [] if question.since is None else [came_since(question.since)]
        return iter_offers(load_pool(session, question.tag_ids, seed=seed, only=only))
    if question.mode is Mode.SECOND:
        found = _said_by_others_only(session, question)
        order = np.random.default_rng(seed).permutation(len(found))
        # Those that people have labelled, then those that came by import.
        chosen = sorted((found[place] for place in order.tolist()), key=lambda one: -one[1])
        return iter([Offer(job_id) for job_id, _ in chosen])
    disputed = dict.fromkeys(
        held.job_id
        for held in iter_held(session)
        if held.is_disputed and held.tag_id in question.tag_ids
    )
    return iter([Offer(job_id) for job_id in disputed])


def offers_of(cells: Iterable[tuple[int, int]]) -> Iterator[Offer]:
    """The postings of some (job, tag), in that order, each with all its tags."""
    tags: dict[int, list[int]] = {}
    for job_id, tag_id in cells:
        tags.setdefault(job_id, []).append(tag_id)
    return iter([Offer(job_id, tag_ids=tuple(of_job)) for job_id, of_job in tags.items()])


def make_card(session: Session, offer: Offer, question: Question) -> Card | None:
    """A posting as it is now; None if it is gone, or nothing of it is open any more."""
    job = session.get(Job, offer.job_id)
    if job is None:
        return None
    said = _said(session, job.id)
    wanted = _open(session, offer, question, said)
    rows = [
        Row(
            tag_id=tag.id,
            tag=tag.name,
            source=_source(question, said.get(tag.id, [])),
            said=tuple(said.get(tag.id, ())) if _shows_said(question) else (),
        )
        for tag in all_tags(session, retired=True)
        if tag.id in wanted
    ]
    # One drawn at random shows how good models are: not by their own suggestions.
    if not (question.is_blind or offer.is_random or question.mode is Mode.SECOND):
        feed = FeedSuggestions(session).of(job.fields)
        rows = [replace(row, feed=feed.get(row.tag_id)) for row in rows]
        rows = _suggested(session, job, rows, question.explain)
    return Card(offer, job.external_id, job.title, job.text, tuple(rows)) if rows else None


def first_answers(card: Card, question: Question) -> tuple[Answer | None, ...]:
    """What stands beside each tag before a key is pressed: what the model suggests.

    Where people disagree or may be wrong, or the feed says something else, it only advises: there
    an answer must be typed.
    """
    if question.mode is not Mode.NEW:
        return (None,) * len(card.rows)
    return tuple(None if row.is_contradicted else row.suggestion for row in card.rows)


def _said_by_others_only(session: Session, question: Question) -> list[tuple[int, int]]:
    """Job, and 1 if a person has labelled it or 0 if only imports did, ordered by job."""
    line = last_lines().c
    mine = func.sum(case((line.labeller == question.labeller, 1), else_=0))
    by_person = func.max(case((line.source != Source.IMPORT, 1), else_=0)).label("by_person")
    cells = (
        select(line.job_id, by_person)
        .where(line.tag_id.in_(question.tag_ids))
        .group_by(line.job_id, line.tag_id)
        .having(mine == 0)
        .subquery()
        .c
    )
    query = select(cells.job_id, func.max(cells.by_person)).group_by(cells.job_id)
    return [(job_id, by) for job_id, by in session.execute(query.order_by(cells.job_id))]


def _said(session: Session, job_id: int) -> dict[int, list[tuple[str, Answer]]]:
    """Tag -> who says what of it now."""
    line = last_lines([job_id]).c
    said: dict[int, list[tuple[str, Answer]]] = {}
    query = select(line.tag_id, line.labeller, line.after).order_by(line.labeller)
    for tag_id, labeller, answer in session.execute(query):
        said.setdefault(tag_id, []).append((labeller, answer))
    return said


def _open(
    session: Session,
    offer: Offer,
    question: Question,
    said: Mapping[int, Sequence[tuple[str, Answer]]],
) -> set[int]:
    asked = set(question.tag_ids)
    if offer.tag_ids is not None:
        return asked & set(offer.tag_ids)
    if question.mode is Mode.SECOND:
        mine = {
            tag_id for tag_id, who in said.items() if question.labeller in [name for name, _ in who]
        }
        return asked & said.keys() - mine
    if question.mode is Mode.DISPUTED:
        held = iter_held(session, job_ids=[offer.job_id])
        return asked & {one.tag_id for one in held if one.is_disputed}
    done = session.execute(answered(question.tag_ids, groups=[offer.job_id]))
    return asked - {tag_id for _, tag_id in done}


def _shows_said(question: Question) -> bool:
    return question.mode in (Mode.DISPUTED, Mode.SUSPECTS)


def _source(question: Question, said: Sequence[tuple[str, Answer]]) -> Source:
    took_part = question.labeller in [labeller for labeller, _ in said]
    settles = question.is_referee or (question.mode is Mode.DISPUTED and not took_part)
    return Source.REFEREE if settles else Source.PERSON


def _suggested(session: Session, job: Job, rows: list[Row], explain: Explain | None) -> list[Row]:
    """Rows with what the live model says of them: those first of which the feed says something
    else, then the likeliest tags."""
    model = aliased(session, CHAMPION)
    if model is None:
        return rows
    known = {
        tag_id: (proba, threshold, decision)
        for tag_id, proba, threshold, decision in session.execute(
            select(
                Prediction.tag_id, Prediction.probability, ModelTag.threshold, Prediction.decision
            )
            .join(
                ModelTag,
                (ModelTag.model_id == Prediction.model_id) & (ModelTag.tag_id == Prediction.tag_id),
            )
            .where(Prediction.model_id == model.id, Prediction.job_id == job.id)
        )
        if threshold is not None
    }
    reasons = _reasons(session, job, explain) if explain and known else {}
    told = [
        replace(
            row,
            probability=known[row.tag_id][0],
            threshold=known[row.tag_id][1],
            suggestion=Answer.YES if known[row.tag_id][2] else Answer.NO,
            reasons=tuple(reasons.get(row.tag_id, ())),
        )
        if row.tag_id in known
        else row
        for row in rows
    ]
    return sorted(
        told,
        key=lambda row: (
            not row.is_contradicted,
            row.suggestion != Answer.YES,
            -(row.probability or 0),
        ),
    )


def _reasons(
    session: Session, job: Job, explain: Explain
) -> dict[int, Sequence[tuple[str, float]]]:
    """Tag id -> reasons; a tag may have another name in the model than now."""
    by_name = explain(job.title, job.text)
    known = select(Tag.name, Tag.id).union(select(TagAlias.name, TagAlias.tag_id))
    ids = dict(session.execute(known).all())
    return {ids[name]: reasons for name, reasons in by_name.items() if name in ids}
