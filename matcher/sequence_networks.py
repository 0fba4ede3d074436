"""The networks of activity sequences: convolutions, LSTM, vectors of candidate and job, all joined.

Each ends in one logit. Letters for axes: B batch, S steps, D numbers of a job's vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

from matcher.job_vae import VaeConfig
from matcher.sequences import N_FEATURES
from tagger.errors import DataError

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
        sizes = (self.n_steps, self.min_steps, self.kernel, self.units, self.epochs, self.patience)
        if min(*sizes, self.batch, *self.filters, *self.hidden) < 1 or not self.hidden:
            raise DataError("all sizes, epochs, patience and batch must be at least 1")
        for name in ("dropout", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.ratio is not None and not self.ratio > 0:
            raise DataError(f"ratio must be above 0, got {self.ratio}")
        if self.base_rate is not None and not 0 < self.base_rate < 1:
            raise DataError(f"base_rate must be in (0, 1), got {self.base_rate}")
        if not self.learning_rate > 0:
            raise DataError(f"learning_rate must be above 0, got {self.learning_rate}")


def config_of(values: Mapping[str, Any]) -> SequenceConfig:
    """From what `dataclasses.asdict` and JSON made of one: JSON has lists for tuples."""
    vae = VaeConfig(**{name: _tuple(value) for name, value in values["vae"].items()})
    return SequenceConfig(**{name: _tuple(value) for name, value in values.items()} | {"vae": vae})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def build(kind: str, config: SequenceConfig, n_numbers: int) -> keras.Model:
    """`cnn`, `lstm`, `mlp` or `all`: its inputs by name -> logit (B, 1)."""
    shapes = {
        "steps": (config.n_steps, N_FEATURES),  # (B, S, 4)
        "candidate": (n_numbers,),  # (B, D)
        "job": (n_numbers,),
        "n_browsed": (1,),
    }
    given = {name: keras.Input(shapes[name], name=name) for name in INPUTS[kind]}
    views = []
    if kind in ("cnn", "all"):
        views.append(convolved(given["steps"], config))
    if kind in ("lstm", "all"):
        views.append(remembered(given["steps"], config))
    if kind in ("mlp", "all"):
        views.append(compared(given["candidate"], given["job"], given["n_browsed"], config))
    x = views[0]
    if len(views) > 1:  # joined late: each view is whole before they meet
        x = layers.Concatenate(name="joined")(views)
        x = layers.Dense(config.hidden[-1], activation="relu", name="together")(x)
    return keras.Model(given, layers.Dense(1, name="logit")(x), name=kind)


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
