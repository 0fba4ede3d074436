from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from matcher.data import ACTIONS, NUMBER, Action, MatchData, Profiles, RawEvent, build
from tagger.errors import DataError
from tests.matcher.made_up import made_up

JOBS = Profiles(ids=("a", "b"))


def one(**changes):
    return RawEvent(**{"candidate": "x", "job": "a", "action": "apply", **changes})


def data_of(*events, **options):
    return build(None, JOBS, events, **{"until": None, **options})


def test_events_come_in_order_of_time_and_those_without_first():
    events = data_of(one(time=30.0), one(job="b", time=None), one(time=10.0)).events
    assert events.times[1:].tolist() == [10, 30]
    assert np.isnan(events.times[0])


def test_events_of_one_moment_stay_as_they_came():
    events = data_of(*(one(action=action, time=5.0) for action in ("save", "view", "apply"))).events
    assert [ACTIONS[number] for number in events.actions] == ["save", "view", "apply"]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (one(job="nowhere"), "name a job that is not there"),
        (one(action="smile"), "have an unknown action"),
        (one(time=101.0), "lie in the future"),
    ],
)
def test_events_that_cannot_be_used_are_counted_and_left_out(event, why):
    data = data_of(one(time=1.0), event, until=100.0)
    assert len(data.events) == 1
    assert f"1 of 2 events {why} and were left out" in data.notes


def test_an_unknown_candidate_is_counted_where_candidates_are_given():
    people = Profiles(ids=("x",))
    data = build(people, JOBS, [one(), one(candidate="y")], until=None)
    assert "1 of 2 events name a candidate that is not there and were left out" in data.notes


def test_the_events_of_a_program_are_counted_and_left_out():
    raw = [one(candidate="bot", job=job) for job in "ab" * 3] + [one(), one(job="b")]
    data = data_of(*raw, max_events=5)
    assert data.notes[0] == (
        "6 of 8 events are of candidates with more than 5 each, as only programs have, "
        "and were left out"
    )
    assert data.candidates.ids[data.events.candidates[0]] == "x"
    assert len(data.events) == 2


def test_no_usable_event_is_an_error_that_says_why():
    with pytest.raises(DataError, match="no event can be used of 1: 1 of 1 events have an unknown"):
        data_of(one(action="smile"))
    with pytest.raises(DataError, match="no event can be used of 0: none came"):
        data_of()


@pytest.mark.parametrize("time", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_no_moment_is_an_unknown_time(time):
    data = data_of(one(time=time), until=100.0)
    assert np.isnan(data.events.times).all()
    assert not data.has_times
    assert any("no event has a time" in note for note in data.notes)


def test_one_event_without_a_time_and_all_are_as_without():
    data = data_of(one(time=1.0), one(job="b"))
    assert not data.has_times
    assert any("1 events lack a time" in note for note in data.notes)


def test_a_few_events_without_a_time_are_left_out_so_that_the_others_have_an_order():
    jobs = Profiles(ids=tuple(f"j{n}" for n in range(40)))
    raw = [RawEvent("c", f"j{n}", "apply", None if n == 7 else 60.0 * n) for n in range(40)]
    data = build(None, jobs, raw, until=None)
    assert data.has_times
    assert len(data.events) == 39
    assert data.notes[0].startswith("1 of 40 events have no time, while nearly all others do, and")


def test_a_datetime_without_a_zone_is_in_utc(monkeypatch):
    there = timezone(timedelta(hours=2))
    times = (
        datetime(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 2, tzinfo=there),
    )
    assert data_of(*(one(time=time) for time in times)).events.times.tolist() == [1767225600.0] * 3


def test_the_target_is_the_strongest_action_that_is_there():
    assert data_of(one(action="view"), one(action="save")).target is Action.SAVE
    assert data_of(one(action="reply"), one(action="apply")).target is Action.APPLY
    assert data_of(one(action="reply"), one(action="save")).target is Action.REPLY


def test_without_an_action_to_predict_the_error_says_what_came():
    with pytest.raises(DataError, match="must be one of apply, reply, save, view, got dismiss"):
        _ = data_of(one(action="dismiss")).target


def test_a_matrix_holds_ones_whoever_often_the_pair_met():
    data = data_of(one(), one(), one(job="b", action="view"))
    assert data.matrix().toarray().tolist() == [[1, 0]]
    assert data.matrix(*Action).toarray().tolist() == [[1, 1]]
    assert data.matrix(Action.SAVE).toarray().tolist() == [[0, 0]]


def test_events_before_a_moment_are_strictly_before_it():
    events = data_of(one(time=1.0), one(time=2.0), one(job="b")).events
    assert events.before(2.0).times.tolist() == [1]


def test_events_of_some_actions():
    events = data_of(one(), one(action="view"), one(action="save")).events
    assert set(events.of(Action.VIEW, Action.SAVE).actions) == {
        NUMBER[Action.VIEW],
        NUMBER[Action.SAVE],
    }


def test_rows_of_ids_and_of_unknown_ones():
    assert JOBS.rows_of(["b", "?", "a"]).tolist() == [1, -1, 0]


def test_an_id_that_comes_twice_is_named():
    with pytest.raises(DataError, match="'b' came twice"):
        Profiles(ids=("a", "b", "b"))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"codes": np.zeros((3, 4), np.float32)}, r"codes must have shape \(2, n_numbers\)"),
        ({"codes": np.zeros(2, np.float32)}, r"codes must have shape \(2, n_numbers\)"),
        ({"codes": np.array([[1.0], [np.nan]], np.float32)}, "codes hold nan or infinity"),
        ({"fields": {"city": ["here"]}}, "field 'city' has 1 values for 2 rows"),
        ({"known_from": np.zeros(3)}, "known_from has 3 values for 2 rows"),
        ({"groups": np.zeros(1, int)}, "groups has 1 values for 2 rows"),
    ],
)
def test_columns_that_do_not_fit_are_one_clear_error(columns, why):
    with pytest.raises(DataError, match=why):
        Profiles(ids=("a", "b"), **columns)


def test_codes_of_two_models_are_refused():
    four, five = (Profiles(ids=("a",), codes=np.zeros((1, n), np.float32)) for n in (4, 5))
    events = data_of(one()).events
    with pytest.raises(
        DataError, match="codes of 4 numbers and jobs of 5: make both with the same"
    ):
        MatchData(candidates=four, jobs=five, events=events)


def test_data_without_codes_say_so():
    assert "jobs have no codes: nothing is learned from their text" in data_of(one()).notes


def test_values_that_are_no_numbers_are_counted():
    fields = {"pay": [float("nan"), " -Inf"], "size": [np.float32(3), np.inf], "city": [None, ""]}
    data = build(None, Profiles(ids=("a", "b"), fields=fields), [one()], until=None)
    assert "3 values of jobs are nan or infinite and count as unknown: pay, size" in data.notes


def test_made_up_data_are_as_asked():
    data = made_up()
    assert data.has_times
    assert data.notes == ()
    bare = made_up(times=False, codes=False, fields=False, actions=("apply",))
    assert not bare.has_times
    assert bare.jobs.codes is None
    assert bare.jobs.fields == {}
    assert set(bare.events.actions) == {NUMBER[Action.APPLY]}
    np.testing.assert_array_equal(made_up(seed=3).events.times, made_up(seed=3).events.times)
