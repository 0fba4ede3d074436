"""Logistic regressions of many tags at once: one pass over the rows serves all of them.

Letters for axes: N jobs, V columns, T tags.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

FloatArray = npt.NDArray[np.float32]
Rows = sparse.csr_array | FloatArray

_CHUNK = 12_000_000
"""Coefficients, or logits, worked on at once; with more, tags take turns, so that memory stays
bounded."""
_LINE_STEPS = 6
"""Newton steps along a direction; logistic loss is smooth enough that more change nothing."""
_HALVINGS = 30


def fit_logistic(
    X: Rows,
    targets: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    *,
    inverse_l2: float,
    scale: FloatArray | None = None,
    n_iterations: int = 15,
    tolerance: float = 1e-3,
) -> tuple[FloatArray, FloatArray]:
    """Fit one L2-regularised logistic regression per tag, all at once.

    Nonlinear conjugate gradients (Polak-Ribiere, restarted where it does not descend) with a
    Newton search along each direction. Two products with the rows an iteration serve all tags,
    where a solver that takes one tag after the other needs as many per tag.

    Parameters
    ----------
    X : shape (N, V)
    targets : shape (N, T)
        Yes as 1, no as 0; between them for a soft label.
    weights : shape (N, T)
        How much each label counts, at least 0; 0 for an unknown one.
    inverse_l2
        Inverse of the L2 penalty (scikit-learn's C). The intercept is not penalised.
    scale : shape (V, T)
        Each column times this before the penalty sees it: a column of small scale is held back.
        The scale is folded into the result.
    n_iterations
        At most; a good ranking needs far fewer than an exact solution.
    tolerance
        A tag is done when its gradient has shrunk to this share of the first one.

    Returns
    -------
    Coefficients (V, T) and intercepts (T,). A tag without both a yes and a no gets coefficients
    near zero.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2006, chapter 5.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0], [-1.0]], np.float32)
    >>> coefficients, _ = fit_logistic(X, np.array([[1], [1], [0]]), np.ones((3, 1)), inverse_l2=1)
    >>> bool(coefficients[0, 0] > 0)
    True
    """
    n_columns, n_tags = X.shape[1], targets.shape[1]
    coefficients = np.zeros((n_columns, n_tags), np.float32)
    intercepts = np.zeros(n_tags, np.float32)
    transposed = X.T.tocsr() if sparse.issparse(X) else X.T
    for part in tag_blocks(X, n_tags):
        coefficients[:, part], intercepts[part] = _fit(
            X,
            transposed,
            targets[:, part].astype(np.float32),
            (inverse_l2 * weights[:, part]).astype(np.float32),
            None if scale is None else scale[:, part],
            n_iterations,
            tolerance,
        )
    return coefficients, intercepts


def tag_blocks(X: Rows, n_tags: int) -> Iterator[slice]:
    """Tags that are fitted at once on rows X (N, V), one block after the other."""
    size = max(_CHUNK // max(*X.shape, 1), 1)
    for first in range(0, n_tags, size):
        yield slice(first, min(first + size, n_tags))


def _fit(
    X: Any,
    transposed: Any,
    y: FloatArray,
    weight: FloatArray,
    scale: FloatArray | None,
    n_iterations: int,
    tolerance: float,
) -> tuple[FloatArray, FloatArray]:
    n_yes, n_all = (weight * y).sum(axis=0), weight.sum(axis=0)
    W = np.zeros((X.shape[1], y.shape[1]), np.float32)  # in the scaled columns
    b: FloatArray = np.log((n_yes + 0.5) / (n_all - n_yes + 0.5)).astype(np.float32)
    z = np.broadcast_to(b, y.shape).astype(np.float32)
    old: tuple[FloatArray, FloatArray, FloatArray] | None = None
    direction: tuple[FloatArray, FloatArray] = (W, b)
    for _ in range(n_iterations):
        error = weight * (expit(z) - y)
        gradient = np.asarray(transposed @ error)
        if scale is not None:
            gradient *= scale
        gradient += W
        of_b = error.sum(axis=0)
        square = _dot(gradient, gradient) + of_b**2
        if old is None:
            limit = tolerance**2 * np.maximum(square, 1e-12)
            direction = (-gradient, -of_b)
        else:
            direction = _conjugate(gradient, of_b, square, old, direction)
        if (square <= limit).all():
            break
        old = (gradient, of_b, square)
        D, d = direction
        dz = np.asarray(X @ (D if scale is None else D * scale)) + d
        step = _line_search(z, dz, y, weight, _dot(W, D), _dot(D, D))
        W += step * D
        b = b + step * d
        z += step * dz
    return (W if scale is None else W * scale), b


def _conjugate(
    gradient: FloatArray,
    of_b: FloatArray,
    square: FloatArray,
    old: tuple[FloatArray, FloatArray, FloatArray],
    direction: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """The next direction of each tag; downhill along the gradient where that would not descend."""
    change = square - _dot(gradient, old[0]) - of_b * old[1]
    keep = np.maximum(change / np.maximum(old[2], 1e-20), 0)
    D, d = keep * direction[0] - gradient, keep * direction[1] - of_b
    climbs = _dot(D, gradient) + d * of_b >= 0
    if climbs.any():
        D[:, climbs], d[climbs] = -gradient[:, climbs], -of_b[climbs]
    return D, d


def _line_search(
    z: FloatArray,
    dz: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    slope_of_penalty: FloatArray,
    curvature_of_penalty: FloatArray,
) -> FloatArray:
    """How far to go along each tag's direction, shape (T,); only logits are needed for that.

    Newton's method on a convex function, held between the last step that was too short and the
    last that was too long. The last step of all may still be far too long (columns of very
    different size, a penalty next to nothing): it is halved until it does not climb.
    """
    step = np.zeros(z.shape[1], np.float32)
    low, high = np.zeros_like(step), np.full_like(step, np.inf)
    for _ in range(_LINE_STEPS):
        p = np.asarray(expit(z + step * dz), np.float32)
        slope = _dot(weight * (p - y), dz) + slope_of_penalty + step * curvature_of_penalty
        curvature = _dot(weight * p * (1 - p), dz * dz) + curvature_of_penalty
        low, high = np.where(slope < 0, step, low), np.where(slope < 0, high, step)
        newton = step - slope / np.maximum(curvature, 1e-12)
        halfway = np.where(np.isinf(high), 4 * low, (low + np.minimum(high, 1e30)) / 2)
        step = np.where((newton > low) & (newton < high), newton, halfway).astype(np.float32)
    step = np.where(np.isfinite(step), step, low)
    start = _dot(weight, _log_loss(z, y))
    for _ in range(_HALVINGS):
        reached = _dot(weight, _log_loss(z + step * dz, y))
        reached += step * slope_of_penalty + step**2 / 2 * curvature_of_penalty
        climbs = ~(reached <= start * (1 + 1e-5) + 1e-5)
        if not climbs.any():
            break
        step = np.where(climbs, (low + step) / 2, step)  # `low` itself does not climb
    return step


def _log_loss(z: FloatArray, y: FloatArray) -> FloatArray:
    """Of logits, cell by cell; y may be soft."""
    return np.asarray(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))))


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner products of columns, (N, T), (N, T) -> (T,)."""
    return np.asarray(np.einsum("nt,nt->t", a, b))
