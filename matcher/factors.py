"""Implicit-feedback factorisation as functions over arrays: two tables of factors, in turns.

Letters for axes: R rows (candidates, or jobs), S columns (jobs, or candidates), K factors.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from tqdm import tqdm

from matcher.data import IntArray

CELLS_AT_ONCE = 2**18
"""Cells whose factors are held at once: 128 MB of 128 factors."""
Factors = npt.NDArray[np.float32]
Prior = Callable[[Factors], Factors]
"""From the factors of all rows, what each would be without events; both of shape (R, K)."""


def solve(
    wanted: sparse.csr_array,
    other: Factors,
    *,
    weight: float,
    penalty: Factors,
    start: Factors,
    prior: Factors | None = None,
    gram: Factors | None = None,
    n_steps: int = 3,
) -> Factors:
    """Factors of the rows that fit the matrix best, by conjugate gradient for all rows at once.

    Parameters
    ----------
    wanted
        Shape (R, S): above 0 where a row wanted a column. A cell x is 1 with confidence
        1 + weight * x; every other cell is 0 with confidence 1.
    other
        Shape (S, K).
    penalty
        Shape (R,): pull towards the prior, above 0.
    start
        Shape (R, K): where the search begins.
    prior
        Shape (R, K); None: zero.
    gram
        `other.T @ other`, shape (K, K), where it is at hand.

    Returns
    -------
    Shape (R, K).

    References
    ----------
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, 2008; Takács,
    Pilászy and Tikk, Applications of the Conjugate Gradient Method for Implicit Feedback
    Collaborative Filtering, 2011.
    """
    gram = other.T @ other if gram is None else gram
    found = start.copy()
    for rows in _row_blocks(wanted.indptr):
        pull = None if prior is None else penalty[rows, None] * prior[rows]
        _descend(found[rows], wanted[rows], other, weight, penalty[rows], pull, gram, n_steps)
    return found


def _row_blocks(bounds: IntArray) -> Iterator[slice]:
    """Rows with about so many cells at once, however many there are in all."""
    n_rows, n_cells = len(bounds) - 1, int(bounds[-1])
    cuts = np.searchsorted(bounds, np.arange(CELLS_AT_ONCE, n_cells, CELLS_AT_ONCE))
    edges = np.unique(np.r_[0, cuts, n_rows]).tolist()
    return (slice(first, end) for first, end in pairwise(edges))


def _descend(
    found: Factors,
    wanted: sparse.csr_array,
    other: Factors,
    weight: float,
    penalty: Factors,
    pull: Factors | None,
    gram: Factors,
    n_steps: int,
) -> None:
    """Steps of conjugate gradient for some rows, which `found` takes."""
    rows = np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr))
    at = other[wanted.indices]  # factors of the column of each cell
    cell = wanted.copy()

    def apply(x: Factors) -> Factors:
        cell.data = weight * wanted.data * np.einsum("ek,ek->e", x[rows], at)
        return np.asarray(x @ gram + cell @ other + penalty[:, None] * x, np.float32)

    cell.data = np.asarray((wanted.data > 0) + weight * wanted.data, np.float32)
    aim: npt.NDArray[Any] = cell @ other
    if pull is not None:
        aim = aim + pull
    rest = np.asarray(aim - apply(found), np.float32)
    step: npt.NDArray[Any] = rest.copy()
    size = _squares(rest)
    for _ in range(n_steps):
        moved = apply(step)
        far = size / np.maximum(np.einsum("rk,rk->r", step, moved), 1e-20)
        found += far[:, None] * step
        rest -= far[:, None] * moved
        new_size = _squares(rest)
        step = rest + (new_size / np.maximum(size, 1e-20))[:, None] * step
        size = new_size


def factorise(
    wanted: sparse.csr_array,
    *,
    n_factors: int,
    weight: float,
    penalty: float,
    n_rounds: int,
    seed: int,
    row_prior: Prior | None = None,
    column_prior: Prior | None = None,
    show_progress: bool = False,
) -> tuple[Factors, Factors]:
    """Factors of rows (R, K) and of columns (S, K).

    Rows and columns with many cells are held back more (Rendle et al.); priors, where they are
    given, are asked in each round but the first ones, when the factors say nothing yet.

    References
    ----------
    As for `solve`; Rendle, Krichene, Zhang and Koren, Revisiting the Performance of iALS on Item
    Recommendation Benchmarks, 2022; priors: Agarwal and Chen, Regression-based Latent Factor
    Models, 2009.
    """
    rng = np.random.default_rng(seed)
    across = sparse.csr_array(wanted.T)
    sides = (penalties(wanted, penalty), penalties(across, penalty))
    left, right = (
        rng.normal(scale=0.01, size=(n, n_factors)).astype(np.float32) for n in wanted.shape
    )
    rounds = tqdm(range(n_rounds), desc="factors", disable=None if show_progress else True)
    for number in rounds:
        with_prior = number >= min(3, n_rounds - 1)
        prior = row_prior(left) if row_prior and with_prior else None
        left = solve(wanted, right, weight=weight, penalty=sides[0], start=left, prior=prior)
        prior = column_prior(right) if column_prior and with_prior else None
        right = solve(across, left, weight=weight, penalty=sides[1], start=right, prior=prior)
    return left, right


def penalties(wanted: sparse.csr_array, mean: float, typical: float | None = None) -> Factors:
    """In proportion to the cells of a row, and one more; shape (R,).

    `typical` is the mean of that number in training, where it isn't this matrix's.
    """
    sizes = np.diff(wanted.indptr) + 1.0
    return np.asarray(mean * sizes / (sizes.mean() if typical is None else typical), np.float32)


def typical_size(wanted: sparse.csr_array) -> float:
    """What `penalties` needs to know of the training histories."""
    return float((np.diff(wanted.indptr) + 1.0).mean())


def _squares(values: Factors) -> Factors:
    return np.asarray(np.einsum("rk,rk->r", values, values), np.float32)
