"""What tags mean, in SQL: who said it, what holds, and how it is taken back."""

import pytest
from sqlalchemy import Engine, select

from db.columns import WordVerdict
from db.engine import reading, writing
from db.errors import StoreError
from db.schema import TagWord
from db.tag_info import (
    fact_history,
    judged_words,
    say_fact,
    say_word,
    tag_info,
    tag_infos,
    undo_word,
    word_history,
)
from db.tags import alias_tag, list_tags, rename_tag, retire_tag
from tagger.tag_info import MAX_WORDS_OF_TAG, TagInfo
from tests.db.made_up import add_tags

FOR, AGAINST, REJECTED = WordVerdict


@pytest.fixture(autouse=True)
def two_tags(engine: Engine) -> None:
    with writing(engine) as session:
        add_tags(session, "remote", "night")


def said(engine: Engine, word: str, verdict: WordVerdict | None, by: str = "anna") -> int | None:
    with writing(engine) as session:
        line = say_word(session, "remote", word, verdict, by)
        return line and line.id


def remote(engine: Engine) -> TagInfo:
    with reading(engine) as session:
        return tag_info(session, "remote")


def test_tags_of_which_nothing_is_known_are_names_in_their_order(engine: Engine):
    with reading(engine) as session:
        assert tag_infos(session) == (TagInfo(name="remote"), TagInfo(name="night"))


def test_all_that_is_known_of_a_tag_comes_together(engine: Engine):
    with writing(engine) as session:
        say_fact(session, "remote", " Work from\nhome ", 0.05, "anna")
        alias_tag(session, "remote", "telework")
        say_word(session, "telework", "home  office", FOR, "anna")
        say_word(session, "remote", "on site", AGAINST, "anna")
    assert remote(engine) == TagInfo(
        name="remote",
        description="Work from home",
        aliases=("telework",),
        words=("home office",),
        against=("on site",),
        share=0.05,
    )


def test_a_renamed_tag_keeps_what_is_known_and_a_retired_one_is_left_out(engine: Engine):
    said(engine, "home", FOR)
    with writing(engine) as session:
        rename_tag(session, "remote", "home-office")
        retire_tag(session, "night")
    with reading(engine) as session:
        info = TagInfo(name="home-office", aliases=("remote",), words=("home",))
        assert tag_infos(session) == (info,)
        assert list_tags(session)[0].words == ("home",)


def test_the_last_description_and_share_hold(engine: Engine):
    with writing(engine) as session:
        assert say_fact(session, "remote", "a", None, "anna")
        assert say_fact(session, "remote", "b", 0.1, "ben")
        assert not say_fact(session, "remote", "b", 0.1, "anna")
    assert (remote(engine).description, remote(engine).share) == ("b", 0.1)
    with reading(engine) as session:
        lines = [line[1:] for line in fact_history(session, "remote")]
    assert lines == [("anna", "a", None), ("ben", "b", 0.1)]


@pytest.mark.parametrize(("description", "share"), [("x", 5), ("x", 0), ("x" * 10_001, None)])
def test_a_fact_that_can_not_be_is_refused(engine: Engine, description, share):
    with pytest.raises(StoreError, match="tag 'remote'"), writing(engine) as session:
        say_fact(session, "remote", description, share, "anna")


def test_the_last_verdict_on_a_word_holds_whatever_its_capitals(engine: Engine):
    said(engine, "home", FOR)
    said(engine, "Home", AGAINST, "ben")
    assert (remote(engine).words, remote(engine).against) == ((), ("Home",))
    assert said(engine, "HOME", AGAINST) is None


def test_a_rejected_word_does_not_count_but_is_remembered(engine: Engine):
    said(engine, "home", FOR)
    said(engine, "team", REJECTED)
    assert remote(engine).words == ("home",)
    with reading(engine) as session:
        assert judged_words(session, "remote") == {"home": FOR, "team": REJECTED}
        assert judged_words(session, "night") == {}


