"""What a team says of one tag, and what must hold of all of them."""

import math

import pytest

from tagger.errors import DataError
from tagger.tag_info import (
    MAX_DESCRIPTION,
    MAX_WORDS_OF_TAG,
    TagInfo,
    check_distinct,
    plain_tags,
    read_share,
)

FULL = TagInfo(
    name="remote",
    description="Work from home, at least in part",
    aliases=("home office", "telework"),
    words=("work from home",),
    against=("on site",),
    share=0.05,
)


def words_of(cell: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    info = TagInfo.from_json({"tag": "x", "words": cell})
    return info.words, info.against


def test_what_was_said_comes_back_from_json():
    assert TagInfo.from_json(FULL.to_json()) == FULL
    assert FULL.to_json()["words"] == ["work from home", "-on site"]


def test_what_was_not_said_is_left_out_of_json():
    assert TagInfo(name="x").to_json() == {"tag": "x"}
    assert plain_tags(["x", "y"]) == (TagInfo(name="x"), TagInfo(name="y"))


@pytest.mark.parametrize("empty", [None, "", "  ", math.nan])
def test_empty_cells_say_nothing(empty):
    cells = dict.fromkeys(("description", "aliases", "words", "share"), empty)
    assert TagInfo.from_json({"tag": "x", **cells}) == TagInfo(name="x")


@pytest.mark.parametrize("name", [None, "", " \t", "\0"])
def test_a_tag_without_a_name_is_refused(name):
    with pytest.raises(DataError, match="must have a name"):
        TagInfo.from_json({"tag": name})


@pytest.mark.parametrize(
    ("said", "share"), [("5%", 0.05), ("0.05", 0.05), (0.05, 0.05), ("", None)]
)
def test_a_share_is_a_number_or_percent(said, share):
    assert read_share(said) == share


@pytest.mark.parametrize("share", [5, 0, "100%", "-1%", "nan", "inf", True])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(DataError, match=r"between 0 and 1, got .*: write 0.05 or 5%"):
        TagInfo.from_json({"tag": "x", "share": share})


@pytest.mark.parametrize("share", ["5 of 100", "%", [1], {}, 10**400])
def test_a_share_that_is_no_number_is_refused(share):
    with pytest.raises(DataError, match=r"write 0\.05 or 5%"):
        TagInfo.from_json({"tag": "x", "share": share})


@pytest.mark.parametrize(
    "cell",
    [
        "rota; night shift; -office hours",
        "rota\nnight shift\r\n- office hours\n;",
        ["rota", None, "night  shift", "", "-office hours"],
        '["rota", "night shift", "-office hours"]',
    ],
)
def test_words_are_a_list_or_divided_by_semicolons_or_line_breaks(cell):
    assert words_of(cell) == (("rota", "night shift"), ("office hours",))


def test_a_list_may_hold_semicolons():
    assert words_of(["a; b"]) == words_of('["a; b"]') == (("a; b",), ())


def test_a_word_counts_once_whatever_its_capitals():
    assert words_of("Rota; rota; -Day; -DAY") == (("Rota",), ("Day",))


def test_a_minus_alone_is_no_word():
    assert words_of("-; - ; --; -- night") == ((), ("night",))


def test_a_word_may_not_begin_with_a_minus():
    with pytest.raises(DataError, match="a minus in front marks"):
        TagInfo(name="x", words=("-night",))


def test_a_word_for_and_against_is_refused():
    with pytest.raises(DataError, match="'rota' speaks both for tag 'x' and against it"):
        words_of("Rota; -rota")


@pytest.mark.parametrize("word", ["<b>night</b>", "a.*(b", r"\d+", "c++", "%s {0}", "👩‍⚕️", "';--"])
def test_words_are_plain_text(word):
    assert words_of([word]) == ((word,), ())


def test_control_characters_become_spaces():
    info = TagInfo.from_json(
        {"tag": "a\0b", "description": "x\r\ny\x1b[31m", "words": "c\x07d\x9fe"}
    )
    assert (info.name, info.description, info.words) == ("a b", "x y [31m", ("c d e",))


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    assert words_of(["\ud800x"]) == (("\ufffdx",), ())


@pytest.mark.parametrize("value", [{"a": 1}, [["a"]], True, [True], "[a, b]"])
def test_what_is_no_list_of_words_is_refused(value):
    with pytest.raises(DataError, match=r"words (holds|is)"):
        words_of(value)


def test_what_came_is_not_shown_whole_when_it_is_huge():
    huge: object = "x"
    for _ in range(60):  # 2 ** 60 letters, if written out
        huge = [huge, huge]
    for column in ("tag", "words", "share", "description"):
        with pytest.raises(DataError):
            TagInfo.from_json({"tag": "x", column: huge})


def test_a_description_of_a_megabyte_is_refused_in_one_short_line():
    with pytest.raises(DataError, match=r"1,048,576 characters; at most 10,000 .*shorten") as error:
        TagInfo.from_json({"tag": "x", "description": "y" * 2**20})
    assert len(str(error.value)) < 200
    assert TagInfo(name="x", description="y" * MAX_DESCRIPTION)


@pytest.mark.parametrize("column", ["aliases", "words"])
def test_too_many_terms_are_refused(column):
    with pytest.raises(DataError, match=f"1,001 {column}"):
        TagInfo.from_json({"tag": "x", column: [f"w{n}" for n in range(MAX_WORDS_OF_TAG + 1)]})


def test_names_that_differ_in_capitals_and_spaces_are_one():
    with pytest.raises(DataError, match="same name but for capitals and spaces"):
        check_distinct(plain_tags(["Night shift", "night  SHIFT"]))
    with pytest.raises(DataError, match="'night' is there twice"):
        check_distinct(plain_tags(["night", "night"]))


@pytest.mark.parametrize("alias", ["night", "NIGHT", "nights"])
def test_an_alias_may_not_stand_for_another_tag(alias):
    night = TagInfo(name="night", aliases=("nights",))
    with pytest.raises(DataError, match="already stands for tag 'night'"):
        check_distinct([night, TagInfo(name="late", aliases=(alias,))])


def test_all_names_that_stand_for_two_tags_are_told_at_once():
    tags = [TagInfo(name=f"t{n}", aliases=("same",)) for n in range(9)]
    with pytest.raises(DataError, match=r"'t1'.*'t5'.*; and 3 more$"):
        check_distinct(tags)


def test_an_alias_may_repeat_its_own_tag_and_a_word_may_speak_for_two():
    check_distinct(
        [
            TagInfo(name="remote", aliases=("Remote",), words=("home",)),
            TagInfo(name="care", words=("home",)),
        ]
    )


def test_ten_thousand_tags_are_checked():
    check_distinct([TagInfo(name=f"t{n}", aliases=(f"a{n}",)) for n in range(10_000)])
