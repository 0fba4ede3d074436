"""What a labeller sees, on screens of any size."""

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from db.answering import State, fit
from db.cards import Card, Mode, Row
from db.columns import Answer, Source
from db.label_screen import KEYS, draw, layout_for, text_lines
from db.usefulness import Offer


class Session:
    """What the screen needs of a session."""

    n_jobs, n_skipped = 3, 1

    def __init__(self, card: Card | None, state: State, mode: Mode = Mode.NEW) -> None:
        self.card, self.state, self.mode = card, state, mode


def card(text: str = "Text", rows: Sequence[Row] | None = None, *, random: bool = False) -> Card:
    given = rows or [Row(tag_id=1, tag="remote", source=Source.PERSON)]
    return Card(Offer(1, is_random=random), "job-1", "A title", text, tuple(given))


def picture(card: Card | None, state: State, *, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, record=True, file=StringIO())
    lines = text_lines(card, str, width)
    layout = layout_for(card, len(lines), height)
    console.print(draw(Session(card, fit(state, layout)), lines, layout))
    return console.export_text().splitlines()


def test_the_screen_shows_posting_tag_answer_and_keys():
    seen = picture(card("Work from home"), State((Answer.YES,)))
    assert seen[0].startswith("job-1  useful to the model  3 labelled, 1 skipped")
    assert [line.strip() for line in seen[1:3]] == ["A title", "Work from home"]
    assert any(line.split()[:3] == [">", "yes", "remote"] for line in seen)
    assert KEYS in [line.strip() for line in seen]


def test_the_screen_says_when_the_order_is_random():
    unranked = replace(card(), offer=Offer(1, is_ranked=False))
    seen = picture(unranked, State((None,)))
    assert seen[0].startswith("job-1  in random order: no live model has tagged it")


@pytest.mark.parametrize("height", [1, 5, 8, 24, 60])
@pytest.mark.parametrize("n_rows", [1, 40])
def test_everything_fits_into_the_height(height, n_rows):
    rows = [Row(tag_id=n, tag=f"tag {n}", source=Source.PERSON) for n in range(n_rows)]
    seen = picture(card("word " * 900, rows), State((None,) * n_rows), height=height)
    assert len(seen) <= max(height, 7)


def test_a_posting_cannot_move_the_cursor_or_colour_the_screen():
    hostile = "\x1b[2J\x07gone\u202e"
    row = Row(tag_id=1, tag=hostile, source=Source.PERSON, said=((hostile, Answer.NO),))
    seen = "\n".join(picture(card(hostile, [row]), State((None,))))
    assert "gone" in seen
    assert not {"\x1b", "\x07", "\u202e"} & set(seen)


def test_probability_threshold_and_reasons_stand_beside_the_tag():
    row = Row(
        tag_id=1,
        tag="remote",
        source=Source.PERSON,
        suggestion=Answer.YES,
        probability=0.87,
        threshold=0.41,
        reasons=(("from home", 2.0), ("hybrid", -0.5)),
    )
    (line,) = [line for line in picture(card(rows=[row]), State((Answer.YES,))) if "remote" in line]
    assert "0.87 (yes 0.41)" in line
    assert "+ from home  - hybrid" in line


def test_who_said_what_stands_beside_a_disputed_tag():
    said = (("anna", Answer.YES), ("ben", Answer.NO))
    row = Row(tag_id=1, tag="remote", source=Source.REFEREE, said=said)
    seen = picture(card(rows=[row]), State((None,)))
    assert any("anna: yes, ben: no" in line for line in seen)


def test_a_random_posting_says_why_it_is_there():
    assert "drawn at random" in picture(card(random=True), State((None,)))[0]


def test_the_end_says_that_nothing_is_left():
    seen = picture(None, State(()))
    assert "Nothing more to label." in [line.strip() for line in seen]


def test_very_long_postings_are_shown_up_to_a_limit(monkeypatch):
    monkeypatch.setattr("db.label_screen.MAX_SHOWN", 50)
    assert len(text_lines(card("x" * 1000), str, 10)) == 1 + 5
