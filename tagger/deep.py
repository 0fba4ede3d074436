"""The deep path: a small network from the code to every tag at once.

Letters for axes: N jobs, B batch, C code, M networks, T tags.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy import sparse
from sklearn.base import BaseEstimator

from tagger.errors import DataError
from tagger.forward import DeepTagger
from tagger.labels import NO, UNKNOWN, YES
from tagger.networks import build_taggers, layer_arrays
from tagger.progress import TrainingBar

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
        if min(self.epochs, self.batch, self.max_positive_weight, *self.hidden) < 1:
            raise DataError(
                "epochs, batch, max_positive_weight and every hidden layer must be at least 1"
            )
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise DataError("learning_rate must be above 0 and weight_decay at least 0")


def masked_loss(positive_weight: FloatArray) -> Any:
    """Binary cross-entropy over known labels only, a yes of tag t weighted positive_weight[m, t].

    What is compared are labels with the job's fold behind them, (B, 1, T + 1), and logits
    (B, M, T): network m learns nothing from the jobs of fold m, and only the last one learns from
    those of fold M.
    Keras' `class_weight` takes the argmax of a multi-hot row, so it can't be used here.
    """
    weights = ops.convert_to_tensor(positive_weight)
    last = len(positive_weight) - 1
    networks = ops.arange(last + 1, dtype="float32")

    def loss(labels_and_fold: Any, logits: Any) -> Any:  # -> (B,)
        labels, fold = labels_and_fold[..., :-1], labels_and_fold[..., -1]
        known = ops.cast(labels >= 0, "float32")
        yes = ops.maximum(labels, 0.0)
        cells = weights * yes * ops.softplus(-logits) + (1 - yes) * ops.softplus(logits)
        per_job = ops.sum(cells * known, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)
        taught = ops.where(fold > last, networks == last, fold != networks)
        return ops.sum(per_job * ops.cast(taught, "float32"), axis=-1)

    return loss


class Guessed(NamedTuple):
    """G jobs with pseudo-labels."""

    X: sparse.csr_array
    """Rows, shape (G, H)."""
    codes: FloatArray
    """Shape (G, C)."""
    Y: LabelArray
    """Shape (G, T): 1 yes, 0 no, -1 no guess."""
    weight: float
    """What each counts beside a labelled job, in [0, 1]."""


class DeepClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Multilabel network 200-150-100-50-25 on standardised codes. Same seed, same weights.

    For cross-fitting, a network for each fold is trained beside the one that sees everything, all
    in the same steps: six networks in little more than the time of one.

    Attributes
    ----------
    held_out_logits_ : shape (N, T)
        Logits of each job by the network that has not seen its fold; after `fit` with folds.
    """

    def __init__(self, config: DeepConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self,
        X: FloatArray,
        Y: LabelArray,
        folds: npt.NDArray[np.intp] | None = None,
        *,
        guessed: Guessed | None = None,
        show_progress: bool = False,
    ) -> Self:
        """Fit fresh weights.

        Parameters
        ----------
        X : shape (N, C)
            Codes.
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        folds : shape (N,)
            Fold of each job, from 0.
        guessed
            Jobs that only the network that has seen everything learns from, too.
        """
        config = self.config or DeepConfig()
        self.mean_: FloatArray = X.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.scale_: FloatArray = 1 / np.maximum(X.std(axis=0, dtype=np.float64), 1e-6)
        self.scale_ = self.scale_.astype(np.float32)
        n_folds = 0 if folds is None else int(folds.max()) + 1
        fold = np.full(len(Y), -1) if folds is None else folds
        taught = fold != np.arange(n_folds + 1)[:, None]  # (M, N); the last network by all jobs
        n_yes, n_no = (taught.astype(np.float32) @ (Y == kind) for kind in (YES, NO))  # (M, T)
        keras.utils.set_random_seed(self.seed)
        self.network_ = build_taggers(
            n_networks=n_folds + 1,
            code=X.shape[1],
            hidden=config.hidden,
            n_tags=Y.shape[1],
            dropout=config.dropout,
        )
        self.network_.get_layer("logits").bias.assign(np.log((n_yes + 1) / (n_no + 1)))
        positive = np.sqrt(np.maximum(n_no, 1) / np.maximum(n_yes, 1))
        labelled = (Y != UNKNOWN).any(axis=1)
        steps = config.epochs * -(-int(labelled.sum()) // config.batch)
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        self.network_.compile(
            keras.optimizers.AdamW(rate, weight_decay=config.weight_decay),
            loss=masked_loss(np.clip(positive, 1, config.max_positive_weight)),
        )
        codes, said = X[labelled], np.column_stack([Y, fold])[labelled]
        weight = np.ones(len(codes), np.float32)
        if guessed is not None:
            only_last = np.full(len(guessed.Y), n_folds + 1)
            codes = np.concatenate([codes, guessed.codes])
            said = np.concatenate([said, np.column_stack([guessed.Y, only_last])])
            weight = np.concatenate([weight, np.full(len(guessed.Y), guessed.weight, np.float32)])
        history = self.network_.fit(
            (codes - self.mean_) * self.scale_,
            said[:, None].astype(np.float32),
            sample_weight=weight,
            batch_size=config.batch,
            epochs=config.epochs,
            verbose=0,
            callbacks=[TrainingBar("classifier", config.epochs, show=show_progress)],
        ).history
        n_taught = max(n_folds, 1)  # networks that learn from a job: all but that of its fold
        self.history_ = [
            {"epoch": epoch, "loss": float(loss / n_taught)}
            for epoch, loss in enumerate(history["loss"], start=1)
        ]
        if folds is not None:
            self.held_out_logits_ = np.zeros(Y.shape, np.float32)
            for number in range(n_folds):
                out = folds == number
                self.held_out_logits_[out] = DeepTagger(self._arrays(number))(X[out])
        return self

    def decision_function(self, X: FloatArray) -> FloatArray:
        """Logits, shape (N, T), by the network that has seen everything."""
        return DeepTagger(self.arrays())(X)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `tagger.forward.DeepTagger` needs: the network that has seen everything."""
        return self._arrays(-1)

    def _arrays(self, network: int) -> dict[str, npt.NDArray[Any]]:
        one = {name: values[network] for name, values in layer_arrays(self.network_).items()}
        return {"mean": self.mean_, "scale": self.scale_, **one}
