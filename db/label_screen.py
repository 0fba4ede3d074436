"""What a labeller sees: a posting, its tags with answers, reasons, and the keys."""

from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from db.answering import Layout, State
from db.cards import Card, Mode, Row
from db.columns import Answer
from db.keyboard import drop_typed_ahead, keyboard
from db.usefulness import Offer
from tagger.harmless import screen_stream, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.label_session import LabelSession

KEYS = (
    "y n u answer  N rest no  \N{UPWARDS ARROW}\N{DOWNWARDS ARROW}  "
    "space b page  enter next  s skip  z undo  q quit"
)  # fits into 80 columns
N_REASONS = 4
MAX_SHOWN = 100_000
"""Characters of a posting that are shown; nobody pages through more."""
_FIXED = 5  # lines that are neither text nor tags
_COLOURS = {Answer.YES: "bold green", Answer.NO: "red", Answer.UNSURE: "yellow", None: "dim"}
_WHY = {
    Mode.NEW: "useful to the model",
    Mode.SECOND: "second opinion",
    Mode.DISPUTED: "people disagree",
    Mode.SUSPECTS: "probably wrong",
}


def run_session(session: "LabelSession", *, clean: "Callable[[str], str]") -> None:
    """Show postings and obey keys until the labeller quits.

    Parameters
    ----------
    clean
        Makes plain text of a posting's.
    """
    console = Console(file=screen_stream(), highlight=False)
    with keyboard() as read_key, console.screen() as screen:
        card, width, lines = None, 0, []
        while not session.is_over:
            is_new = session.card is not card
            if is_new or console.width != width:
                card, width = session.card, console.width
                lines = text_lines(card, clean, width)
            layout = layout_for(card, len(lines), console.height)
            session.fit(layout)
            if is_new:
                drop_typed_ahead()
            screen.update(draw(session, lines, layout))
            session.press(read_key(), layout)


def layout_for(card: Card | None, n_text: int, height: int) -> Layout:
    """Room for tags and text: tags get up to half of the screen, text the rest."""
    room = max(height - _FIXED, 2)
    n_rows = max(1, min(len(card.rows) if card else 1, max(room // 2, room - n_text)))
    return Layout(n_rows=n_rows, n_lines=max(1, room - n_rows), n_text=n_text)


def draw(session: "LabelSession", lines: list[Text], layout: Layout) -> RenderableType:
    """The whole screen, at most `_FIXED` + n_rows + n_lines lines."""
    card, state = session.card, session.state
    if card is None:
        told = state.message or "Nothing more to label."
        return Group(Text(_done(session), "dim"), Text(told), Text("z undo  q quit", "dim"))
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(shown(card.external_id), "bold").append(
        f"  {_reason_asked(session.mode, card.offer)}  {_done(session)}", "dim"
    )
    body = lines[state.top_line : state.top_line + layout.n_lines]
    rest = len(lines) - state.top_line - len(body)
    more = f"\N{HORIZONTAL ELLIPSIS} {rest} more lines: space" if rest > 0 else ""
    return Group(
        head,
        *body,
        *[Text("")] * (layout.n_lines - len(body)),
        Text(more, "dim"),
        _tags(card, state, layout),
        Text(state.message, "bold yellow", no_wrap=True, overflow="ellipsis"),
        Text(KEYS, "dim", no_wrap=True, overflow="ellipsis"),
    )


def text_lines(card: Card | None, clean: "Callable[[str], str]", width: int) -> list[Text]:
    """Title and text of a posting, wrapped, without empty lines."""
    if card is None:
        return []
    lines = [Text(shown(clean(card.title)), "bold")] if card.title else []
    paragraphs = (shown(line).strip() for line in clean(card.text)[:MAX_SHOWN].split("\n"))
    lines += [Text(line) for line in paragraphs if line]
    console = Console(width=width)
    return [wrapped for line in lines for wrapped in line.wrap(console, width)]


def _reason_asked(mode: Mode, offer: Offer) -> str:
    """Why a posting is asked about."""
    if offer.is_random:
        return "drawn at random, for a fair evaluation"
    if mode is Mode.NEW and not offer.is_ranked:
        return "in random order: no live model has tagged it"
    return _WHY[mode]


def _done(session: "LabelSession") -> str:
    skipped = f", {session.n_skipped} skipped" if session.n_skipped else ""
    return f"{session.n_jobs} labelled{skipped}"


def _tags(card: Card, state: State, layout: Layout) -> Table:
    table = Table.grid(padding=(0, 1))
    for options in ({"width": 1}, {"width": 6}, {"ratio": 1}, {"width": 18}, {"ratio": 2}):
        table.add_column(no_wrap=True, overflow="ellipsis", **options)  # type: ignore[arg-type]
    table.expand = True
    for place in range(state.top_row, min(state.top_row + layout.n_rows, len(card.rows))):
        row, answer = card.rows[place], state.answers[place]
        table.add_row(
            ">" if place == state.at else "",
            Text(answer or "?", _COLOURS[answer]),
            Text(shown(row.tag), "bold" if place == state.at else ""),
            Text(_likely(row), "dim"),
            Text(_why(row), "dim"),
        )
    return table


def _likely(row: Row) -> str:
    if row.probability is None or row.threshold is None:
        return ""
    return f"{row.probability:.2f} (yes {row.threshold:.2f})"


def _why(row: Row) -> str:
    said = ", ".join(f"{labeller}: {answer}" for labeller, answer in row.said)
    raised = [term for term, effect in row.reasons if effect > 0][:N_REASONS]
    lowered = [term for term, effect in row.reasons if effect < 0][:2]
    words = f"+ {', '.join(raised)}" if raised else ""
    words += f"  - {', '.join(lowered)}" if lowered else ""
    return shown("  ".join(part for part in (said, _feed(row), words.strip()) if part))


def _feed(row: Row) -> str:
    """What the feed says, and that the model says something else."""
    if row.feed is None:
        return ""
    answer = Answer.YES if row.feed.answer else Answer.NO
    but = f", model {row.suggestion}" if row.is_contradicted else ""
    return f"feed {answer}{but}: {row.feed.said}"
