"""What feeds say of stored postings, beside what the live model says; see `tagger.feed_facts`.

A posting of which a feed says one thing and the live model, sure of it, another goes to review.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.columns import MAX_NAME
from db.engine import now
from db.errors import StoreError
from db.labels import all_tags, check_name, chunks, find_tags
from db.model_notes import has_no_labels
from db.registry import CHAMPION, aliased
from db.schema import FeedValue, Job, Model, ModelTag, Prediction, PredictionSet, Tag
from db.tag_info import infos_of
from tagger.feed_facts import Kind, Suggester, Suggestion, facts_of, plain

N_LOOKED_AT = 10_000
"""Newest postings whose values are listed."""
_PAGE = 500


class FeedSuggestions:
    """What feeds say of tags, by the ids of tags."""

    def __init__(self, session: Session) -> None:
        tags = all_tags(session)
        self._ids = {tag.name: tag.id for tag in tags}
        self._suggester = Suggester(infos_of(session, tags).values(), mapped_values(session))

    def of(self, fields: Mapping[str, Any] | None) -> dict[int, Suggestion]:
        """Tag id -> what a posting's fields say of the tag."""
        found = self._suggester.suggest(fields)
        return {self._ids[tag]: said for tag, said in found.items() if tag in self._ids}


def suggestions_of(
    session: Session, job_ids: Sequence[int], feed: FeedSuggestions | None = None
) -> dict[int, dict[int, Suggestion]]:
    """Job -> tag -> what its feed says; jobs whose feed says nothing are left out."""
    feed = feed or FeedSuggestions(session)
    found = {}
    for part in chunks(job_ids):
        query = select(Job.id, Job.fields).where(Job.id.in_(part), Job.fields.is_not(None))
        for job_id, fields in session.execute(query):
            if said := feed.of(fields):
                found[job_id] = said
    return found


def sure_tags(session: Session, model: Model) -> set[int]:
    """Tags of which a model can be sure: those that it has learned from labels."""
    if has_no_labels(model):
        return set()
    query = select(ModelTag.tag_id, ModelTag.n_yes).where(
        ModelTag.model_id == model.id, ModelTag.threshold.is_not(None)
    )
    return {tag_id for tag_id, n_yes in session.execute(query) if n_yes is None or n_yes > 0}


def recheck(session: Session, job_ids: Sequence[int]) -> int:
    """Set anew which jobs the live model leaves to a person; how many changed. Does not commit.

    For jobs whose fields have changed since they were tagged, or values that mean other tags now.
    """
    model = aliased(session, CHAMPION)
    if model is None or not job_ids:
        return 0
    sure, feed, n_changed = sure_tags(session, model), FeedSuggestions(session), 0
    for part in chunks(job_ids):
        of_part = PredictionSet.job_id.in_(part), PredictionSet.model_id == model.id
        query = select(PredictionSet.job_id, PredictionSet.needs_review).where(*of_part)
        before = dict(session.execute(query).all())
        said = suggestions_of(session, list(before), feed)
        needed = dict.fromkeys(before, False)
        cells = select(
            Prediction.job_id, Prediction.tag_id, Prediction.decision, Prediction.review
        ).where(Prediction.model_id == model.id, Prediction.job_id.in_(list(before)))
        for job_id, tag_id, decision, review in session.execute(cells):
            one = said.get(job_id, {}).get(tag_id)
            needed[job_id] |= review or (tag_id in sure and contradicts(one, decision))
        for value in (True, False):
            ids = [job for job, needs in needed.items() if needs == value != before[job]]
            if ids:
                where = PredictionSet.model_id == model.id, PredictionSet.job_id.in_(ids)
                session.execute(update(PredictionSet).where(*where).values(needs_review=value))
                n_changed += len(ids)
    return n_changed


def contradicts(feed: Suggestion | None, decision: bool) -> bool:
    """Whether a feed says something else than a model."""
    return feed is not None and feed.answer != decision


# ---- what the team says that values mean


def mapped_values(session: Session) -> dict[tuple[str, str], str | None]:
    """Field and value, both `plain` -> the tag that the team says it means; None: no tag."""
    query = select(FeedValue.name, FeedValue.value, Tag.name.label("tag")).outerjoin(
        Tag, Tag.id == FeedValue.tag_id
    )
    return {(row.name, row.value): row.tag for row in session.execute(query)}


def read_pair(pair: str) -> tuple[str, str]:
    """``field=value`` as it is stored; StoreError if it is none.

    Examples
    --------
    >>> read_pair("employmentType=FULL_TIME")
    ('employmenttype', 'fulltime')
    """
    name, sign, value = pair.partition("=")
    name, value = plain(name), plain(value)
    if not (sign and name and value) or max(len(name), len(value)) > MAX_NAME:
        raise StoreError(
            f"{pair!r:.60} is no field and value: write it like employmentType=FULL_TIME"
        )
    return name, value


def map_value(session: Session, pair: str, tag: str | None, said_by: str) -> None:
    """Say which tag a value means; None: no tag, whatever it is called. Does not commit."""
    check_name("labeller", said_by)
    name, value = read_pair(pair)
    tag_id = None if tag is None else find_tags(session, [tag])[tag].id
    session.merge(
        FeedValue(name=name, value=value, tag_id=tag_id, said_by=said_by, said_at=now(session))
    )
    session.flush()


def unmap_value(session: Session, pair: str) -> None:
    """Take back what was said of a value; StoreError if nothing was. Does not commit."""
    name, value = read_pair(pair)
    where = FeedValue.name == name, FeedValue.value == value
    if session.scalar(select(func.count()).select_from(FeedValue).where(*where)) == 0:
        raise StoreError(f"{pair!r:.60} is not mapped to anything; see jobtool tags map")
    session.execute(delete(FeedValue).where(*where))


class SeenValue(NamedTuple):
    """A value that feeds of stored postings have."""

    kind: str
    """employment type, work mode, seniority, pay, or other."""
    said: str
    """``employmentType=FULL_TIME``; of pay that is stated, the field alone."""
    n_jobs: int
    tags: tuple[str, ...]
    """What it means; empty if no tag is called like it."""
    is_mapped: bool
    """Whether the team has said so."""


def seen_values(session: Session) -> list[SeenValue]:
    """What feeds say of the newest `N_LOOKED_AT` postings, by kind, the most frequent first."""
    mapped = mapped_values(session)
    suggester = Suggester(infos_of(session, all_tags(session)).values(), mapped)
    names = {name for name, _ in mapped}
    query = select(Job.fields).where(Job.fields.is_not(None)).order_by(Job.id.desc())
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], tuple[tuple[str, ...], bool]] = {}
    rows = session.scalars(query.limit(N_LOOKED_AT), execution_options={"yield_per": _PAGE})
    for fields in rows:
        for fact in facts_of(fields or {}, names):
            pairs = {(plain(n), plain(fact.value)) for n in _names(fact.name)}
            is_mapped = bool(pairs & mapped.keys())
            if fact.kind is Kind.OTHER and not is_mapped:
                continue
            is_amount = fact.kind is Kind.PAY and any(map(str.isdigit, fact.value))
            key = (fact.kind.value, fact.name if is_amount else fact.said)
            counts[key] += 1
            first.setdefault(key, (suggester.tags_of(fact), is_mapped))
    order = [kind.value for kind in Kind]
    keys = sorted(counts, key=lambda key: (order.index(key[0]), -counts[key], key[1]))
    return [SeenValue(*key, counts[key], *first[key]) for key in keys]


def _names(name: str) -> Iterable[str]:
    return name, name.rpartition(".")[2]
