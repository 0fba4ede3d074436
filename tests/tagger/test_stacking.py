"""How much each path counts for each tag."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from tagger.stacking import INTERCEPT_PRECISION, TAG_PRECISION, Stack, fit_stack

PRIOR, FLOOR = np.array([0.5, 0.4]), np.array([0.05, 0.0])


def fit(paths: np.ndarray, Y: np.ndarray, share: float = 0.2) -> Stack:
    shares = np.full(Y.shape[1], share)
    return fit_stack(paths, Y.astype(np.int8), prior=PRIOR, floor=FLOOR, expected_share=shares)


def common(paths: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """The weights of a tag of which nothing is known: what the others have in common."""
    paths = np.concatenate([paths, np.zeros_like(paths[:, :1])], axis=1)
    return fit(paths, np.pad(Y, ((0, 0), (0, 1)), constant_values=-1)).weights[-1]


def drawn(weights: tuple[float, float], n: int, n_tags: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Logits of two paths, and labels that follow from them with these weights."""
    rng = np.random.default_rng(0)
    paths = 2 * rng.normal(size=(n, n_tags, 2))
    Y = rng.random((n, n_tags)) < expit(paths @ np.array(weights) - 1)
    return paths, Y.astype(np.int8)


# From prior to data


@pytest.mark.parametrize("n", [0, 30])
def test_without_any_label_the_prior_holds(n: int) -> None:
    paths = np.random.default_rng(0).normal(size=(n, 3, 2))
    stack = fit(paths, np.full((n, 3), -1))
    np.testing.assert_allclose(stack.weights, np.tile(PRIOR, (3, 1)), atol=1e-6)
    mean = stack.logits(paths).mean() if n else stack.intercept.mean()
    assert mean == pytest.approx(np.log(0.2 / 0.8), abs=1e-6)


def test_a_few_examples_move_the_weights_little() -> None:
    paths, Y = drawn((2.0, 0.0), n=4, n_tags=1)
    assert np.abs(fit(paths, Y).weights - PRIOR).max() < 0.2


def test_many_examples_find_the_true_weights() -> None:
    paths, Y = drawn((1.2, 0.7), n=4000)
    stack = fit(paths, Y)
    np.testing.assert_allclose(stack.weights, np.tile([1.2, 0.7], (6, 1)), atol=0.15)
    np.testing.assert_allclose(stack.intercept, -1, atol=0.2)
    np.testing.assert_allclose(common(paths, Y), [1.2, 0.7], atol=0.1)


def test_what_no_tag_could_tell_alone_all_tags_tell_together() -> None:
    paths, Y = drawn((1.2, 0.0), n=40, n_tags=100)
    together = fit(paths, Y)
    alone = [fit(paths[:, [t]], Y[:, [t]]).weights[0, 1] for t in range(100)]
    assert abs(common(paths, Y)[1]) < 0.1
    assert np.mean(together.weights[:, 1]) < np.mean(alone) / 2


def test_a_tag_with_many_examples_goes_its_own_way() -> None:
    paths, Y = drawn((1.0, 1.0), n=3000)
    _, other = drawn((1.0, 0.0), n=3000)
    Y[:, 0] = other[:, 0]
    weights = fit(paths, Y).weights
    assert weights[0, 1] < 0.2
    assert weights[1:, 1].min() > 0.8


def test_a_path_of_noise_goes_towards_nothing() -> None:
    paths, Y = drawn((1.0, 0.0), n=2000)
    assert np.abs(fit(paths, Y).weights[:, 1]).max() < 0.1


def test_stacked_probabilities_are_calibrated() -> None:
    paths, Y = drawn((1.2, 0.7), n=4000)
    proba = expit(fit(3 * paths, Y).logits(3 * paths))  # three times too sure of themselves
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (proba >= low) & (proba < low + 0.2)
        assert Y[inside].mean() == pytest.approx(proba[inside].mean(), abs=0.03)


# No ranking is ever thrown away


def test_a_path_that_ranks_the_wrong_way_round_is_not_turned_but_held_at_its_floor() -> None:
    paths, Y = drawn((-2.0, -2.0), n=500)
    stack = fit(paths, Y)
    assert (stack.weights == FLOOR).all()
    assert (common(paths, Y) == FLOOR).all()


def test_probabilities_keep_the_order_of_the_one_path() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 2, 1))
    Y = (logits[:, :, 0] < 0).astype(np.int8)  # as wrong as can be
    stack = fit_stack(
        logits,
        Y,
        prior=np.array([0.5]),
        floor=np.array([0.05]),
        expected_share=np.full(2, 0.5),
    )
    for tag in range(2):
        proba = expit(stack.logits(logits))[np.argsort(logits[:, tag, 0]), tag]
        assert (np.diff(proba) > 0).all()


