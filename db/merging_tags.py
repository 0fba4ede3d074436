"""Merging tags that mean the same: one goes on, the others stand for it from now on.

Nothing is rewritten: what was said of the others stays in the history, and is said again of the one
that goes on. The others are retired, keep their columns in models, and their names mean the other
tag, in files too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from db.audit_log import Kind, note_ids
from db.columns import Answer
from db.engine import now, take_turns
from db.errors import StoreError
from db.labels import Batches, Said, find_tags, not_held, record
from db.schema import FeedValue, Label, Tag, TagAlias, TagFact, TagWord
from db.tag_info import last_facts, word_lines
from tagger.columns import fold

_STRONGEST = (Answer.YES, Answer.UNSURE, Answer.NO)
"""Of answers about two names of one thing: who said yes to one and no to the other meant yes."""


class Merged(NamedTuple):
    """What came of a merge."""

    tag: str
    others: tuple[str, ...]
    n_labels: int
    """Answers that are now said of the tag that goes on."""


def merge_tags(session: Session, name: str, others: Sequence[str], said_by: str) -> Merged:
    """Let a tag stand for others, too. Does not commit.

    Raises
    ------
    StoreError
        If there is no such tag, one is named twice, or the one to go on is retired.
    """
    take_turns(session)
    found = find_tags(session, [name, *others])
    into, gone = found[name], [found[other] for other in others]
    ids = [into.id, *(tag.id for tag in gone)]
    if len(set(ids)) < len(ids):
        raise StoreError(f"each tag must be named once: {', '.join([name, *others])}")
    if into.retired_at is not None:
        raise StoreError(
            f"{into.name!r:.60} is retired: put it back with jobtool tags retire --restore"
        )
    n_labels = record(session, _strongest(session, ids, into.id), Batches("tags merge"))
    _take_meaning(session, into, gone, said_by)
    for table in (TagAlias, FeedValue):
        session.execute(update(table).where(table.tag_id.in_(ids)).values(tag_id=into.id))
    at = now(session)
    for tag in gone:
        tag.retired_at = tag.retired_at or at
        session.merge(TagAlias(name=tag.name, tag_id=into.id))
    session.flush()
    return Merged(into.name, tuple(tag.name for tag in gone), n_labels)


def _strongest(session: Session, tag_ids: Sequence[int], into: int) -> list[Said]:
    """What each labeller said of any of the tags on each job, as an answer about one."""
    by = (Label.job_id, Label.tag_id, Label.labeller)
    newest = (
        select(func.max(Label.id).label("id"))
        .where(Label.tag_id.in_(tag_ids), not_held())
        .group_by(*by)
        .subquery()
    )
    columns = (Label.job_id, Label.labeller, Label.source, Label.after, Label.labelled_at)
    query = select(*columns).join(newest, newest.c.id == Label.id).order_by(Label.id)
    best: dict[tuple[int, str], Said] = {}
    for job_id, labeller, source, answer, at in session.execute(query):
        before = best.get((job_id, labeller))
        if answer is None:
            continue
        if before is None or _STRONGEST.index(answer) < _STRONGEST.index(before.answer):
            best[job_id, labeller] = Said(job_id, into, answer, labeller, source, at)
    return list(best.values())


def _take_meaning(session: Session, into: Tag, gone: Sequence[Tag], said_by: str) -> None:
    """Descriptions and words of the others, where the tag has none of its own."""
    ids = [into.id, *(tag.id for tag in gone)]
    facts, lines = last_facts(session, ids), word_lines(session, ids)
    said = {"tag_id": into.id, "said_by": said_by, "said_at": now(session)}
    known = set(lines.get(into.id, {}))
    words = []
    for tag in gone:
        for so_far in lines.get(tag.id, {}).values():
            last = so_far[-1]
            if last.verdict is not None and fold(last.word) not in known:
                known.add(fold(last.word))
                words.append({**said, "word": last.word, "verdict": last.verdict})
    told = [facts[id] for id in ids if id in facts and facts[id].description]
    new_facts = [] if into.id in facts or not told else [{**said, **told[0]._asdict()}]
    for table, rows in ((TagFact, new_facts), (TagWord, words)):
        if rows:
            added = session.scalars(insert(table).returning(table.id), rows)
            note_ids(session, Kind.SAID, table, added)
