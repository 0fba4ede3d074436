"""Sparse logistic regression and factorisation machine on a stream of rows."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from matcher.fm import FactorizationMachine, FmConfig
from matcher.ftrl import Ftrl, FtrlConfig
from matcher.linear import Lbfgs, Sgd
from tagger.errors import DataError


def rows(n: int, n_columns: int = 40, seed: int = 0) -> tuple[sparse.csr_array, Any]:
    """Only the first two columns matter."""
    rng = np.random.default_rng(seed)
    X = sparse.csr_array((rng.random((n, n_columns)) < 0.2).astype(float))
    logits = 3 * X[:, [0]].toarray().ravel() - 3 * X[:, [1]].toarray().ravel()
    return X, rng.random(n) < 1 / (1 + np.exp(-logits))


def by_hand(X: Any, y: Any, config: FtrlConfig) -> Any:
    """Algorithm 1 of the paper, row by row, column by column; no intercept."""
    z, n = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    w = np.zeros(X.shape[1])
    for x, answer in zip(X.toarray(), y, strict=True):
        for i in np.flatnonzero(x):
            rate = (config.beta + np.sqrt(n[i])) / config.alpha + config.l2
            is_zero = abs(z[i]) <= config.l1
            w[i] = 0 if is_zero else -(z[i] - np.sign(z[i]) * config.l1) / rate
        p = 1 / (1 + np.exp(-(x @ w)))
        for i in np.flatnonzero(x):
            g = (p - answer) * x[i]
            sigma = (np.sqrt(n[i] + g * g) - np.sqrt(n[i])) / config.alpha
            z[i] += g - sigma * w[i]
            n[i] += g * g
    rate = (config.beta + np.sqrt(n)) / config.alpha + config.l2
    return np.where(np.abs(z) <= config.l1, 0, -(z - np.sign(z) * config.l1) / rate)


def test_row_by_row_it_is_the_papers_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FtrlConfig(alpha=0.3, l1=0.5, batch=1)
    X, y = rows(200, 10)
    model = Ftrl(config, 10)
    monkeypatch.setattr(model._bias, "step", lambda *args, **kwargs: None)
    np.testing.assert_allclose(model.partial_fit(X, y).coef_, by_hand(X, y, config), atol=1e-9)


@pytest.mark.parametrize("n_columns", [40, 4000])
def test_weights_that_do_not_matter_are_zero(n_columns: int) -> None:
    X, y = rows(3000)
    wide = sparse.csr_array((X.data, X.indices * (n_columns // 40), X.indptr), (3000, n_columns))
    model = Ftrl(FtrlConfig(alpha=0.3, l1=20.0, batch=8), n_columns).partial_fit(wide, y)
    assert model.coef_[0] > 1
    assert model.coef_[n_columns // 40] < -1
    assert (model.coef_ == 0).mean() > 0.8
    sgd = Sgd(n_columns).partial_fit(wide, y)
    assert (sgd.coef_[:: n_columns // 40] != 0).all()


def test_a_stream_in_parts_is_the_same_as_at_once() -> None:
    X, y = rows(512)
    config = FtrlConfig(batch=64)
    parts = Ftrl(config, 40)
    for first in range(0, 512, 128):
        parts.partial_fit(X[first : first + 128], y[first : first + 128])
    np.testing.assert_allclose(parts.coef_, Ftrl(config, 40).partial_fit(X, y).coef_)


def test_steps_of_sgd_do_not_overshoot_however_many_columns_a_row_has() -> None:
    X = sparse.csr_array(np.ones((1600, 150)))  # all rows are the same: the share of yes is all
    model = Sgd(150, batch=16).partial_fit(X, np.arange(1600) % 16 < 4)
    assert model.predict_proba(X[:1])[0] == pytest.approx(0.25, abs=0.01)


def test_lbfgs_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    X, y = rows(500, 10)
    peer = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(X, y)
    ours = Lbfgs(10).fit(X, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_.ravel(), atol=1e-2)


def test_a_factorisation_machine_learns_what_two_columns_say_together() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(4000, 2))
    places = bits + np.array([0, 2])
    y = bits[:, 0] == bits[:, 1]  # no column alone says anything
    X = sparse.csr_array((np.ones(8000), places.ravel(), np.arange(0, 8001, 2)), shape=(4000, 4))
    config = FmConfig(n_factors=2, rate=0.1, init=0.1, ftrl=FtrlConfig(batch=32))
    model = FactorizationMachine(config, 4).partial_fit(X, y)
    assert ((model.predict_proba(X) > 0.5) == y).mean() > 0.95
    assert (
        (Ftrl(FtrlConfig(batch=32), 4).partial_fit(X, y).predict_proba(X) > 0.5) == y
    ).mean() < 0.7


def test_a_vector_moves_no_further_than_its_gradient_says() -> None:
    X, y = rows(64)
    config = FmConfig(min_count=0, rate=1.0, init=1e-6, l2=0.0, ftrl=FtrlConfig(batch=64))
    model = FactorizationMachine(config, 40)
    before = model.v_.copy()
    assert np.abs(model.partial_fit(X, y).v_ - before).max() < 1e-3


def test_where_columns_act_alone_a_factorisation_machine_is_as_good_as_its_linear_part() -> None:
    def bins(n: int, seed: int) -> tuple[sparse.csr_array, Any]:  # 60 of 600 columns, few yes
        rng = np.random.default_rng(seed)
        places = rng.integers(10, size=(n, 60)) + 10 * np.arange(60)
        cells = (np.ones(places.size), places.ravel(), np.arange(0, places.size + 1, 60))
        logits = truth[places].sum(axis=1) - 3.5
        return sparse.csr_array(cells, shape=(n, 600)), rng.random(n) < 1 / (1 + np.exp(-logits))

    truth = np.random.default_rng(0).normal(scale=0.15, size=600)
    (X, y), (asked, answers) = bins(20_000, 1), bins(20_000, 2)
    config = FmConfig()
    models = FactorizationMachine(config, 600), Ftrl(config.ftrl, 600)
    fm, ftrl = (roc_auc_score(answers, m.partial_fit(X, y).predict_proba(asked)) for m in models)
    assert fm > ftrl - 0.005


def test_the_sum_over_pairs_is_that_of_a_loop() -> None:
    X, _ = rows(5, 6)
    model = FactorizationMachine(FmConfig(n_factors=3, min_count=0, init=1.0), 6)
    dense = X.toarray()
    expected = [
        sum(model.v_[i] @ model.v_[j] * x[i] * x[j] for i in range(6) for j in range(i + 1, 6))
        for x in dense
    ]
    np.testing.assert_allclose(model.decision_function(X), expected, atol=1e-9)


def test_a_rare_column_has_no_vector_yet() -> None:
    X = sparse.csr_array(np.eye(3))
    model = FactorizationMachine(FmConfig(min_count=2), 3).partial_fit(X, np.array([1, 0, 1]))
    assert not model._active(slice(None)).any()


def test_rows_of_another_width_are_an_error() -> None:
    X, y = rows(10, 6)
    with pytest.raises(DataError, match="rows must have 5 columns as in training, got 6"):
        Ftrl(FtrlConfig(), 5).partial_fit(X, y)
    with pytest.raises(DataError, match="alpha and beta must be above 0"):
        FtrlConfig(alpha=0)
