"""Part-of-speech tags: NLTK's own, whatever the batch."""

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger import pos
from tagger.errors import DataError, ModelError
from tagger.pos import PENN_TAGS, PosTagger

# Repeated, so that "the" and "." are seen often enough to get their tag without being scored.
TREEBANK = 4 * [
    [("The", "DT"), ("nurse", "NN"), ("leads", "VBZ"), ("the", "DT"), ("ward", "NN"), (".", ".")],
    [("Nurse", "NN"), ("and", "CC"), ("we", "PRP"), ("x-ray", "VBP"), ("the", "DT"), ("12", "CD")],
    [("Cook", "VB"), ("the", "DT"), ("lead", "NN"), ("in", "IN"), ("2019", "CD"), (".", ".")],
    [("We", "PRP"), ("pay", "VBP"), ("the", "DT"), ("12", "CD"), ("cooks", "NNS"), (".", ".")],
    [("Pay", "NN"), (":", ":"), ("the", "DT"), ("lead", "JJ"), ("cook", "NN"), ("cooks", "VBZ")],
    [("They", "PRP"), ("cook", "VBP"), (";", ":"), ("we", "PRP"), ("ward", "VBP"), (".", ".")],
]  # fmt: skip
WORDS = sorted({word for sentence in TREEBANK for word, _ in sentence})
ODD_WORDS = [
    "",
    "-",
    "-START-",
    "-a",
    "a-b",
    "7",
    "1999",
    "3rd",
    "²",
    "İ",
    "a b",
    "\n",
    "Cooked",
    "é" * 99,
]
tokens = st.sampled_from(WORDS + ODD_WORDS) | st.text(max_size=6)
sentence_lists = st.lists(st.lists(tokens, max_size=12), max_size=6)

POSTING = [
    "Our client , a family-run hotel in Galway , is hiring 2 night porters .".split(),
    "You will report to the duty manager and carry guests ' luggage .".split(),
    "Pay : EUR 14.50 / hour + tips ( weekly ) ; free parking since 2016 !".split(),
    "APPLY NOW".split(),
]


@pytest.fixture(scope="module")
def small():
    return PosTagger.fit(TREEBANK)


@pytest.fixture(scope="module")
def packaged():
    return PosTagger.load()


def nltk_tags(tagger, sentences):
    peer = tagger.to_nltk(unit=1)
    return [[tag for _, tag in peer.tag(sentence)] for sentence in sentences]


def test_fitting_learns_what_the_trainer_of_nltk_learns(small):
    from nltk.tag.perceptron import PerceptronTagger

    peer = PerceptronTagger(load=False)
    random.seed(0)
    peer.train(TREEBANK)
    ours = small.to_nltk()
    assert ours.model.weights == {name: own for name, own in peer.model.weights.items() if own}
    assert (ours.tagdict, ours.classes) == (peer.tagdict, peer.classes)
    assert ours.tagdict == {"the": "DT"}


def test_fitting_leaves_the_global_random_numbers_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    PosTagger.fit(TREEBANK, n_iter=1, seed=1)
    assert random.random() == expected


@given(sentence_lists)
def test_tags_are_those_of_nltk_with_the_same_weights(small, sentences):
    assert small.tag(sentences) == nltk_tags(small, sentences)


def test_packaged_weights_give_the_tags_of_nltk(packaged):
    assert packaged.tag(POSTING) == nltk_tags(packaged, POSTING)


def test_of_equal_scores_the_alphabetically_last_tag_wins_as_in_nltk():
    tagger = PosTagger.fit(20 * [[("the", "DT"), ("ward", "NN")]])  # never wrong, so no weights
    assert len(tagger.weights.values) == 0
    assert tagger.tag([["unknown"]]) == nltk_tags(tagger, [["unknown"]]) == [["NN"]]


@given(sentence_lists, st.randoms())
def test_a_sentence_gets_the_same_tags_alone_in_a_batch_and_in_any_order(small, sentences, rng):
    shuffled = rng.sample(range(len(sentences)), len(sentences))
    alone = [small.tag([sentence])[0] for sentence in sentences]
    assert small.tag(sentences) == alone
    assert small.tag([sentences[i] for i in shuffled]) == [alone[i] for i in shuffled]


