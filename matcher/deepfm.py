"""DeepFM: a factorisation machine and a deep network over the same embeddings.

Letters for axes: B batch, F numbers, S slots, G fields, D factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from scipy.special import expit

from matcher.base import Arrays
from matcher.checkpoint import Checkpoint, fingerprint
from matcher.data import BoolArray, FloatArray, IntArray, MatchData
from matcher.features import Rows
from matcher.known import SIDES
from matcher.ranking import RankingConfig, RankingModel
from matcher.scaling import Standardiser
from matcher.slots import Slots
from matcher.training import Schedule, log_loss, train
from tagger.errors import DataError

ROWS_AT_ONCE = 8192
MIN_STEPS = 50
"""Of an epoch, unless there are hardly any pairs."""
HELD_OUT = 10
"""One in so many pairs, the latest, is not learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepFmConfig(RankingConfig):
    """Shape and schedule of the network."""

    n_factors: int = 8
    """Length of an embedding."""
    hidden: tuple[int, ...] = (64, 32)
    """Units of each hidden layer, input side first."""
    dropout: float = 0.4
    """Share of units dropped while training, in [0, 1)."""
    epochs: int = 15
    """Passes over the examples, at most."""
    patience: int = 2
    """Stop after so many epochs that did not help on the latest tenth of the pairs."""
    batch: int = 512
    """Pairs per step, at most: few pairs are learned in smaller steps, so that there are enough."""
    learning_rate: float = 2e-3
    """Of AdamW."""
    weight_decay: float = 0.1
    """Of AdamW."""

    def __post_init__(self) -> None:
        if min(self.n_factors, self.epochs, self.patience, *self.hidden) < 1:
            raise DataError("n_factors, epochs, patience and every hidden layer must be at least 1")
        if self.batch < 16:
            raise DataError(f"batch must be at least 16, got {self.batch}")
        if not 0 <= self.dropout < 1:
            raise DataError(f"dropout must be in [0, 1), got {self.dropout}")
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise DataError("learning_rate must be above 0 and weight_decay at least 0")


def build_deepfm(
    *,
    n_numbers: int,
    n_columns: int,
    field_of_slot: IntArray,
    n_factors: int,
    hidden: tuple[int, ...],
    dropout: float,
) -> keras.Model:
    """Standardised numbers (B, F) and places of columns (B, S), 0 for none, to a logit (B, 1).

    References
    ----------
    Guo et al., DeepFM, 2017. As in system 58 the factorisation machine's sum is not added up but
    weighted factor by factor, and numbers are normalised, in batches too.
    """
    fields = np.eye(int(field_of_slot.max(initial=0)) + 1, dtype=np.float32)[field_of_slot]
    numbers = keras.Input((n_numbers,), name="numbers")  # (B, F)
    places = keras.Input((len(field_of_slot),), dtype="int32", name="places")  # (B, S)
    taken = ops.expand_dims(ops.cast(ops.not_equal(places, 0), "float32"), -1)  # (B, S, 1)
    small = keras.initializers.RandomNormal(stddev=0.05)
    vectors = layers.Embedding(n_columns + 1, n_factors, small, name="vectors")(places) * taken
    weights = layers.Embedding(n_columns + 1, 1, "zeros", name="weights")(places) * taken
    scaled = layers.EinsumDense(
        "bf,fd->bfd", (n_numbers, n_factors), kernel_initializer=small, name="number_vectors"
    )(numbers)
    first = layers.Dense(1, kernel_initializer="zeros", name="number_weights")(numbers)
    first = first + ops.sum(weights, axis=1)  # (B, 1)
    sums = ops.sum(vectors, axis=1) + ops.sum(scaled, axis=1)  # (B, D)
    squares = ops.sum(vectors**2, axis=1) + ops.sum(scaled**2, axis=1)
    second = (sums**2 - squares) / 2  # (B, D): one for each factor
    pooled = ops.einsum("bsd,sg->bgd", vectors, fields)
    deep = layers.Concatenate(name="deep_input")([numbers, layers.Flatten(name="flat")(pooled)])
    for step, size in enumerate(hidden):
        deep = layers.BatchNormalization(momentum=0.9, name=f"norm_{step}")(deep)
        deep = layers.Dense(size, activation="relu", name=f"dense_{step}")(deep)
        deep = layers.Dropout(dropout, name=f"dropout_{step}")(deep)
    joined = layers.Concatenate(name="joined")([first, second, deep])
    logit = layers.Dense(1, name="logit")(joined)
    return keras.Model([numbers, places], logit, name="deepfm")


