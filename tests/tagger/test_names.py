"""How well a posting fits what a tag is called."""

from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.features import Counted, count
from tagger.jobs import Job
from tagger.names import (
    CAUTIOUS_SHARE,
    NameEvidence,
    cautious_share,
    learn_names,
    split_name,
    terms_of_name,
    without_shared_prefix,
)
from tagger.tag_info import TagInfo
from tagger.vocabulary import TermCounts

TEXTS = (
    "night nurse for the ward",
    "engineer with kafka and spark",
    "cook for our kitchen",
    "nurse and cook in one house",
    "data engineer with kafka",
    "driver for parcels",
    "our house looks for a driver",
    "kitchen help for weekends",
)
JOBS = tuple(Job(str(i), text=text) for i, text in enumerate(TEXTS))


def of(*texts: str, title: str = "") -> Counted:
    return count([Job(str(i), title, text) for i, text in enumerate(texts)])


def learned(*infos: TagInfo, jobs: Counted | None = None) -> NameEvidence:
    jobs = count(JOBS) if jobs is None else jobs
    return learn_names(infos, TermCounts.of(jobs), jobs)


def tag(name: str = "nothing", **said: object) -> TagInfo:
    return TagInfo(name=name, **said)


# Names as words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("part-time", "part time"),
        ("shift_work", "shift work"),
        ("Sales/Marketing & PR", "Sales Marketing PR"),
        ("remote (EU only)", "remote EU only"),
        ("tech::rust;go|c", "tech rust go c"),
        ("DataEngineer", "Data Engineer"),
        ("dataEngineer", "data Engineer"),
        ("HRManager", "HR Manager"),
        ("USA", "USA"),
        ("level3", "level 3"),
        ("3D artist", "3D artist"),
        ("Pflegekräfte2", "Pflegekräfte 2"),
        ("C++", "C++"),
        ("  a \t b ", "a b"),
        ("看護師", "看護師"),
        ("---", ""),
    ],
)
def test_a_name_is_split_at_signs_changes_of_case_and_before_digits(name: str, words: str) -> None:
    assert split_name(name) == words


@given(st.text(max_size=30))
def test_splitting_twice_is_splitting_once(name: str) -> None:
    once = split_name(name)
    assert split_name(once) == once
    assert once == once.strip()


@given(st.text(max_size=30))
def test_terms_of_any_name_come_once_each(name: str) -> None:
    found = terms_of_name(name)
    assert len(set(found)) == len(found)


def test_the_words_of_a_name_are_those_of_a_posting() -> None:
    assert terms_of_name("Nurses (night shift)") == terms_of_name("nurse night shifts")


def test_a_word_that_postings_write_as_one_is_not_split() -> None:
    jobs = of("JavaScript and HTML", "Java and SQL", "a data engineer", "a script", "javascript")
    evidence = learned(tag("JavaScript"), tag("DataEngineer"), jobs=jobs)
    scores = evidence.scores(jobs)
    assert set(np.argsort(-scores[:, 0])[:2].tolist()) == {0, 4}
    assert scores[1, 0] == scores[2, 0] == scores[:, 0].min()
    assert scores[:, 1].argmax() == 2
    shares = cautious_share([tag("JavaScript"), tag("DataEngineer")], of(*["x"] * 45, *TEXTS))
    assert shares[1] == pytest.approx(1 / 53)


@pytest.mark.parametrize("name", ["T1", "3D", "24/7", "B2B"])
def test_numbers_of_a_name_count_in_pairs_alone(name: str) -> None:
    jobs = of(f"all {name} here", "1 nurse, 3 days", "24 cooks, 7 days", "2, T, D, B", "silence")
    scores = learned(tag(name), jobs=jobs).scores(jobs)[:, 0]
    assert scores.argmax() == 0
    assert (scores[1:] == scores[4]).all()


def test_what_several_names_begin_with_is_left_out() -> None:
    names = ["tech:go", "tech:rust", "region:emea", "plain", "tech:", "tech: "]
    found = ["go", "rust", "region:emea", "plain", "tech:", "tech: "]
    assert [name for (name,) in without_shared_prefix([tag(name) for name in names])] == found


