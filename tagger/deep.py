"""The deep path: a small network from the code to every tag at once.

It learns from labelled jobs and, softly, from the team's own unlabelled ones: what the other paths
say of these. So words that go with a tag's name teach it before anybody has labelled them.

Letters for axes: N labelled jobs, U unlabelled jobs, B batch, C code, M networks, T tags.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.base import BaseEstimator

from tagger.errors import DataError
from tagger.forward import DeepTagger
from tagger.labels import UNKNOWN, YES
from tagger.logistic import fit_logistic
from tagger.networks import build_taggers, layer_arrays
from tagger.progress import TrainingBar

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int8]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepConfig:
    """Shape and schedule of the network."""

    hidden: tuple[int, ...] = (200, 150, 100, 50, 25)
    """Units of each hidden layer, input side first."""
    dropout: float = 0.3
    """Share of units dropped while training, in [0, 1)."""
    epochs: int = 30
    """Passes over the jobs at most; 0 leaves the linear model as it is."""
    patience: int = 3
    """Epochs without a better loss on held-out jobs before training stops."""
    batch: int = 128
    """Jobs per step."""
    learning_rate: float = 1e-3
    """Of AdamW."""
    weight_decay: float = 0.1
    """Of AdamW."""
    min_gain: float = 0.01
    """Share by which the network must lower the loss of the linear model on held-out jobs to be
    kept, in [0, 1)."""
    inverse_l2: float = 0.05
    """Inverse of the L2 penalty of the linear model."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise DataError(f"dropout must be in [0, 1), got {self.dropout}")
        if not 0 <= self.min_gain < 1:
            raise DataError(f"min_gain must be in [0, 1), got {self.min_gain}")
        if min(self.batch, self.patience, *self.hidden) < 1 or self.epochs < 0:
            raise DataError(
                "batch, patience and every hidden layer must be at least 1, epochs at least 0"
            )
        if not (self.learning_rate > 0 and self.weight_decay >= 0 and self.inverse_l2 > 0):
            raise DataError(
                "learning_rate and inverse_l2 must be above 0 and weight_decay at least 0"
            )


class SoftLabels(NamedTuple):
    """What the other paths say of unlabelled jobs."""

    codes: FloatArray
    """Shape (U, C)."""
    proba: npt.NDArray[np.floating[Any]]
    """Shape (M, U, T), in [0, 1]: for each network by paths that know the same labels as it."""
    weight: float
    """How much one counts beside a person's label."""


class DeepClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A logistic regression on the code, and a network that adds to it where that helps.

    The network starts at zero. It is kept from the epoch with the smallest loss on labelled jobs
    that were held out, if that is clearly smaller than the linear model's; else it is left out.

    Attributes
    ----------
    held_out_logits_ : shape (N, T)
        Only with `folds`: for each job by the network that has not seen its fold.
    history_ : one row per epoch
        `loss`, and `val_loss` on held-out labels; the first row is the linear model.
    """

    def __init__(self, config: DeepConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self,
        X: FloatArray,
        Y: LabelArray,
        folds: Ints | None = None,
        *,
        soft: SoftLabels | None = None,
        show_progress: bool = False,
    ) -> Self:
        """Fit one network on everything and, side by side with it, one without each fold.

        Parameters
        ----------
        X : shape (N, C)
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        folds : shape (N,)
            From 0. Without folds nothing can be held out, and only the linear model is fitted.
        """
        config = self.config or DeepConfig()
        codes = X if soft is None else np.concatenate([X, soft.codes])
        self.mean_: FloatArray = codes.mean(axis=0)
        spread = float(np.sqrt(np.mean(codes.var(axis=0, dtype=np.float64))))
        self.scale_: FloatArray = np.full(codes.shape[1], 1 / max(spread, 1e-6), np.float32)
        standard = ((codes - self.mean_) * self.scale_).astype(np.float32)
        labels = _Labels(Y, folds, soft)
        linear = [
            fit_logistic(standard, *labels.of(m), inverse_l2=config.inverse_l2, n_iterations=30)
            for m in range(labels.n_networks)
        ]
        self.straight_: FloatArray = np.stack([coefficients for coefficients, _ in linear])
        self.bias_: FloatArray = np.stack([intercept for _, intercept in linear])
        self.layers_: dict[str, npt.NDArray[Any]] = {}
        self.history_: list[dict[str, float]] = []
        if folds is not None and config.epochs and labels.n_networks > 1:
            self._train(standard, labels, config, show_progress)
        if folds is not None:
            self.held_out_logits_ = np.zeros(Y.shape, np.float32)
            for number in range(labels.n_networks - 1):
                out = folds == number
                self.held_out_logits_[out] = DeepTagger(self._arrays(number))(X[out])
        return self

    @property
    def has_network_(self) -> bool:
        """Whether a network adds to the linear model."""
        return bool(self.layers_)

    def decision_function(self, X: FloatArray) -> FloatArray:
        """Logits, shape (N, T), by the network that has seen everything."""
        return DeepTagger(self.arrays())(X)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `tagger.forward.DeepTagger` needs: the network that has seen everything."""
        return self._arrays(-1)

    def _arrays(self, network: int) -> dict[str, npt.NDArray[Any]]:
        return {
            "mean": self.mean_,
            "scale": self.scale_,
            "straight/kernel": self.straight_[network],
            "straight/bias": self.bias_[network],
            **{name: values[network] for name, values in self.layers_.items()},
        }

    def _train(
        self, standard: FloatArray, labels: "_Labels", config: DeepConfig, show_progress: bool
    ) -> None:
        """Let the networks add to the linear models, as long as held-out labels say it helps."""
        keras.utils.set_random_seed(self.seed)
        network = build_taggers(
            n_networks=labels.n_networks,
            code=standard.shape[1],
            hidden=config.hidden,
            n_tags=labels.n_tags,
            dropout=config.dropout,
        )
        straight = network.get_layer("straight")
        straight.kernel.assign(self.straight_)
        straight.bias.assign(self.bias_)
        network.compile(
            keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay),
            loss=_soft_loss,
        )
        keep = _KeepBest(standard, labels, config.patience)
        history = network.fit(
            _Batches(standard, labels, config.batch, self.seed),
            epochs=config.epochs,
            verbose=0,
            callbacks=[keep, TrainingBar("classifier", config.epochs, show=show_progress)],
        ).history
        losses = [float("nan"), *history["loss"]]
        self.history_ = [
            {"epoch": epoch, "loss": float(loss), "val_loss": val}
            for epoch, (loss, val) in enumerate(zip(losses, keep.losses, strict=False))
        ]
        if min(keep.losses) < keep.losses[0] * (1 - config.min_gain):
            network.set_weights(keep.weights)
            self.layers_ = {
                name: values
                for name, values in layer_arrays(network).items()
                if not name.startswith("straight/")
            }


