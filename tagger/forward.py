"""The trained networks in numpy: what tagging needs, without loading TensorFlow.

A test holds these against Keras (1e-5). Letters for axes: B jobs, H columns of a row, L positions
x K channels of the folded row (L * K = H), F filters, W width of a kernel, C code, T tags.
"""

from collections.abc import Mapping

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
        n, padded = rows.shape[0], self._length + width - 1
        position, channel = np.divmod(self._place[rows.indices], channels)
        job = np.repeat(np.arange(n), np.diff(rows.indptr))
        # A non-zero is seen from `width` positions, each time through another offset of the
        # kernel. A product with one column per sight adds what is seen from the same position.
        seen_from = (job * padded + position)[:, None] + np.arange(width)[::-1]
        sights = sparse.csc_array(
            (np.repeat(rows.data, width), seen_from.ravel(), np.arange(seen_from.size + 1)),
            shape=(n * padded, seen_from.size),
        )
        convolved = sights @ kernel.transpose(1, 0, 2)[channel].reshape(-1, filters)
        around = width // 2
        inside = convolved.reshape(n, padded, filters)[:, around : around + self._length]
        return _pool(inside, bias, self._pool)


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
    largest = apart[:, :, 0]
    for place in range(1, pool):  # several times faster than max(axis=2)
        largest = np.maximum(largest, apart[:, :, place])
    return np.asarray(np.maximum(largest + bias, 0))


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