def test_a_shared_prefix_is_found_in_aliases_and_whatever_its_capitals() -> None:
    infos = [
        tag("Tech:go", aliases=("tech:golang",)),
        tag("TECH :rust"),
        tag("x", aliases=("a:b",)),
    ]
    assert without_shared_prefix(infos) == [("go", "golang"), ("rust",), ("x", "a:b")]
    same = [tag("a:b", aliases=("a:c",)), tag("d")]  # of one tag alone: nobody else has it
    assert without_shared_prefix(same) == [("a:b", "a:c"), ("d",)]


def test_a_shared_prefix_of_an_alias_is_no_evidence() -> None:
    infos = [tag("cook", aliases=("Kitchen:chef",)), tag("kitchen:help")]
    scores = learned(*infos, jobs=of("kitchen", "cook", "help", "parcels")).scores(
        of("kitchen", "parcels", "cook")
    )
    assert scores[0, 0] == scores[1, 0] < scores[2, 0]


def test_a_shared_prefix_is_no_evidence() -> None:
    evidence = learned(tag("kitchen:cook"), tag("kitchen:help"))
    scores = evidence.scores(of("a kitchen", "kitchen help", "cook"))
    assert scores[0].argmax() == scores[1].argmax() == 1 or scores[0, 0] == scores[0].min()
    assert scores[2, 0] > scores[0, 0]
    assert scores[1, 1] > scores[0, 1]


# What speaks for a tag, and against it


@pytest.mark.parametrize(
    "said",
    [
        {"name": "kafka"},
        {"aliases": ("Kafka",)},
        {"words": ("kafka", "unheard of")},
        {"description": "Streams of events with Kafka."},
    ],
)
def test_names_aliases_words_and_the_description_speak_for_a_tag(said: dict[str, object]) -> None:
    scores = learned(tag(**{"name": "nothing", **said})).scores(count(JOBS))[:, 0]
    assert set(np.argsort(-scores)[:2].tolist()) == {1, 4}


def test_words_against_a_tag_lower_its_score() -> None:
    evidence = learned(tag("engineer", against=("data",)))
    with_, without = evidence.scores(of("data engineer kafka", "some engineer kafka"))[:, 0]
    assert with_ < without


def test_a_description_counts_less_than_a_name_and_a_name_in_it_counts_once() -> None:
    def raw(*said: TagInfo) -> float:
        return float(learned(*said)._raw(of("kafka kitchen"))[0, 0])

    named, told = raw(tag("kafka")), raw(tag(description="kafka"))
    assert 0 < told == pytest.approx(0.2 * named, rel=1e-5)
    assert raw(tag("kafka", description="kafka", words=("kafka",))) == pytest.approx(named)


def test_a_rare_word_of_a_name_speaks_louder_than_a_frequent_one() -> None:
    evidence = learned(tag(words=("spark", "for")))
    spark, for_ = evidence._raw(of("spark", "for"))[:, 0]
    assert spark > for_ >= 0


def test_a_name_in_the_title_speaks_louder_than_in_the_text() -> None:
    evidence = learned(tag("nurse"))
    text = evidence.scores(of("nurse wanted here"))[0, 0]
    title = evidence.scores(of("wanted here", title="Nurse"))[0, 0]
    assert title > text


def test_a_term_said_again_adds_ever_less_and_a_long_text_is_held_back() -> None:
    evidence = learned(tag("nurse"))
    once, twice, often = evidence.scores(of("nurse", "nurse nurse", "nurse " * 50))[:, 0]
    assert once < twice < often < 3 * twice + 3
    short, long = evidence.scores(of("nurse", "nurse " + "parcels " * 200))[:, 0]
    assert long < short


# Scores


def test_scores_have_mean_0_and_deviation_1_on_the_training_jobs() -> None:
    infos = [tag("nurse"), tag("kafka", against=("data",)), tag("driver", aliases=("parcels",))]
    scores = learned(*infos).scores(count(JOBS))
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scores.std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "info",
    [tag("T1"), tag("X"), tag("---"), tag("\U0001f680"), tag("zebra keeper", words=("stripes",))],
)
def test_a_name_without_meaning_gives_zeros(info: TagInfo) -> None:
    scores = learned(info, tag("nurse")).scores(of(*TEXTS, "zebra keeper T1 X", ""))
    assert not scores[:, 0].any()
    assert scores[:, 1].any()


