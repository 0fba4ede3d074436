"""Whether the postings of a week differ from earlier ones: one permutation test over all figures.

If nothing has changed, it is chance which of the postings came in the week. So postings are dealt
out again and again, and the largest statistic of all figures is noted each time. A figure whose
statistic is larger than nearly all of those has changed: the chance of *any* false alarm among all
figures is at most the level, however many figures there are and however they hang together.

Letters for axes: N postings (those of the reference first), F figures, C numbers of a code, B
deals.

References
----------
Westfall and Young, Resampling-Based Multiple Testing, 1993 (the single-step maxT procedure).
Wilson and Hilferty, The Distribution of Chi-Square, 1931.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

N_DEALS = 1999
"""B; the smallest p-value is 1 / (B + 1)."""
MAX_AXES = 10
"""Directions in which codes are compared: those in which they vary most."""
_DEALS_AT_ONCE = 200


class Compared(NamedTuple):
    """What the test found, one value per figure: flags, measures, spread and mean of codes."""

    statistics: FloatArray
    """Shape (F,): about standard normal if nothing has changed; below 0 where a mean fell."""
    p_values: FloatArray
    """Shape (F,), in (0, 1]: adjusted for the number of figures."""


def compare(
    flags: npt.NDArray[Any],
    measures: npt.NDArray[Any],
    codes: npt.NDArray[Any],
    n_reference: int,
    *,
    rng: np.random.Generator,
    n_deals: int = N_DEALS,
) -> Compared:
    """Test every figure, reference against week.

    Parameters
    ----------
    flags : shape (N, ...)
        0 or 1 of each posting. Statistic: signed root of the likelihood ratio.
    measures : shape (N, ...)
        Numbers of any scale. Statistic: difference of means over its standard error.
    codes : shape (N, C)
        Two figures, in directions made uncorrelated: how far codes lie from the centre, and how far
        the mean codes lie apart. Only a larger spread counts: codes of postings that a model was
        trained on lie a little further from the centre than others. Without columns there are none.
    n_reference
        So many of the postings, the first ones, are the reference; at least 2, and at least 2
        others.
    """
    axes = axes_of(codes)
    measures = np.hstack([_standardised(measures), _standardised(spread_of(axes))])
    data = np.hstack([flags, measures, axes]).astype(np.float64)
    n, n_flags, n_axes = len(data), flags.shape[1], axes.shape[1]
    n_week = n - n_reference
    totals = data.sum(axis=0)

    def statistics(sums: FloatArray) -> FloatArray:
        by_flag = signed_roots(sums[:, :n_flags], n_week, totals[:n_flags], n)
        error = np.sqrt(n_week * n_reference / (n - 1))  # of a sum of standardised values
        by_mean = sums[:, n_flags:] / error
        if not n_axes:
            return np.hstack([by_flag, by_mean])
        spread = np.maximum(by_mean[:, -n_axes - 1 : -n_axes], 0)
        squares = (by_mean[:, -n_axes:] ** 2).sum(axis=1, keepdims=True)
        apart = _as_normal(squares, n_axes)
        return np.hstack([by_flag, by_mean[:, : -n_axes - 1], spread, apart])

    found = statistics(data[n_reference:].sum(axis=0, keepdims=True))[0]
    largest = []
    for start in range(0, n_deals, _DEALS_AT_ONCE):
        size = min(_DEALS_AT_ONCE, n_deals - start)
        dealt = np.argpartition(rng.random((size, n)), n_week - 1, axis=1)[:, :n_week]
        chosen = np.zeros((size, n), np.float32)
        np.put_along_axis(chosen, dealt, 1, axis=1)
        largest.append(np.abs(statistics(chosen @ data)).max(axis=1, initial=0))
    null = np.sort(np.concatenate(largest))
    # What is equal but for rounding counts as reached.
    n_above = len(null) - np.searchsorted(null, np.abs(found) - 1e-9)
    return Compared(found, (1 + n_above) / (1 + len(null)))


def signed_roots(with_flag: FloatArray, n_week: int, totals: FloatArray, n_all: int) -> FloatArray:
    """Signed root of the likelihood ratio of two shares: the week's and that of the others.

    Tamer than a difference over its standard error: one posting from a source that is new gives
    3.0, not 10, where 50 are compared with 5,000.

    Parameters
    ----------
    with_flag : shape (B, F)
        Postings of the week with the flag.
    totals : shape (F,)
        All postings with it.
    """
    n_others = n_all - n_week
    with_others = totals - with_flag

    def log_likelihood(some: FloatArray, of: int) -> FloatArray:
        rest = of - some
        return np.asarray(_times_log(some, some / of) + _times_log(rest, rest / of))

    apart = log_likelihood(with_flag, n_week) + log_likelihood(with_others, n_others)
    ratio = np.maximum(apart - log_likelihood(totals, n_all), 0)
    sign = np.sign(with_flag / n_week - with_others / n_others)
    return np.asarray(sign * np.sqrt(2 * ratio))


def axes_of(codes: npt.NDArray[Any]) -> FloatArray:
    """Codes in the directions in which they vary most, standardised and uncorrelated: (N, <= 10).

    The directions are those of all postings, so that they don't know which came in the week.
    """
    if not codes.shape[1]:
        return np.zeros((len(codes), 0))
    centred = codes.astype(np.float64) - codes.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(codes))
    kept = [i for i in range(len(values) - 1, -1, -1) if values[i] > 1e-9 * max(values[-1], 1e-12)]
    kept = kept[: min(MAX_AXES, len(codes) // 10)]
    return np.asarray(centred @ vectors[:, kept] / np.sqrt(values[kept]))


def spread_of(axes: FloatArray) -> FloatArray:
    """How far each posting lies from the centre, in deviations: (N, 1); (N, 0) without codes."""
    if not axes.shape[1]:
        return axes
    return np.asarray(np.sqrt((axes**2).mean(axis=1, keepdims=True)))


def _standardised(measures: npt.NDArray[Any]) -> FloatArray:
    """Mean 0 and deviation 1; a column in which all are equal is 0."""
    centred = measures - measures.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(centred / np.where(spread > 1e-12, spread, np.inf), np.float64)


def _as_normal(squares: FloatArray, n: int) -> FloatArray:
    """A sum of n squares as a standard normal value, 0 where it is smaller than expected."""
    root = np.cbrt(squares / n)
    return np.asarray(np.maximum((root - (1 - 2 / (9 * n))) / np.sqrt(2 / (9 * n)), 0))


def _times_log(factor: FloatArray, value: FloatArray) -> FloatArray:
    """factor * ln(value), 0 where the factor is 0."""
    return np.asarray(factor * np.log(np.where(factor > 0, value, 1)))