class DeepFmModel(RankingModel):
    """DeepFM over numbers, values of fields and ids.

    References
    ----------
    Guo et al., DeepFM: A Factorization-Machine based Neural Network for CTR Prediction, 2017; the
    last of system 58's models.
    """

    name = "deepfm"
    config_class: ClassVar[type[RankingConfig]] = DeepFmConfig
    _folder: Path | None = None

    def fit(
        self, data: MatchData, *, show_progress: bool = False, checkpoint: Path | None = None
    ) -> Self:
        """Learn from all pairs but the latest tenth, which tells when to stop.

        Parameters
        ----------
        checkpoint
            A folder for the state after each epoch: an interrupted training with the same
            settings, seed and data goes on from there. Removed at the end.
        """
        self._folder = checkpoint
        return super().fit(data, show_progress=show_progress)

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        config: DeepFmConfig = self.settings
        self.scale_ = Standardiser().fit(rows)
        sides = (rows.job_columns, rows.candidate_columns)
        self.slots_ = tuple(
            Slots().fit(columns, self.features_.fields_of_columns(side))
            for side, columns in zip(SIDES, sides, strict=True)
        )
        keras.utils.set_random_seed(self.seed)
        self.network_ = self._network()
        self.network_.compile(
            keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=False,  # as in sequence_models: slower to compile than to train
        )
        numbers, places = self._inputs(rows)
        y = is_yes[:, None].astype(np.float32)
        n = len(rows) - max(len(rows) // HELD_OUT, 1)  # the latest ones tell when to stop

        def batch_of(which: IntArray) -> tuple[list[Any], FloatArray]:
            return [numbers[which], places[which]], y[which]

        def held_out_loss() -> float:
            logits = self._logits(numbers[n:], places[n:])
            return log_loss(is_yes[n:].astype(np.float64), logits, np.ones(len(logits)))

        checkpoint = Checkpoint(self._folder, fingerprint(config, self.seed, numbers, places, y))
        self.losses_ = train(
            self.network_,
            batch_of,
            n,
            Schedule(
                epochs=config.epochs,
                batch=int(np.clip(n // MIN_STEPS, 16, config.batch)),
                patience=config.patience,
                seed=self.seed,
            ),
            held_out_loss=held_out_loss,
            checkpoint=checkpoint,
            title=self.name,
            show_progress=show_progress,
        )
        checkpoint.remove()

    def _network(self) -> keras.Model:
        config: DeepFmConfig = self.settings
        job, candidate = self.slots_
        return build_deepfm(
            n_numbers=len(self.features_.names_),
            n_columns=len(job.field_of_) + len(candidate.field_of_),
            field_of_slot=np.r_[job.field_of_slot_, len(job.widths_) + candidate.field_of_slot_],
            n_factors=config.n_factors,
            hidden=config.hidden,
            dropout=config.dropout,
        )

    def _inputs(self, rows: Rows) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        job, candidate = self.slots_
        theirs = job.transform(rows.job_columns)[rows.jobs]
        own = candidate.transform(rows.candidate_columns)[rows.candidates]
        own[own > 0] += len(job.field_of_)
        return self.scale_.transform(rows), np.hstack([theirs, own])

    def _proba(self, rows: Rows) -> FloatArray:
        return np.asarray(expit(self._logits(*self._inputs(rows))))

    def _logits(self, numbers: FloatArray, places: npt.NDArray[np.int32]) -> FloatArray:
        logits = np.empty(len(numbers))
        for first in range(0, len(numbers), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            logits[part] = np.asarray(self.network_([numbers[part], places[part]]))[:, 0]
        return logits

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        slots = {
            f"{side}/{name}": array
            for side, own in zip(SIDES, self.slots_, strict=True)
            for name, array in own.to_arrays().items()
        }
        weights = {f"network/{name}": np.asarray(w) for name, w in _weights(self.network_).items()}
        return {**weights, **slots, **self.scale_.to_arrays()}

    def _set_arrays(self, arrays: Arrays) -> None:
        self.scale_ = Standardiser.from_arrays(arrays)
        self.slots_ = tuple(
            Slots.from_arrays({name: arrays[f"{side}/{name}"] for name in ("field_of", "widths")})
            for side in SIDES
        )
        self.network_ = self._network()
        for name, weight in _weights(self.network_).items():
            weight.assign(arrays[f"network/{name}"])


def _weights(network: keras.Model) -> Mapping[str, Any]:
    return {
        f"{layer.name}/{weight.name}": weight
        for layer in network.layers
        for weight in layer.weights
    }
