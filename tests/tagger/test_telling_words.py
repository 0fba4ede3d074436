"""Which words are offered for a person to judge, from postings made by hand."""

import pytest

from tagger.jobs import Job
from tagger.tag_info import TagInfo, plain_tags
from tagger.telling_words import TellingWord, telling_words

WARD = "Nights on the ward. Uniform supplied."
PARCELS = "Parcels to sort. Uniform supplied."


def jobs(text: str, n: int = 5, tags: tuple[str, ...] | None = None) -> list[Job]:
    return [Job(f"{text} {tags} {i}", "", text, tags) for i in range(n)]


LABELLED = [*jobs(WARD, tags=("nurse",)), *jobs(PARCELS, tags=())]


def words(found: list[TellingWord]) -> list[str]:
    return [word.word for word in found]


def test_a_word_comes_with_its_counts_and_a_snippet():
    word, *_ = telling_words(LABELLED, plain_tags(["nurse"]))
    assert (word.tag, word.word, word.is_for, word.by_name) == (
        *("nurse", "nights on the ward"),
        *(True, False),
    )
    assert (word.n_with, word.n_tagged, word.n_others_with, word.n_others) == (5, 5, 0, 5)
    assert (word.before, word.found) == ("", "Nights on the ward")
    assert word.after.startswith(". Uniform")


def test_words_of_all_postings_tell_nothing():
    found = words(telling_words(LABELLED, plain_tags(["nurse"])))
    assert not any("uniform" in word for word in found)


def test_where_it_is_missing_a_word_may_speak_against():
    found = telling_words(LABELLED, plain_tags(["nurse"]))
    assert [word.word for word in found if not word.is_for] == ["parcels to sort"]


def test_without_labels_postings_that_fit_the_name_best_are_compared_with_others():
    unlabelled = [*jobs("A nurse for the ward"), *jobs("Parcels to sort", 40)]
    found = telling_words(unlabelled, plain_tags(["nurse"]))
    assert words(found) == ["ward"]
    assert found[0].by_name
    assert (found[0].n_with, found[0].n_tagged) == (5, 5)


def test_a_name_that_no_posting_has_offers_nothing():
    assert telling_words(jobs(WARD, 20), plain_tags(["pilot"])) == []


@pytest.mark.parametrize(
    "info",
    [
        TagInfo(name="ward"),
        TagInfo(name="nurse", aliases=("ward",)),
        TagInfo(name="nurse", words=("ward",)),
        TagInfo(name="nurse", against=("wards",)),
    ],
)
def test_what_is_known_of_a_tag_is_not_offered(info: TagInfo):
    labelled = [*jobs("Ward", tags=(info.name,)), *jobs("Parcels", tags=())]
    assert words(telling_words(labelled, [info])) == ["parcels"]


def test_judged_words_are_not_offered_again_but_parts_of_a_pair_are():
    judged = {"nurse": ["nights on the ward", "parcels to sort"]}
    found = words(telling_words(LABELLED, plain_tags(["nurse"]), judged=judged))
    assert found
    assert not set(found) & {"nights on the ward", "parcels to sort"}
    assert set(found) <= {"nights", "ward", "parcels", "sort"}


def test_tags_take_turns_those_with_the_fewest_examples_first():
    labelled = [
        *jobs("Ward. Beds", 6, ("nurse",)),
        *jobs("Van. Lorry", 5, ("driver",)),
        *jobs("Ledger", 9, ()),
    ]
    found = telling_words(labelled, plain_tags(["nurse", "driver"]), limit=3)
    assert [word.tag for word in found] == ["driver", "nurse", "driver"]


def test_only_the_tags_asked_about():
    infos = plain_tags(["nurse", "porter"])
    found = telling_words(LABELLED, infos, asked=["porter"])
    assert {word.tag for word in found} <= {"porter"}


@pytest.mark.parametrize(("n", "offered"), [(5, False), (60, True)])
def test_numbers_are_offered_only_if_they_tell_a_lot(n: int, offered: bool):
    labelled = [*jobs("$80k", n, ("senior",)), *jobs("Parcels", n, ())]
    assert ("$80k" in words(telling_words(labelled, plain_tags(["senior"])))) == offered


@pytest.mark.parametrize("text", ["", "\0", "<p></p>", "the of and", "\x1b[2J " * 50])
def test_odd_postings_offer_nothing_and_do_no_harm(text: str):
    odd = [*jobs(text, tags=("nurse",)), *jobs("", tags=())]
    found = telling_words(odd, plain_tags(["nurse"]))
    assert not any("\x1b" in word.word + word.found + word.before + word.after for word in found)


def test_no_postings_or_no_tags_offer_nothing():
    assert telling_words([], plain_tags(["nurse"])) == []
    assert telling_words(LABELLED, plain_tags(["nurse"]), asked=[]) == []


def test_a_long_posting_is_shown_around_the_word():
    text = f"{'filler ' * 30}nights {'filler ' * 30}"
    labelled = [*jobs(text, tags=("nurse",)), *jobs("filler", tags=())]
    found = telling_words(labelled, plain_tags(["nurse"]))
    (night,) = [word for word in found if "nights" in word.word]
    assert night.before.startswith("\N{HORIZONTAL ELLIPSIS} filler")
    assert night.after.endswith("filler \N{HORIZONTAL ELLIPSIS}")


def test_of_a_pair_and_its_words_one_is_offered():
    found = words(telling_words(LABELLED, plain_tags(["nurse"])))
    assert sum("night" in word or "ward" in word for word in found) == 1


def test_few_labels_and_the_name_go_together():
    few = [*jobs("Nurse. Beds", 2, ("nurse",)), *jobs("Nurse. Beds", 6), *jobs("Parcels", 40)]
    found = telling_words(few, plain_tags(["nurse"]))
    assert (words(found), found[0].by_name) == (["beds"], True)


def test_the_answer_is_the_same_again():
    infos = plain_tags(["nurse"])
    before = list(LABELLED)
    assert telling_words(LABELLED, infos) == telling_words(LABELLED, infos)
    assert before == LABELLED
