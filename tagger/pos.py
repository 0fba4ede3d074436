"""Part-of-speech tags for many texts at once.

The tagger is NLTK's averaged perceptron: the same features, the same greedy left-to-right
search, the same ties. Only the arithmetic differs: NLTK adds up one small dictionary per word
and feature, we add up rows of one matrix for thousands of sentences in lock-step, the first
words of all sentences, then the second words, and so on. Weights are whole thousandths, so
sums are exact and a sentence gets the same tags alone and in a batch.

Letters for axes: N tokens, P pieces (sentences cut to at most `MAX_PIECE` tokens), T tags,
S = T + 2 tags with the two that stand before a sentence, R rows of weights.

References
----------
Honnibal, A Good Part-of-Speech Tagger in about 200 Lines of Python, 2013.
nltk.tag.perceptron (Bird, Klein and Loper, Natural Language Processing with Python, 2009).
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.errors import DataError
from tagger.pos_weights import (
    END,
    OF_PREFIX,
    OF_SUFFIX,
    OF_WORD,
    START,
    PosWeights,
    TaggedSentence,
    feature_sizes,
    nltk_tagger,
    read_weights,
    train_weights,
    write_weights,
)

if TYPE_CHECKING:
    from nltk.tag.perceptron import PerceptronTagger

Ints = npt.NDArray[np.integer[Any]]
TagIds = npt.NDArray[np.uint8]

MAX_PIECE = 200
"""Longer sentences are cut: they are rare, and a text without full stops stays fast."""
CHUNK_TOKENS = 1 << 16
"""Tokens scored at once: their (N, T) scores take 12 MB."""

PENN_TAGS = tuple(
    "`` WRB WP$ WP WDT VBZ VBP VBN VBG VBD VB UH TO SYM RP RBS RBR RB PRP$ PRP POS PDT NNS NNPS "
    "NNP NN NFP MD LS JJS JJR JJ IN HYPH GW FW EX DT CD CC AFX ADD : . -RRB- -LRB- , '' $".split()
)
"""Tag names of the packaged weights; `PENN_TAGS[i]` is the name of tag id i."""

# Columns of a word's row: the rows of weights that it brings to the token so many places further
# left or right, the word's place among the known words, its tag if it only has one.
_COLUMNS = (
    (0, slice(0, 3)),
    (-1, slice(3, 5)),
    (-2, slice(5, 6)),
    (1, slice(6, 8)),
    (2, slice(8, 9)),
)
_N_FEATURES, _WORD, _FIXED, N_WORD_COLUMNS = 9, 9, 10, 11
N_PADS = len((*START, *END))


class PosTagger:
    """Averaged perceptron over arrays, with the tags of NLTK's `PerceptronTagger`.

    `load` gives the packaged weights, `fit` trains others.

    Examples
    --------
    >>> PosTagger.load().tag([["She", "manages", "two", "warehouses", "."]])
    [['PRP', 'VBZ', 'CD', 'NNS', '.']]
    """

    def __init__(self, weights: PosWeights) -> None:
        self.weights = weights
        self.tags = tuple(weights.tags)
        # Place 0 is the unknown word; no stored name is empty.
        self._words = {word: i for i, word in enumerate(weights.words, 1)}
        self._suffixes = {suffix: i for i, suffix in enumerate(weights.suffixes, 1)}
        self._prefixes = {prefix: i for i, prefix in enumerate(weights.prefixes, 1)}
        self._fixed = dict(zip(weights.fixed_words, weights.fixed_tags.tolist(), strict=True))
        self._unpack()
        self.pad_rows = self._describe([(pad, pad) for pad in (*START, *END)])
        """Rows of the words that stand around a sentence, (N_PADS, N_WORD_COLUMNS)."""

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read weights from an .npz file written by `save`; the packaged ones without `path`.

        Raises
        ------
        ModelError
            If the file is missing, damaged or of another format.
        """
        packaged = resources.files("tagger") / "data" / "pos_weights.npz"
        return cls(read_weights(packaged if path is None else path))

    @classmethod
    def fit(cls, sentences: Iterable[TaggedSentence], *, n_iter: int = 5, seed: int = 0) -> Self:
        """Train on (word, tag) pairs; see `train_weights`."""
        return cls(train_weights(sentences, n_iter=n_iter, seed=seed))

    def save(self, path: Path) -> None:
        """Write the weights as a compressed .npz file that holds no pickle."""
        write_weights(self.weights, path)

    def to_nltk(self, *, unit: int = 1000) -> "PerceptronTagger":
        """NLTK's tagger with the same weights; see `nltk_tagger`."""
        return nltk_tagger(self.weights, unit=unit)

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Tag names of tokenized sentences, one list per sentence. `tag_ids` is the fast way."""
        words = list(dict.fromkeys(word for sentence in sentences for word in sentence))
        place = {word: i for i, word in enumerate(words, N_PADS)}
        tokens = [place[word] for sentence in sentences for word in sentence]
        bounds = np.cumsum([0, *map(len, sentences)])
        table = np.concatenate([self.pad_rows, self.word_rows(words)])
        tag_ids = self.tag_ids(table, np.array(tokens, np.int32), bounds[:-1]).tolist()
        names = [self.tags[i] for i in tag_ids]
        return [names[begin:end] for begin, end in pairwise(bounds.tolist())]

    def word_rows(self, words: Sequence[str]) -> Ints:
        """What each word brings to itself and its neighbours, (n_words, N_WORD_COLUMNS)."""
        return self._describe([(word, _normalize(word)) for word in words])

    def tag_ids(self, table: Ints, word_ids: Ints, starts: Ints) -> TagIds:
        """Tag ids of many sentences.

        Parameters
        ----------
        table : shape (W, N_WORD_COLUMNS)
            `pad_rows`, then `word_rows` of any words.
        word_ids : shape (N,), from N_PADS to W - 1
            The tokens of all sentences in a row, as places in `table`.
        starts : shape (n_sentences,), ascending, from 0
            Where each sentence begins in `word_ids`. A sentence longer than `MAX_PIECE` tokens
            is tagged in pieces, each as if it were a sentence of its own.

        Returns
        -------
        shape (N,), places in `tags`.

        Raises
        ------
        DataError
            If `starts` or `word_ids` point outside.
        """
        starts = np.asarray(starts, np.int64)
        _check_tokens(table, word_ids, starts)
        tags = np.empty(len(word_ids), np.uint8)
        for first, length in _iter_chunks(starts, len(word_ids)):
            order = _lock_step(first, length)
            tags[order.token] = self._tag_chunk(table, word_ids[order.token], length, order)
        return tags

    def _unpack(self) -> None:
        """Spread the stored weights into a matrix (R, T) and tables of its row numbers."""
        weights, n_tags, n_words = self.weights, len(self.tags), len(self._words) + 1
        n_states = n_tags + 2
        used = weights.counts > 0
        rows = np.cumsum(used, dtype=np.int32)
        # Whole numbers small enough for float32 to add them exactly: `read_weights` checks that.
        self._matrix = np.zeros((1 + int(used.sum()), n_tags), np.float32)
        cells = np.repeat(rows[used] * n_tags, weights.counts[used]) + weights.classes
        self._matrix.reshape(-1)[cells] = weights.values
        rows *= used  # row 0, all zeros, for features without weights
        sizes = feature_sizes(weights)
        by_word, by_suffix, by_prefix, by_tag, by_tags, by_word_and_tag = np.split(
            rows, np.cumsum(sizes)[:-1]
        )
        self._word_rows = by_word.reshape(n_words, len(OF_WORD))
        self._suffix_rows = by_suffix.reshape(-1, len(OF_SUFFIX))
        self._prefix_rows = by_prefix.reshape(-1, len(OF_PREFIX))
        self._word_and_tag_rows = by_word_and_tag.reshape(n_words, n_states)
        bias, last, before = np.split(self._matrix[by_tag], [1, 1 + n_states])
        both = self._matrix[by_tags].reshape(n_states, n_states, n_tags)
        self._by_tags = (both + last[:, None] + before + bias).reshape(-1, n_tags)  # (S * S, T)

    def _describe(self, words: list[tuple[str, str]]) -> Ints:
        """Rows of words and their normal forms, (n_words, N_WORD_COLUMNS)."""
        place, suffixes, prefixes = self._words.get, self._suffixes.get, self._prefixes.get
        word = np.array([place(normal, 0) for _, normal in words], np.int32)
        suffix = np.array([suffixes(token[-3:], 0) for token, _ in words], np.int32)
        normal_suffix = np.array([suffixes(normal[-3:], 0) for _, normal in words], np.int32)
        prefix = np.array([prefixes(token[:1], 0) for token, _ in words], np.int32)
        fixed = np.array([self._fixed.get(token, -1) for token, _ in words], np.int32)
        by_word = self._word_rows[word].T
        by_normal_suffix = self._suffix_rows[normal_suffix].T
        columns: list[Ints] = [
            *(by_word[0], self._suffix_rows[suffix, 0], self._prefix_rows[prefix, 0]),
            *(by_word[1], by_normal_suffix[1], by_word[2]),
            *(by_word[3], by_normal_suffix[2], by_word[4]),
            *(word, fixed),
        ]
        return np.stack(columns, axis=1)

    def _tag_chunk(self, table: Ints, word_ids: Ints, length: Ints, order: "_LockStep") -> Ints:
        """Tags of a chunk, (N,), both sides in lock-step order."""
        padded, position = _pad(word_ids, length, order)
        known, fixed = table[:, _WORD].take(word_ids), table[:, _FIXED].take(word_ids)
        scored = np.flatnonzero(fixed < 0)
        scores = self._scores(table, padded, position[scored])
        known = known[scored]
        bounds = np.searchsorted(scored, order.bounds)
        n_states = len(self.tags) + 2
        tags: Ints = fixed.astype(np.intp)
        last = np.full(len(length), n_states - 2)  # -START-
        before = np.full(len(length), n_states - 1)  # -START2-
        for step in range(len(bounds) - 1):
            own = slice(bounds[step], bounds[step + 1])
            now = tags[order.bounds[step] : order.bounds[step + 1]]
            piece = scored[own] - order.bounds[step]
            if piece.size:
                left = last[piece]
                total = scores[own]
                total += self._by_tags.take(left * n_states + before[piece], axis=0)
                total += self._matrix.take(self._word_and_tag_rows[known[own], left], axis=0)
                now[piece] = total.argmax(axis=1)
            last, before = now, last
        return tags

    def _scores(self, table: Ints, padded: Ints, position: Ints) -> npt.NDArray[np.float32]:
        """What the words alone say about the tokens at `position`, (N, T)."""
        rows = np.empty((len(position), _N_FEATURES), np.int32)
        for shift, columns in _COLUMNS:
            rows[:, columns] = table.take(padded[position + shift], axis=0)[:, columns]
        ones = np.ones(rows.size, np.float32)
        ends = np.arange(0, rows.size + 1, _N_FEATURES, dtype=np.int32)
        chosen = sparse.csr_array((ones, rows.ravel(), ends), (len(rows), len(self._matrix)))
        return cast(npt.NDArray[np.float32], chosen @ self._matrix)


def counts(
    tag_ids: Ints, doc_of_token: Ints, n_docs: int, *, n_tags: int = len(PENN_TAGS)
) -> npt.NDArray[np.int64]:
    """How often each tag occurs in each document, shape (n_docs, n_tags).

    Parameters
    ----------
    tag_ids, doc_of_token : shape (N,)
        Tag and document of each token; a document without tokens gets zeros.
    """
    cells = doc_of_token.astype(np.int64) * n_tags + tag_ids
    return np.bincount(cells, minlength=n_docs * n_tags).reshape(n_docs, n_tags)


class _LockStep(NamedTuple):
    """All first tokens of P pieces, longest piece first, then all second tokens, and so on."""

    token: Ints
    """Where each token stands in the input, (N,)."""
    piece: Ints
    step: Ints
    bounds: list[int]
    """Where each step begins, and the end."""


def _lock_step(first: Ints, length: Ints) -> _LockStep:
    """Order of the tokens of pieces that begin at `first`; `length` is descending, from 1."""
    steps = np.arange(length[0])
    n_active = len(length) - np.searchsorted(length[::-1], steps, side="right")
    bounds = np.concatenate([[0], np.cumsum(n_active)])
    step = np.repeat(steps, n_active)
    piece = np.arange(bounds[-1]) - bounds[step]
    return _LockStep(first[piece] + step, piece, step, bounds.tolist())


def _pad(word_ids: Ints, length: Ints, order: _LockStep) -> tuple[Ints, Ints]:
    """Pieces in a row with two start and two end words around each, and where each token is."""
    begin = np.cumsum(length + 4) - (length + 4)
    padded = np.empty(len(word_ids) + 4 * len(length), np.int32)
    for pad, place in enumerate((begin, begin + 1, begin + length + 2, begin + length + 3)):
        padded[place] = pad
    position = begin[order.piece] + order.step + 2
    padded[position] = word_ids
    return padded, position


def _iter_chunks(starts: Ints, n_tokens: int) -> Iterator[tuple[Ints, Ints]]:
    """Beginnings and lengths of pieces, about `CHUNK_TOKENS` tokens at a time, longest first."""
    lengths = np.diff(starts, append=n_tokens)
    n_pieces = -(-lengths // MAX_PIECE)
    number = np.arange(n_pieces.sum()) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    offset = number * MAX_PIECE
    length = np.minimum(np.repeat(lengths, n_pieces) - offset, MAX_PIECE)
    first = np.repeat(starts, n_pieces) + offset
    # Pieces of one length together: few steps for many tokens.
    order = np.argsort(-length, kind="stable")
    chunk = (np.cumsum(length[order]) - 1) // CHUNK_TOKENS
    for own in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        if own.size:
            yield first[own], length[own]


def _check_tokens(table: Ints, word_ids: Ints, starts: Ints) -> None:
    n = len(word_ids)
    if n and not (N_PADS <= word_ids.min() and word_ids.max() < len(table)):
        raise DataError(f"word_ids must be from {N_PADS} to {len(table) - 1}, places in the table")
    if n and not (len(starts) and starts[0] == 0):
        raise DataError("starts must begin with 0, the first token of the first sentence")
    if len(starts) and ((np.diff(starts) < 0).any() or not 0 <= starts[-1] <= n):
        raise DataError(f"starts must ascend from 0 to at most {n} tokens")


def _normalize(word: str) -> str:
    """The form in which a word is looked up; as `PerceptronTagger.normalize`."""
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    if word and word[0].isdigit():
        return "!DIGITS"
    return word.lower()