def test_no_sentences_and_empty_sentences_have_no_tags(small):
    assert small.tag([]) == []
    assert small.tag([[], ["We"], []])[0::2] == [[], []]
    assert small.tag_ids(small.pad_rows, *np.empty((2, 0), np.int32)).shape == (0,)


def test_a_very_long_sentence_is_tagged_in_pieces(packaged):
    words = [word for sentence in POSTING for word in sentence]
    long = (words * 10_000)[:300_000]
    pieces = [long[i : i + pos.MAX_PIECE] for i in range(0, len(long), pos.MAX_PIECE)]
    assert packaged.tag([long])[0] == [tag for own in packaged.tag(pieces) for tag in own]


@pytest.mark.parametrize(
    ("ids", "starts", "message"),
    [
        ([4, 6], [0], "from 4 to 5"),
        ([3], [0], "from 4 to 5"),
        ([4, 5], [], "begin with 0"),
        ([4, 5], [1], "begin with 0"),
        ([4, 5], [0, 2, 1], "ascend"),
        ([4, 5], [0, 3], "at most 2"),
    ],
)
def test_places_outside_the_input_are_refused(small, ids, starts, message):
    table = np.concatenate([small.pad_rows, small.word_rows(["a", "b"])])
    with pytest.raises(DataError, match=message):
        small.tag_ids(table, np.array(ids), np.array(starts))


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([], "got 0"),
        ([[]], "empty"),
        ([[("", "NN")]], "line breaks"),
        ([[("a\nb", "NN")]], "line breaks"),
        ([[("a", f"T{i}") for i in range(255)]], "got 255"),
    ],
)
def test_a_treebank_that_can_not_be_stored_is_refused(sentences, message):
    with pytest.raises(DataError, match=message):
        PosTagger.fit(sentences)


def test_a_saved_tagger_is_loaded_with_the_same_weights(small, tmp_path):
    small.save(tmp_path / "weights.npz")
    loaded = PosTagger.load(tmp_path / "weights.npz")
    assert loaded.to_nltk().encode_json_obj()[:2] == small.to_nltk().encode_json_obj()[:2]
    assert loaded.tag(POSTING) == small.tag(POSTING)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": np.array(99)}, "format 99.*reads 1"),
        ({"classes": np.array([0], np.uint8)}, "do not fit together"),
        ({"fixed_tags": np.array([77], np.uint8)}, "do not fit together"),
        ({"tags": np.array([{}], object)}, "can't be read"),
    ],
)
def test_weights_that_were_changed_are_refused(small, tmp_path, change, message):
    path = tmp_path / "weights.npz"
    small.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **(arrays | change))
    with pytest.raises(ModelError, match=message):
        PosTagger.load(path)


def test_weights_that_are_missing_or_cut_short_are_refused(small, tmp_path):
    path = tmp_path / "weights.npz"
    with pytest.raises(ModelError, match=r"weights\.npz"):
        PosTagger.load(path)
    small.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="can't be read"):
        PosTagger.load(path)


def test_packaged_weights_have_the_penn_tags(packaged):
    assert packaged.tags == PENN_TAGS


def test_packaged_weights_tag_nearly_all_words_as_a_grammarian_would(packaged):
    gold = {
        "We are looking for an experienced chef .": "PRP VBP VBG IN DT JJ NN .",
        "She trained five new drivers in Dublin .": "PRP VBD CD JJ NNS IN NNP .",
        "You must have a clean driving licence": "PRP MD VB DT JJ NN NN",
        "Salaries rose quickly last year .": "NNS VBD RB JJ NN .",
    }
    found = [tag for tags in packaged.tag([text.split() for text in gold]) for tag in tags]
    right = [a == b for a, b in zip(found, " ".join(gold.values()).split(), strict=True)]
    assert sum(right) / len(right) > 0.95


def test_tags_are_counted_by_document():
    tags, docs = np.array([2, 0, 2, 1], np.uint8), np.array([0, 0, 0, 2])
    assert pos.counts(tags, docs, 3, n_tags=3).tolist() == [[1, 0, 2], [0, 0, 0], [0, 1, 0]]
    assert pos.counts(tags, docs, 4).shape == (4, len(PENN_TAGS))


def test_tagging_does_not_import_nltk():
    code = """
import sys
from tagger.pos import PosTagger
PosTagger.load().tag([["a"]])
sys.exit("nltk" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
