"""Gains of postings: what a label would remove of each tag's variance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.design import PRIOR_DEVIATION, Design

NONE = np.zeros((0, 2))


def design(codes, proba, labelled_codes=(), labelled_proba=()) -> Design:
    codes, proba = np.array(codes, float), np.array(proba, float)
    known = np.array(labelled_codes, float).reshape(-1, codes.shape[1])
    return Design(codes, proba, known, np.array(labelled_proba, float).reshape(-1, proba.shape[1]))


def made_up(seed: int, n: int = 12, width: int = 4, n_tags: int = 3):
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(n, width))
    return codes / np.linalg.norm(codes, axis=1, keepdims=True), rng.random((n, n_tags))


def spelled_out(codes, proba, labelled_codes, labelled_proba) -> np.ndarray:
    """The definition: tr(S M) before and after each posting, by inverting each time."""
    x, known = PRIOR_DEVIATION * codes, PRIOR_DEVIATION * labelled_codes
    gains = np.zeros(len(x))
    for p, q in zip(proba.T, labelled_proba.T, strict=True):
        information = np.eye(x.shape[1]) + (known.T * (q * (1 - q))) @ known
        likely = (x.T * p) @ x / p.sum()
        before = np.trace(np.linalg.inv(information) @ likely)
        for i, (code, weight) in enumerate(zip(x, p * (1 - p), strict=True)):
            after = np.linalg.inv(information + weight * np.outer(code, code))
            gains[i] += before - np.trace(after @ likely)
    return gains / proba.shape[1]


def test_a_gain_is_the_variance_that_a_label_removes():
    codes, proba = made_up(0)
    known, said = made_up(1, n=5)
    expected = spelled_out(codes, proba, known, said)
    np.testing.assert_allclose(Design(codes, proba, known, said).gains(), expected, rtol=1e-4)


@given(st.integers(0, 99), st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True))
def test_postings_added_one_by_one_count_like_labelled_ones(seed: int, added: list[int]):
    codes, proba = made_up(seed)
    one_by_one = design(codes, proba)
    for number in added:
        one_by_one.add(number)
    at_once = design(codes, proba, codes[added], proba[added])
    np.testing.assert_allclose(one_by_one.gains(), at_once.gains(), rtol=2e-2, atol=1e-4)


def test_a_tag_without_labels_counts_more_than_a_frequent_one_with_many():
    codes = [[1.0, 0.0]] * 10 + [[0.0, 1.0]] * 10
    proba = [[0.5, 0.001]] * 10 + [[0.001, 0.05]] * 10  # the second tag is rare
    nobody_said, first_is_known = (
        design(codes, proba, [[1.0, 0.0]] * n, [[0.5, np.nan]] * n).gains() for n in (0, 40)
    )
    assert nobody_said[0] > nobody_said[-1]
    assert first_is_known[-1] > 5 * first_is_known[0]


def test_a_posting_like_many_likely_ones_gains_more_than_a_lonely_one():
    gains = design([[1.0, 0.0]] * 9 + [[0.0, 1.0]], [[0.3]] * 10).gains()
    assert gains[0] > 2 * gains[-1]


def test_what_nothing_is_known_of_gains_nothing():
    codes = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    gains = design(codes, [[np.nan, 0.5], [np.nan, np.nan], [0.5, 0.5]]).gains()
    assert gains[0] > 0
    assert gains[1] == gains[2] == 0


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_model_that_is_sure_of_everything_leaves_numbers(p: float):
    found = design([[1.0, 0.0], [0.0, 1.0]], [[p], [p]])
    found.add(0)
    assert np.isfinite(found.gains()).all()
    assert found.gains()[1] > found.gains()[0]


def test_no_postings():
    assert design(NONE, np.zeros((0, 3))).gains().shape == (0,)
