"""Words looked up once: the same answers whatever is remembered."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger import words
from tagger.hashing import term_hash
from tagger.pos import PosTagger
from tagger.text import term_of
from tagger.words import NEW_LINE, SENTENCE_END, SILENT, TERM, Tokens, WordTable

token_lists = st.lists(
    st.text(min_size=1, max_size=6) | st.sampled_from([".", "\n", "the", "Cook"])
)


@pytest.fixture(scope="module")
def pos_tagger() -> PosTagger:
    return PosTagger.load()


@pytest.fixture(scope="module")
def table(pos_tagger: PosTagger) -> WordTable:
    return WordTable(pos_tagger)


def terms(tokens: Tokens) -> list[str]:
    """Terms of the tokens that have one."""
    return [tokens.terms[i] for i in tokens.ids[tokens.kind == TERM].tolist()]


def same(one: Tokens, two: Tokens) -> bool:
    rows = np.array_equal(one.table[one.ids], two.table[two.ids])
    return terms(one) == terms(two) and rows and np.array_equal(one.kind, two.kind)


def test_each_token_has_a_kind(table: WordTable) -> None:
    found = table.look_up(["Nurses", "the", "!", "\n", "5+", ","])
    assert found.kind.tolist() == [TERM, SILENT, SENTENCE_END, NEW_LINE, TERM, SILENT]
    assert terms(found) == ["nurs", "5+"]
    assert found.hash[[0, 4]].tolist() == [term_hash("nurs"), term_hash("5+")]


@given(token_lists)
def test_a_token_is_the_same_alone_and_among_others(table: WordTable, tokens: list[str]) -> None:
    found = table.look_up(tokens)
    for i, token in enumerate(tokens):
        alone = table.look_up([token])
        assert alone.kind[0] == found.kind[i]
        assert (alone.table[alone.ids[0]] == found.table[found.ids[i]]).all()
    assert terms(found) == [term for term in map(term_of, tokens) if term.strip()]


@pytest.mark.parametrize(("bound", "value"), [("MAX_WORDS", 50), ("MAX_CHARACTERS", 300)])
def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing(
    pos_tagger: PosTagger, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    batches = [[f"cook{i}", "the", f"{i}", "Cook"] * 3 for i in range(200)]
    roomy, forgetful = WordTable(pos_tagger), WordTable(pos_tagger)
    expected = [roomy.look_up(batch) for batch in batches]
    monkeypatch.setattr(words, bound, value)
    for batch, known in zip(batches, expected, strict=True):
        assert same(forgetful.look_up(batch), known)
        assert len(forgetful._ids) < 120


def test_a_batch_may_hold_more_words_than_are_remembered(
    pos_tagger: PosTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [f"w{i}" for i in range(5000)]
    expected = WordTable(pos_tagger).look_up(tokens)
    monkeypatch.setattr(words, "MAX_WORDS", 10)
    table = WordTable(pos_tagger)
    assert same(table.look_up(tokens), expected)
    assert same(table.look_up(tokens), expected)


def test_an_interrupt_leaves_no_word_with_the_row_of_another(
    pos_tagger: PosTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: PosTagger, words: list[str]) -> None:
        raise KeyboardInterrupt

    table = WordTable(pos_tagger)
    table.look_up(["nurse"])
    monkeypatch.setattr(PosTagger, "word_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table.look_up(["plumber", "welder"])
    monkeypatch.undo()
    assert terms(table.look_up(["welder", "baker", "nurse"])) == ["welder", "baker", "nurs"]


def test_threads_take_turns(pos_tagger: PosTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MAX_WORDS", 100)
    batches = [[f"w{i * 7 % 300}", f"w{i}"] * 20 for i in range(300)]
    table, alone = WordTable(pos_tagger), WordTable(pos_tagger)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(table.look_up, batches))
    assert all(same(a, alone.look_up(b)) for a, b in zip(found, batches, strict=True))
