"""The convolutional autoencoder: a row of 32,768 numbers to a code of 100 and back.

Letters for axes: N jobs, B batch, H columns of a row, L positions x K channels of the folded row
(L * K = H), C code.
"""

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.extmath import randomized_svd

from tagger.errors import DataError
from tagger.features import small_indices
from tagger.forward import Encoder
from tagger.networks import POOL, build_decoder, build_encoder, layer_arrays
from tagger.ordering import bisect_order
from tagger.progress import TrainingBar
from tagger.splits import duplicate_groups

FloatArray = npt.NDArray[np.float32]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """Shape and schedule of the autoencoder."""

    code: int = 100
    """Numbers of a code."""
    channels: int = 32
    """Buckets that share one position of the folded row."""
    filters: tuple[int, ...] = (8, 16, 32, 64)
    """Filters of each convolution, row side first; each is followed by pooling 4 to 1."""
    kernel: int = 5
    """Positions a convolution looks at, odd."""
    hidden: tuple[int, ...] = (200, 150)
    """Units of the dense layers between the convolutions and the code."""
    noise: float = 0.2
    """Share of a row's terms hidden from the encoder while training, in [0, 1)."""
    epochs: int = 4
    """At most; training stops when held-out reconstruction has not risen for `patience`."""
    patience: int = 2
    """Epochs without a rise before training stops."""
    epoch_rows: int = 8192
    """Rows drawn for an epoch, by weight; an epoch of fewer jobs has as many rows as jobs."""
    batch: int = 128
    """Rows per step."""
    learning_rate: float = 1e-4
    """Of Adam: small, since training starts from the best linear code."""
    held_out: float = 0.05
    """Share of the jobs, 1,000 at most, kept aside to stop by; repeats stay together."""

    def __post_init__(self) -> None:
        for name, least in (("patience", 0), ("epochs", 1), ("epoch_rows", 1), ("batch", 1)):
            if getattr(self, name) < least:
                raise DataError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("noise", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not self.filters:
            raise DataError("filters must name at least one convolution")
        if self.kernel % 2 == 0 or min(self.code, self.channels, *self.filters, *self.hidden) < 1:
            raise DataError("kernel must be odd; code, channels, filters, hidden at least 1")
        if not self.learning_rate > 0:
            raise DataError(f"learning_rate must be above 0, got {self.learning_rate}")

    def fold(self, n_columns: int) -> tuple[int, int]:
        """Positions and channels of a folded row; DataError if `n_columns` doesn't fit."""
        length = n_columns // self.channels
        if length * self.channels != n_columns or length % POOL ** len(self.filters):
            raise DataError(
                f"rows of {n_columns} columns don't fold into {self.channels} channels and "
                f"{len(self.filters)} steps of pooling {POOL} to 1"
            )
        return length, self.channels


class JobAutoencoder(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Learns codes from rows, labelled or not. Same seed, same weights.

    A truncated SVD of the weighted rows gives the linear start of encoder and decoder and the
    order in which the row is folded; the convolutions then bend the code where that makes
    held-out rows come back better (cosine between a row and its reconstruction).

    References
    ----------
    Masci et al., Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction, 2011.
    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, 2008.
    Halko, Martinsson and Tropp, Finding Structure with Randomness, 2011 (the SVD).
    """

    def __init__(self, config: AutoencoderConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self,
        X: sparse.csr_array,
        *,
        sample_weight: npt.ArrayLike | None = None,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """Learn order and weights afresh.

        Parameters
        ----------
        X : shape (N, H)
        sample_weight : shape (N,)
            How much a job counts, for the SVD and for how often it is drawn.
        log_dir
            Where `autoencoder.csv` (and TensorBoard's files, where it is installed) go.
        """
        config = self.config or AutoencoderConfig()
        fold = config.fold(X.shape[1])
        weight = _checked_weight(X, sample_weight)
        train, held_out = self._split(X, config)
        basis, scale = _truncated_svd(X[train], weight[train], config.code, self.seed)
        self.order_ = bisect_order((basis * scale[:, None]).T, group=config.channels)
        keras.utils.set_random_seed(self.seed)
        self._build(fold, config)
        for network, kernel in ((self.encoder_, basis.T), (self.decoder_, basis)):
            straight = kernel[self.order_] if network is self.encoder_ else kernel[:, self.order_]
            network.get_layer("straight").kernel.assign(straight)
        self.history_: list[dict[str, float]] = []
        self._train(X[train], weight[train], X[held_out], show_progress, log_dir)
        return self

    def partial_fit(
        self,
        X: sparse.csr_array,
        *,
        sample_weight: npt.ArrayLike | None = None,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """Go on training on more rows; bucket order and history are kept. `fit` if not fitted."""
        if not hasattr(self, "order_"):
            return self.fit(
                X, sample_weight=sample_weight, show_progress=show_progress, log_dir=log_dir
            )
        if X.shape[1] != len(self.order_):
            raise DataError(f"rows must have {len(self.order_)} columns, got {X.shape[1]}")
        weight = _checked_weight(X, sample_weight)
        train, held_out = self._split(X, self.config or AutoencoderConfig())
        self._train(X[train], weight[train], X[held_out], show_progress, log_dir)
        return self

    def encode(self, X: sparse.csr_array) -> FloatArray:
        """Codes, shape (N, C)."""
        return Encoder(self.encoder_arrays())(X)

    def reconstruct(self, X: sparse.csr_array) -> FloatArray:
        """Rows as the decoder gives them back from their codes, dense, shape (N, H)."""
        folded = np.asarray(self.decoder_.predict(self.encode(X), verbose=0))
        rows = np.empty_like(folded)
        rows[:, self.order_] = folded
        return rows

    def encoder_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `tagger.forward.Encoder` needs."""
        config = self.config or AutoencoderConfig()
        fold = np.array(config.fold(len(self.order_)))
        return {"order": self.order_, "fold": fold, **layer_arrays(self.encoder_)}

    def decoder_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return layer_arrays(self.decoder_)

    def restore(
        self, encoder: dict[str, npt.NDArray[Any]], decoder: dict[str, npt.NDArray[Any]]
    ) -> Self:
        """Take over saved arrays, so that `partial_fit` can go on from them."""
        self.order_ = np.asarray(encoder["order"])
        self._build(tuple(int(n) for n in encoder["fold"]), self.config or AutoencoderConfig())
        for network, arrays in ((self.encoder_, encoder), (self.decoder_, decoder)):
            for name, values in arrays.items():
                if "/" in name:
                    layer, part = name.split("/")
                    getattr(network.get_layer(layer), part).assign(values)
        self.history_ = []
        return self

    def _build(self, fold: tuple[int, ...], config: AutoencoderConfig) -> None:
        length, channels = fold
        self.encoder_, self.decoder_ = (
            build(
                fold=(length, channels),
                filters=config.filters,
                kernel=config.kernel,
                hidden=config.hidden,
                code=config.code,
            )
            for build in (build_encoder, build_decoder)
        )

    def _split(self, X: sparse.csr_array, config: AutoencoderConfig) -> list[npt.NDArray[np.intp]]:
        """Jobs to train on and jobs held out; too few jobs are not split."""
        groups = duplicate_groups(X, seed=self.seed)
        order = np.random.default_rng(self.seed).permutation(groups.max() + 1)
        limit = min(X.shape[0] * config.held_out, 1000)
        order = order[np.bincount(groups)[order] <= limit]
        chosen = order[np.cumsum(np.bincount(groups)[order]) <= limit]
        held_out, everyone = np.isin(groups, chosen), np.arange(X.shape[0])
        if not held_out.any():
            return [everyone, everyone]
        return [everyone[~held_out], everyone[held_out]]

    def _train(
        self,
        X: sparse.csr_array,
        weight: FloatArray,
        held_out: sparse.csr_array,
        show_progress: bool,
        log_dir: Path | None,
    ) -> None:
        config = self.config or AutoencoderConfig()
        network = _denoising(self.encoder_, self.decoder_, config)
        drawn = _Drawn(X[:, self.order_], weight, config, self.seed)
        seen = _Drawn(held_out[:, self.order_], None, config, self.seed)
        start = network.evaluate(seen, verbose=0)
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=config.patience, baseline=start
        )
        progress = TrainingBar(
            "autoencoder", config.epochs, show=show_progress, postfix=_held_out_cosine
        )
        best = _KeepBest(start)
        callbacks = [stopping, best, progress, *_tensorboard(log_dir)]
        history = network.fit(
            drawn, validation_data=seen, epochs=config.epochs, verbose=0, callbacks=callbacks
        ).history
        best.restore()
        offset = len(self.history_)
        rows = zip([float("nan"), *history["loss"]], [start, *history["val_loss"]], strict=True)
        self.history_ += [
            {"epoch": offset + epoch, "loss": float(loss), "val_loss": float(val)}
            for epoch, (loss, val) in enumerate(rows)
        ]
        if log_dir:
            write_history(log_dir / "autoencoder.csv", self.history_)


def reconstruction_cosine(rows: sparse.csr_array, reconstructed: FloatArray) -> float:
    """Mean cosine between rows (N, H) and what came back, in [-1, 1]."""
    both = np.asarray(rows.multiply(reconstructed).sum(axis=1)).ravel()
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1)) * np.linalg.norm(reconstructed, axis=1)
    return float(np.mean(both / np.maximum(lengths, 1e-12)))


