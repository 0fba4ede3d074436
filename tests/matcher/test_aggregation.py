import numpy as np
import pytest

from matcher.activity import PAD, Sequences
from matcher.activity_rows import Rows
from matcher.aggregation import Inner, Means
from matcher.data import NUMBER, Action
from matcher.job_vectors import TrainingVectors

VIEW, APPLY = NUMBER[Action.VIEW], NUMBER[Action.APPLY]
JOBS = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]], np.float32)


def window(history, answer, own=((0, 0),), groups=(0, 1, 2, 3)):
    """Who did things with some jobs, and then with another one."""
    asked = Rows(
        candidates=np.array([0]),
        times=np.array([np.nan]),
        history=Sequences(np.array([history]), np.full((1, len(history)), VIEW, np.int8)),
        jobs=np.array([[answer]]),
        labels=np.ones((1, 1), np.float32),
        weights=np.ones((1, 1), np.float32),
        min_actions=2,
    )
    return Inner(asked, asked, TrainingVectors(JOBS, np.array(own, np.float32)), np.array(groups))


def test_the_next_job_does_not_compete_with_those_of_the_history():
    assert window([-1, 0], 1).quality(JOBS[[0]]) == 1
    assert window([0, 1], 2).quality(JOBS[[0]]) == 1


def test_reposts_of_the_next_job_and_of_the_history_do_not_compete():
    assert window([-1, 0], 2, groups=[0, 0, 1, 2]).quality(JOBS[[0]]) == 1
    assert window([-1, 3], 1, groups=[0, 0, 1, 2]).quality(JOBS[[0]]) == 1
    assert window([-1, 3], 1).quality(JOBS[[0]]) < 1


def test_the_next_job_does_not_compete_with_itself():
    # as without the candidate it lies elsewhere: third of the three that nobody met
    inner = window([-1, 0], 1, own=[[0.9, -0.9]])
    assert inner.quality(JOBS[[0]]) == pytest.approx(1 / np.log2(1 + 2.5))


def test_a_worse_answer_has_a_lower_quality():
    assert window([-1, 0], 3).quality(JOBS[[0]]) == pytest.approx(1 / np.log2(1 + 3))


def test_a_step_weighs_what_its_action_says_and_a_padded_one_nothing():
    means = Means(0.5, np.array([VIEW, APPLY]), np.array([2, 3], np.float32), 0.0)
    history = Sequences(np.array([[-1, 0, 1, 2]]), np.array([[PAD, VIEW, VIEW, APPLY]], np.int8))
    np.testing.assert_allclose(means.step_weights(history), [[0, 2 / 3, 4 / 3, 3]], rtol=1e-6)
