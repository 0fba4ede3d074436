"""The team's list of tags, and the history of what was said of a job.

A tag keeps its number and its column in every model for ever, whatever it is called: nothing said
of it is lost by a new name, and the column of a retired one is not given to another.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.columns import MAX_NAME, Answer, Source
from db.engine import now
from db.errors import StoreError
from db.labels import all_tags, find_tags, iter_held
from db.schema import Job, Label, Tag, TagAlias
from db.tag_info import infos_of
from tagger.tag_info import name_key


class TagLine(NamedTuple):
    """One tag of the list."""

    name: str
    aliases: tuple[str, ...]
    n_yes: int
    """Jobs on which it holds."""
    n_no: int
    n_unknown: int
    """Jobs on which people are unsure or disagree."""
    retired_at: datetime | None
    description: str
    words: tuple[str, ...]
    """Those that speak for it."""
    against: tuple[str, ...]
    share: float | None
    """Expected share of postings that carry it."""


class HistoryLine(NamedTuple):
    """One answer in the history of a job."""

    at: datetime
    labeller: str
    source: Source
    tag: str
    before: Answer | None
    after: Answer | None
    is_undo: bool


def list_tags(session: Session) -> list[TagLine]:
    """Every tag in its order, retired ones too: how often it was said, and what it means."""
    counts: dict[int, dict[Answer | None, int]] = {}
    for held in iter_held(session):
        of_tag = counts.setdefault(held.tag_id, {})
        of_tag[held.answer] = of_tag.get(held.answer, 0) + 1
    tags = all_tags(session, retired=True)
    infos = infos_of(session, tags)
    lines = []
    for tag in tags:
        info = infos[tag.id]
        n_yes, n_no, n_unknown = (
            counts.get(tag.id, {}).get(answer, 0) for answer in (Answer.YES, Answer.NO, None)
        )
        lines.append(
            TagLine(
                name=tag.name,
                aliases=info.aliases,
                n_yes=n_yes,
                n_no=n_no,
                n_unknown=n_unknown,
                retired_at=tag.retired_at,
                description=info.description,
                words=info.words,
                against=info.against,
                share=info.share,
            )
        )
    return lines


def add_tags(session: Session, names: Sequence[str]) -> None:
    """New tags at the end of the list. Does not commit.

    Raises
    ------
    StoreError
        If a name is taken, or can't be one.
    """
    taken = _Taken(session)
    for name in names:
        taken.check_free(name)
        taken.add(name, name)
    find_tags(session, names, create=True)


def rename_tag(session: Session, old: str, new: str) -> None:
    """Call a tag something else; its old name becomes an alias. Does not commit.

    Files and models that know the old name can so still be used.

    Raises
    ------
    StoreError
        If there is no such tag, or the new name is another tag's.
    """
    tag = find_tags(session, [old])[old]
    if tag.name == new:
        return
    alias = session.get(TagAlias, new)
    if alias is not None and alias.tag_id == tag.id:
        session.delete(alias)
        session.flush()
    _Taken(session).check_free(new, of=tag.name)
    former, tag.name = tag.name, new
    session.flush()
    session.add(TagAlias(name=former, tag_id=tag.id))
    session.flush()


def alias_tag(session: Session, name: str, alias: str) -> None:
    """Give a tag another name, for reading files; StoreError if it is taken. Does not commit."""
    tag = find_tags(session, [name])[name]
    _Taken(session).check_free(alias, of=tag.name)
    if session.get(TagAlias, alias) or alias == tag.name:
        raise StoreError(f"{alias!r:.60} is already a name of tag {tag.name!r:.60}")
    session.add(TagAlias(name=alias, tag_id=tag.id))
    session.flush()


def retire_tag(session: Session, name: str, *, restore: bool = False) -> None:
    """Take a tag out of use, or put it back; its labels stay. Does not commit."""
    tag = find_tags(session, [name])[name]
    if restore:
        tag.retired_at = None
    elif tag.retired_at is None:
        tag.retired_at = now(session)
    session.flush()


def job_history(session: Session, name: str) -> list[HistoryLine]:
    """All that was said of a job by its external id, oldest first.

    Raises
    ------
    StoreError
        If there is no such job.
    """
    job_id = session.scalar(select(Job.id).where(Job.external_id == name))
    if job_id is None:
        raise StoreError(f"there is no job {name!r:.60}: give the id that it was imported with")
    in_time = (Label.labelled_at, Label.id)  # imported answers may be older than those before them
    lines = select(Label, Tag.name).join(Tag, Tag.id == Label.tag_id)
    return [
        HistoryLine(
            label.labelled_at,
            label.labeller,
            label.source,
            tag,
            label.before,
            label.after,
            label.undoes_id is not None,
        )
        for label, tag in session.execute(lines.where(Label.job_id == job_id).order_by(*in_time))
    ]


class _Taken:
    """The names of all tags, whatever their capitals and spaces: a file can't tell those apart."""

    def __init__(self, session: Session) -> None:
        self._tags: dict[str, set[str]] = {}
        names = {tag.id: tag.name for tag in all_tags(session, retired=True)}
        for name in names.values():
            self.add(name, name)
        for alias, tag_id in session.execute(select(TagAlias.name, TagAlias.tag_id)):
            self.add(alias, names[tag_id])

    def add(self, name: str, tag: str) -> None:
        """Note a name of a tag."""
        self._tags.setdefault(name_key(name), set()).add(tag)

    def check_free(self, name: str, *, of: str | None = None) -> None:
        """StoreError if another tag than `of` has the name, or if it can't be one."""
        if not name.strip() or len(name) > MAX_NAME:
            raise StoreError(f"a tag has 1 to {MAX_NAME} characters, got {name!r:.60}")
        if ";" in name:
            raise StoreError(
                f"{name!r:.60} holds a semicolon, which separates tags: name one at a time"
            )
        others = sorted(self._tags.get(name_key(name), set()) - {of})
        if others:
            raise StoreError(
                f"{name!r:.60} is already a name of tag {others[0]!r:.60}, or differs from one in "
                "capitals or spaces only: use another, or merge tags that mean the same: "
                "jobtool tags merge TAG OTHER..."
            )
