"""Small networks side by side in numpy: several of one shape, trained in the same steps.

They are too small for a framework to pay: starting TensorFlow takes longer than most of them.
Letters for axes: M networks, P pairs, B batch, I inputs and O outputs of a layer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from matcher.data import BoolArray, FloatArray, IntArray

Layers = list[npt.NDArray[np.float32]]
"""For each layer weights and biases in one array, shape (M, I + 1, O), the biases last."""
Inputs = Callable[[IntArray], FloatArray]
"""Rows of the inputs, shape (..., I), by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How networks are trained."""

    epochs: int
    batch: int
    learning_rate: float
    """Of Adam."""
    weight_decay: float
    """Share of a weight that a step of learning rate 1 takes away."""


def fresh(sizes: Sequence[int], n_networks: int, rng: np.random.Generator) -> Layers:
    """Layers between the sizes given, weights and biases drawn from N(0, 0.1), as Talroo's."""
    return [
        rng.normal(0, 0.1, (n_networks, n_in + 1, n_out)).astype(np.float32)
        for n_in, n_out in pairwise(sizes)
    ]


def probabilities(layers: Layers, X: FloatArray) -> FloatArray:
    """Probability of yes by each network: shape (M, P) for X of shape (P, I) or (M, P, I)."""
    return _softmax(_outputs(layers, X)[-1])[..., 1]


def train(
    layers: Layers, inputs: Inputs, y: BoolArray, steps: Steps, rng: np.random.Generator
) -> Iterator[float]:
    """Change the layers in place by Adam on cross-entropy, each network in an order of its own.

    Yields the mean loss of each epoch.

    References
    ----------
    Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015; decay beside the gradient:
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019.
    """
    moments = [(np.zeros_like(layer), np.zeros_like(layer)) for layer in layers]
    n_networks, n_steps = len(layers[0]), 0
    for _ in range(steps.epochs):
        order = rng.permuted(np.tile(np.arange(len(y)), (n_networks, 1)), axis=1)
        losses = []
        for first in range(0, len(y), steps.batch):
            rows = order[:, first : first + steps.batch]  # (M, B)
            loss, gradients = _gradients(layers, inputs(rows), y[rows])
            losses.append(loss * rows.shape[1])
            n_steps += 1
            _adam(layers, gradients, moments, n_steps, steps)
        yield sum(losses) / len(y)


def _outputs(layers: Layers, X: FloatArray) -> list[FloatArray]:
    """The inputs and what each layer makes of them; ReLU between layers, none at the end.

    Talroo's listing has one at the end too; there it would cut off every score below 0 and the
    gradient with it.
    """
    values = [X]
    for place, layer in enumerate(layers):
        x = values[-1] @ layer[:, :-1] + layer[:, -1:]
        values.append(np.maximum(x, 0) if place < len(layers) - 1 else x)
    return values


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _gradients(layers: Layers, X: FloatArray, y: BoolArray) -> tuple[float, list[FloatArray]]:
    """Mean cross-entropy and its gradient by each layer; X (M, B, I), y (M, B)."""
    *values, logits = _outputs(layers, X)
    shares = _softmax(logits)
    wanted = np.stack([~y, y], axis=-1)
    loss = -np.log(np.maximum(shares[wanted], 1e-12)).mean()
    slope = ((shares - wanted) / y.shape[1]).astype(np.float32)  # (M, B, O)
    gradients: list[FloatArray] = []
    for layer, value in zip(reversed(layers), reversed(values), strict=True):
        biases = slope.sum(axis=1, keepdims=True)
        gradients.append(np.concatenate([value.swapaxes(1, 2) @ slope, biases], axis=1))
        slope = (slope @ layer[:, :-1].swapaxes(1, 2)) * (value > 0)
    return float(loss), gradients[::-1]


def _adam(
    layers: Layers,
    gradients: Sequence[FloatArray],
    moments: Sequence[tuple[FloatArray, FloatArray]],
    n_steps: int,
    steps: Steps,
) -> None:
    rate = steps.learning_rate * np.sqrt(1 - 0.999**n_steps) / (1 - 0.9**n_steps)
    for layer, gradient, (mean, square) in zip(layers, gradients, moments, strict=True):
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient**2 - square)
        layer -= rate * mean / (np.sqrt(square) + 1e-7)
        layer[:, :-1] *= 1 - steps.learning_rate * steps.weight_decay
