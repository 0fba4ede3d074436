import numpy as np
import pytest

from matcher.activity import PAD, ActivityConfig, decay_weights, is_met, sequences
from matcher.data import DAY, Profiles, RawEvent, build
from tagger.errors import DataError

JOBS = Profiles(ids=("a", "b", "c", "d"))
NOW = 100 * DAY


def histories(*events, candidates=(0,), times=None, without=None, jobs=JOBS, **config):
    data = build(None, jobs, [RawEvent(*event) for event in events], until=None)
    found = sequences(
        data,
        np.array(candidates),
        None if times is None else np.array(times, float),
        config=ActivityConfig(**{"steps": 3, **config}),
        without=None if without is None else np.array(without),
    )
    return found.jobs.tolist()


def did(*jobs, start=NOW, step=10.0, who="x", action="view"):
    return [(who, job, action, start + step * place) for place, job in enumerate(jobs)]


def test_a_history_is_the_last_actions_with_the_latest_last_and_padding_in_front():
    assert histories(*did("a", "b")) == [[-1, 0, 1]]
    assert histories(*did("a", "b", "c", "d")) == [[1, 2, 3]]


def test_only_what_was_strictly_before_the_moment_and_within_the_days_counts():
    old = [("x", "d", "view", NOW - 28 * DAY)]
    events = [*old, *did("a", "b", "c")]
    assert histories(*events, times=[NOW + 20]) == [[-1, 0, 1]]
    assert histories(*events, times=[NOW + 20], days=None) == [[3, 0, 1]]
    assert histories(*events) == [[0, 1, 2]]  # now is the time of the latest event


def test_each_candidate_has_their_own_history_at_their_own_moment():
    events = [*did("a", "b"), *did("c", "d", who="y", start=NOW + 5)]
    assert histories(*events, candidates=(1, 0, 1), times=[NOW + 9, NOW, np.nan]) == [
        [-1, -1, 2],
        [-1, -1, -1],
        [-1, 2, 3],
    ]


def test_what_was_done_with_the_job_asked_about_or_its_repost_is_left_out():
    assert histories(*did("a", "b", "a", "c"), without=[0]) == [[-1, 1, 2]]
    reposts = Profiles(ids=JOBS.ids, groups=np.array([0, 1, 0, 3]))
    assert histories(*did("a", "b", "c", "d"), without=[2], jobs=reposts) == [[-1, 1, 3]]


def test_events_without_times_stand_as_they_came_and_are_never_before_a_moment():
    timeless = [("x", "c", "view"), ("x", "a", "view")]
    assert histories(*timeless) == [[-1, 2, 0]]
    mixed = [*did("b"), *timeless]
    assert histories(*mixed) == [[2, 0, 1]]
    assert histories(*mixed, times=[NOW + 1]) == [[-1, -1, 1]]


def test_impressions_are_no_activity_unless_asked_for():
    events = [*did("a"), *did("b", action="impression", start=NOW + 50)]
    assert histories(*events) == [[-1, -1, 0]]
    assert histories(*events, ignored=()) == [[-1, 0, 1]]


def test_nobody_did_anything():
    assert histories(*did("a", action="impression")) == [[-1, -1, -1]]


def test_weights_of_an_action_type_sum_to_one_and_decay_backwards():
    actions = np.array([[PAD, 5, 5, 2, 5]], np.int8)
    plain, decayed = decay_weights(actions, 1.0), decay_weights(actions, 0.5)
    assert plain[0] == pytest.approx([0, 1 / 3, 1 / 3, 1, 1 / 3])
    assert decayed[0] == pytest.approx([0, 1 / 7, 2 / 7, 1, 4 / 7])


def test_a_padded_step_is_no_job_that_was_met():
    data = build(None, JOBS, [RawEvent("x", "a", "view")], until=None)
    found = sequences(data, np.array([0, 0]), config=ActivityConfig(steps=3))
    assert is_met(found, np.array([0, 3]), np.arange(4)).tolist() == [True, False]
    assert is_met(found, np.array([3, 1]), np.array([0, 1, 2, 0])).tolist() == [True, False]


@pytest.mark.parametrize(
    "bad",
    [{"days": 0}, {"steps": 0}, {"ignored": ("stare",)}, {"decays": (0.0,)}, {"min_actions": 1}],
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(DataError):
        ActivityConfig(**bad)
