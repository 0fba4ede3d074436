"""What the team says its tags mean, in SQL: an append-only history, and what holds of it.

The last line about a tag holds of its description and share, the last line about a (tag, word) of
that word, whoever said it. Lines are never changed: taking back adds one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note
from db.columns import MAX_NAME, WordVerdict
from db.engine import now
from db.errors import StoreError
from db.labels import all_tags, check_name, chunks, find_tags
from db.schema import Tag, TagAlias, TagFact, TagWord
from tagger.columns import fold
from tagger.errors import DataError
from tagger.tag_info import TagInfo, one_line

# ---- what holds


def tag_infos(session: Session) -> tuple[TagInfo, ...]:
    """What is known of every tag in use, by position."""
    return tuple(infos_of(session, all_tags(session)).values())


def tag_info(session: Session, name: str) -> TagInfo:
    """What is known of one tag, by its name or another name of it; StoreError if there is none."""
    tag = find_tags(session, [name])[name]
    return infos_of(session, [tag])[tag.id]


def infos_of(session: Session, tags: Sequence[Tag]) -> dict[int, TagInfo]:
    """Tag id -> what is known of it, in the order of `tags`."""
    ids = [tag.id for tag in tags]
    facts, words = last_facts(session, ids), word_lines(session, ids)
    aliases: dict[int, list[str]] = {}
    for part in chunks(ids):
        query = select(TagAlias).where(TagAlias.tag_id.in_(part)).order_by(TagAlias.name)
        for alias in session.scalars(query):
            aliases.setdefault(alias.tag_id, []).append(alias.name)
    infos = {}
    for tag in tags:
        held = _held(words.get(tag.id, {}))
        fact = facts.get(tag.id, NO_FACT)
        infos[tag.id] = TagInfo(
            name=tag.name,
            description=fact.description,
            aliases=tuple(aliases.get(tag.id, ())),
            words=_that_are(WordVerdict.FOR, held),
            against=_that_are(WordVerdict.AGAINST, held),
            share=fact.share,
        )
    return infos


def hash_of(infos: Mapping[int, TagInfo]) -> str:
    """SHA-256 of all that is known of some tags: another one when anything of it has changed."""
    lines = (f"{tag_id}:{json.dumps(info.to_json())}\n" for tag_id, info in infos.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def hash_of_tags(session: Session) -> str:
    """The same of every tag in use."""
    return hash_of(infos_of(session, all_tags(session)))


def judged_words(session: Session, name: str) -> dict[str, WordVerdict]:
    """Every word that somebody has judged for a tag, rejected ones too: not to be offered again."""
    tag = find_tags(session, [name])[name]
    return _held(word_lines(session, [tag.id]).get(tag.id, {}))


class Fact(NamedTuple):
    """What is said of a tag's meaning."""

    description: str
    share: float | None


class Line(NamedTuple):
    """A line about a word."""

    word: str
    verdict: WordVerdict | None
    said_by: str


NO_FACT = Fact("", None)
Lines = dict[str, list[Line]]
"""Word without capitals -> its lines, oldest first."""


def last_facts(session: Session, ids: Sequence[int]) -> dict[int, Fact]:
    """Tag id -> its last line."""
    found = {}
    for part in chunks(ids):
        last = select(func.max(TagFact.id)).where(TagFact.tag_id.in_(part)).group_by(TagFact.tag_id)
        query = select(TagFact.tag_id, TagFact.description, TagFact.share)
        for tag_id, description, share in session.execute(query.where(TagFact.id.in_(last))):
            found[tag_id] = Fact(description, share)
    return found


def facts_said_by(session: Session, ids: Sequence[int], said_by: str) -> dict[int, Fact]:
    """Tag id -> the description and the share that one labeller said last.

    A line holds both, so the one that differs from the line before is what its labeller said; the
    other may be somebody else's, copied.
    """
    said: dict[int, Fact] = {}
    before: dict[int, Fact] = {}
    for part in chunks(ids):
        query = select(TagFact.tag_id, TagFact.description, TagFact.share, TagFact.said_by)
        in_order = query.where(TagFact.tag_id.in_(part)).order_by(TagFact.id)
        for tag_id, description, share, labeller in session.execute(in_order):
            old, before[tag_id] = before.get(tag_id, NO_FACT), Fact(description, share)
            if labeller == said_by:
                own = said.get(tag_id, NO_FACT)
                said[tag_id] = Fact(
                    own.description if description == old.description else description,
                    own.share if share == old.share else share,
                )
    return said


def word_lines(session: Session, ids: Sequence[int]) -> dict[int, Lines]:
    """Tag id -> all lines about its words."""
    lines: dict[int, Lines] = {}
    for part in chunks(ids):
        query = select(TagWord.tag_id, TagWord.word, TagWord.verdict, TagWord.said_by)
        in_order = query.where(TagWord.tag_id.in_(part)).order_by(TagWord.id)
        for tag_id, word, verdict, said_by in session.execute(in_order):
            line = Line(word, verdict, said_by)
            lines.setdefault(tag_id, {}).setdefault(fold(word), []).append(line)
    return lines


def _held(lines: Lines) -> dict[str, WordVerdict]:
    """Word -> what holds of it, in the order in which words first came up."""
    last = [said[-1] for said in lines.values()]
    return {line.word: line.verdict for line in last if line.verdict is not None}


