"""The Keras networks: convolutional autoencoder of a row, deep tagger of a code.

Letters for axes: B batch, H columns of a row, L positions x K channels of the folded row
(L * K = H), C code, M networks side by side, T tags.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

POOL = 4


def build_encoder(
    *, fold: tuple[int, int], filters: Sequence[int], kernel: int, hidden: Sequence[int], code: int
) -> keras.Model:
    """Row to code, (B, H) -> (B, C): convolutions on the folded row beside a linear shortcut."""
    row = keras.Input((fold[0] * fold[1],), name="row")  # (B, H)
    x = layers.Reshape(fold, name="fold")(row)  # (B, L, K)
    for step, size in enumerate(filters):
        x = layers.Conv1D(size, kernel, padding="same", activation="relu", name=f"conv_{step}")(x)
        x = layers.MaxPool1D(POOL, name=f"pool_{step}")(x)  # (B, L / 4 ** (step + 1), size)
    x = layers.Flatten(name="flatten")(x)
    for step, size in enumerate(hidden):
        x = layers.Dense(size, activation="relu", name=f"dense_{step}")(x)
    # Zeros: training starts at the shortcut and bends it only where that helps.
    bent = layers.Dense(code, kernel_initializer="zeros", name="bent")(x)  # (B, C)
    straight = layers.Dense(code, use_bias=False, name="straight")(row)  # (B, C)
    return keras.Model(row, layers.Add(name="code")([straight, bent]), name="encoder")


def build_decoder(
    *, fold: tuple[int, int], filters: Sequence[int], kernel: int, hidden: Sequence[int], code: int
) -> keras.Model:
    """Code to row, (B, C) -> (B, H): the encoder's mirror image."""
    length, channels = fold
    places = length // POOL ** len(filters)
    coded = keras.Input((code,), name="code")  # (B, C)
    x = coded
    for step, size in enumerate([*reversed(hidden), places * filters[-1]]):
        x = layers.Dense(size, activation="relu", name=f"dense_{step}")(x)
    x = layers.Reshape((places, filters[-1]), name="unflatten")(x)
    for step, size in enumerate([*reversed(filters[:-1]), channels]):
        last = step == len(filters) - 1
        x = layers.UpSampling1D(POOL, name=f"unpool_{step}")(x)
        x = layers.Conv1D(
            size,
            kernel,
            padding="same",
            activation=None if last else "relu",
            kernel_initializer="zeros" if last else "glorot_uniform",
            name=f"conv_{step}",
        )(x)
    bent = layers.Flatten(name="unfold")(x)  # (B, H)
    straight = layers.Dense(length * channels, use_bias=False, name="straight")(coded)  # (B, H)
    return keras.Model(coded, layers.Add(name="row")([straight, bent]), name="decoder")


def build_taggers(
    *, n_networks: int, code: int, hidden: Sequence[int], n_tags: int, dropout: float
) -> keras.Model:
    """Code to one logit per network and tag, (B, C) -> (B, M, T): M networks side by side.

    They share nothing but the time it takes: each is dense layers beside a linear model that is
    fitted before and not trained. The layers start at zero, so training starts from that model.
    """

    def dense(size: int, name: str, *, zeros: bool = False) -> keras.Layer:
        # Keras would take the other networks for more units of this one.
        glorot = keras.initializers.GlorotUniform(input_axes=[1], output_axes=[2])
        return layers.EinsumDense(
            "bmi,mio->bmo",
            (n_networks, size),
            bias_axes="mo",
            kernel_initializer="zeros" if zeros else glorot,
            name=name,
        )

    coded = keras.Input((code,), name="code")  # (B, C)
    copies = x = layers.RepeatVector(n_networks, name="copies")(coded)  # (B, M, C)
    for step, size in enumerate(hidden):
        x = layers.ReLU(name=f"relu_{step}")(dense(size, f"dense_{step}")(x))
        x = layers.Dropout(dropout, name=f"dropout_{step}")(x)
    bent = dense(n_tags, "logits", zeros=True)(x)  # (B, M, T)
    straight = dense(n_tags, "straight", zeros=True)
    straight.trainable = False
    return keras.Model(coded, layers.Add(name="sum")([bent, straight(copies)]), name="taggers")


def layer_arrays(network: keras.Model) -> dict[str, npt.NDArray[Any]]:
    """Weights of a network as ``layer/weight`` -> array."""
    return {
        f"{layer.name}/{weight.name}": np.asarray(weight)
        for layer in network.layers
        for weight in layer.weights
    }
