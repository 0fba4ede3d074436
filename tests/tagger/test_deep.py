"""The deep path: a linear model of the code, and a network that adds to it where that helps."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

import tagger.deep
from tagger.deep import DeepClassifier, DeepConfig, SoftLabels, _Labels, _soft_loss
from tagger.errors import DataError
from tagger.logistic import fit_logistic

LINEAR = DeepConfig(hidden=(8,), epochs=0, inverse_l2=1.0)
DEEP = DeepConfig(hidden=(8,), epochs=3, batch=32, learning_rate=0.02, dropout=0.1)
pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eag"),
]
Data = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def data() -> Data:
    """Codes (90, 4), labels of two tags, and folds. Tag 0 is linear in the code, tag 1 is not."""
    codes = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    Y = np.stack([codes[:, 0] > 0, codes[:, 1] * codes[:, 2] > 0], axis=1).astype(np.int8)
    return codes, Y, np.arange(90) % 3


def soft_of(codes: np.ndarray, proba: np.ndarray, n_networks: int, weight: float = 1) -> SoftLabels:
    return SoftLabels(codes, np.tile(proba, (n_networks, 1, 1)), weight)


# The linear model


def test_without_epochs_it_is_exactly_the_linear_model(data: Data) -> None:
    codes, Y, folds = data
    fitted = DeepClassifier(LINEAR).fit(codes, Y, folds)
    standard = (codes - fitted.mean_) * fitted.scale_
    W, b = fit_logistic(standard, Y, np.ones(Y.shape), inverse_l2=1.0, n_iterations=30)
    np.testing.assert_allclose(fitted.decision_function(codes), standard @ W + b, atol=1e-4)
    assert fitted.history_ == []
    assert "logits/kernel" not in fitted.arrays()


def test_without_folds_nothing_is_held_out_and_the_linear_model_stays(data: Data) -> None:
    codes, Y, _ = data
    fitted = DeepClassifier(DEEP).fit(codes, Y)
    assert not hasattr(fitted, "held_out_logits_")
    assert "logits/kernel" not in fitted.arrays()


def test_a_tag_without_any_label_says_nothing(data: Data) -> None:
    codes, Y, folds = data
    Y[:, 1] = -1
    logits = DeepClassifier(LINEAR).fit(codes, Y, folds).decision_function(codes)
    assert not logits[:, 1].any()
    assert np.ptp(logits[:, 0]) > 1


@pytest.mark.parametrize("n", [0, 1])
def test_no_job_and_one_job_are_enough(data: Data, n: int) -> None:
    codes, Y, _ = data
    soft = soft_of(codes, np.full((90, 2), 0.3, np.float32), 1)
    logits = DeepClassifier(DEEP).fit(codes[:n], Y[:n], soft=soft).decision_function(codes)
    assert np.isfinite(logits).all()
    assert expit(logits).mean() == pytest.approx(0.3, abs=0.02)


# The network beside it


def test_the_network_learns_what_is_not_linear(data: Data) -> None:
    codes, Y, folds = data
    codes, Y, folds = np.tile(codes, (4, 1)), np.tile(Y, (4, 1)), np.tile(folds, 4)
    codes += np.random.default_rng(1).normal(0, 0.1, codes.shape).astype(np.float32)
    config = DeepConfig(hidden=(8,), epochs=25, batch=60, learning_rate=0.03, dropout=0)
    fitted = DeepClassifier(config).fit(codes, Y, folds)
    right = (fitted.decision_function(codes) > 0) == (Y == 1)
    assert right[:, 1].mean() > 0.8
    assert fitted.history_[-1]["val_loss"] < fitted.history_[0]["val_loss"]
    assert "logits/kernel" in fitted.arrays()


def test_a_network_that_does_not_help_on_held_out_labels_is_thrown_away(data: Data) -> None:
    codes, Y, folds = data
    Y[:] = np.random.default_rng(1).random(Y.shape) < 0.5  # nothing to be learned
    wild = DeepConfig(hidden=(8,), epochs=4, patience=2, learning_rate=3.0, dropout=0)
    network, linear = (DeepClassifier(c).fit(codes, Y, folds) for c in (wild, linear_of(wild)))
    losses = [row["val_loss"] for row in network.history_]
    assert min(losses) == losses[0]
    assert len(losses) == 1 + wild.patience
    np.testing.assert_array_equal(network.decision_function(codes), linear.decision_function(codes))
    np.testing.assert_array_equal(network.held_out_logits_, linear.held_out_logits_)


def linear_of(config: DeepConfig) -> DeepConfig:
    """The same without the network."""
    return DeepConfig(hidden=config.hidden, epochs=0, inverse_l2=config.inverse_l2)


def test_the_best_epoch_is_kept_and_not_the_last(data: Data) -> None:
    codes, Y, folds = data
    config = DeepConfig(hidden=(8,), epochs=30, patience=2, learning_rate=0.1, dropout=0)
    fitted = DeepClassifier(config, seed=1).fit(codes, Y, folds)
    losses = [row["val_loss"] for row in fitted.history_]
    kept = np.logaddexp(0, fitted.held_out_logits_) - (Y == 1) * fitted.held_out_logits_
    assert kept.mean() == pytest.approx(min(losses), rel=1e-4)


def test_same_seed_same_network_and_another_seed_another(data: Data) -> None:
    codes, Y, folds = data
    one, same, other = (
        DeepClassifier(DEEP, seed=seed).fit(codes, Y, folds).held_out_logits_ for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# Honest folds


@pytest.mark.parametrize("config", [LINEAR, DEEP], ids=["linear", "network"])
def test_the_network_of_a_fold_has_not_seen_the_labels_of_that_fold(
    data: Data, config: DeepConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many epochs are trained is one choice for all folds; here it is the same."""
    monkeypatch.setattr(tagger.deep._KeepBest, "_held_out_loss", falling())
    codes, Y, folds = data
    turned = Y.copy()
    turned[folds == 1] = 1 - turned[folds == 1]
    one, two = (DeepClassifier(config).fit(codes, labels, folds) for labels in (Y, turned))
    same = (one.held_out_logits_ == two.held_out_logits_).all(axis=1)
    assert same[folds == 1].all()
    assert not same[folds != 1].any()
    assert (one.decision_function(codes) != two.decision_function(codes)).any()