def _that_are(verdict: WordVerdict, held: Mapping[str, WordVerdict]) -> tuple[str, ...]:
    return tuple(word for word, said in held.items() if said == verdict)


# ---- saying and taking back


def say_fact(
    session: Session, name: str, description: str, share: float | None, said_by: str
) -> bool:
    """Say what a tag means, and which share of postings carries it. Does not commit.

    Returns
    -------
    Whether that is new.

    Raises
    ------
    StoreError
        If there is no such tag, the description is too long, or the share out of range.
    """
    check_name("labeller", said_by)
    tag = find_tags(session, [name])[name]
    with as_store_error():
        info = TagInfo(name=tag.name, description=one_line(description), share=share)
    fact = Fact(info.description, info.share)
    if last_facts(session, [tag.id]).get(tag.id, NO_FACT) == fact:
        return False
    line = TagFact(tag_id=tag.id, said_by=said_by, said_at=now(session), **fact._asdict())
    session.add(line)
    note(session, Kind.SAID, line)
    return True


def say_word(
    session: Session, name: str, word: str, verdict: WordVerdict | None, said_by: str
) -> TagWord | None:
    """Say that a word speaks for a tag or against it, or is of no use. Does not commit.

    Parameters
    ----------
    verdict
        None takes back what holds of the word.

    Returns
    -------
    The line that was added; None if that holds already.

    Raises
    ------
    StoreError
        If there is no such tag, the word can't be one, or nothing is there to be taken back.
    """
    check_name("labeller", said_by)
    tag = find_tags(session, [name])[name]
    word = _checked_word(word)
    held = judged_words(session, name)
    before = {fold(said): verdict for said, verdict in held.items()}.get(fold(word))
    if verdict is None and before is None:
        known = ", ".join(held) or "none yet"
        raise StoreError(f"tag {tag.name!r:.60} has no word {word!r:.60}; its words are: {known}")
    if verdict == before:
        return None
    line = TagWord(tag_id=tag.id, word=word, verdict=verdict, said_by=said_by, said_at=now(session))
    session.add(line)
    note(session, Kind.SAID, line)
    with as_store_error():
        infos_of(session, [tag])  # refuses too many
    return line


def undo_word(session: Session, line: TagWord, said_by: str) -> TagWord:
    """Take back one line about a word by adding another. Does not commit.

    Raises
    ------
    StoreError
        If somebody has said something else of the word since.
    """
    check_name("labeller", said_by)
    of_tag = select(TagWord).where(TagWord.tag_id == line.tag_id, TagWord.id >= line.id)
    later = [one for one in session.scalars(of_tag) if fold(one.word) == fold(line.word)]
    if len(later) > 1:
        raise StoreError(f"what was said of {line.word!r:.60} can't be undone: more was said since")
    earlier = (
        select(TagWord)
        .where(TagWord.tag_id == line.tag_id, TagWord.id < line.id)
        .order_by(TagWord.id.desc())
    )
    same = (one for one in session.scalars(earlier) if fold(one.word) == fold(line.word))
    before = next(same, None)
    back = TagWord(
        tag_id=line.tag_id,
        word=before.word if before else line.word,
        verdict=before.verdict if before else None,
        undoes_id=line.id,
        said_by=said_by,
        said_at=now(session),
    )
    session.add(back)
    note(session, Kind.UNDONE, back)
    return back


def _checked_word(word: str) -> str:
    word = one_line(word)
    if not 0 < len(word) <= MAX_NAME:
        raise StoreError(f"a word has 1 to {MAX_NAME} characters, got {word!r:.60}")
    if word.startswith("-"):
        raise StoreError(
            f"{word!r:.60} begins with a minus: leave it out, and say apart that the word speaks "
            "against the tag (--against)"
        )
    return word


# ---- history


class FactLine(NamedTuple):
    """What held of a tag from then on."""

    at: datetime
    said_by: str
    description: str
    share: float | None


class WordLine(NamedTuple):
    """One line in the history of a word."""

    at: datetime
    said_by: str
    word: str
    before: WordVerdict | None
    after: WordVerdict | None
    is_undo: bool


def fact_history(session: Session, name: str) -> list[FactLine]:
    """All that was said of a tag's meaning and share, oldest first; StoreError if unknown."""
    tag = find_tags(session, [name])[name]
    query = select(TagFact).where(TagFact.tag_id == tag.id).order_by(TagFact.id)
    return [
        FactLine(line.said_at, line.said_by, line.description, line.share)
        for line in session.scalars(query)
    ]


def word_history(session: Session, name: str) -> list[WordLine]:
    """All that was said of a tag's words, oldest first; StoreError if there is no such tag."""
    tag = find_tags(session, [name])[name]
    query = select(TagWord).where(TagWord.tag_id == tag.id).order_by(TagWord.id)
    before: dict[str, WordVerdict | None] = {}
    lines = []
    for line in session.scalars(query):
        key = fold(line.word)
        lines.append(
            WordLine(
                line.said_at,
                line.said_by,
                line.word,
                before.get(key),
                line.verdict,
                line.undoes_id is not None,
            )
        )
        before[key] = line.verdict
    return lines


@contextmanager
def as_store_error() -> Iterator[None]:
    """What `TagInfo` refuses, as an error of the database's part."""
    try:
        yield
    except DataError as error:
        raise StoreError(str(error)) from error