def write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    """Learning curves as CSV: epoch, loss and val_loss (1 - cosine); epoch 0 is the start,
    which has no loss of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(
            {name: "" if value != value else value for name, value in row.items()}
            for row in history
        )


def _cosine_loss(rows: Any, reconstructed: Any) -> Any:
    """1 - cosine, (B, H), (B, H) -> (B,): plain squared error would reward predicting zeros."""
    a, b = (ops.normalize(x, axis=-1) for x in (rows, reconstructed))
    return 1 - ops.sum(a * b, axis=-1)


def _denoising(encoder: Any, decoder: Any, config: AutoencoderConfig) -> Any:
    row = keras.Input(encoder.input_shape[1:])
    seen = keras.layers.Dropout(config.noise)(row) if config.noise else row
    network = keras.Model(row, decoder(encoder(seen)))
    network.compile(keras.optimizers.Adam(config.learning_rate), loss=_cosine_loss)
    return network


def _truncated_svd(
    X: sparse.csr_array, weight: FloatArray, n_components: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Directions (C, H) and singular values (C,) of the weighted rows; zeros past their rank."""
    weighted = small_indices(X)
    weighted.data = X.data * np.repeat(np.sqrt(weight), np.diff(X.indptr))
    rank = min(n_components, *X.shape)
    _, found, directions = randomized_svd(weighted, rank, n_iter=3, random_state=seed)
    basis = np.zeros((n_components, X.shape[1]), np.float32)
    scale = np.zeros(n_components, np.float32)
    basis[:rank], scale[:rank] = directions, found
    return basis, scale