class _Labels:
    """Targets and weights of every job for each of the M networks, made when they are needed."""

    def __init__(self, Y: LabelArray, folds: Ints | None, soft: SoftLabels | None) -> None:
        self.Y, self._soft = Y, soft
        self.folds = np.full(len(Y), -1) if folds is None else folds
        self.n_networks = 1 if folds is None or not len(Y) else int(folds.max()) + 2
        self.n_tags = Y.shape[1]
        self.n_jobs = len(Y) + (0 if soft is None else len(soft.codes))

    def of(self, network: int, jobs: Ints | None = None) -> tuple[FloatArray, FloatArray]:
        """Targets and weights for one network, shape (jobs, T) each; all jobs by default."""
        jobs = np.arange(self.n_jobs) if jobs is None else jobs
        targets = np.zeros((len(jobs), self.n_tags), np.float32)
        weights = np.zeros((len(jobs), self.n_tags), np.float32)
        is_labelled = jobs < len(self.Y)
        labelled = jobs[is_labelled]
        targets[is_labelled] = self.Y[labelled] == YES
        weights[is_labelled] = self.Y[labelled] != UNKNOWN
        weights[is_labelled] *= (self.folds[labelled] != network)[:, None]
        if self._soft is not None and not is_labelled.all():
            targets[~is_labelled] = self._soft.proba[network][jobs[~is_labelled] - len(self.Y)]
            weights[~is_labelled] = self._soft.weight
        return targets, weights


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """Codes (B, C) with targets and weights side by side, (B, M, 2 T)."""

    def __init__(self, codes: FloatArray, labels: _Labels, batch: int, seed: int) -> None:
        super().__init__()
        self._codes, self._labels, self._batch = codes, labels, batch
        self._rng = np.random.default_rng(seed)
        self._order = self._rng.permutation(labels.n_jobs)

    def on_epoch_end(self) -> None:
        self._order = self._rng.permutation(self._labels.n_jobs)

    def __len__(self) -> int:
        return -(-self._labels.n_jobs // self._batch)

    def __getitem__(self, step: int) -> tuple[FloatArray, FloatArray]:
        jobs = self._order[step * self._batch : (step + 1) * self._batch]
        pairs = [
            np.concatenate(self._labels.of(m, jobs), 1) for m in range(self._labels.n_networks)
        ]
        return self._codes[jobs], np.stack(pairs, axis=1)


def _soft_loss(targets_and_weights: Any, logits: Any) -> Any:
    """Weighted binary cross-entropy with soft targets, (B, M, 2 T), (B, M, T) -> (B,).

    Keras' `class_weight` takes the argmax of a multi-hot row, so it can't be used here.
    """
    targets, weights = ops.split(targets_and_weights, 2, axis=-1)
    cells = weights * (ops.softplus(logits) - targets * logits)
    return ops.mean(ops.sum(cells, axis=-1), axis=-1)


class _KeepBest(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Remembers the weights of the epoch with the smallest held-out loss, the start included."""

    def __init__(self, codes: FloatArray, labels: _Labels, patience: int) -> None:
        super().__init__()
        self._codes, self._labels, self._patience = codes, labels, patience
        self.best_epoch = 0
        self.losses: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.losses.append(self._held_out_loss())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = self._held_out_loss()
        if loss < min(self.losses) - 1e-5:
            self.best_epoch, self.weights = epoch + 1, self.model.get_weights()
        self.losses.append(loss)
        if epoch + 1 - self.best_epoch >= self._patience:
            self.model.stop_training = True

    def _held_out_loss(self) -> float:
        """Mean log loss of known labels, each by the network that has not seen its job."""
        Y, folds, total, n_known = self._labels.Y, self._labels.folds, 0.0, 0
        for first in range(0, len(Y), 1024):
            jobs = np.arange(first, min(first + 1024, len(Y)))
            all_logits = np.asarray(self.model(self._codes[jobs], training=False))  # (B, M, T)
            logits = all_logits[np.arange(len(jobs)), folds[jobs]]
            known, yes = Y[jobs] != UNKNOWN, Y[jobs] == YES
            total += float(((np.logaddexp(0, logits) - yes * logits) * known).sum())
            n_known += int(known.sum())
        return total / max(n_known, 1)
