"""The trained networks in numpy: what tagging needs, without loading TensorFlow.

A test holds these against Keras (1e-5). Letters for axes: B jobs, H columns of a row, L positions
x K channels of the folded row (L * K = H), F filters, W width of a kernel, C code, T tags.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[np.generic]]

_BATCH = 128
"""Rows folded at once: the first convolution needs about 50 kB a row."""


class Encoder:
    """Row to code with the arrays of a trained encoder.

    Parameters
    ----------
    arrays
        ``order`` (H,), ``fold`` (2,) and per layer ``conv_0/kernel`` (W, K, F), ``conv_0/bias``
        (F,), ..., ``dense_0/kernel``, ..., ``bent/kernel``, ``straight/kernel`` (H, C).
    pool
        Positions that a pooling step joins.
    """

    def __init__(self, arrays: Arrays, *, pool: int = 4) -> None:
        self._pool = pool
        self._length, self._channels = (int(n) for n in arrays["fold"])
        order = arrays["order"]
        self._place = np.empty(len(order), np.int32)
        self._place[order] = np.arange(len(order), dtype=np.int32)
        straight = np.asarray(arrays["straight/kernel"], np.float32)
        self._straight = np.ascontiguousarray(straight[self._place])  # in the row's own order
        self._convs = _layers(arrays, "conv")
        self._sights = _Sights.of(self._place, self._length, self._convs[0][0], pool)
        self._dense = [*_layers(arrays, "dense"), _layer(arrays, "bent")]
        # Training starts from convolutions that add nothing, and may end there.
        self._is_linear = not any(part.any() for part in self._dense[-1])

    def __call__(self, rows: sparse.csr_array) -> FloatArray:
        """Codes of rows (B, H), shape (B, C)."""
        codes = np.asarray(rows @ self._straight, np.float32)
        if self._is_linear:
            return codes
        for first in range(0, rows.shape[0], _BATCH):
            part = slice(first, first + _BATCH)
            codes[part] += self._bent(rows[part])
        return codes

    def _bent(self, rows: sparse.csr_array) -> FloatArray:
        x = self._first_convolution(rows)
        for kernel, bias in self._convs[1:]:
            x = _pool(_convolve(x, kernel), bias, self._pool)
        return dense(x.reshape(len(x), -1), self._dense)

    def _first_convolution(self, rows: sparse.csr_array) -> FloatArray:
        """Convolve and pool the folded row, (B, L / pool, F), from its few non-zeros."""
        kernel, bias = self._convs[0]
        width, channels, filters = kernel.shape
        n, n_pooled = rows.shape[0], self._length // self._pool
        n_rows = self._pool * (n_pooled + 1)  # of a job
        job = np.repeat(np.arange(n, dtype=np.int32) * n_rows, np.diff(rows.indptr))
        seen_from = self._sights.seen_from.take(rows.indices, axis=0) + job[:, None]
        through = self._sights.through.take(rows.indices, axis=0)
        sights = sparse.coo_array(
            (np.repeat(rows.data, width), (seen_from.ravel(), through.ravel())),
            shape=(n * n_rows, width * channels),
        )
        convolved = (sights @ kernel.reshape(-1, filters)).reshape(n, self._pool, -1, filters)
        return _pooled([convolved[:, place, :n_pooled] for place in range(self._pool)], bias)


class _Sights(NamedTuple):
    """Where the positions are that see a non-zero of the folded row, and how.

    A non-zero is seen from `width` positions, each time through another offset of the kernel.
    """

    seen_from: npt.NDArray[np.int32]
    """Shape (H, width): ``place * (L / pool + 1) + position``, of a position in the pooled row and
    its place among those that are joined there. What lies outside is behind the last position."""
    through: npt.NDArray[np.int32]
    """Shape (H, width): row of the kernel, (width * K, F)."""

    @classmethod
    def of(
        cls, places: npt.NDArray[np.int32], length: int, kernel: FloatArray, pool: int
    ) -> "_Sights":
        width, channels, _ = kernel.shape
        position, channel = np.divmod(places, channels)
        offset = np.arange(width, dtype=np.int32)
        seen_from = position[:, None] + width // 2 - offset
        n_pooled, is_inside = length // pool, (seen_from >= 0) & (seen_from < length)
        row = seen_from % pool * (n_pooled + 1) + seen_from // pool
        return cls(
            np.where(is_inside, row, n_pooled).astype(np.int32),
            (offset * channels + channel[:, None]).astype(np.int32),
        )


def _convolve(x: FloatArray, kernel: FloatArray) -> FloatArray:
    """Convolution with zeros outside, (B, L, K) with (W, K, F) -> (B, L, F)."""
    width, channels, filters = kernel.shape
    around = width // 2
    padded = np.pad(x, ((0, 0), (around, around), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)  # (B, L, K, W)
    flat = windows.transpose(0, 1, 3, 2).reshape(-1, width * channels)
    return (flat @ kernel.reshape(-1, filters)).reshape(*x.shape[:2], filters)


def _pool(x: FloatArray, bias: FloatArray, pool: int) -> FloatArray:
    """Largest of every `pool` positions, bias, ReLU: (B, L, F) -> (B, L / pool, F)."""
    n, length, filters = x.shape
    apart = x.reshape(n, length // pool, pool, filters)
    return _pooled([apart[:, :, place] for place in range(pool)], bias)


def _pooled(parts: Sequence[FloatArray], bias: FloatArray) -> FloatArray:
    """Largest of all parts, bias, ReLU; several times faster than ``max(axis)``."""
    largest = reduce(np.maximum, parts) + bias
    return np.asarray(np.maximum(largest, 0, out=largest))


def dense(x: FloatArray, layers: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Dense layers with ReLU between them and none behind the last."""
    for step, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias
        if step < len(layers) - 1:
            x = np.maximum(x, 0)
    return x


class DeepTagger:
    """Code to logits with the arrays of a trained deep classifier.

    Parameters
    ----------
    arrays
        ``mean`` and ``scale`` (C,), ``straight/kernel`` (C, T), ``straight/bias`` (T,); and
        ``dense_0/kernel``, ..., ``logits/kernel``, ... where a network adds to the linear model.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._mean: FloatArray = np.asarray(arrays["mean"], np.float32)
        self._scale: FloatArray = np.asarray(arrays["scale"], np.float32)
        self._straight = _layer(arrays, "straight")
        has_network = "logits/kernel" in arrays
        self._dense = [*_layers(arrays, "dense"), _layer(arrays, "logits")] if has_network else []

    def __call__(self, codes: FloatArray) -> FloatArray:
        """Logits of codes (B, C), shape (B, T)."""
        standard = (codes - self._mean) * self._scale
        logits = standard @ self._straight[0] + self._straight[1]
        return np.asarray(logits + dense(standard, self._dense) if self._dense else logits)


def _layers(arrays: Arrays, name: str) -> list[tuple[FloatArray, FloatArray]]:
    n = sum(key.startswith(f"{name}_") and key.endswith("/kernel") for key in arrays)
    return [_layer(arrays, f"{name}_{step}") for step in range(n)]


def _layer(arrays: Arrays, name: str) -> tuple[FloatArray, FloatArray]:
    kernel, bias = (np.asarray(arrays[f"{name}/{part}"], np.float32) for part in ("kernel", "bias"))
    return kernel, bias
