"""Hashes of pairs that are never joined: the same as of the joined text."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagger.hashing import HashState, term_hash

words = st.lists(
    st.text(max_size=14) | st.sampled_from(["", "a", "abc", "abcd", "漢字"]), min_size=1
)


@given(words, words)
def test_a_pair_has_the_hash_of_its_words_joined(first: list[str], second: list[str]) -> None:
    every = first + second
    state = HashState.of(first) + HashState.of(second)
    left, right = (grid.ravel() for grid in np.indices((len(every), len(every))))
    found = state.of_pairs(left, right).tolist()
    assert found == [term_hash(f"{every[a]} {every[b]}") for a, b in zip(left, right, strict=True)]


def test_no_pairs_have_no_hashes() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(HashState.of([]).of_pairs(nothing, nothing)) == 0
