"""The deep path: a small network from the code to every tag at once.

Letters for axes: N jobs, B batch, C code, T tags.
"""

from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.base import BaseEstimator

from tagger.errors import DataError
from tagger.labels import UNKNOWN
from tagger.networks import build_tagger, layer_arrays
from tagger.wide import known_counts

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepConfig:
    """Shape and schedule of the network."""

    hidden: tuple[int, ...] = (200, 150, 100, 50, 25)
    """Units of each hidden layer, input side first."""
    dropout: float = 0.3
    """Share of units dropped while training, in [0, 1)."""
    epochs: int = 60
    """Passes over the labelled jobs."""
    batch: int = 128
    """Jobs per step."""
    learning_rate: float = 3e-3
    """Of AdamW; falls to zero along a half cosine."""
    weight_decay: float = 0.1
    """Of AdamW."""
    max_positive_weight: float = 5.0
    """A rare tag's yes counts at most this many times a no."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise DataError(f"dropout must be in [0, 1), got {self.dropout}")
        if min(self.epochs, self.batch, *self.hidden) < 1:
            raise DataError("epochs, batch and every hidden layer must be at least 1")


def masked_loss(positive_weight: FloatArray) -> Any:
    """Binary cross-entropy over known labels only, a yes of tag t weighted positive_weight[t].

    Keras' `class_weight` takes the argmax of a multi-hot row, so it can't be used here.
    """
    weights = ops.convert_to_tensor(positive_weight)

    def loss(labels: Any, logits: Any) -> Any:  # (B, T), (B, T) -> (B,)
        known = ops.cast(labels >= 0, "float32")
        yes = ops.maximum(labels, 0.0)
        cells = weights * yes * ops.softplus(-logits) + (1 - yes) * ops.softplus(logits)
        return ops.sum(cells * known, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)

    return loss


class DeepClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Multilabel network 200-150-100-50-25 on standardised codes. Same seed, same weights."""

    def __init__(self, config: DeepConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, X: FloatArray, Y: LabelArray) -> Self:
        """Fit fresh weights.

        Parameters
        ----------
        X : shape (N, C)
            Codes.
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        """
        config = self.config or DeepConfig()
        n_yes, n_no = known_counts(Y)
        self.mean_: FloatArray = X.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.scale_: FloatArray = 1 / np.maximum(X.std(axis=0, dtype=np.float64), 1e-6)
        self.scale_ = self.scale_.astype(np.float32)
        keras.utils.set_random_seed(self.seed)
        self.network_ = build_tagger(
            code=X.shape[1], hidden=config.hidden, n_tags=Y.shape[1], dropout=config.dropout
        )
        prior = np.log((n_yes + 1) / (n_no + 1)).astype(np.float32)
        self.network_.get_layer("logits").bias.assign(prior)
        positive = np.sqrt(np.maximum(n_no, 1) / np.maximum(n_yes, 1))
        positive = np.clip(positive, 1, config.max_positive_weight).astype(np.float32)
        labelled = (Y != UNKNOWN).any(axis=1)
        steps = config.epochs * -(-int(labelled.sum()) // config.batch)
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        self.network_.compile(
            keras.optimizers.AdamW(rate, weight_decay=config.weight_decay),
            loss=masked_loss(positive),
        )
        fitted = self.network_.fit(
            (X[labelled] - self.mean_) * self.scale_,
            Y[labelled].astype(np.float32),
            batch_size=config.batch,
            epochs=config.epochs,
            verbose=0,
        )
        self.history_ = [
            {"epoch": epoch, "loss": float(loss)}
            for epoch, loss in enumerate(fitted.history["loss"], start=1)
        ]
        return self

    def decision_function(self, X: FloatArray) -> FloatArray:
        """Logits, shape (N, T)."""
        standard = ops.convert_to_tensor((X - self.mean_) * self.scale_)
        return np.asarray(self.network_(standard, training=False))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `tagger.forward.DeepTagger` needs."""
        return {"mean": self.mean_, "scale": self.scale_, **layer_arrays(self.network_)}
