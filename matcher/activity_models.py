"""Matchers on activity embeddings: what they share, and the ways without a network.

Letters for axes: B candidates, J jobs, P pairs, N sequences, D numbers of a job's vector.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np

from matcher.activity import NO_JOB, ActivityConfig, Sequences, is_met, sequences
from matcher.activity_rows import training_rows
from matcher.aggregation import Means, choose_means, hold_out, look_up
from matcher.base import Arrays, Matcher, Pairs
from matcher.data import FloatArray, IntArray, MatchData
from matcher.job_vectors import Float32Array, JobVectors
from matcher.saved_config import from_plain

AT_ONCE = 4096
"""Sequences."""


class ActivityMatcher(Matcher):
    """Scores a job by the product of its vector with what a candidate's latest actions add up to.

    What a candidate did with the job asked about itself is left out. Who did nothing lately gets
    the same score, 0, for every job; so does a job without a vector for everybody.
    """

    config_class: ClassVar[type[ActivityConfig]] = ActivityConfig
    vectors_: JobVectors

    def __init__(self, config: ActivityConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    @abstractmethod
    def queries(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        """Shape (N, D), from the vectors of the steps, (N, S, D): scores are products with those of
        jobs.
        """

    @abstractmethod
    def embed_sequences(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        """The activity embedding itself, to be published: shape (N, numbers)."""

    def embed(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> Float32Array:
        """Activity embeddings of candidates, now or at a moment each; zeros for no activity.

        Shape (B, numbers): D of them, or D for each action type.
        """
        history = sequences(data, candidates, times, config=self.settings)
        vectors = self.vectors_.of(data)
        parts = [
            self.embed_sequences(part, look_up(vectors, part.jobs)) for part in _parts(history)
        ]
        return np.concatenate(parts) * (history.lengths > 0)[:, None]

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        return self.score_rows(data, candidates, times)

    def score_rows(
        self,
        data: MatchData,
        candidates: IntArray,
        times: FloatArray | None = None,
        without: IntArray | None = None,
    ) -> FloatArray:
        """Scores of all jobs, as if nothing had been done with some; -1 for none; shape (B, J)."""
        vectors = self.vectors_.of(data)
        history = sequences(data, candidates, times, config=self.settings, without=without)
        scores = self._queries(history, vectors) @ vectors.T
        row, step = np.nonzero(history.jobs != NO_JOB)
        met, jobs = _unique_pairs(row, history.jobs[row, step], data.groups)
        if len(met):
            at = None if times is None else times[met]
            scores[met, jobs] = self._scores_without(data, candidates[met], jobs, at, vectors)
        return np.asarray(scores)

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        vectors, groups = self.vectors_.of(data), data.groups
        asked = np.stack([pairs.candidates, np.nan_to_num(pairs.times, nan=np.inf)])
        (people, times), place = np.unique(asked, axis=1, return_inverse=True)
        times = np.where(np.isinf(times), np.nan, times)
        history = sequences(data, people.astype(np.intp), times, config=self.settings)
        queries = self._queries(history, vectors)
        scores = np.empty(len(pairs), np.float32)
        for first in range(0, len(pairs), 16 * AT_ONCE):
            part = slice(first, first + 16 * AT_ONCE)
            here, jobs = place[part], pairs.jobs[part]
            scores[part] = np.einsum("pd,pd->p", queries[here], vectors[jobs])
            met = first + np.flatnonzero(is_met(history.take(here), jobs, groups))
            if len(met):
                scores[met] = self._scores_without(
                    data, pairs.candidates[met], pairs.jobs[met], pairs.times[met], vectors
                )
        return scores

    def _scores_without(
        self,
        data: MatchData,
        candidates: IntArray,
        jobs: IntArray,
        times: FloatArray | None,
        vectors: Float32Array,
    ) -> FloatArray:
        history = sequences(data, candidates, times, config=self.settings, without=jobs)
        scores: FloatArray = np.einsum("pd,pd->p", self._queries(history, vectors), vectors[jobs])
        return scores

    def _queries(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        parts = [self.queries(part, look_up(vectors, part.jobs)) for part in _parts(history)]
        return np.concatenate(parts) * (history.lengths > 0)[:, None]


class MeanActivity(ActivityMatcher):
    """The mean of the vectors of a candidate's jobs, for each action type.

    A logistic regression on the similarities of a job to them weighs the types.

    References
    ----------
    Improving job matching with machine-learned activity features, LinkedIn Engineering, 2022: the
    baseline, with three embeddings per member.
    """

    name = "activity-mean"

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        config = self.settings
        self.vectors_ = JobVectors(config.n_numbers, seed=self.seed)
        training = self.vectors_.fit_for_training(data)
        rows = training_rows(data, config, seed=self.seed)
        decays = self._decays(config)
        inner = hold_out(rows, training, config, data.groups, seed=self.seed)
        self.means_, self.tried_ = choose_means(inner, rows, training, decays)
        return self

    def _decays(self, config: ActivityConfig) -> tuple[float, ...]:
        return (1.0,)

    def queries(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        return self.means_.sums(history, vectors)

    def embed_sequences(self, history: Sequences, vectors: Float32Array) -> Float32Array:
        return self.means_.embed(history, vectors)

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        arrays, about = self.vectors_.to_arrays()
        means, about_means = means_to_arrays(self.means_)
        meta = {
            "config": asdict(self.settings),
            "seed": self.seed,
            "vectors": about,
            "means": about_means,
            "tried": self.tried_,
        }
        return {"vectors": arrays, "means": means}, meta

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model.vectors_ = JobVectors.from_arrays(files["vectors"], meta["vectors"])
        model.means_ = means_from_arrays(files["means"], meta["means"])
        model.tried_ = dict(meta["tried"])
        return model


class DecayActivity(MeanActivity):
    """Geometrically decaying means, per action type: a step counts r times the one after it.

    r is chosen from a grid on a held-out part of the training data; 1, the plain mean, is in it.

    References
    ----------
    Improving job matching with machine-learned activity features, LinkedIn Engineering, 2022:
    model 1.
    """

    name = "activity-decay"

    def _decays(self, config: ActivityConfig) -> tuple[float, ...]:
        return config.decays


def means_to_arrays(means: Means) -> tuple[Arrays, dict[str, Any]]:
    arrays = {"actions": means.actions, "weights": means.weights}
    return arrays, {"r": means.r, "bias": means.bias}


def means_from_arrays(arrays: Arrays, meta: Mapping[str, Any]) -> Means:
    return Means(meta["r"], arrays["actions"], arrays["weights"], meta["bias"])


def _parts(history: Sequences) -> list[Sequences]:
    starts = range(0, max(len(history), 1), AT_ONCE)
    return [history.take(slice(first, first + AT_ONCE)) for first in starts]


def _unique_pairs(rows: IntArray, jobs: IntArray, groups: IntArray) -> tuple[IntArray, IntArray]:
    """Each (row, job) once; a job stands for all its reposts too."""
    order = np.argsort(groups, kind="stable")
    met, group = np.divmod(np.unique(rows * len(groups) + groups[jobs]), len(groups))
    first, end = (np.searchsorted(groups[order], group, side) for side in ("left", "right"))
    counts = end - first
    offsets = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return np.repeat(met, counts), order[np.repeat(first, counts) + offsets]
