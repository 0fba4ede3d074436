"""Activity embeddings by a network: CNN, LSTM or Transformer over what candidates did.

Letters for axes: N sequences, S steps, D numbers of a job's vector, M jobs of a row, Q questions.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from tqdm import tqdm

from matcher.activity import ActivityConfig, Sequences
from matcher.activity_models import ActivityMatcher, means_from_arrays, means_to_arrays
from matcher.activity_rows import Rows, training_rows
from matcher.aggregation import Inner, Means, choose_means, fit_means, hold_out, row_vectors
from matcher.base import Arrays
from matcher.data import MatchData
from matcher.job_vectors import Float32Array, JobVectors, TrainingVectors
from matcher.saved_config import from_plain
from tagger.errors import DataError
from tagger.quiet import quietly


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedConfig(ActivityConfig):
    """What a network adds."""

    with_means: bool = True
    """Whether the network starts at the decaying mean and is added to it; False is the source's."""
    epochs: int = 10
    """Passes over the windows at most; how many is chosen on the held-out part."""
    patience: int = 2
    """Stop after so many epochs without a better one."""
    batch: int = 256
    """Windows per step."""
    learning_rate: float = 1e-3
    """Of Adam."""

    def __post_init__(self) -> None:
        ActivityConfig.__post_init__(self)
        if min(self.epochs, self.patience, self.batch) < 1 or not self.learning_rate > 0:
            raise DataError("epochs, patience and batch must be at least 1, learning_rate above 0")


