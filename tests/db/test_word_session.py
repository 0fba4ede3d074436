"""Judging words, driven by keys: what is read, stored, taken back, and shown."""

from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console
from sqlalchemy import Engine

from db.columns import WordVerdict
from db.engine import reading, writing
from db.errors import StoreError
from db.tag_info import judged_words, say_word, word_history
from db.tags import rename_tag
from db.word_screen import KEYS, draw_word
from db.word_session import WordSession, read_postings
from tests.db.made_up import YES, add_jobs, add_tags, say

FOR, AGAINST, REJECTED = WordVerdict.FOR, WordVerdict.AGAINST, WordVerdict.REJECTED


@dataclass(frozen=True)
class Word:
    tag: str
    word: str
    is_for: bool = True
    by_name: bool = False
    n_with: int = 3
    n_tagged: int = 4
    n_others_with: int = 1
    n_others: int = 9
    before: str = "We "
    found: str = "Work"
    after: str = " here"


WORDS = (Word("remote", "home"), Word("night", "late"), Word("remote", "office"))


@pytest.fixture
def tags(engine: Engine) -> None:
    with writing(engine) as session:
        add_tags(session, "remote", "night")


def typed(engine: Engine, keys: str) -> WordSession:
    judging = WordSession(engine, WORDS, "anna")
    for key in keys:
        judging.press(key)
    return judging


def judged(engine: Engine, tag: str) -> dict[str, WordVerdict]:
    with reading(engine) as session:
        return judged_words(session, tag)


@pytest.mark.usefixtures("tags")
def test_each_key_is_stored_at_once_with_who_said_it(engine: Engine):
    judging = typed(engine, "far")
    assert judged(engine, "remote") == {"home": FOR, "office": REJECTED}
    assert judged(engine, "night") == {"late": AGAINST}
    assert judging.card is None
    with reading(engine) as session:
        assert {line.said_by for line in word_history(session, "remote")} == {"anna"}
    assert judging.summary() == (
        "2 words accepted for 2 tags (1 rejected); they count from the next jobtool retrain"
    )


@pytest.mark.usefixtures("tags")
def test_undo_goes_back_over_skipped_words_and_adds_lines(engine: Engine):
    judging = typed(engine, "fszz")
    assert (judging.card, judging.message) == (WORDS[0], "taken back")
    assert judged(engine, "remote") == {}
    with reading(engine) as session:
        assert [line.is_undo for line in word_history(session, "remote")] == [False, True]
    judging.press("z")
    assert judging.message == "nothing to undo"
    assert judging.summary() == "no word accepted"


@pytest.mark.usefixtures("tags")
def test_a_word_that_another_has_judged_meanwhile_is_passed_over(engine: Engine):
    judging = WordSession(engine, WORDS, "anna")
    with writing(engine) as session:
        say_word(session, "night", "Late", REJECTED, "ben")
    judging.press("f")
    assert judging.card == WORDS[2]


@pytest.mark.usefixtures("tags")
def test_a_verdict_that_another_has_given_while_the_word_was_shown_is_kept(engine: Engine):
    judging = WordSession(engine, WORDS, "anna")
    with writing(engine) as session:
        say_word(session, "remote", "Home", REJECTED, "ben")
    judging.press("f")
    assert judged(engine, "remote") == {"Home": REJECTED}
    assert "somebody else has just judged 'home'" in judging.message
    assert judging.card == WORDS[1]
    judging.press("z")
    assert judging.message == "nothing to undo"
    assert judging.summary() == "no word accepted"


@pytest.mark.usefixtures("tags")
def test_what_another_has_said_since_is_not_undone_but_what_was_said_before_is(engine: Engine):
    judging = typed(engine, "ff")
    with writing(engine) as session:
        say_word(session, "night", "late", AGAINST, "ben")
    judging.press("z")
    assert "can't be undone" in judging.message
    assert judging.card == WORDS[2]
    assert judged(engine, "night") == {"late": AGAINST}
    judging.press("z")
    assert (judging.message, judging.card) == ("taken back", WORDS[0])
    assert judged(engine, "remote") == {}


@pytest.mark.usefixtures("tags")
def test_other_keys_do_nothing_and_q_ends(engine: Engine):
    judging = typed(engine, "xy?")
    assert (judging.card, judging.is_over) == (WORDS[0], False)
    judging.press("q")
    assert judging.is_over
    assert judging.summary() == "no word accepted"


def test_a_labeller_needs_a_name(engine: Engine):
    with pytest.raises(StoreError, match="labeller"):
        WordSession(engine, WORDS, "")


def test_labelled_postings_are_read_first_then_the_newest(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("db.word_session.MAX_POSTINGS", 3)
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        found = add_jobs(session, "labelled", "old", "new", "newest")
        say(session, found[0], remote, YES)
        add_jobs(session, "repost", canonical=found[3])
    with reading(engine) as session:
        read = read_postings(session)
    assert [job.title for job in read] == ["Title labelled", "Title new", "Title newest"]
    assert [job.yes for job in read] == [("remote",), (), ()]


@pytest.mark.usefixtures("tags")
def test_the_screen_shows_word_counts_snippet_and_keys_and_is_safe(engine: Engine):
    hostile = "\x1b[2J\x07gone\u202e"
    word = Word("remote", hostile, before=hostile, found=hostile, after=hostile)
    console = Console(width=80, record=True, file=StringIO())
    console.print(draw_word(WordSession(engine, [word], "anna")))
    seen = console.export_text()
    assert "3 of 4 postings with the tag" in seen
    assert "1 of 9 without it" in seen
    assert "gone" in seen
    assert KEYS in seen
    assert not {"\x1b", "\x07", "\u202e"} & set(seen)


@pytest.mark.usefixtures("tags")
def test_a_skipped_word_comes_again_next_time(engine: Engine):
    assert typed(engine, "sq").summary() == "no word accepted (1 skipped)"
    assert WordSession(engine, WORDS, "anna").card == WORDS[0]


@pytest.mark.usefixtures("tags")
def test_a_rejected_word_is_passed_over_next_time(engine: Engine):
    typed(engine, "rq")
    assert WordSession(engine, WORDS, "ben").card == WORDS[1]


@pytest.mark.usefixtures("tags")
def test_a_tag_that_is_renamed_meanwhile_gets_its_word(engine: Engine):
    judging = WordSession(engine, WORDS, "anna")
    with writing(engine) as session:
        rename_tag(session, "remote", "telework")
    judging.press("f")
    assert judged(engine, "telework") == {"home": FOR}


@pytest.mark.usefixtures("tags")
def test_the_end_says_that_no_word_is_left(engine: Engine):
    console = Console(width=80, record=True, file=StringIO())
    console.print(draw_word(typed(engine, "sss")))
    assert "No more words." in console.export_text()


@pytest.mark.usefixtures("tags")
def test_without_labels_the_screen_says_what_was_compared(engine: Engine):
    console = Console(width=80, record=True, file=StringIO())
    console.print(draw_word(WordSession(engine, [Word("remote", "home", by_name=True)], "anna")))
    assert "3 of 4 postings that fit the tag's name best" in console.export_text()