def falling() -> Any:
    """A held-out loss that says each epoch is better than the one before."""
    return lambda keep: -float(len(keep.losses))


def test_what_soft_labels_say_to_one_network_no_other_hears(data: Data) -> None:
    codes, Y, folds = data
    proba = np.full((4, 90, 2), 0.5, np.float32)
    told = proba.copy()
    told[1] = 0.9
    one, two = (
        DeepClassifier(LINEAR).fit(codes, Y, folds, soft=SoftLabels(codes, p, 1.0))
        for p in (proba, told)
    )
    same = (one.held_out_logits_ == two.held_out_logits_).all(axis=1)
    assert same[folds != 1].all()
    assert not same[folds == 1].any()


# Soft teaching


@pytest.mark.parametrize("config", [LINEAR, DEEP], ids=["linear", "network"])
def test_soft_labels_move_the_logits_their_way(data: Data, config: DeepConfig) -> None:
    codes, Y, folds = data
    low, high = (
        DeepClassifier(config)
        .fit(codes, Y, folds, soft=soft_of(codes, np.full((90, 2), p, np.float32), 4))
        .decision_function(codes)
        .mean()
        for p in (0.1, 0.9)
    )
    assert low < high - 1


def test_soft_labels_of_weight_0_teach_nothing(data: Data) -> None:
    codes, Y, folds = data
    one, two = (
        DeepClassifier(LINEAR).fit(
            codes, Y, folds, soft=soft_of(codes, np.full((90, 2), p, np.float32), 4, weight=0)
        )
        for p in (0.1, 0.9)
    )
    np.testing.assert_array_equal(one.held_out_logits_, two.held_out_logits_)


def test_soft_labels_teach_a_tag_that_nobody_labelled(data: Data) -> None:
    codes, Y, folds = data
    Y[:, 1] = -1
    proba = np.stack([np.full(90, 0.5), np.where(codes[:, 3] > 0, 0.9, 0.1)], 1)
    soft = soft_of(codes, proba.astype(np.float32), 4)
    logits = DeepClassifier(LINEAR).fit(codes, Y, folds, soft=soft).decision_function(codes)
    assert np.corrcoef(logits[:, 1], codes[:, 3])[0, 1] > 0.9


# Labels and loss


def test_each_network_gets_the_labels_of_the_other_folds_and_its_own_soft_ones() -> None:
    Y = np.array([[1, -1], [0, 1]], np.int8)
    proba = np.array([[[0.1, 0.2]], [[0.3, 0.4]], [[0.5, 0.6]]], np.float32)
    labels = _Labels(Y, np.array([0, 1]), SoftLabels(np.zeros((1, 4), np.float32), proba, 0.5))
    assert labels.n_networks == 3
    for network, weights in enumerate(
        ([[0, 0], [1, 1], [0.5, 0.5]], [[1, 0], [0, 0], [0.5, 0.5]], [[1, 0], [1, 1], [0.5, 0.5]])
    ):
        targets, found = labels.of(network)
        np.testing.assert_array_equal(found, weights)
        np.testing.assert_allclose(targets, [[1, 0], [0, 1], proba[network, 0]])
        np.testing.assert_array_equal(labels.of(network, np.array([2, 0]))[1], found[[2, 0]])


def test_the_loss_is_that_of_soft_labels_by_their_weights() -> None:
    targets = np.array([[[1.0, 0.3]], [[0.0, 0.5]]], np.float32)
    weights = np.array([[[1.0, 2.0]], [[0.0, 0.0]]], np.float32)
    logits = np.array([[[0.5, -1.0]], [[99.0, -99.0]]], np.float32)
    found = np.asarray(_soft_loss(np.concatenate([targets, weights], axis=-1), logits))
    expected = np.logaddexp(0, 0.5) - 0.5 + 2 * (np.logaddexp(0, -1) + 0.3)
    np.testing.assert_allclose(found, [expected, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0},
        {"epochs": -1},
        {"batch": 0},
        {"patience": 0},
        {"hidden": (0,)},
        {"learning_rate": 0},
        {"weight_decay": -1},
        {"inverse_l2": 0},
    ],
)
def test_a_network_is_valid_once_configured(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="must be"):
        DeepConfig(**wrong)
