"""Models for tests of what evaluates models."""

from typing import ClassVar

import numpy as np

from matcher.base import Matcher
from matcher.data import Action
from matcher.popularity import Popularity
from tagger.errors import DataError


class Scripted(Matcher):
    """Scores a job for anybody by the number it was given, in the order of jobs."""

    name = "scripted"
    n_fits: ClassVar[int] = 0

    def __init__(self, numbers=(), *, seed=0):
        self.numbers, self.seed = numbers, seed

    def fit(self, data, *, show_progress=False):
        type(self).n_fits += 1
        return self

    def score_jobs(self, data, candidates, times=None):
        scores = np.resize(np.array(self.numbers, float), len(data.jobs))
        return np.tile(scores, (len(candidates), 1))

    def to_arrays(self):
        return {}, {}

    @classmethod
    def from_arrays(cls, files, meta):
        return cls()


class Tastes(Scripted):
    """Knows by the codes of made-up data who likes what, as a probability."""

    name = "tastes"
    gives_probability = True

    def score_jobs(self, data, candidates, times=None):
        likes = data.candidates.codes[candidates] @ data.jobs.codes.T
        return 1 / (1 + np.exp(2 - 4 * likes))


class ByMoment(Scripted):
    """Knows only pairs, and remembers the times that it was asked about."""

    name = "by moment"
    score_jobs = Matcher.score_jobs
    times: ClassVar[list] = []

    def score_pairs(self, data, pairs):
        self.times.append(pairs.times)
        return pairs.jobs.astype(float)


class Saved(Scripted):
    """Tells what becomes of pairs under way: who saved a job will apply."""

    name = "saved"
    gives_probability = True
    ranks_jobs = False

    def score_jobs(self, data, candidates, times=None):
        raise AssertionError("it was asked about jobs that a candidate has not met")

    def score_pairs(self, data, pairs):
        assert not np.isnan(pairs.times).any()
        is_saved = data.matrix(Action.SAVE).toarray() > 0
        return np.where(is_saved[pairs.candidates, pairs.jobs], 0.9, 0.1)


class NeedsText(Popularity):
    """Can't be used without codes."""

    name = "needs text"
    is_baseline = False

    def fit(self, data, *, show_progress=False):
        raise DataError("jobs have no codes: give them a text")
