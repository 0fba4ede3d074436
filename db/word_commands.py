"""`jobtool label --words`: a person judges words instead of postings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import typer

from db.commands import n_of, print_json
from db.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.snapshot import LabelledJob
    from db.word_session import OfferedWord
    from tagger.tag_info import TagInfo


class WordFinder(Protocol):
    """What finds the words to ask about."""

    def telling_words(
        self,
        jobs: "Iterable[LabelledJob]",
        infos: "Sequence[TagInfo]",
        *,
        asked: Sequence[str],
        judged: Mapping[str, Sequence[str]],
        limit: int,
    ) -> "Sequence[OfferedWord]":
        """Words that tell most about some tags, the tags in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordOptions:
    """What the command line says of them."""

    labeller: str
    tags: Sequence[str] | None
    limit: int
    is_listed: bool
    as_json: bool


def label_words(engine: "Engine", finder: WordFinder, options: WordOptions) -> None:
    """List the words that tell most, or ask a person about them."""
    found = find_words(engine, finder, tags=options.tags, limit=options.limit)
    if options.as_json:
        return print_json({"found": len(found), "words": [_told(word) for word in found]})
    if not found:
        return typer.echo("No word stands out: more postings or labels may show some")
    if options.is_listed:
        return _print_list(found)
    from db.word_screen import run_words
    from db.word_session import WordSession

    judging = WordSession(engine, found, options.labeller)
    try:
        run_words(judging)
    finally:  # also after Ctrl-C
        typer.echo(judging.summary())


def find_words(
    engine: "Engine", finder: WordFinder, *, tags: Sequence[str] | None, limit: int
) -> "Sequence[OfferedWord]":
    """The words to ask about.

    Raises
    ------
    StoreError
        If there are no tags or no postings, or a tag is unknown or retired.
    """
    from db.engine import reading
    from db.labels import find_tags
    from db.tag_info import tag_infos
    from db.word_session import judged_so_far, read_postings

    with reading(engine) as session:
        infos = tag_infos(session)
        if not infos:
            raise StoreError("there are no tags yet: jobtool tags add, or jobtool import labels")
        names = [info.name for info in infos]
        asked = [tag.name for tag in find_tags(session, tags).values()] if tags else names
        if retired := set(asked) - set(names):
            raise StoreError(f"tag {min(retired)!r:.60} is retired: jobtool tags retire --restore")
        judged = judged_so_far(session, asked)
        jobs = read_postings(session)
    if not jobs:
        raise StoreError("there are no postings yet: jobtool import jobs")
    return finder.telling_words(jobs, infos, asked=asked, judged=judged, limit=limit)


def _print_list(found: "Sequence[OfferedWord]") -> None:
    from db.word_session import counts_of
    from tagger.harmless import shown

    for word in found:
        side = "for" if word.is_for else "against"
        typer.echo(shown(f"{word.tag}  {word.word}: {side}?  {', '.join(counts_of(word))}"))
        typer.echo(shown(f"    {word.before}{word.found}{word.after}"))
    typer.echo(f"{n_of(len(found), 'word')}: jobtool label --words asks about them")


def _told(word: "OfferedWord") -> dict[str, Any]:
    return {
        "tag": word.tag,
        "word": word.word,
        "verdict": "for" if word.is_for else "against",
        "by": "name" if word.by_name else "labels",
        "with_tag": [word.n_with, word.n_tagged],
        "without_tag": [word.n_others_with, word.n_others],
        "snippet": f"{word.before}{word.found}{word.after}",
    }
