"""Folds that keep repeated postings together.

A posting and its repost must never stand on both sides of a split: the score would then measure
memory. Letters for axes: N jobs, H columns of a row.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.intp]

SAME_COSINE = 0.8
"""Rows this near to each other are one posting with small edits."""
_N_PROJECTIONS = 128
_MARGIN = 0.3  # how far a projected cosine may lie below the true one: more than 3 deviations
_BLOCK = 1024
_PAIRS = 8192


def duplicate_groups(rows: sparse.csr_array, *, seed: int = 0) -> Ints:
    """Group of each job; near-duplicates share one.

    Candidates come from random projections of the rows to `_N_PROJECTIONS` numbers, then their
    true cosine decides, so the work is one small dense product for every pair of blocks.

    Parameters
    ----------
    rows : shape (N, H)

    Returns
    -------
    shape (N,), group numbers from 0.

    References
    ----------
    Johnson and Lindenstrauss, Extensions of Lipschitz mappings into a Hilbert space, 1984.
    """
    n = rows.shape[0]
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1))
    scaled = sparse.csr_array(rows.multiply(1 / np.maximum(lengths, 1e-12)[:, None]))
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((rows.shape[1], _N_PROJECTIONS), dtype=np.float32)
    projected = np.asarray(scaled @ directions)
    projected /= np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-12)
    first, second = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for start in range(0, n, _BLOCK):
        near = projected[start : start + _BLOCK] @ projected[start:].T > SAME_COSINE - _MARGIN
        a, b = np.nonzero(near)
        a, b = a[a < b] + start, b[a < b] + start
        for pair in range(0, len(a), _PAIRS):  # a thousand equal postings make a million pairs
            left, right = a[pair : pair + _PAIRS], b[pair : pair + _PAIRS]
            cosine = np.asarray(scaled[left].multiply(scaled[right]).sum(axis=1)).ravel()
            first.append(left[cosine > SAME_COSINE])
            second.append(right[cosine > SAME_COSINE])
    a, b = np.concatenate(first), np.concatenate(second)
    links = sparse.csr_array((np.ones(len(a), bool), (a, b)), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], np.intp)


def group_folds(groups: Ints, n_folds: int, *, seed: int = 0) -> Ints:
    """Fold of each job, shape (N,), in [0, n_folds); a group is never split.

    Examples
    --------
    >>> folds = group_folds(np.array([0, 0, 1, 2, 2]), 2)
    >>> bool(folds[0] == folds[1]), bool(folds[3] == folds[4])
    (True, True)
    """
    names, group = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray((np.argsort(order) % n_folds)[group], np.intp)
