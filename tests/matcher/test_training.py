"""Training with early stopping, that ends the same whether interrupted or not."""

from pathlib import Path

import keras
import numpy as np
import pytest

from matcher.checkpoint import Checkpoint
from matcher.training import Schedule, train

pytestmark = pytest.mark.usefixtures("eager")

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X[:, :1] > 0).astype(np.float32)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(4, activation="relu")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(0.05), loss="mse", jit_compile=False)
    return model


def trained(
    model: keras.Model, epochs: int, folder: Path | None = None, **options: object
) -> list[float]:
    schedule = Schedule(epochs=epochs, batch=16, patience=2)
    return train(
        model,
        lambda rows: (X[rows], Y[rows]),
        len(X),
        schedule,
        checkpoint=Checkpoint(folder, "same"),
        title="test",
        **options,
    )


def test_an_interrupted_training_ends_as_a_whole_one(tmp_path: Path) -> None:
    whole, part, resumed = network(), network(), network()
    losses = trained(whole, 5)
    trained(part, 3, tmp_path / "state")
    assert trained(resumed, 5, tmp_path / "state") == pytest.approx(losses)
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)


def test_it_stops_when_the_held_out_loss_no_longer_falls_and_keeps_the_best_epoch() -> None:
    said = iter([0.5, 0.4, 0.6, 0.7, 0.3])
    model, seen = network(), []

    def held_out_loss() -> float:
        seen.append([weights.copy() for weights in model.get_weights()])
        return next(said)

    assert trained(model, 10, held_out_loss=held_out_loss) == [0.5, 0.4, 0.6, 0.7]
    for kept, best in zip(model.get_weights(), seen[1], strict=True):
        assert (kept == best).all()


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    losses = trained(network(), 3, tmp_path / "state")
    again = network()
    assert trained(again, 3, tmp_path / "state") == losses
    assert again.optimizer.iterations == 6