@pytest.mark.parametrize("n_tags", [1, 6])
def test_with_a_weight_held_at_its_floor_the_mean_probability_stays_the_tags_share(
    n_tags: int,
) -> None:
    rng = np.random.default_rng(0)
    paths = 2 * rng.normal(size=(600, n_tags, 2)) - 3  # sure of no, and one of them wrongly so
    Y = (rng.random((600, n_tags)) < expit(paths @ np.array([1.5, -1.5]) - 1)).astype(np.int8)
    stack = fit(paths, Y)
    assert (stack.weights[:, 1] == FLOOR[1]).all()
    assert common(paths, Y)[1] == FLOOR[1]
    mean = expit(stack.logits(paths)).mean(axis=0)
    np.testing.assert_allclose(mean, Y.mean(axis=0), rtol=0.01)


def test_what_one_held_weight_leaves_to_do_the_others_do() -> None:
    """No other weight or intercept beside the held one has a smaller loss."""
    rng = np.random.default_rng(0)
    paths = 2 * rng.normal(size=(300, 1, 2))
    paths[:, :, 1] += paths[:, :, 0]  # what one path says the other says, too
    Y = (rng.random((300, 1)) < expit(paths @ np.array([1.5, -1.0]) - 1)).astype(np.int8)
    stack = fit(paths, Y)
    pooled = common(paths, Y)[0]
    start = np.log(0.2 / 0.8) - (paths[:, 0] @ [pooled, FLOOR[1]]).mean()

    def loss(weight: float, intercept: float) -> float:
        z = paths[:, 0] @ np.array([weight, FLOOR[1]]) + intercept
        fit_ = (np.logaddexp(0, z) - Y[:, 0] * z).sum()
        pulls = TAG_PRECISION * (weight - pooled) ** 2
        return float(fit_ + 0.5 * (pulls + INTERCEPT_PRECISION * (intercept - start) ** 2))

    best = minimize(lambda x: loss(*x), [0.5, -1.0]).x
    assert stack.weights[0, 1] == FLOOR[1]
    np.testing.assert_allclose([stack.weights[0, 0], stack.intercept[0]], best, atol=1e-3)


# Labels nobody gave, and of one kind


def test_masked_labels_do_not_count() -> None:
    paths, Y = drawn((1.2, 0.7), n=300)
    Y[::3, 0] = -1
    turned, other = Y.copy(), paths.copy()
    other[::3, 0] = paths[::3, 0][::-1]  # means, which set the start, stay
    a, b = fit(paths, Y), fit(other, turned)
    np.testing.assert_allclose(a.weights, b.weights, atol=1e-6)
    np.testing.assert_allclose(a.intercept, b.intercept, atol=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_one_kind_of_label_moves_the_intercept_but_not_to_certainty(label: int) -> None:
    paths, _ = drawn((1.0, 1.0), n=50, n_tags=1)
    stack = fit(paths, np.full((50, 1), label))
    proba = expit(stack.logits(paths)).mean()
    assert (proba > 0.8) if label else (0 < proba < 0.1)
    assert np.isfinite(stack.weights).all()


def test_two_hundred_tags_are_enough_for_what_all_have_in_common() -> None:
    paths, Y = drawn((1.2, 0.7), n=30, n_tags=300)
    stack = fit(paths, Y)
    assert stack.weights.shape == (300, 2)
    assert stack.intercept.shape == (300,)
    np.testing.assert_allclose(common(paths, Y), [1.2, 0.7], atol=0.2)


number = st.sampled_from([0.0, 0.3, -1.0, 4.0, -60.0, 1000.0, 1e6])


@given(
    st.lists(
        st.tuples(number, number, st.integers(-1, 1), number, number, st.integers(-1, 1)),
        max_size=8,
    ),
    st.sampled_from([1e-3, 0.2, 1 - 1e-3]),
)
def test_whatever_the_paths_say_weights_are_finite_and_at_least_their_floor(
    jobs: list[tuple[float, ...]], share: float
) -> None:
    cells = np.array(jobs, float).reshape(len(jobs), 2, 3)
    stack = fit(cells[:, :, :2], cells[:, :, 2], share)
    assert np.isfinite(stack.logits(cells[:, :, :2])).all()
    assert (stack.weights >= FLOOR).all()