def test_a_name_that_every_posting_says_gives_zeros() -> None:
    same = of(*["nurse wanted"] * 5)
    assert not learned(tag("nurse"), jobs=same).scores(same).any()


def test_a_job_alone_and_in_a_batch_gets_the_same() -> None:
    evidence = learned(tag("nurse"), tag("data engineer", description="kafka and spark"))
    together = evidence.scores(count(JOBS))
    alone = np.concatenate([evidence.scores(count([job])) for job in JOBS])
    np.testing.assert_array_equal(together, alone)


def test_tags_alone_and_together_get_the_same() -> None:
    infos = [tag("nurse"), tag("night nurse", words=("kafka",)), tag("T1")]
    together = learned(*infos).scores(count(JOBS))
    alone = np.hstack([learned(info).scores(count(JOBS)) for info in infos])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_tags_of_one_name_in_other_spelling_get_the_same_scores() -> None:
    scores = learned(tag("data-engineer"), tag("DataEngineer"), tag("data engineers")).scores(
        count(JOBS)
    )
    assert scores.any()
    assert (scores == scores[:, :1]).all()


def test_no_tag_and_no_job_are_fine() -> None:
    nobody = count([])
    assert learned().scores(count(JOBS)).shape == (8, 0)
    evidence = learned(tag("nurse"), jobs=nobody)
    assert not evidence.scores(count(JOBS)).any()
    assert evidence.scores(nobody).shape == (0, 1)


@pytest.mark.parametrize("word", ["C++", ".*", "a|b", "(", "<b>nurse</b>", "&amp;", "\\d+", "[x"])
def test_signs_in_words_are_no_patterns(word: str) -> None:
    evidence = learned(tag("nurse", words=(word,), description=word, against=(f"not {word}",)))
    scores = evidence.scores(count(JOBS))
    assert np.isfinite(scores).all()
    assert scores[0, 0] > scores[5, 0]


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("<b>night shift</b>", "night shift"),
        ("R&amp;D nurse", "R&D nurse"),
        ("&lt;p&gt;night/shift&lt;/p&gt;", "night/shift"),
        ("<i>Data</i>Engineer", "DataEngineer"),
        ("&nbsp;ward", "ward"),
    ],
)
def test_markup_in_what_is_said_of_tags_is_no_evidence(said: str, plain: str) -> None:
    assert terms_of_name(said) == terms_of_name(plain)
    assert not {"b", "p", "amp", "lt", "gt", "i", "nbsp"} & set(terms_of_name(said))


def test_a_thousand_tags_are_fine() -> None:
    infos = [tag(f"kind {i}", description=" ".join(TEXTS), words=("nurse",)) for i in range(1000)]
    start = perf_counter()
    scores = learned(*infos).scores(count(JOBS))
    assert scores.shape == (8, 1000)
    assert perf_counter() - start < 10  # some 0.3 s


def test_what_is_saved_comes_back() -> None:
    evidence = learned(tag("nurse"), tag("data engineer"))
    again = NameEvidence(**evidence.to_arrays())
    np.testing.assert_array_equal(again.scores(count(JOBS)), evidence.scores(count(JOBS)))


# How often a tag is given when nobody said


def test_the_cautious_share_is_that_of_jobs_with_the_whole_name_or_a_word() -> None:
    jobs = of(*TEXTS, *["silence"] * 72)
    infos = [
        tag("data engineer"),  # one has both words, another only one
        tag(words=("nurse", "driver")),
        tag("T1"),
        tag(against=("nurse",), description="nurse"),
    ]
    np.testing.assert_allclose(cautious_share(infos, jobs), [1 / 80, 4 / 80, 0, 0])


def test_the_cautious_share_has_a_limit() -> None:
    assert cautious_share([tag("nurse")], of(*["nurse"] * 5)).tolist() == [CAUTIOUS_SHARE]
    assert cautious_share([tag("nurse")], count([])).tolist() == [0]
    assert cautious_share([], count(JOBS)).shape == (0,)