class LearnedActivity(ActivityMatcher):
    """A network over [job vector, one-hot action] of each step, from the oldest to the latest.

    Its last hidden state, of the size of a job's vector, is multiplied number by number with the
    job's vector, and a dense layer says whether the job is taken: jobs that were against those
    dismissed and random ones of the same day. By default the hidden state is added to the decaying
    mean, from which training starts, and the epoch that is best on a held-out part is taken, which
    may be none.

    References
    ----------
    Improving job matching with machine-learned activity features, LinkedIn Engineering, 2022:
    model 2.
    """

    way: ClassVar[str]
    config_class = LearnedConfig

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        config = self.settings
        assert isinstance(config, LearnedConfig)
        rows = training_rows(data, config, seed=self.seed)
        self.vectors_ = JobVectors(config.n_numbers, seed=self.seed)
        vectors = self.vectors_.fit_for_training(data)
        inner = hold_out(rows, vectors, config, data.groups, seed=self.seed)
        self.means_, self.tried_ = choose_means(inner, rows, vectors, config.decays)
        self.epochs_, self.history_ = self._choose_epochs(inner, config, show_progress)
        self.embedder_, self.head_ = self._train(
            rows, vectors, self.means_, self.epochs_, config, show_progress
        )
        return self

    def _choose_epochs(
        self, inner: Inner | None, config: LearnedConfig, show_progress: bool
    ) -> tuple[int, list[dict[str, float]]]:
        """How many epochs to train, by the questions held out, and the quality after each."""
        if inner is None:
            return (0 if config.with_means else config.epochs), []
        steps = row_vectors(inner.asked, inner.vectors)[0]  # (Q, S, D)
        means = fit_means(inner.rows, inner.vectors, self.means_.r)
        # Before the first epoch it is the decaying mean, or nothing.
        start = inner.quality(means.sums(inner.asked.history, steps)) if config.with_means else 0.0
        seen = [start]

        def watch(embedder: Any, head: Float32Array) -> bool:
            embedded = embed_all(embedder, means, inner.asked.history, steps)
            seen.append(inner.quality(embedded * head))
            return len(seen) - 1 - int(np.argmax(seen)) < config.patience

        self._train(
            inner.rows, inner.vectors, means, config.epochs, config, show_progress, watch=watch
        )
        history = [{"epoch": float(n), "quality": value} for n, value in enumerate(seen)]
        return int(np.argmax(seen)), history

    def _train(
        self,
        rows: Rows,
        vectors: TrainingVectors,
        means: Means,
        epochs: int,
        config: LearnedConfig,
        show_progress: bool = False,
        *,
        watch: Callable[[Any, Float32Array], bool] | None = None,
    ) -> tuple[Any, Float32Array]:
        """The embedder, and the weights of the product, (D,); trains while `watch` says so."""
        with quietly():
            import keras

            from matcher.activity_networks import build_embedder, build_trainer, weighted_loss

        keras.utils.set_random_seed(self.seed)
        embedder = build_embedder(
            self.way, steps=config.steps, dim=vectors.sums.shape[1], with_means=config.with_means
        )
        trainer = build_trainer(
            embedder,
            vectors,
            n_asked=rows.jobs.shape[1],
            bias=means.bias,
        )
        trainer.compile(keras.optimizers.Adam(config.learning_rate), loss=weighted_loss)
        inputs = [
            rows.candidates.astype(np.int32),
            rows.history.jobs.astype(np.int32) + 1,
            rows.history.actions.astype(np.int32),
            means.step_weights(rows.history),
            rows.jobs.astype(np.int32) + 1,
        ]
        answers = np.stack([rows.labels, rows.weights], axis=-1)
        head = trainer.get_layer("head")
        title = f"{self.name}{'' if watch is None else ', how many passes'}"
        for _ in tqdm(range(epochs), title, unit="pass", disable=None if show_progress else True):
            trainer.fit(inputs, answers, batch_size=config.batch, epochs=1, verbose=0)
            if watch is not None and not watch(embedder, weights_of(head)):
                break
        return embedder, weights_of(head)

    def queries(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        return self.embed_sequences(history, vectors) * self.head_

    def embed_sequences(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        return embed_all(self.embedder_, self.means_, history, vectors)

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        arrays, about = self.vectors_.to_arrays()
        means, about_means = means_to_arrays(self.means_)
        weights = {f"{n:03}": values for n, values in enumerate(self.embedder_.get_weights())}
        meta = {
            "config": asdict(self.settings),
            "seed": self.seed,
            "vectors": about,
            "means": about_means,
            "tried": self.tried_,
            "epochs": self.epochs_,
            "history": self.history_,
        }
        return {
            "vectors": arrays,
            "means": means,
            "network": weights,
            "head": {"weights": self.head_},
        }, meta

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        with quietly():
            from matcher.activity_networks import build_embedder

        config = from_plain(cls.config_class, meta["config"])
        model = cls(config, seed=meta["seed"])
        model.vectors_ = JobVectors.from_arrays(files["vectors"], meta["vectors"])
        model.means_ = means_from_arrays(files["means"], meta["means"])
        model.tried_ = dict(meta["tried"])
        model.epochs_, model.history_ = meta["epochs"], list(meta["history"])
        model.head_ = files["head"]["weights"]
        model.embedder_ = build_embedder(
            cls.way, steps=config.steps, dim=model.vectors_.dim_, with_means=config.with_means
        )
        weights = files["network"]
        model.embedder_.set_weights([weights[name] for name in sorted(weights)])
        return model


class CnnActivity(LearnedActivity):
    """Activity embeddings by causal convolutions."""

    name = "activity-cnn"
    way = "cnn"


class LstmActivity(LearnedActivity):
    """Activity embeddings by a long short-term memory (Hochreiter and Schmidhuber, 1997)."""

    name = "activity-lstm"
    way = "lstm"


class TransformerActivity(LearnedActivity):
    """Activity embeddings by self-attention (Vaswani et al., Attention is all you need, 2017)."""

    name = "activity-transformer"
    way = "transformer"


def weights_of(head: Any) -> Float32Array:
    """Of the dense layer behind the product, shape (D,)."""
    return np.asarray(head.get_weights()[0], np.float32).ravel()


def embed_all(
    embedder: Any, means: Means, history: Sequences, vectors: Float32Array
) -> Float32Array:
    """Shape (N, D), from the vectors of the steps, shape (N, S, D)."""
    if not len(history):  # some layers refuse it
        return np.zeros((0, vectors.shape[-1]), np.float32)
    found = embedder(
        [
            vectors,
            history.actions.astype(np.int32),
            means.step_weights(history),
        ],
        training=False,
    )
    return np.asarray(found, np.float32)
