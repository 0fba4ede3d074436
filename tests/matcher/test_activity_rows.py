from dataclasses import replace

import numpy as np
import pytest

from matcher.activity import ActivityConfig
from matcher.activity_rows import training_rows
from matcher.data import DAY, Profiles, RawEvent, build
from tagger.errors import DataError
from tests.matcher.made_up import made_up

JOBS = Profiles(ids=tuple("abcdefgh"))


def rows(events, jobs=JOBS, **config):
    data = build(None, jobs, [RawEvent(*event) for event in events], until=None)
    return training_rows(data, ActivityConfig(**{"steps": 3, "min_rows": 1, **config}))


def applies(*jobs, who="x", day=0, action="apply"):
    return [(who, job, action, DAY * day + 3600 * (place + 1)) for place, job in enumerate(jobs)]


def test_windows_slide_by_one_action_and_have_at_least_so_many():
    found = rows(applies("a", "b", "c", "d", "e"), min_actions=4)
    assert found.history.jobs.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert found.jobs[:, 0].tolist() == [3, 4]


def test_windows_may_be_shorter_where_there_are_too_few():
    found = rows(applies("a", "b", "c"), min_actions=4, min_rows=2)
    assert found.min_actions == 2
    assert found.history.jobs.tolist() == [[-1, -1, 0], [-1, 0, 1]]


def test_a_pair_is_asked_once_when_they_first_met_and_its_own_views_are_no_history():
    events = [("x", "a", "view", 1.0), ("x", "b", "view", 2.0), ("x", "c", "view", 3.0)]
    found = rows([*events, ("x", "c", "apply", 4.0)], min_actions=2)
    assert found.jobs[:, 0].tolist() == [2]
    assert found.history.jobs.tolist() == [[-1, 0, 1]]


def test_a_dismissed_job_is_a_hard_negative_without_random_ones():
    found = rows([*applies("a", "b"), ("x", "c", "dismiss", 9e3)], min_actions=2, min_rows=9)
    place = found.jobs[:, 0].tolist().index(2)
    assert found.labels[place].tolist() == [0] * 9
    assert found.weights[place].tolist() == [1] + [0] * 8


def test_random_negatives_are_met_by_anyone_on_the_day_and_weigh_less():
    other_day = applies("f", "g", who="z", day=50)
    same_day = applies("d", "e", who="y")
    found = rows([*applies("a", "b"), *same_day, *other_day], min_actions=2)
    first = found.jobs[:, 0] == 1
    drawn, weights = found.jobs[first, 1:], found.weights[first, 1:]
    assert set(drawn.ravel()) <= {0, 1, 3, 4}
    assert (weights[np.isin(drawn, [0, 1])] == 0).all()  # met by the candidate: not negative
    assert 0 < weights.sum() <= 0.5


def test_a_job_and_its_repost_are_one_row_and_no_negative_of_each_other():
    reposts = Profiles(ids=JOBS.ids, groups=np.array([0, 1, 2, 2, 3, 4, 5, 6]))  # d repeats c
    seen = [("y", "d", "view", 5.0), ("x", "c", "view", 4e3)]
    found = rows([*applies("a", "b"), *seen, ("x", "d", "apply", 9e3)], reposts, min_actions=2)
    assert found.jobs[:, 0].tolist() == [1, 2]
    assert (found.jobs[:, 1:] == 3).any()
    assert (found.weights[:, 1:][found.jobs[:, 1:] == 3] == 0).all()


def test_without_times_everything_else_a_candidate_did_is_history():
    found = rows([("x", "a", "apply"), ("x", "b", "apply"), ("x", "c", "apply")], min_actions=3)
    assert [sorted(jobs) for jobs in found.history.jobs.tolist()] == [
        [-1, 1, 2],
        [-1, 0, 2],
        [-1, 0, 1],
    ]


def test_the_latest_windows_are_held_out_to_choose_by():
    learned, asked = training_rows(made_up(), ActivityConfig(min_rows=1)).split(50)
    assert len(learned)
    assert 0 < len(asked) <= 50
    assert learned.times.max() <= asked.times.min()
    assert (asked.labels[:, 0] == 1).all()


def test_without_times_windows_of_some_candidates_are_held_out():
    learned, asked = training_rows(made_up(times=False), ActivityConfig(min_rows=1)).split(50)
    assert not set(learned.candidates) & set(asked.candidates)


@pytest.mark.parametrize("time", [1.0, None])
def test_without_anything_done_before_there_is_nothing_to_learn(time):
    alone = [("x", "a", "apply", time), ("y", "b", "apply", time)]
    with pytest.raises(DataError, match="there is no activity to learn from"):
        rows(alone, min_actions=2)


def test_of_many_windows_at_the_latest_moment_those_are_held_out():
    early, late = applies("a", "b"), applies("c", who="x", day=1)
    others = [event for who in "yz" for event in applies("a", "c", who=who, day=1)]
    found = rows([*early, *late, *others], min_actions=2)
    assert len(np.unique(found.times)) == 3
    same = replace(found, times=np.array([1.0, 2.0, 2.0, 2.0]))
    learned, asked = same.split(50)
    assert (learned.times.tolist(), asked.times.tolist()) == ([1.0], [2.0] * 3)


def test_of_windows_at_one_moment_those_of_at_least_one_candidate_are_held_out():
    found = rows([*applies("a", "b"), *applies("a", "b", who="y")], min_actions=2)
    same = replace(found, times=np.ones(len(found)))
    learned, asked = same.split(50)
    assert len(learned) == len(asked) == 1
