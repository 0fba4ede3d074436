"""Logistic regressions of many tags at once, held against scikit-learn's one at a time."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression

import tagger.logistic
from tagger.logistic import fit_logistic

EXACT: dict[str, Any] = {"n_iterations": 300, "tolerance": 1e-6}
Problem = tuple[np.ndarray, np.ndarray, np.ndarray]


def problem(n: int = 60, n_columns: int = 7, n_tags: int = 4, seed: int = 0) -> Problem:
    """Rows, labels that hang on some columns, and a weight for each label."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, n_columns)) < 0.5, rng.normal(size=(n, n_columns)), 0)
    truth = X @ rng.normal(size=(n_columns, n_tags)) + rng.normal(size=(n, n_tags)) - 0.5
    return X.astype(np.float32), (truth > 0).astype(np.float32), np.ones((n, n_tags), np.float32)


def peer(X: np.ndarray, y: np.ndarray, weight: np.ndarray, *, inverse_l2: float) -> np.ndarray:
    """Logits of X by scikit-learn; a soft label is a yes and a no that share the weight."""
    twice, labels = np.vstack([X, X]).astype(float), np.repeat([1, 0], len(X))
    shared = np.concatenate([weight * y, weight * (1 - y)])
    model = LogisticRegression(C=inverse_l2, tol=1e-10, max_iter=10_000)
    return np.asarray(model.fit(twice, labels, sample_weight=shared).decision_function(X))


def loss(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray, W: np.ndarray, b: np.ndarray, C: float
) -> np.ndarray:
    """What is made small, shape (T,)."""
    z = X.astype(float) @ W.astype(float) + b
    return (C * weight * (np.logaddexp(0, z) - y * z)).sum(axis=0) + (W**2).sum(axis=0) / 2


# The same solution


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("inverse_l2", [0.05, 1.0, 10.0])
def test_the_solution_is_that_of_scikit_learn(make: Any, inverse_l2: float) -> None:
    X, y, weights = problem()
    W, b = fit_logistic(make(X), y, weights, inverse_l2=inverse_l2, **EXACT)
    for tag in range(4):
        expected = peer(X, y[:, tag], weights[:, tag], inverse_l2=inverse_l2)
        np.testing.assert_allclose(X @ W[:, tag] + b[tag], expected, atol=1e-2)


def test_weights_and_soft_labels_count_as_in_scikit_learn() -> None:
    X, y, _ = problem()
    rng = np.random.default_rng(1)
    soft = np.where(rng.random(y.shape) < 0.5, y, rng.random(y.shape)).astype(np.float32)
    weights = rng.choice([0, 0.3, 2], y.shape)
    W, b = fit_logistic(X, soft, weights, inverse_l2=1, **EXACT)
    for tag in range(4):
        expected = peer(X, soft[:, tag], weights[:, tag], inverse_l2=1)
        np.testing.assert_allclose(X @ W[:, tag] + b[tag], expected, atol=1e-2)


def test_a_column_of_small_scale_is_held_back_and_the_scale_is_folded_in() -> None:
    X, y, weights = problem()
    scale = np.random.default_rng(1).uniform(0, 2, (7, 4)).astype(np.float32)
    scale[0] = 0
    W, b = fit_logistic(sparse.csr_array(X), y, weights, inverse_l2=1, scale=scale, **EXACT)
    assert not W[0].any()
    for tag in range(4):
        expected = peer(X * scale[:, tag], y[:, tag], weights[:, tag], inverse_l2=1)
        np.testing.assert_allclose(X @ W[:, tag] + b[tag], expected, atol=1e-2)


def test_a_label_of_weight_0_is_no_label() -> None:
    X, y, weights = problem()
    weights[::3] = 0
    kept = weights[:, 0] > 0
    masked = fit_logistic(X, y, weights, inverse_l2=1, **EXACT)
    alone = fit_logistic(X[kept], y[kept], weights[kept], inverse_l2=1, **EXACT)
    for a, b in zip(masked, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_the_intercept_is_not_penalised() -> None:
    X, y = np.zeros((100, 2), np.float32), (np.arange(100) < 3).astype(np.float32)[:, None]
    W, b = fit_logistic(X, y, np.ones((100, 1)), inverse_l2=0.01, **EXACT)
    assert not W.any()
    assert b[0] == pytest.approx(np.log(3 / 97), abs=1e-2)


# Many tags


def test_tags_alone_and_together_give_the_same() -> None:
    X, y, weights = problem(n_tags=5)
    W, b = fit_logistic(X, y, weights, inverse_l2=1, **EXACT)
    for tag in range(5):
        one = slice(tag, tag + 1)
        alone = fit_logistic(X, y[:, one], weights[:, one], inverse_l2=1, **EXACT)
        np.testing.assert_allclose(alone[0][:, 0], W[:, tag], atol=1e-3)
        np.testing.assert_allclose(alone[1][0], b[tag], atol=1e-3)


@pytest.mark.parametrize("most", [1, 8, 15, 10**9])
def test_tags_that_take_turns_give_the_same(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    X, y, weights = problem(n_tags=5)
    scale = np.random.default_rng(1).uniform(0, 2, (7, 5)).astype(np.float32)
    options = {"inverse_l2": 1.0, "scale": scale, **EXACT}
    expected = fit_logistic(X, y, weights, **options)
    monkeypatch.setattr(tagger.logistic, "_CHUNK", most)
    for a, b in zip(fit_logistic(X, y, weights, **options), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_many_rows_bound_the_tags_fitted_at_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger.logistic, "_CHUNK", 50_000)
    X, y, weights = problem(10_000, 2, 100)
    tracemalloc.start()
    fit_logistic(X, y, weights, inverse_l2=1, n_iterations=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < y.nbytes


def test_what_it_is_given_stays_as_it_is() -> None:
    X, y, weights = problem()
    rows = sparse.csr_array(X)
    before = (X.copy(), y.copy(), weights.copy())
    fit_logistic(rows, y, weights, inverse_l2=1, scale=np.ones((7, 4), np.float32))
    for part, old in zip((rows.toarray(), y, weights), before, strict=True):
        np.testing.assert_array_equal(part, old)


# Nothing makes it diverge


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0]])
def test_a_tag_with_one_kind_of_label_gets_next_to_nothing(labels: list[int]) -> None:
    X = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    y = np.array(labels, np.float32)[:, None]
    W, _ = fit_logistic(X, y, np.ones((3, 1)), inverse_l2=0.05)
    assert np.abs(W).max() < 0.1


