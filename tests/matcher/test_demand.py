"""Counts in which old events fade, and what must not drive them."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.data import DAY, NUMBER, Action, Events, Profiles, RawEvent, build, join
from matcher.demand import Demand, fair_weights
from tests.matcher.made_up import START, made_up

JOBS = Profiles(ids=tuple("abcd"))


def data_of(*lines, jobs=JOBS, until=None):
    """Such as `x a 2`: a candidate applied to a job on a day."""
    raw = [RawEvent(c, j, "apply", float(day) * DAY) for c, j, day in map(str.split, lines)]
    return build(None, jobs, raw, until=until)


def counts(data, day, half_life=1.0):
    return next(iter(Demand(data).states(np.array([day * DAY]), (half_life,))))[0]


def test_an_event_counts_half_after_a_half_life_and_not_at_its_own_moment():
    data = data_of("x a 1", "y a 2", "y b 2")
    np.testing.assert_allclose(counts(data, 2), [0.5, 0, 0, 0])
    np.testing.assert_allclose(counts(data, 3), [0.75, 0.5, 0, 0])
    np.testing.assert_allclose(counts(data, 5, half_life=2.0), [0.25 + 8**-0.5, 8**-0.5, 0, 0])


def test_many_moments_in_one_pass_are_as_if_each_were_asked_alone():
    demand = Demand(made_up(60, 20))
    moments = np.unique(np.quantile(demand.times, np.linspace(0, 1, 40)))
    lives = (0.1, 30.0)
    together = [state.copy() for state in demand.states(moments, lives)]
    for moment, state in zip(moments, together, strict=True):
        age = (moment - demand.times) / DAY
        faded = np.where(age > 0, demand.weights * 0.5 ** (np.maximum(age, 0) / 30.0), 0)
        alone = np.bincount(demand.keys, faded, minlength=20)
        np.testing.assert_allclose(state[1], alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("half_life", [0.01, 1.0, 400.0])
def test_each_event_knows_the_counts_just_before_it(half_life):
    demand = Demand(made_up(80, 15))
    places = np.unique(demand.times, return_index=True)[1]
    found = demand.own(half_life)[places], demand.total(half_life)[places]
    for row, state in enumerate(demand.states(demand.times[places], (half_life,))):
        job = demand.keys[places[row]]
        np.testing.assert_allclose(found[0][row], state[0, job], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found[1][row], state[0].sum(), rtol=1e-5, atol=1e-7)


def test_events_out_of_order_count_as_in_order():
    lines = ["x a 1", "y a 2", "z b 3", "x c 4", "y d 5"]
    np.testing.assert_array_equal(counts(data_of(*lines[::-1]), 6), counts(data_of(*lines), 6))


def test_an_event_of_the_future_is_left_out():
    data = data_of("x a 1", "y b 9000", until=2 * DAY)
    np.testing.assert_allclose(counts(data, 2), [0.5, 0, 0, 0])
    assert "lie in the future" in data.notes[0]


def test_after_days_without_events_the_order_is_the_same():
    data = data_of("x a 1", "y a 2", "z b 2", "x b 1.5", "y c 1")
    assert (np.argsort(counts(data, 2.1)) == np.argsort(counts(data, 9))).all()


def test_a_candidate_counts_once_for_a_job_posted_again_every_hour():
    ids = tuple(f"j{hour}" for hour in range(48))
    jobs = Profiles(ids=(*ids, "other"), groups=np.r_[np.zeros(48, int), 1])
    lines = [f"x {id} {1 + hour / 24}" for hour, id in enumerate(ids)]
    found = counts(data_of(*lines, "x other 1", "y other 1.5", jobs=jobs), 3)
    assert found[1] > found[0] > 0


def test_one_candidate_with_thousands_of_jobs_a_day_weighs_less_than_a_hundred():
    weights = fair_weights(np.zeros(19_999, int), START + np.arange(19_999.0))
    assert weights.sum() < 100
    assert fair_weights(np.arange(5), np.full(5, START)).tolist() == [1.0] * 5


def test_a_program_with_a_million_events_drives_nothing():
    n = 10**6
    people = Profiles(ids=("bot", "x", "y"))
    who, what = np.r_[np.zeros(n, int), 1, 2], np.r_[np.arange(n) % 3, 3, 3]
    actions = np.full(n + 2, NUMBER[Action.APPLY], np.int8)
    times = START + np.linspace(0, 3600, n + 2)
    data = join(people, JOBS, Events(who, what, actions, times), until=None)
    assert "as only programs have" in data.notes[0]
    found = next(iter(Demand(data).states(np.array([START + DAY]), (1.0,))))[0]
    assert found[3] > 0.9
    assert not found[:3].any()


def test_events_without_a_time_are_not_counted():
    timed = made_up(40, 10)
    events = replace(timed.events, times=np.full(len(timed.events), np.nan))
    assert not len(Demand(timed.with_events(events)).times)
