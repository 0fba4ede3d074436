"""Hashes of terms, and of neighbouring terms without joining them.

Letters for axes: W words, P pairs.
"""

from collections.abc import Sequence
from typing import Any, Self

import mmh3
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Words32 = npt.NDArray[np.uint32]

term_hash = mmh3.hash
"""Hash of a term, 32 bits with a sign: the same as scikit-learn's HashingVectorizer has."""

_C1, _C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
_SPACE = np.uint32(ord(" "))
_PADDING = 4  # zeros behind a word's bytes, so that each byte begins a block of four


class HashState:
    """The bytes of W words, and MurmurHash3 after the whole blocks of each as a first word.

    Half of a posting's terms are pairs of words. Their hashes follow from the words' own bytes,
    all at once in arrays, several times faster than joining and hashing each pair.

    References
    ----------
    Appleby, MurmurHash3 (x86, 32 bits), 2011.
    """

    def __init__(self, start: Ints, n_bytes: Ints, state: Words32, blocks: Words32) -> None:
        self._start, self._n_bytes, self._state, self._blocks = start, n_bytes, state, blocks

    @classmethod
    def of(cls, words: Sequence[str]) -> Self:
        """Words that are numbered in this order."""
        encoded = [word.encode() for word in words]
        n_bytes = np.fromiter(map(len, encoded), np.int64, len(encoded))
        start = np.cumsum(n_bytes + _PADDING) - (n_bytes + _PADDING)
        padded = b"".join([word + b"\0" * _PADDING for word in encoded]) + b"\0" * 3
        raw = np.frombuffer(padded, np.uint8).astype(np.uint32)
        parts = [raw[k : len(raw) - 3 + k] << np.uint32(8 * k) for k in range(4)]
        blocks: Words32 = np.bitwise_or.reduce(parts)
        state = np.zeros(len(encoded), np.uint32)
        for step in range(int(n_bytes.max(initial=0)) // 4):
            longer = np.flatnonzero(n_bytes // 4 > step)
            state[longer] = _mixed(state[longer], blocks[start[longer] + 4 * step])
        return cls(start, n_bytes, state, blocks)

    def __add__(self, other: "HashState") -> "HashState":
        """These words, and then others."""
        return HashState(
            np.concatenate([self._start, other._start + len(self._blocks)]),
            np.concatenate([self._n_bytes, other._n_bytes]),
            np.concatenate([self._state, other._state]),
            np.concatenate([self._blocks, other._blocks]),
        )

    def of_pairs(self, first: Ints, second: Ints) -> npt.NDArray[np.int32]:
        """`term_hash` of ``"first second"`` for P pairs of words by number, shape (P,).

        Examples
        --------
        >>> state = HashState.of(["data", "engin"])
        >>> state.of_pairs(np.array([0]), np.array([1])).tolist() == [term_hash("data engin")]
        True
        """
        n_first = self._n_bytes[first]
        rest = (n_first % 4).astype(np.uint32)  # bytes of the first word behind its whole blocks
        n_behind = rest + 1 + self._n_bytes[second]
        own = self._blocks[self._start[first] + n_first - rest]
        place = self._start[second]
        # The space, and what fits of the second word, fill up the first word's last block.
        block = own | _SPACE << 8 * rest
        block |= np.where(rest < 3, self._blocks[place] << 8 * ((rest + 1) % 4), 0)
        place = place - 1 - rest
        state = self._state[first]
        n_blocks = n_behind // 4
        for step in range(int(n_blocks.max(initial=0))):
            longer = np.flatnonzero(n_blocks > step)
            state[longer] = _mixed(state[longer], block[longer])
            block[longer] = self._blocks[place[longer] + 4 * (step + 1)]
        state ^= _scrambled(block)  # 0 where nothing is left, which changes nothing
        state ^= (n_first - rest + n_behind).astype(np.uint32)
        return _finished(state).view(np.int32)


def _mixed(state: Words32, block: Words32) -> Words32:
    state = state ^ _scrambled(block)
    return _rotated(state, 13) * np.uint32(5) + np.uint32(0xE6546B64)


def _scrambled(block: Words32) -> Words32:
    return _rotated(block * _C1, 15) * _C2


def _rotated(x: Words32, n: int) -> Words32:
    return x << np.uint32(n) | x >> np.uint32(32 - n)


def _finished(state: Words32) -> Words32:
    state = (state ^ state >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    state = (state ^ state >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return state ^ state >> np.uint32(16)