def test_a_word_taken_back_is_open_again(engine: Engine):
    said(engine, "team", REJECTED)
    said(engine, "Team", None, "ben")
    with reading(engine) as session:
        assert judged_words(session, "remote") == {}
    with pytest.raises(StoreError, match="tag 'remote' has no word 'team'; its words are: none"):
        said(engine, "team", None)


def test_undoing_brings_back_what_held_before(engine: Engine):
    said(engine, "home", FOR)
    number = said(engine, "home", REJECTED, "ben")
    with writing(engine) as session:
        undo_word(session, session.get_one(TagWord, number), "ben")
    assert remote(engine).words == ("home",)
    with reading(engine) as session:
        lines = [line[1:] for line in word_history(session, "remote")]
    assert lines == [
        ("anna", "home", None, FOR, False),
        ("ben", "home", FOR, REJECTED, False),
        ("ben", "home", REJECTED, FOR, True),
    ]


def test_undoing_the_first_line_leaves_nothing_and_undoing_that_brings_it_back(engine: Engine):
    number = said(engine, "home", FOR)
    with writing(engine) as session:
        back = undo_word(session, session.get_one(TagWord, number), "anna")
        assert tag_info(session, "remote").words == ()
        undo_word(session, back, "anna")
        assert tag_info(session, "remote").words == ("home",)


def test_what_others_built_on_is_not_undone(engine: Engine):
    number = said(engine, "home", FOR)
    said(engine, "other", FOR)
    said(engine, "HOME", REJECTED, "ben")
    with pytest.raises(StoreError, match="'home' can't be undone"), writing(engine) as session:
        undo_word(session, session.get_one(TagWord, number), "anna")


def test_one_word_may_speak_for_two_tags(engine: Engine):
    with writing(engine) as session:
        for tag in ("remote", "night"):
            say_word(session, tag, "home", FOR, "anna")
        assert [info.words for info in tag_infos(session)] == [("home",), ("home",)]


@pytest.mark.parametrize("word", ["<b>x</b>", "a.*(b", "%s_", "'; DROP TABLE tags; --", "日本語"])
def test_words_are_stored_as_they_are(engine: Engine, word):
    said(engine, word, FOR)
    assert remote(engine).words == (word,)


def test_control_characters_are_harmless(engine: Engine):
    said(engine, "a\0b\x1b[31m\ud800", FOR)
    assert remote(engine).words == ("a b [31m\ufffd",)


@pytest.mark.parametrize(
    ("word", "problem"),
    [("", "1 to 200"), (" \0", "1 to 200"), ("x" * 201, "1 to 200"), ("-x", "minus: leave it out")],
)
def test_a_word_that_is_none_is_refused(engine: Engine, word, problem):
    with pytest.raises(StoreError, match=problem):
        said(engine, word, FOR)


@pytest.mark.parametrize("by", ["", "x" * 201])
def test_who_says_it_must_have_a_name(engine: Engine, by):
    with pytest.raises(StoreError, match="a labeller has 1 to 200"):
        said(engine, "home", FOR, by)


def test_more_words_than_count_are_refused(engine: Engine):
    with writing(engine) as session:
        first = say_word(session, "remote", "w0", FOR, "anna")
        values = {"tag_id": first.tag_id, "verdict": FOR, "said_by": "anna"}
        for n in range(1, MAX_WORDS_OF_TAG):
            session.add(TagWord(word=f"w{n}", said_at=first.said_at, **values))
    with pytest.raises(StoreError, match="1,001 words; at most 1,000 count"):
        said(engine, "one more", AGAINST)


def test_lines_are_added_and_never_changed(engine: Engine):
    for verdict in (FOR, AGAINST, None, FOR):
        said(engine, "home", verdict)
    with reading(engine) as session:
        verdicts = session.scalars(select(TagWord.verdict).order_by(TagWord.id)).all()
    assert verdicts == [FOR, AGAINST, None, FOR]
