"""What is known of each word, found out once however often it occurs.

Postings repeat their words. Everything that hangs on the token alone (its term, the term's hash,
what it says about parts of speech) is looked up here, so that what is left to do for each token is
arithmetic on arrays.

Letters for axes: N tokens, W words.
"""

from collections.abc import Iterable
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.hashing import HashState, term_hash
from tagger.pos import N_PADS, N_WORD_COLUMNS, PosTagger
from tagger.text import LINE_BREAK, term_of

Ints = npt.NDArray[np.integer[Any]]

SILENT, TERM, SENTENCE_END, NEW_LINE = range(4)
"""Kinds of tokens: those without a term, those with one, and those that no bigram crosses."""

MAX_WORDS = 1 << 17
MAX_CHARACTERS = 1 << 22
"""What is remembered between batches: about 40 MB at most, then it starts again from none."""

_KIND, _HASH = N_WORD_COLUMNS, N_WORD_COLUMNS + 1  # columns behind those of the part of speech


class Tokens(NamedTuple):
    """What is known of N tokens."""

    table: Ints
    """Shape (W, N_WORD_COLUMNS + 2), for `PosTagger.tag_ids`, with kind and hash behind."""
    ids: Ints
    """Shape (N,), places in `table`."""
    kind: Ints
    """Shape (N,)."""
    hash: Ints
    """Shape (N,): `term_hash` of the term, 0 where there is none."""
    terms: list[str]
    """Term of each word, in the order of `table`; "" where there is none."""
    hash_state: HashState
    """Of `terms`: what the hashes of pairs are made of."""


class WordTable:
    """Words seen so far. Remembering changes the speed and never an answer.

    May be used by several threads: they take turns.
    """

    def __init__(self, pos_tagger: PosTagger) -> None:
        self.pos_tagger = pos_tagger
        self._lock = Lock()
        self._forget()

    def look_up(self, tokens: Iterable[str]) -> Tokens:
        """Kind, term and part-of-speech row of each token."""
        with self._lock:
            if len(self._ids) > MAX_WORDS or self._n_characters > MAX_CHARACTERS:
                self._forget()
            try:
                ids = np.fromiter(map(self._ids.__getitem__, tokens), np.int32)
                self._describe_new()
            except BaseException:  # Ctrl-C, no memory: numbers without rows would be left behind
                self._forget()
                raise
            table, terms, state = self._table, self._terms, self._hash_state
        kind, hashes = table[:, _KIND].take(ids), table[:, _HASH].take(ids)
        return Tokens(table, ids, kind, hashes, terms, state)

    def _forget(self) -> None:
        """Start again with new arrays: whoever still works with the old ones keeps them."""
        self._ids = _Ids()
        self._terms = [""] * N_PADS
        self._hash_state = HashState.of(self._terms)
        self._n_characters = 0
        self._table = np.zeros((1024, N_WORD_COLUMNS + 2), np.int32)
        self._table[:N_PADS, :N_WORD_COLUMNS] = self.pos_tagger.pad_rows

    def _describe_new(self) -> None:
        """Fill in the rows of words that came since the last call; others stay as they are."""
        first = len(self._terms)
        words = self._ids.take_new()
        if not words:
            return
        terms = [term_of(word) for word in words]
        self._terms += terms
        self._hash_state += HashState.of(terms)
        self._n_characters += sum(map(len, words))
        while len(self._table) < len(self._terms):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        rows = self._table[first : len(self._terms)]
        rows[:, :N_WORD_COLUMNS] = self.pos_tagger.word_rows(words)
        rows[:, _KIND] = [TERM if term else SILENT for term in terms]
        rows[[i for i, term in enumerate(terms) if term == LINE_BREAK], _KIND] = SENTENCE_END
        rows[[i for i, word in enumerate(words) if word == LINE_BREAK], _KIND] = NEW_LINE
        rows[:, _HASH] = [term_hash(term) if term else 0 for term in terms]


class _Ids(dict[str, int]):
    """Word -> its place in the table, in order of appearance."""

    def __init__(self) -> None:
        super().__init__()
        self._new: list[str] = []

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self) + N_PADS
        self._new.append(word)
        return number

    def take_new(self) -> list[str]:
        """Words that came since the last call."""
        new, self._new = self._new, []
        return new


@cache
def word_table() -> WordTable:
    """The one table of this process, with the packaged part-of-speech weights."""
    return WordTable(PosTagger.load())
