"""Activity as means per action type, plain or decaying: no network.

Letters for axes: N sequences, S steps, D numbers of a job's vector, A action types, M jobs of a
row, J jobs, Q questions.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matcher.activity import NO_JOB, ActivityConfig, Sequences, decay_weights, sequences
from matcher.activity_rows import Rows, training_rows
from matcher.data import FloatArray, IntArray, MatchData
from matcher.job_vectors import Float32Array, JobVectors, TrainingVectors
from matcher.metrics import ndcg, ranks
from matcher.splits import split
from tagger.errors import DataError

N_ROWS = 20_000
"""Windows are enough to weigh a few action types."""


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Decaying means of job vectors, and what the mean of each action type says."""

    r: float
    """A step counts so many times the next one of its type; 1 for plain means."""
    actions: IntArray
    """Shape (A,): places in `ACTIONS` of the types that there are."""
    weights: npt.NDArray[np.float32]
    """Shape (A,): of the similarity between a job and the mean of each type."""
    bias: float
    """In logits, for a job among as many random ones as in training."""

    def step_weights(self, history: Sequences) -> Float32Array:
        """What each step says, shape (N, S); they replace the means where only a sum is needed."""
        of_action = np.zeros(history.actions.max(initial=0) + 1 + self.actions.max(), np.float32)
        of_action[self.actions] = self.weights
        return decay_weights(history.actions, self.r) * of_action[history.actions]

    def queries(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        """The weighted sum of the means: a job's score is its product with it. Shape (N, D)."""
        return np.asarray(
            np.einsum("ns,nsd->nd", self.step_weights(history), look_up(vectors, history.jobs))
        )

    def embed(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        """One mean after the other, shape (N, A * D)."""
        found = look_up(vectors, history.jobs)
        means = type_means(history.actions, found, self.r, self.actions)
        return means.reshape(len(history), -1)


def look_up(vectors: Float32Array, jobs: IntArray) -> Float32Array:
    """Vectors of jobs, zeros for -1: shape (..., D)."""
    return np.where((jobs >= 0)[..., None], vectors[jobs], np.float32(0))


def type_means(
    actions: npt.NDArray[np.int8], vectors: Float32Array, r: float, types: IntArray
) -> Float32Array:
    """Decaying mean over the steps of each action type; (N, S), (N, S, D) -> (N, A, D)."""
    weights = decay_weights(actions, r)
    of_type = [np.where(actions == action, weights, 0) for action in types]
    return np.stack([np.einsum("ns,nsd->nd", part, vectors) for part in of_type], axis=1)


def fit_means(rows: Rows, vectors: TrainingVectors, r: float) -> Means:
    """Weigh the action types by a logistic regression on the similarities of their means."""
    from sklearn.linear_model import LogisticRegression

    rows = rows.take(slice(N_ROWS))
    actions = np.unique(rows.history.actions[rows.history.jobs != NO_JOB])
    if not len(actions):
        actions = np.array([0])
    history, asked = row_vectors(rows, vectors)
    means = type_means(rows.history.actions, history, r, actions)
    similar = np.einsum("nad,nmd->nma", means, asked)  # (N, M, A)
    counted = rows.weights > 0
    X, y, weights = similar[counted], rows.labels[counted] > 0, rows.weights[counted]
    if len(np.unique(y)) < 2 or not np.ptp(X, axis=0).any():
        return Means(r, actions, np.ones(len(actions), np.float32), 0.0)
    # Steps of equal size for the penalty: similarities of means are small.
    scale = np.maximum(X.std(axis=0), 1e-6)
    found = LogisticRegression().fit(X / scale, y, sample_weight=weights)
    return Means(
        r, actions, (found.coef_[0] / scale).astype(np.float32), float(found.intercept_[0])
    )


def row_vectors(rows: Rows, vectors: TrainingVectors) -> tuple[Float32Array, Float32Array]:
    """Of histories, (N, S, D), and of the jobs asked about, (N, M, D), as before the row's event:
    the candidate's own events don't count.
    """
    own = np.broadcast_to(rows.candidates[:, None], rows.history.jobs.shape)
    asked = np.full(rows.jobs.shape, -1)
    asked[:, 0] = rows.candidates  # random negatives are jobs that the candidate never met
    return vectors.look_up(rows.history.jobs, own), vectors.look_up(rows.jobs, asked)


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """A part of the training data held out, to choose by."""

    vectors: Float32Array
    """Shape (J, D), learned without the held-out part."""
    training: TrainingVectors
    rows: Rows
    history: Sequences
    """Before each of Q questions."""
    answers: IntArray
    """Shape (Q,): where among the live jobs the job that came next stands."""
    live: IntArray
    """Rows of the jobs to choose from."""

    def quality(self, queries: FloatArray) -> float:
        """Mean NDCG over all ranks of queries, shape (Q, D): in (0, 1]."""
        scores = queries @ self.vectors[self.live].T
        return float(ndcg(ranks(scores, self.answers), len(self.live)).mean())


def hold_out(data: MatchData, config: ActivityConfig, *, seed: int) -> Inner | None:
    """The latest fifth (without times: a job of each candidate) is asked; None if there is too
    little to do so, or nothing about which activity can say anything.
    """
    try:
        held = split(data, test_share=0.2, max_questions=config.n_questions, seed=seed)
        learner = JobVectors(config.n_numbers, seed=seed)
        training = learner.fit_for_training(held.train)
    except DataError:
        return None
    vectors = learner.of(held.train)
    history = sequences(held.known, held.candidates, held.times, config=config)
    known = look_up(vectors, history.jobs).any(axis=(1, 2)) & vectors[held.jobs].any(axis=1)
    rows = training_rows(held.train, config, seed=seed)
    if not known.any() or not len(rows):
        return None
    live = np.flatnonzero(held.live)
    answers = np.searchsorted(live, held.jobs[known])
    return Inner(vectors, training, rows, history.take(known), answers, live)


def choose_means(
    inner: Inner | None, rows: Rows, vectors: TrainingVectors, decays: tuple[float, ...]
) -> tuple[Means, dict[str, float]]:
    """Means with the decay that is best inside, and the quality of each; the plain mean if nothing
    could be held out or nothing is better.
    """
    tried: dict[float, float] = {}
    if inner is not None and len(decays) > 1:
        for r in decays:
            means = fit_means(inner.rows, inner.training, r)
            tried[r] = inner.quality(means.queries(inner.history, inner.vectors))
    best = max(tried, key=lambda r: (tried[r], r), default=max(decays))
    return fit_means(rows, vectors, best), {str(r): value for r, value in tried.items()}
