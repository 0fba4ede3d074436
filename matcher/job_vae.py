"""Hidden space of jobs: a variational autoencoder over their structured fields.

Letters for axes: J jobs, B batch, F features of the fields, Z hidden numbers, D numbers of a job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from scipy import sparse

from matcher.base import Arrays
from matcher.checkpoint import Checkpoint, fingerprint
from matcher.data import IntArray, Profiles
from matcher.fields import FieldEncoder
from matcher.training import Schedule, train
from tagger.errors import DataError, ModelError

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeConfig:
    """Shape and schedule of the autoencoder."""

    hidden: tuple[int, ...] = (128,)
    """Units of the encoder's layers, input side first; the decoder mirrors them."""
    size: int = 16
    """Z: numbers of a job in the hidden space."""
    divergence_weight: float = 0.2
    """Of the Kullback-Leibler divergence beside the reconstruction; 1 in the paper, which with
    sparse one-hot fields leaves most hidden numbers unused."""
    epochs: int = 20
    """Passes over the jobs."""
    batch: int = 256
    """Jobs per step."""
    learning_rate: float = 2e-3
    """Of Adam."""

    def __post_init__(self) -> None:
        if min(self.size, self.epochs, self.batch, *self.hidden) < 1:
            raise DataError("size, epochs, batch and every hidden layer must be at least 1")
        if not (self.learning_rate > 0 and self.divergence_weight >= 0):
            raise DataError("learning_rate must be above 0 and divergence_weight at least 0")