def _checked_weight(X: sparse.csr_array, weight: npt.ArrayLike | None) -> FloatArray:
    if not X.shape[0]:
        raise DataError("the autoencoder needs at least one job, got none")
    checked = np.ones(X.shape[0]) if weight is None else np.asarray(weight, float)
    if (
        checked.shape != (X.shape[0],)
        or not np.isfinite(checked).all()
        or checked.min() < 0
        or not checked.any()
    ):
        raise DataError(f"sample_weight must be {X.shape[0]} numbers >= 0, not all 0")
    return np.asarray(checked / checked.mean(), np.float32)


class _Drawn(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """Batches of rows as (row, row): drawn by weight, or each once if `weight` is None."""

    def __init__(
        self, X: sparse.csr_array, weight: FloatArray | None, config: AutoencoderConfig, seed: int
    ) -> None:
        super().__init__()
        self._rows, self._batch = X, config.batch
        self._rng = np.random.default_rng(seed)
        self._share = None if weight is None else weight / weight.sum(dtype=np.float64)
        self._n = min(config.epoch_rows, X.shape[0])
        self._draw()

    def _draw(self) -> None:
        n_jobs = self._rows.shape[0]
        if self._share is None:
            self._chosen = np.arange(self._n)
        else:
            self._chosen = self._rng.choice(n_jobs, size=self._n, p=self._share)

    def on_epoch_end(self) -> None:
        self._draw()

    def __len__(self) -> int:
        return -(-self._n // self._batch)

    def __getitem__(self, step: int) -> tuple[FloatArray, FloatArray]:
        chosen = self._chosen[step * self._batch : (step + 1) * self._batch]
        rows = self._rows[chosen].toarray()
        return rows, rows


def _held_out_cosine(losses: Mapping[str, float]) -> dict[str, str]:
    return {"held_out_cosine": f"{1 - losses['val_loss']:.4f}"}


class _KeepBest(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Remembers the weights of the best epoch, the start included."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self._best, self._weights = start, None

    def on_train_begin(self, logs: Any = None) -> None:
        self._weights = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs["val_loss"] < self._best:
            self._best, self._weights = logs["val_loss"], self.model.get_weights()

    def restore(self) -> None:
        self.model.set_weights(self._weights)


def _tensorboard(log_dir: Path | None) -> list[Any]:
    if log_dir is None:
        return []
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        return []
    return [keras.callbacks.TensorBoard(log_dir=str(log_dir / "tensorboard"))]
