"""Importing what a file says of tags: names, descriptions, shares and words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note_ids
from db.columns import MAX_NAME, WordVerdict
from db.engine import now, take_turns
from db.errors import StoreError
from db.labels import all_tags, check_name, find_tags
from db.schema import Tag, TagAlias, TagFact, TagWord
from db.tag_info import (
    NO_FACT,
    Fact,
    as_store_error,
    facts_said_by,
    infos_of,
    last_facts,
    word_lines,
)
from tagger.columns import fold
from tagger.tag_info import TagInfo, check_distinct, name_key, some_problems


@dataclass(frozen=True, slots=True)
class StoredTags:
    """What came of storing what a file says; tags under the names that they have here."""

    new: tuple[str, ...]
    """Tags that were not there."""
    changed: tuple[str, ...]
    """Tags of which something new was said."""
    unchanged: int


def store_tag_infos(session: Session, infos: Sequence[TagInfo], said_by: str) -> StoredTags:
    """Add what a file says of tags; tags that are missing are made. Does not commit.

    A tag is known by its name or another name of it, whatever its capitals. Nothing is taken away:
    what the file leaves out stays. What `said_by` said last of a word, a description or a share is
    not said again, so that importing a file once more does not undo what others said since.

    Raises
    ------
    StoreError
        If a name could mean two tags, or can't be a name. The caller then rolls back.
    """
    check_name("labeller", said_by)
    with as_store_error():
        infos = [TagInfo.from_json(info.to_json()) for info in infos]  # cleaned, if made by hand
        check_distinct(infos)
    _stop_if(problem for info in infos for problem in _bad_names(info))
    take_turns(session)
    names = _Names(session)
    found = [names.find(info.name) for info in infos]
    missing = [info.name for info, tag in zip(infos, found, strict=True) if tag is None]
    made = find_tags(session, missing, create=True)
    for name, tag in made.items():
        names.add(name, tag)
    tags = [tag or made[info.name] for info, tag in zip(infos, found, strict=True)]
    _stop_if(_same_tag(infos, tags))
    said = _Saying(said_by, now(session))
    _stop_if(names.add_aliases(infos, tags, said))
    _add_facts(session, infos, tags, said)
    _add_words(session, infos, tags, said)
    if said.aliases:
        session.execute(insert(TagAlias), said.aliases)
    for table, rows in ((TagFact, said.facts), (TagWord, said.words)):
        if rows:
            note_ids(
                session, Kind.SAID, table, session.scalars(insert(table).returning(table.id), rows)
            )
    with as_store_error():
        infos_of(session, tags)  # with what was there, there may be too many words or names
    changed = {row["tag_id"] for row in (*said.aliases, *said.facts, *said.words)}
    new = {tag.id for tag in made.values()}
    return StoredTags(
        new=tuple(tag.name for tag in tags if tag.id in new),
        changed=tuple(tag.name for tag in tags if tag.id in changed - new),
        unchanged=sum(tag.id not in changed | new for tag in tags),
    )


@dataclass(slots=True)
class _Saying:
    """Rows that are to be stored."""

    said_by: str
    said_at: datetime
    aliases: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)

    def line(self, tag: Tag, **values: object) -> dict[str, Any]:
        return {"tag_id": tag.id, "said_by": self.said_by, "said_at": self.said_at, **values}


# ---- names


class _Names:
    """Which tag a name stands for: the exact name first, else one but for capitals and spaces."""

    def __init__(self, session: Session) -> None:
        tags = {tag.id: tag for tag in all_tags(session, retired=True)}
        self._exact: dict[str, Tag] = {}
        self._alike: dict[str, dict[int, Tag]] = {}
        for tag in tags.values():
            self.add(tag.name, tag)
        for alias, tag_id in session.execute(select(TagAlias.name, TagAlias.tag_id)):
            self.add(alias, tags[tag_id])

    def add(self, name: str, tag: Tag) -> None:
        self._exact[name] = tag
        self._alike.setdefault(name_key(name), {})[tag.id] = tag

    def find(self, name: str) -> Tag | None:
        if name in self._exact:
            return self._exact[name]
        alike = [tag.name for tag in self._alike.get(name_key(name), {}).values()]
        if len(alike) > 1:
            raise StoreError(
                f"{name!r:.60} could mean tag {alike[0]!r:.60} or {alike[1]!r:.60}: "
                "write it as it is written there"
            )
        return self._exact[alike[0]] if alike else None

    def add_aliases(
        self, infos: Iterable[TagInfo], tags: Iterable[Tag], said: _Saying
    ) -> Iterator[str]:
        """Note other names that are new; yields what stands in their way."""
        for info, tag in zip(infos, tags, strict=True):
            for alias in info.aliases:
                alike = self._alike.get(name_key(alias), {}).values()
                other = next((one for one in alike if one is not tag), None)
                if other is not None:
                    yield (
                        f"{alias!r:.60}, another name of tag {info.name!r:.60}, already stands for "
                        f"tag {other.name!r:.60}: take it out, or rename one of them"
                    )
                elif alias not in self._exact:
                    self.add(alias, tag)
                    said.aliases.append({"name": alias, "tag_id": tag.id})


def _bad_names(info: TagInfo) -> Iterator[str]:
    for name in (info.name, *info.aliases):
        if not 0 < len(name) <= MAX_NAME:
            yield f"a tag has 1 to {MAX_NAME} characters, got {name!r:.60}"
        elif ";" in name:
            yield f"{name!r:.60} holds a semicolon, which separates tags: name one at a time"
    for word in info.words + info.against:
        if not 0 < len(word) <= MAX_NAME:
            yield f"a word has 1 to {MAX_NAME} characters, got {word!r:.60}"


def _same_tag(infos: Iterable[TagInfo], tags: Iterable[Tag]) -> Iterator[str]:
    called: dict[int, str] = {}
    for info, tag in zip(infos, tags, strict=True):
        if tag.id in called:
            yield (
                f"{called[tag.id]!r:.60} and {info.name!r:.60} are both names of tag "
                f"{tag.name!r:.60}: make one of the two rows"
            )
        called[tag.id] = info.name


def _stop_if(problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        raise StoreError(some_problems(found))


# ---- what is said


def _add_facts(
    session: Session, infos: Iterable[TagInfo], tags: Sequence[Tag], said: _Saying
) -> None:
    ids = [tag.id for tag in tags]
    held = last_facts(session, ids)
    own = facts_said_by(session, ids, said.said_by)
    for info, tag in zip(infos, tags, strict=True):
        before, mine = held.get(tag.id, NO_FACT), own.get(tag.id, NO_FACT)
        is_told = info.description not in ("", mine.description)
        is_counted = info.share not in (None, mine.share)
        fact = Fact(
            info.description if is_told else before.description,
            info.share if is_counted else before.share,
        )
        if fact != before:
            said.facts.append(said.line(tag, **fact._asdict()))


def _add_words(
    session: Session, infos: Iterable[TagInfo], tags: Sequence[Tag], said: _Saying
) -> None:
    lines = word_lines(session, [tag.id for tag in tags])
    for info, tag in zip(infos, tags, strict=True):
        for verdict, words in (
            (WordVerdict.FOR, info.words),
            (WordVerdict.AGAINST, info.against),
        ):
            for word in words:
                so_far = lines.get(tag.id, {}).get(fold(word), [])
                mine = [line.verdict for line in so_far if line.said_by == said.said_by]
                if verdict not in (*(line.verdict for line in so_far[-1:]), *mine[-1:]):
                    said.words.append(said.line(tag, word=word, verdict=verdict))
