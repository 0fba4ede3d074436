"""Activity as means per action type, plain or decaying: no network.

Letters for axes: N sequences, S steps, D numbers of a job's vector, A action types, M jobs of a
row, J jobs, Q questions.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matcher.activity import N_KINDS, NO_JOB, ActivityConfig, Sequences, decay_weights
from matcher.activity_rows import Rows
from matcher.base import blocks
from matcher.data import IntArray
from matcher.job_vectors import Float32Array, TrainingVectors
from matcher.metrics import ndcg, ranks

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
        of_action = np.zeros(N_KINDS, np.float32)
        of_action[self.actions] = self.weights
        return decay_weights(history.actions, self.r) * of_action[history.actions]

    def sums(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        """The weighted sum of the means: a job's score is its product with it.

        Shape (N, D), from the vectors of the steps, shape (N, S, D).
        """
        return np.asarray(np.einsum("ns,nsd->nd", self.step_weights(history), vectors))

    def embed(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        """One mean after the other, shape (N, A * D)."""
        means = type_means(history.actions, vectors, self.r, self.actions)
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
    """A part of the training data held out, to choose settings by: the latest windows."""

    rows: Rows
    """To learn from."""
    asked: Rows
    """Q windows, each asked which job comes next of all jobs that anything is known of."""
    vectors: TrainingVectors
    groups: IntArray
    """Shape (J,): of reposts, as `MatchData.groups`."""

    def quality(self, queries: Float32Array) -> float:
        """Mean NDCG over all ranks of queries, shape (Q, D): in (0, 1].

        As a test would ask: the job that came next has its vector as without the candidate;
        its reposts, and jobs of the window's history with theirs, don't compete.
        """
        jobs = self.vectors.look_up(np.arange(len(self.vectors.sums)))
        own, answer = row_vectors(self.asked, self.vectors)[1][:, 0], self.asked.jobs[:, 0]
        values = []
        for part in blocks(np.arange(len(own)), 256):
            rows, met = np.arange(len(part)), self.asked.history.jobs[part]
            scores = queries[part] @ jobs.T
            scores[rows, answer[part]] = np.einsum("qd,qd->q", queries[part], own[part])
            barred = np.zeros((len(part), len(jobs)), bool)
            row, step = np.nonzero(met != NO_JOB)
            barred[row, self.groups[met[row, step]]] = True
            barred[rows, self.groups[answer[part]]] = True
            competes = ~barred[:, self.groups] & jobs.any(axis=1)
            competes[rows, answer[part]] = True
            values.append(ndcg(ranks(scores, answer[part], competes), len(jobs)))
        return float(np.concatenate(values).mean())


def hold_out(
    rows: Rows, vectors: TrainingVectors, config: ActivityConfig, groups: IntArray, *, seed: int
) -> Inner | None:
    """None if there is too little to learn from and to choose by."""
    learned, asked = rows.split(config.n_questions, seed=seed)
    answerable = row_vectors(asked, vectors)[1][:, 0].any(axis=1)
    asked = asked.take(answerable)
    return Inner(learned, asked, vectors, groups) if len(learned) and len(asked) else None


def choose_means(
    inner: Inner | None, rows: Rows, vectors: TrainingVectors, decays: tuple[float, ...]
) -> tuple[Means, dict[str, float]]:
    """Means with the decay that is best inside, and the quality of each.

    The largest r if nothing could be held out, and of equal ones.
    """
    tried: dict[float, float] = {}
    if inner is not None and len(decays) > 1:
        history = row_vectors(inner.asked, vectors)[0]
        for r in decays:
            means = fit_means(inner.rows, vectors, r)
            tried[r] = inner.quality(means.sums(inner.asked.history, history))
    best = max(tried, key=lambda r: (tried[r], r), default=max(decays))
    return fit_means(rows, vectors, best), {str(r): value for r, value in tried.items()}
