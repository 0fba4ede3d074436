"""One labeller's session: postings one after the other, each stored when it is accepted.

Nothing here draws or reads keys, so that a session can be driven by any list of keys.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import randbits

from sqlalchemy import Engine

from db import labels
from db.answering import Layout, State, Step, fit, press
from db.cards import (
    Card,
    Explain,
    Mode,
    Question,
    asked_tags,
    find_offers,
    first_answers,
    make_card,
    offers_of,
)
from db.columns import MAX_NAME
from db.engine import reading, take_turns, writing
from db.errors import StoreError
from db.schema import Job, Label
from db.usefulness import Offer


def open_session(
    engine: Engine,
    *,
    labeller: str,
    mode: Mode = Mode.NEW,
    tags: Sequence[str] | None = None,
    is_referee: bool = False,
    is_blind: bool = False,
    explain: Explain | None = None,
    cells: Sequence[tuple[int, int]] = (),
    source: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    seed: int | None = None,
) -> "LabelSession":
    """A session that asks about some tags, or all that are in use.

    Parameters
    ----------
    cells
        Job and tag of the labels to go through, with `Mode.SUSPECTS`.
    source, since
        With `Mode.NEW`: only postings from there, or that came then or later.
    limit
        Ask about so many postings at most.
    seed
        Decides what is random. None: the clock does.

    Raises
    ------
    StoreError
        If there are no tags, or one is unknown.
    """
    if not labeller or len(labeller) > MAX_NAME:
        raise StoreError(f"a labeller has 1 to {MAX_NAME} characters, got {labeller!r:.60}")
    with reading(engine) as session:
        tag_ids = asked_tags(session, tags)
        if not tag_ids:
            raise StoreError("there are no tags yet: jobtool tags add, or jobtool import labels")
        question = Question(
            labeller=labeller,
            mode=mode,
            tag_ids=tag_ids,
            is_referee=is_referee,
            is_blind=is_blind,
            explain=explain,
            source=source,
            since=since,
        )
        if mode is Mode.SUSPECTS:
            offers = offers_of(cells)
        else:
            offers = find_offers(session, question, seed=randbits(32) if seed is None else seed)
    return LabelSession(engine, offers, question, limit=limit)


@dataclass(slots=True)
class _Turned:
    """A posting that was accepted (then with lines of history) or skipped."""

    card: Card
    state: State
    label_ids: list[int] = field(default_factory=list)
    n_answers: int = 0


class LabelSession:
    """Goes through the offers; `card` is None when there is nothing more to label.

    Each accepted posting is one transaction, so that whatever stops a session, no answer given
    before is lost. `undo` goes back over accepted and skipped postings to the first one.
    """

    def __init__(
        self,
        engine: Engine,
        offers: Iterator[Offer],
        question: Question,
        *,
        limit: int | None = None,
    ) -> None:
        self._engine, self._offers, self._question = engine, offers, question
        self._limit = limit
        self._batches = labels.Batches("jobtool label")
        self._turned: list[_Turned] = []
        self._again: list[tuple[Card, State]] = []
        self.card: Card | None = None
        self.state = State(())
        self.is_over = False
        """Whether the labeller has quit."""
        self._next()

    @property
    def mode(self) -> Mode:
        """What kind of postings are offered."""
        return self._question.mode

    @property
    def n_jobs(self) -> int:
        """Postings accepted and not undone."""
        return sum(turned.n_answers > 0 for turned in self._turned)

    @property
    def n_answers(self) -> int:
        """Answers in them."""
        return sum(turned.n_answers for turned in self._turned)

    @property
    def n_skipped(self) -> int:
        """Postings skipped."""
        return len(self._turned) - self.n_jobs

    def summary(self) -> str:
        """What was done, in one line."""
        skipped = f", {self.n_skipped:,} skipped" if self.n_skipped else ""
        return f"{self.n_jobs:,} postings labelled ({self.n_answers:,} answers){skipped}"

    def fit(self, layout: Layout) -> None:
        """Adapt to a screen."""
        self.state = fit(self.state, layout)

    def press(self, key: str, layout: Layout) -> None:
        """Do what a key says."""
        self.state, step = press(self.state, key, layout)
        try:
            if step is Step.QUIT:
                self.is_over = True
            elif step is Step.UNDO:
                self._undo()
            elif self.card is not None and step is Step.ACCEPT:
                self._accept(self.card)
            elif self.card is not None and step is Step.SKIP:
                self._turned.append(_Turned(self.card, self.state))
                self._next()
        except StoreError as error:  # nothing was stored: the posting stays, to try again
            self._say(str(error))

    def _say(self, message: str) -> None:
        self.state = replace(self.state, message=message)

    def _next(self) -> None:
        if self._again:
            self.card, self.state = self._again.pop()
            return
        self.card, self.state = None, State(())
        if len(self._turned) == self._limit:
            return
        for offer in self._offers:
            with reading(self._engine) as session:
                card = make_card(session, offer, self._question)
            if card is not None:
                self.card, self.state = card, State(first_answers(card, self._question))
                return

    def _accept(self, card: Card) -> None:
        said = [
            labels.Said(card.offer.job_id, row.tag_id, answer, self._question.labeller, row.source)
            for row, answer in zip(card.rows, self.state.answers, strict=True)
            if answer is not None
        ]
        with writing(self._engine) as session:
            take_turns(session)  # its group stands still until this is stored
            job = session.get(Job, card.offer.job_id)
            if job is None:
                raise StoreError("this posting was removed meanwhile: s goes on to the next")
            added = labels.add_lines(session, said, self._batches)
            label_ids = [label.id for label in added]
        self._turned.append(_Turned(card, self.state, label_ids, len(said)))
        self._next()

    def _undo(self) -> None:
        if not self._turned:
            return self._say("nothing to undo")
        last = self._turned[-1]
        with writing(self._engine) as session:
            for label_id in reversed(last.label_ids):
                label = session.get(Label, label_id)
                if label is not None:  # None: the posting was forgotten
                    labels.undo(session, label)
        self._turned.pop()
        if self.card is not None:
            self._again.append((self.card, self.state))
        self.card, self.state = last.card, replace(last.state, message="taken back")
