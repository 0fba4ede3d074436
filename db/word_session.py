"""Judging words: one after the other, each stored at the key that judges it.

Which words are offered is found by the tagger; nothing here draws or reads keys.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.columns import WordVerdict
from db.commands import n_of
from db.engine import reading, take_turns, writing
from db.errors import StoreError
from db.labels import all_tags, check_name, chunks
from db.schema import Job, TagWord
from db.snapshot import LabelledJob, known_labels, read_labelled
from db.tag_info import judged_words, say_word, undo_word
from tagger.columns import fold

MAX_LABELLED, MAX_POSTINGS = 2_000, 3_000
"""Most labelled postings that are read, and most with unlabelled ones; the newest of each."""
VERDICTS = {"f": WordVerdict.FOR, "a": WordVerdict.AGAINST, "r": WordVerdict.REJECTED}
"""Key -> what it says of a word."""


class OfferedWord(Protocol):
    """A word to judge, as the tagger tells of it (`tagger.telling_words`)."""

    @property
    def tag(self) -> str: ...
    @property
    def word(self) -> str: ...
    @property
    def is_for(self) -> bool:
        """Whether it is more frequent where the tag applies."""

    @property
    def by_name(self) -> bool:
        """Whether the tag's name, not labels, says where it applies."""

    @property
    def n_with(self) -> int:
        """Postings with the tag that have the word, of `n_tagged`."""

    @property
    def n_tagged(self) -> int: ...
    @property
    def n_others_with(self) -> int:
        """Postings without the tag that have the word, of `n_others`."""

    @property
    def n_others(self) -> int: ...
    @property
    def before(self) -> str:
        """What stands before the word in one posting."""

    @property
    def found(self) -> str: ...
    @property
    def after(self) -> str: ...


def read_postings(session: Session) -> list[LabelledJob]:
    """The newest labelled postings, and the newest others that repeat none; at most so many."""
    tags = {tag.id: tag.name for tag in all_tags(session)}
    said = known_labels(session, tags)
    labelled = sorted(said, reverse=True)[:MAX_LABELLED]
    newest = (
        select(Job.id)
        .where(Job.canonical_id.is_(None))
        .order_by(Job.id.desc())
        .limit(MAX_POSTINGS + len(said))
    )
    others = [job_id for job_id in session.scalars(newest) if job_id not in said]
    wanted = labelled + others[: MAX_POSTINGS - len(labelled)]
    held = {job_id: said.get(job_id, {}) for job_id in wanted}
    found: list[LabelledJob] = []
    for part in chunks(wanted):
        found += read_labelled(session, part, held, tags)
    return found


@dataclass(frozen=True, slots=True)
class _Turned:
    """A word that was judged, then with a line of history, or skipped."""

    place: int
    line_id: int | None = None
    verdict: WordVerdict | None = None


class WordSession:
    """Goes through candidates; `card` is None when there is nothing more to judge.

    Each judged word is one transaction, so that whatever stops a session, nothing said before is
    lost. Words that somebody judges meanwhile are passed over.
    """

    def __init__(self, engine: Engine, words: Iterable[OfferedWord], labeller: str) -> None:
        check_name("labeller", labeller)
        self._engine, self._words, self._labeller = engine, list(words), labeller
        self._turned: list[_Turned] = []
        self._place = -1
        self.message = ""
        self.is_over = False
        """Whether the labeller has quit."""
        self._next()

    @property
    def card(self) -> OfferedWord | None:
        """The word asked about."""
        return self._words[self._place] if self._place < len(self._words) else None

    @property
    def progress(self) -> str:
        """Which word of how many."""
        return f"{min(self._place + 1, len(self._words))} of {len(self._words)}"

    def press(self, key: str) -> None:
        """Do what a key says; others do nothing."""
        self.message = ""
        try:
            if key == "q":
                self.is_over = True
            elif key == "z":
                self._undo()
            elif self.card is not None and key == "s":
                self._turned.append(_Turned(self._place))
                self._next()
            elif self.card is not None and key in VERDICTS:
                self._judge(self.card, VERDICTS[key])
        except StoreError as error:  # nothing was stored: the word stays, to try again
            self.message = str(error)

    def summary(self) -> str:
        """What was done, in one line."""
        judged = [turn for turn in self._turned if turn.line_id is not None]
        accepted = [turn for turn in judged if turn.verdict is not WordVerdict.REJECTED]
        n_tags = len({self._words[turn.place].tag for turn in accepted})
        rest = {"rejected": len(judged) - len(accepted), "skipped": len(self._turned) - len(judged)}
        told = ", ".join(f"{n:,} {what}" for what, n in rest.items() if n)
        if not accepted:
            return f"no word accepted{f' ({told})' if told else ''}"
        count = "it counts" if len(accepted) == 1 else "they count"
        words = f"{n_of(len(accepted), 'word')} accepted for {n_of(n_tags, 'tag')}"
        return f"{words}{f' ({told})' if told else ''}; {count} from the next jobtool retrain"

    def _next(self) -> None:
        self._place += 1
        while self.card is not None:
            with reading(self._engine) as session:
                if _is_open(session, self.card):
                    return
            self._place += 1

    def _judge(self, card: OfferedWord, verdict: WordVerdict) -> None:
        with writing(self._engine) as session:
            take_turns(session)
            line = None
            if _is_open(session, card):
                line = say_word(session, card.tag, card.word, verdict, self._labeller)
            line_id = line.id if line else None
        if line_id is None:
            self.message = f"somebody else has just judged {card.word!r:.60}: passed over"
        else:
            self._turned.append(_Turned(self._place, line_id, verdict))
        self._next()

    def _undo(self) -> None:
        if not self._turned:
            self.message = "nothing to undo"
            return
        last = self._turned[-1]
        if last.line_id is not None:
            with writing(self._engine) as session:
                take_turns(session)
                line = session.get(TagWord, last.line_id)
                if line is not None:
                    try:
                        undo_word(session, line, self._labeller)
                    except StoreError:  # it stands for ever: the next undo is of what came before
                        self._turned.pop()
                        raise
        self._turned.pop()
        self._place, self.message = last.place, "taken back"


def _is_open(session: Session, card: OfferedWord) -> bool:
    """Whether nobody has judged the word."""
    return fold(card.word) not in {fold(word) for word in judged_words(session, card.tag)}


def counts_of(word: OfferedWord) -> tuple[str, str]:
    """How many postings have a word, with the tag and without."""
    best, rest = ("with the tag", "without it")
    if word.by_name:
        best, rest = ("that fit the tag's name best", "others")
    return (
        f"{word.n_with:,} of {word.n_tagged:,} postings {best}",
        f"{word.n_others_with:,} of {word.n_others:,} {rest}",
    )


def judged_so_far(session: Session, tags: Sequence[str]) -> dict[str, list[str]]:
    """Tag -> words that somebody has judged, rejected ones too."""
    return {tag: list(judged_words(session, tag)) for tag in tags}
