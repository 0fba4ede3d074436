"""Networks that turn a sequence of jobs and actions into one vector, and what trains them.

Letters for axes: B batch, S steps, D numbers of a job's vector, K kinds of action and padding,
M jobs asked about.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from matcher.activity import N_KINDS, PAD
from matcher.job_vectors import SMALL, TrainingVectors


def build_cnn(steps: int, dim: int) -> keras.Model:
    """Causal convolutions that look 1 + 2 + 4 + ... steps back; the last step's hidden state."""
    vectors, kinds, x = _inputs(steps, dim)
    for level in range(3):
        last = level == 2
        x = layers.Conv1D(
            dim,
            3,
            dilation_rate=2**level,
            padding="causal",
            activation="tanh" if last else "relu",
            name=f"conv_{level}",
        )(x)  # (B, S, D)
    return keras.Model([vectors, kinds], x[:, -1], name="cnn")


def build_lstm(steps: int, dim: int) -> keras.Model:
    """The last hidden state; padded steps are passed over."""
    vectors, kinds, x = _inputs(steps, dim)
    x = layers.LSTM(dim, name="lstm")(x, mask=_is_done(kinds))
    return keras.Model([vectors, kinds], x, name="lstm")


def build_transformer(steps: int, dim: int, n_heads: int = 2) -> keras.Model:
    """One block of self-attention over the steps, places counted; the last step's hidden state."""
    vectors, kinds, x = _inputs(steps, dim)
    done = _is_done(kinds)
    x = layers.Dense(dim, name="project")(x)  # (B, S, D)
    # Counted from an input: a layer on a constant would be no part of the network, nor saved.
    place = ops.cumsum(ops.ones_like(kinds), axis=1) - 1
    x = x + layers.Embedding(steps, dim, name="places")(place)
    looked = layers.MultiHeadAttention(n_heads, max(dim // n_heads, 1), name="attention")(
        layers.LayerNormalization(name="norm_0")(x), x, attention_mask=done[:, None, :]
    )
    x = x + looked
    hidden = layers.Dense(2 * dim, activation="gelu", name="wide")(
        layers.LayerNormalization(name="norm_1")(x)
    )
    x = x + layers.Dense(dim, name="narrow")(hidden)
    return keras.Model([vectors, kinds], x[:, -1], name="transformer")


BUILDERS = {"cnn": build_cnn, "lstm": build_lstm, "transformer": build_transformer}


def _inputs(steps: int, dim: int) -> tuple[Any, Any, Any]:
    """Vectors (B, S, D), kinds (B, S), and both side by side (B, S, D + K)."""
    vectors = keras.Input((steps, dim), name="vectors")
    kinds = keras.Input((steps,), dtype="int32", name="kinds")
    both = layers.Concatenate(name="steps")([vectors, ops.one_hot(kinds, N_KINDS)])
    return vectors, kinds, both


def _is_done(kinds: Any) -> Any:
    """Which steps are not padding, (B, S)."""
    return ops.not_equal(kinds, PAD)


def build_embedder(way: str, *, steps: int, dim: int, with_means: bool) -> keras.Model:
    """Activity embedding, (B, D): the network's last hidden state, added to the decaying mean.

    The gate before the hidden state starts at zero, so training starts at the mean and leaves it
    only where that helps.

    References
    ----------
    Bachlechner et al., ReZero is all you need: fast convergence at large depth, 2020.
    """
    network = BUILDERS[way](steps, dim)
    vectors, kinds = network.inputs
    step_weights = keras.Input((steps,), name="step_weights")  # of the decaying mean
    hidden = network(network.inputs)
    if with_means:
        gate = layers.EinsumDense("bd,d->bd", dim, kernel_initializer="zeros", name="gate")
        mean = ops.einsum("bs,bsd->bd", step_weights, vectors)
        hidden = layers.Add(name="embedding")([mean, gate(hidden)])
    return keras.Model([vectors, kinds, step_weights], hidden, name="embedder")


def build_trainer(
    embedder: keras.Model, vectors: TrainingVectors, *, n_asked: int, bias: float
) -> keras.Model:
    """Logits of jobs that may have come next, (B, M): Hadamard product with the embedding, dense.

    A softmax over taken and not taken is the logistic function of the difference of their two
    logits, so there is one here. Jobs are rows counted from 1, 0 for none; the vectors of jobs that
    the candidate met, the first one asked about among them, are as without the candidate.
    """
    _, steps, dim = embedder.inputs[0].shape
    candidate = keras.Input((), dtype="int32", name="candidate")
    jobs = keras.Input((steps,), dtype="int32", name="jobs")
    kinds = keras.Input((steps,), dtype="int32", name="kinds")
    step_weights = keras.Input((steps,), name="step_weights")
    asked = keras.Input((n_asked,), dtype="int32", name="asked")
    table = np.concatenate([np.zeros((1, dim), np.float32), vectors.sums])
    sums = layers.Embedding(len(table), dim, trainable=False, name="job_sums")
    own = layers.Embedding(len(vectors.own), dim, trainable=False, name="own_say")
    mine = own(candidate)[:, None, :]  # (B, 1, D)
    met = _unit((sums(jobs) - mine) * ops.cast(jobs > 0, "float32")[..., None])
    embedding = embedder([met, kinds, step_weights])  # (B, D)
    is_first = np.eye(1, n_asked, dtype=np.float32)[..., None]  # (1, M, 1)
    product = embedding[:, None, :] * _unit(sums(asked) - mine * is_first)
    head = layers.Dense(
        1,
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(bias),
        name="head",
    )
    logits = layers.Reshape((n_asked,), name="logits")(head(product))
    inputs = [candidate, jobs, kinds, step_weights, asked]
    trainer = keras.Model(inputs, logits, name="trainer")
    sums.set_weights([table])
    own.set_weights([vectors.own])
    return trainer


def _unit(vectors: Any) -> Any:
    """As `matcher.job_vectors.unit`."""
    lengths = ops.sqrt(ops.sum(vectors * vectors, axis=-1, keepdims=True))
    return ops.where(lengths > SMALL, vectors / ops.maximum(lengths, SMALL), 0.0)


def weighted_loss(answer: Any, logits: Any) -> Any:
    """Cross-entropy of labels, weighted; `answer` is (B, M, 2), the labels and their weights."""
    labels, weights = answer[..., 0], answer[..., 1]
    cells = ops.softplus(logits) - labels * logits
    return ops.sum(weights * cells, axis=-1)
