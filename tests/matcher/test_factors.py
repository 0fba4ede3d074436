import numpy as np
import pytest
from scipy import sparse

from matcher import factors
from matcher.factors import factorise, penalties, solve, typical_size

rng = np.random.default_rng(0)
WANTED = sparse.csr_array((rng.random((30, 12)) < 0.2).astype(np.float32))
OTHER = rng.normal(size=(12, 4)).astype(np.float32)
PRIOR = rng.normal(size=(30, 4)).astype(np.float32)
PENALTY = rng.uniform(0.5, 2, 30).astype(np.float32)


def solved(prior=None):
    start = np.zeros((30, 4), np.float32)
    options = {"weight": 3.0, "penalty": PENALTY, "start": start, "prior": prior}
    return solve(WANTED, OTHER, **options, n_steps=12)


@pytest.mark.parametrize("prior", [None, PRIOR])
def test_factors_are_those_of_the_equations_of_each_row(prior):
    found = solved(prior)
    for row in range(30):
        cells = WANTED.toarray()[row]
        weighted = OTHER.T * (1 + 3 * cells)
        aim = weighted @ (cells > 0) + (0 if prior is None else PENALTY[row] * prior[row])
        expected = np.linalg.solve(weighted @ OTHER + PENALTY[row] * np.eye(4), aim)
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cells", [1, 7, 1000])
def test_blocks_of_rows_change_nothing(monkeypatch, cells):
    whole = solved(PRIOR)
    monkeypatch.setattr(factors, "CELLS_AT_ONCE", cells)
    np.testing.assert_allclose(solved(PRIOR), whole, rtol=1e-4, atol=1e-5)


def test_no_cell_and_no_row_are_solved_too():
    def empty(n):
        start = np.ones((n, 4), np.float32)
        cells, penalty = sparse.csr_array((n, 12), dtype=np.float32), np.ones(n, np.float32)
        return solve(cells, OTHER, weight=1, penalty=penalty, start=start, n_steps=12)

    assert empty(0).shape == (0, 4)
    np.testing.assert_allclose(empty(3), 0, atol=1e-4)


def test_what_was_wanted_together_has_like_factors():
    blocks = sparse.csr_array(np.kron(np.eye(2), np.ones((10, 5))).astype(np.float32))
    options = {"n_factors": 4, "weight": 10.0, "penalty": 1.0, "n_rounds": 5}
    left, right = factorise(blocks, **options, seed=1)
    scores = left @ right.T
    assert scores[:10, :5].min() > 0.8 > 0.2 > abs(scores[:10, 5:]).max()


def test_rows_with_many_cells_are_held_back_more():
    rows = sparse.csr_array(np.array([[1, 1, 1], [0, 0, 1]], np.float32))
    assert typical_size(rows) == 3
    np.testing.assert_allclose(penalties(rows, 6.0), [8, 4])
    np.testing.assert_allclose(penalties(rows, 6.0, typical=6.0), [4, 2])