class Draw(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A point of the normal distribution that the encoder says: its mean, unless training."""

    def __init__(self, divergence_weight: float, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.divergence_weight = divergence_weight
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:  # 2 x (B, Z) -> (B, Z)
        mean, log_variance = inputs
        divergence = 0.5 * ops.sum(
            ops.square(mean) + ops.exp(log_variance) - 1 - log_variance, axis=-1
        )
        self.add_loss(self.divergence_weight * ops.mean(divergence))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


def build_vae(
    *, n_features: int, hidden: Sequence[int], size: int, divergence_weight: float, seed: int
) -> keras.Model:
    """Fields to fields, (B, F) -> (B, F): logits of what is 0 or 1, values of amounts."""
    fields = keras.Input((n_features,), name="fields")  # (B, F)
    x = fields
    for step, units in enumerate(hidden):
        x = layers.Dense(units, activation="relu", name=f"encode_{step}")(x)
    mean = layers.Dense(size, name="mean")(x)  # (B, Z)
    # Narrow at first: noise of variance 1 would drown what the mean has not learned yet.
    log_variance = layers.Dense(size, bias_initializer=_minus_two(), name="log_variance")(x)
    x = Draw(divergence_weight, seed, name="draw")([mean, log_variance])  # (B, Z)
    for step, units in enumerate(reversed(hidden)):
        x = layers.Dense(units, activation="relu", name=f"decode_{step}")(x)
    return keras.Model(fields, layers.Dense(n_features, name="again")(x), name="vae")


def _minus_two() -> Any:
    return keras.initializers.Constant(-2.0)


def field_loss(is_amount: npt.NDArray[np.bool_]) -> Any:
    """Cross-entropy of what is 0 or 1, half the square error of amounts; summed over fields."""
    amounts = ops.convert_to_tensor(is_amount.astype(np.float32))

    def loss(fields: Any, again: Any) -> Any:  # -> (B,)
        binary = ops.softplus(again) - fields * again
        square = 0.5 * ops.square(fields - again)
        return ops.sum((1 - amounts) * binary + amounts * square, axis=-1)

    return loss


class JobSpace:
    """Vectors of jobs: hidden numbers of their fields, and the tagger's codes beside them.

    Without fields the codes alone, without codes the hidden numbers alone; with neither a single
    zero, so that models go on with what else they know. `notes_` says which.

    References
    ----------
    Kingma and Welling, Auto-Encoding Variational Bayes, 2014; as the space of jobs that a
    candidate's mean lies in: Lin, 104 Job Match Recommendation using Deep Learning, 2017.
    """

    def __init__(self, config: VaeConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self, jobs: Profiles, *, checkpoint: Checkpoint | None = None, show_progress: bool = False
    ) -> Self:
        config = self.config or VaeConfig()
        self.fields_ = FieldEncoder().fit(jobs)
        self.code_scale_ = _scale(jobs.codes)
        self.layers_: dict[str, Float32] = {}
        rows = self.fields_.transform(jobs)
        rows = rows[self.fields_.tells(rows)]
        if min(rows.shape):
            state = (checkpoint or Checkpoint(None, "")).within("jobs", _fingerprint(rows))
            self._train(rows, config, state, show_progress)
            self.hidden_scale_ = _scale(self._hidden(rows))
        return self

    def _train(
        self, rows: sparse.csr_array, config: VaeConfig, checkpoint: Checkpoint, show: bool
    ) -> None:
        keras.utils.set_random_seed(self.seed)
        network = build_vae(
            n_features=rows.shape[1],
            hidden=config.hidden,
            size=config.size,
            divergence_weight=config.divergence_weight,
            seed=self.seed,
        )
        is_amount = np.array([column.role == "amount" for column in self.fields_.columns_])
        network.compile(
            keras.optimizers.Adam(config.learning_rate),
            loss=field_loss(is_amount),
            jit_compile=False,  # as in sequence_models: slower to compile than to train
        )

        def batch_of(which: IntArray) -> tuple[Float32, Float32]:
            dense = rows[which].toarray()
            return dense, dense

        schedule = Schedule(epochs=config.epochs, batch=config.batch, seed=self.seed)
        self.losses_ = train(
            network,
            batch_of,
            rows.shape[0],
            schedule,
            checkpoint=checkpoint,
            title="job space",
            show_progress=show,
        )
        encoder = [f"encode_{step}" for step in range(len(config.hidden))]
        for name in (*encoder, "mean"):
            kernel, bias = network.get_layer(name).get_weights()
            self.layers_[f"{name}/kernel"], self.layers_[f"{name}/bias"] = kernel, bias

    @property
    def size_(self) -> int:
        """D: numbers of a job's vector, at least 1."""
        hidden = self.layers_["mean/bias"].size if self.layers_ else 0
        return max(hidden + len(self.code_scale_), 1)

    @property
    def notes_(self) -> tuple[str, ...]:
        """What jobs lacked, a sentence each."""
        lacks = []
        if not self.layers_:
            lacks.append("jobs have no fields: there is no hidden space of them")
        if not len(self.code_scale_):
            lacks.append("jobs have no codes: their text adds nothing to their vectors")
        return tuple(lacks)

    def vectors(self, jobs: Profiles) -> Float32:
        """Shape (J, D), of scale 1.

        Raises
        ------
        ModelError
            If codes came, or did not come, other than at training.
        """
        n_codes = 0 if jobs.codes is None else jobs.codes.shape[1]
        if n_codes != len(self.code_scale_):
            raise ModelError(
                f"this model knows jobs with codes of {len(self.code_scale_)} numbers, these have "
                f"{n_codes}: make codes with the same tagger, or train the model again"
            )
        parts = [np.zeros((len(jobs), 0), np.float32)]
        if self.layers_:
            parts.append(self._hidden(self.fields_.transform(jobs)) / self.hidden_scale_)
        if jobs.codes is not None:
            parts.append(jobs.codes / self.code_scale_)
        joined = np.concatenate(parts, axis=1, dtype=np.float32)
        return joined if joined.shape[1] else np.zeros((len(jobs), 1), np.float32)

    def _hidden(self, rows: sparse.csr_array) -> Float32:
        """The encoder's means, shape (J, Z)."""
        x: Any = rows
        for step in range(len(self.layers_) // 2 - 1):
            x = x @ self.layers_[f"encode_{step}/kernel"] + self.layers_[f"encode_{step}/bias"]
            x = np.maximum(x, 0)
        return np.asarray(x @ self.layers_["mean/kernel"] + self.layers_["mean/bias"], np.float32)

    def to_arrays(self) -> dict[str, Arrays]:
        scales = {"codes": self.code_scale_}
        if self.layers_:
            scales["hidden"] = self.hidden_scale_
        return {
            "job_fields": self.fields_.to_arrays(),
            "job_layers": self.layers_,
            "job_scales": scales,
        }

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays]) -> Self:
        space = cls()
        space.fields_ = FieldEncoder.from_arrays(files["job_fields"])
        space.layers_ = dict(files["job_layers"])
        scales = files["job_scales"]
        space.code_scale_ = scales["codes"]
        if "hidden" in scales:
            space.hidden_scale_ = scales["hidden"]
        return space


def _scale(vectors: Float32 | None) -> Float32:
    """One number for all columns, so that their proportions stay; shape (n,), n may be 0.

    Rows of zeros are of jobs without text and don't count.
    """
    if vectors is None:
        return np.zeros(0, np.float32)
    known = vectors[vectors.any(axis=1)]
    spread = float(np.sqrt(np.mean(np.var(known, axis=0)))) if len(known) else 0.0
    return np.full(vectors.shape[1], spread or 1.0, np.float32)


def _fingerprint(rows: sparse.csr_array) -> str:
    return fingerprint(rows.data, rows.indices, rows.indptr, rows.shape)