def test_a_tag_without_any_label_gets_zeros() -> None:
    X, y, weights = problem()
    weights[:, 1] = 0
    W, b = fit_logistic(X, y, weights, inverse_l2=10)
    assert not W[:, 1].any()
    assert b[1] == 0


@pytest.mark.parametrize("n", [0, 1])
def test_no_job_and_one_job_are_enough(n: int) -> None:
    X, y, weights = (part[:n] for part in problem())
    W, b = fit_logistic(sparse.csr_array(X), y, weights, inverse_l2=10)
    assert W.shape == (7, 4)
    assert np.isfinite(W).all()
    assert np.isfinite(b).all()


def test_no_column_leaves_the_frequency_of_each_tag() -> None:
    _, y, weights = problem()
    W, b = fit_logistic(np.zeros((60, 0), np.float32), y, weights, inverse_l2=1, **EXACT)
    assert W.shape == (0, 4)
    mean = y.mean(axis=0)
    np.testing.assert_allclose(b, np.log(mean / (1 - mean)), atol=1e-2)


@pytest.mark.parametrize("inverse_l2", [1.0, 1e4, 1e8])
def test_separable_jobs_get_finite_coefficients_of_the_right_sign(inverse_l2: float) -> None:
    X = np.array([[1, 5], [2, 5], [-1, 5], [-2, 5]], np.float32)  # and a constant column
    y = np.array([[1], [1], [0], [0]], np.float32)
    W, b = fit_logistic(X, y, np.ones((4, 1)), inverse_l2=inverse_l2)
    assert np.isfinite(W).all()
    assert ((X @ W + b > 0) == (y == 1)).all()


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Rows with constant, repeated and far-out columns; any labels, weights and penalty."""
    n, n_columns = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    number = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.01, 30.0, -100.0])
    cells = st.lists(number, min_size=n_columns, max_size=n_columns)
    X = np.array(draw(st.lists(cells, min_size=n, max_size=n)), np.float32)
    X = np.hstack([X, X[:, :1], np.ones((n, 1), np.float32)])
    labels = st.lists(st.sampled_from([0, 0.25, 1]), min_size=n, max_size=n)
    y = np.array(draw(labels), np.float32)[:, None]
    weights = st.lists(st.sampled_from([0, 0.01, 1, 100]), min_size=n, max_size=n)
    weight = np.array(draw(weights), np.float32)[:, None]
    return X, y, weight, draw(st.sampled_from([1e-3, 1.0, 10.0, 1e4, 1e8]))


@given(problems())
def test_it_never_diverges(case: tuple[np.ndarray, np.ndarray, np.ndarray, float]) -> None:
    X, y, weight, inverse_l2 = case
    W, b = fit_logistic(X, y, weight, inverse_l2=inverse_l2)
    assert np.isfinite(W).all()
    assert np.isfinite(b).all()
    start = np.log(
        ((inverse_l2 * weight * y).sum(0) + 0.5) / ((inverse_l2 * weight * (1 - y)).sum(0) + 0.5)
    )
    before = loss(X, y, weight, np.zeros_like(W), start, inverse_l2)
    assert loss(X, y, weight, W, b, inverse_l2) <= before * (1 + 1e-3) + 1e-3


@pytest.mark.parametrize("n_iterations", [1, 3, 15])
@pytest.mark.parametrize("seed", [24, 37, 68, 258])
def test_columns_of_very_different_size_do_not_send_it_uphill(seed: int, n_iterations: int) -> None:
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(20, 12)) * 10.0 ** rng.integers(-3, 4, size=12)).astype(np.float32)
    y = (rng.random((20, 40)) < 0.3).astype(np.float32)
    weight = 10.0 ** rng.integers(-2, 3, size=(20, 40))
    W, b = fit_logistic(X, y, weight, inverse_l2=1e5, n_iterations=n_iterations)
    start = np.log(((weight * y).sum(0) + 1e-9) / ((weight * (1 - y)).sum(0) + 1e-9))
    before = loss(X, y, weight, np.zeros_like(W), start, 1e5)
    assert (loss(X, y, weight, W, b, 1e5) <= before * 1.001 + 1e-3).all()
