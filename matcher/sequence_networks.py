"""The networks of activity sequences: convolutions, LSTM, vectors of candidate and job, all joined.

Each ends in one logit. Letters for axes: B batch, S steps, V numbers of
a view, D numbers of a job's vector, P pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from matcher.base import blocks
from matcher.data import FloatArray, IntArray
from matcher.job_vae import VaeConfig
from matcher.sequences import N_FEATURES
from tagger.errors import DataError

Float32 = npt.NDArray[np.float32]

ROWS_AT_ONCE = 8192
INPUTS = {
    "cnn": ("steps",),
    "lstm": ("steps",),
    "mlp": ("candidate", "job", "n_browsed"),
    "all": ("steps", "candidate", "job", "n_browsed"),
}
"""What each network is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """Shapes, examples and schedule; one for all networks of a model."""

    n_steps: int = 30
    """S: last steps of a pair that are kept; 95 % of a job board's sequences are shorter."""
    min_steps: int = 2
    """Pairs with fewer steps are not learned from."""
    ratio: float | None = None
    """No for each yes, drawn at random; None: all there are."""
    class_weights: bool = True
    """Whether yes and no weigh the same together."""
    base_rate: float | None = None
    """Share of yes, in (0, 1), among the pairs that will be asked about; None: as among all
    pairs that could be learned from. Probabilities are moved to it."""
    max_per_candidate: int = 1000
    """Pairs of one candidate, drawn at random, so that no robot teaches alone."""
    max_pairs: int | None = 500_000
    """Learn from so many pairs at most, drawn at random; None: from all."""
    filters: tuple[int, ...] = (32, 32)
    """Of each convolution."""
    kernel: int = 3
    """Steps that a convolution sees."""
    units: int = 32
    """Of the LSTM."""
    hidden: tuple[int, ...] = (64, 32)
    """Units of the dense layers, input side first; the last is also the size of a view."""
    dropout: float = 0.2
    """Share of units dropped while training, in [0, 1)."""
    epochs: int = 15
    """Passes over the examples at most."""
    patience: int = 3
    """Epochs without a lower loss on held-out candidates before a network is done."""
    held_out: float = 0.1
    """Share of candidates that only judge when to stop; in [0, 1), 0: all epochs are done."""
    batch: int = 256
    """Pairs per step."""
    learning_rate: float = 2e-3
    """Of Adam."""
    vae: VaeConfig = field(default_factory=VaeConfig)
    """Of the hidden space of jobs."""

    def __post_init__(self) -> None:
        steps = (self.n_steps, self.min_steps, self.kernel, self.units)
        times = (self.epochs, self.patience, self.batch, self.max_per_candidate)
        if min(*steps, *times, *self.filters, *self.hidden) < 1 or not self.hidden:
            raise DataError(
                "all sizes, epochs, patience, batch and max_per_candidate must be 1 or more"
            )
        for name in ("dropout", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.ratio is not None and not self.ratio > 0:
            raise DataError(f"ratio must be above 0, got {self.ratio}")
        if self.base_rate is not None and not 0 < self.base_rate < 1:
            raise DataError(f"base_rate must be in (0, 1), got {self.base_rate}")
        if not self.learning_rate > 0:
            raise DataError(f"learning_rate must be above 0, got {self.learning_rate}")


def build(kind: str, config: SequenceConfig, n_numbers: int) -> keras.Model:
    """`cnn`, `lstm`, `mlp` or `all`: its inputs by name -> logit (B, 1).

    Two networks in one, called `view` and `head`: pairs without a step all have the same view, so
    that it is to be made once for them.
    """
    shapes = {
        "steps": (config.n_steps, N_FEATURES),  # (B, S, 4)
        "candidate": (n_numbers,),  # (B, D)
        "job": (n_numbers,),
        "n_browsed": (1,),
    }
    given = {name: keras.Input(shapes[name], name=name) for name in INPUTS[kind]}
    seen = dict(given)
    if "steps" in given:
        seen["view"] = build_view(kind, config)(seen.pop("steps"))
    head = build_head(config, {name: tensor.shape[1] for name, tensor in seen.items()})
    return keras.Model(given, head(seen), name=kind)


def build_view(kind: str, config: SequenceConfig) -> keras.Model:
    """What convolutions, an LSTM or both see in the steps: (B, S, 4) -> (B, V)."""
    steps = keras.Input((config.n_steps, N_FEATURES), name="steps")
    views = []
    if kind in ("cnn", "all"):
        views.append(convolved(steps, config))
    if kind in ("lstm", "all"):
        views.append(remembered(steps, config))
    view = views[0] if len(views) == 1 else layers.Concatenate(name="views")(views)
    return keras.Model(steps, view, name="view")


def build_head(config: SequenceConfig, sizes: Mapping[str, int]) -> keras.Model:
    """From the view of the steps, from vectors, or from both to the logit."""
    given = {name: keras.Input((size,), name=name) for name, size in sizes.items()}
    parts = [given["view"]] if "view" in given else []
    if "job" in given:
        parts.append(compared(given["candidate"], given["job"], given["n_browsed"], config))
    x = parts[0]
    if len(parts) > 1:  # joined late: each part is whole before they meet
        x = layers.Concatenate(name="joined")(parts)
        x = layers.Dense(config.hidden[-1], activation="relu", name="together")(x)
    return keras.Model(given, layers.Dense(1, name="logit")(x), name="head")


def convolved(steps: keras.KerasTensor, config: SequenceConfig) -> keras.KerasTensor:
    """Convolutions without pooling: which step is the last one matters, so places are kept."""
    x = steps
    for at, size in enumerate(config.filters):
        x = layers.Conv1D(
            size, config.kernel, padding="same", activation="relu", name=f"convolution_{at}"
        )(x)  # (B, S, size)
    x = layers.Dropout(config.dropout, name="flat_dropout")(layers.Flatten(name="flat")(x))
    return layers.Dense(config.hidden[-1], activation="relu", name="convolved")(x)


def remembered(steps: keras.KerasTensor, config: SequenceConfig) -> keras.KerasTensor:
    """The last state of an LSTM. Unrolled: a quarter faster on processors than a loop."""
    x = layers.LSTM(config.units, unroll=True, name="lstm")(steps)  # (B, units)
    return layers.Dropout(config.dropout, name="lstm_dropout")(x)


def compared(
    candidate: keras.KerasTensor,
    job: keras.KerasTensor,
    n_browsed: keras.KerasTensor,
    config: SequenceConfig,
) -> keras.KerasTensor:
    """Dense layers on both vectors and on their product, which they would be slow to learn."""
    both = layers.Multiply(name="both")([candidate, job])
    x = layers.Concatenate(name="vectors")([candidate, job, both, n_browsed])  # (B, 3 D + 1)
    for at, size in enumerate(config.hidden):
        x = layers.Dense(size, activation="relu", name=f"compared_{at}")(x)
        x = layers.Dropout(config.dropout, name=f"compared_dropout_{at}")(x)
    return x


def logits(network: keras.Model, inputs: Mapping[str, Float32]) -> FloatArray:
    """What a network of `build` says, shape (P,); the view of an empty sequence is made once.

    Layers are called as they are: `predict` would build a graph and a pipeline first.
    """
    given = dict(inputs)
    if "steps" in given:
        given["view"] = _views(network.get_layer("view"), given.pop("steps"))
    return _in_blocks(network.get_layer("head"), given)[:, 0].astype(np.float64)


def _views(view: keras.Model, steps: Float32) -> Float32:
    """Shape (P, V)."""
    found = np.repeat(np.asarray(view(np.zeros_like(steps[:1]))), len(steps), axis=0)
    some = np.flatnonzero(steps[:, -1].any(axis=1))  # sequences end at the last place
    found[some] = _in_blocks(view, steps[some])
    return found


def _in_blocks(network: keras.Model, inputs: Any) -> Float32:
    n = len(inputs if isinstance(inputs, np.ndarray) else next(iter(inputs.values())))
    found = np.empty((n, network.output_shape[1]), np.float32)
    for rows in blocks(np.arange(n), ROWS_AT_ONCE):
        part = inputs[rows] if isinstance(inputs, np.ndarray) else _take(inputs, rows)
        found[rows] = network(part, training=False)
    return found


def _take(inputs: Mapping[str, Float32], rows: IntArray) -> dict[str, Float32]:
    return {name: values[rows] for name, values in inputs.items()}
