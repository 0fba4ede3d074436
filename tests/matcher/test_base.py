import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matcher import base
from matcher.base import Matcher, Pairs, blocks, candidates_at_once, top_jobs
from tests.matcher.made_up import made_up


class ByJob(Matcher):
    """Scores a cell by its rows; counts the cells of the largest block it was asked for."""

    name = "by job"
    largest = 0

    def fit(self, data, *, show_progress=False):
        return self

    def score_jobs(self, data, candidates, times=None):
        self.largest = max(self.largest, len(candidates) * len(data.jobs))
        return candidates[:, None] * 1000.0 + np.arange(len(data.jobs))

    def to_arrays(self):
        return {}, {}

    @classmethod
    def from_arrays(cls, files, meta):
        return cls()


class ByPair(ByJob):
    """The same, pair by pair."""

    score_jobs = Matcher.score_jobs

    def score_pairs(self, data, pairs):
        self.largest = max(self.largest, len(pairs))
        assert np.isnan(pairs.times).all()
        return pairs.candidates * 1000.0 + pairs.jobs


PAIRS = Pairs(np.array([5, 2, 5, 0]), np.array([1, 1, 39, 0]), np.full(4, np.nan))


def test_pairs_are_looked_up_in_the_scores_of_all_jobs():
    assert ByJob().score_pairs(made_up(), PAIRS).tolist() == [5001, 2001, 5039, 0]


def test_a_pair_is_looked_up_at_its_own_moment():
    class ByMoment(ByJob):
        def score_jobs(self, data, candidates, times=None):
            return super().score_jobs(data, candidates) + np.nan_to_num(times, nan=-1)[:, None] / 10

    pairs = Pairs(np.array([5, 5, 5, 0]), np.array([1, 1, 2, 0]), np.array([7, np.nan, 7, 3]))
    assert ByMoment().score_pairs(made_up(), pairs).tolist() == [5001.7, 5000.9, 5002.7, 0.3]


def test_all_jobs_are_scored_pair_by_pair():
    data, asked = made_up(), np.array([3, 1])
    np.testing.assert_array_equal(ByPair().score_jobs(data, asked), ByJob().score_jobs(data, asked))


@pytest.mark.parametrize("model", [ByJob, ByPair])
def test_many_are_scored_in_blocks(monkeypatch, model):
    monkeypatch.setattr(base, "SCORES_AT_ONCE", 100)
    monkeypatch.setattr(base, "PAIRS_AT_ONCE", 100)
    data, used = made_up(), model()
    everyone = np.arange(len(data.candidates))
    pairs = Pairs(everyone[::-1], np.arange(60) % 40, np.full(60, np.nan))
    assert used.score_pairs(data, pairs).tolist() == (pairs.candidates * 1000 + pairs.jobs).tolist()
    assert used.largest <= 100
    if model is ByPair:
        assert used.score_jobs(data, everyone).shape == (60, 40)
        assert used.largest <= 100


def test_no_pair_and_no_candidate_give_no_score():
    data, nobody = made_up(), np.zeros(0, int)
    assert ByJob().score_pairs(data, PAIRS.take(nobody)).shape == (0,)
    assert ByPair().score_jobs(data, nobody).shape == (0, 40)


def test_even_with_very_many_jobs_one_candidate_is_asked_about(monkeypatch):
    monkeypatch.setattr(base, "SCORES_AT_ONCE", 10)
    assert candidates_at_once(made_up()) == 1


def test_top_jobs_come_best_first_and_ties_in_the_order_of_jobs():
    scores = np.array([[0.1, 0.9, 0.5, 0.9], [0, 0, 0, 0]])
    assert top_jobs(scores, 3).tolist() == [[1, 3, 2], [0, 1, 2]]


def test_top_jobs_take_nan_last():
    assert top_jobs(np.array([[np.nan, -np.inf, 3.0]]), 3).tolist() == [[2, 0, 1]]
    assert top_jobs(np.array([[np.nan, -1.0, np.nan]]), 1).tolist() == [[1]]


@pytest.mark.parametrize(("k", "columns"), [(0, 0), (1, 1), (9, 4)])
def test_top_jobs_are_no_more_than_there_are(k, columns):
    assert top_jobs(np.ones((2, 4)), k).shape == (2, columns)
    assert top_jobs(np.ones((2, 0)), k).shape == (2, 0)


@given(arrays(np.float32, (3, 12), elements=st.integers(0, 4).map(float)), st.integers(1, 12))
def test_top_jobs_are_the_first_of_a_stable_sort(scores, k):
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert top_jobs(scores, k).tolist() == expected.tolist()


def test_blocks_hold_everything_once():
    assert [part.tolist() for part in blocks(np.arange(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(blocks(np.arange(0), 2)) == []
