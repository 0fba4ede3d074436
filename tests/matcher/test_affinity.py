import numpy as np
import pytest
from scipy import sparse

from matcher.affinity import Affinity, Crowd
from matcher.data import DAY, Action, MatchData, Profiles, RawEvent, build
from matcher.fields import FieldEncoder

NAN = np.nan


def people_of(crowd: Crowd, candidates, jobs, times) -> list[list[int]]:
    asked = crowd.before(np.array(candidates), np.array(jobs), np.array(times))
    return [sorted(asked.rows[[row]].indices.tolist()) for row in asked.place]


@pytest.fixture
def known() -> MatchData:
    events = [
        RawEvent("x", "a", "apply", 0 * DAY),
        RawEvent("y", "a", "apply", 2 * DAY),
        RawEvent("y", "a again", "apply", 4 * DAY),
        RawEvent("y", "b", "apply", 5 * DAY),
    ]
    jobs = Profiles(ids=("a", "b", "c", "a again"), groups=np.array([0, 1, 2, 0]))
    return build(Profiles(ids=("x", "y")), jobs, events, until=None)


def test_a_crowd_is_who_was_there_before_without_the_candidate(known):
    asked = ([1, 1, 0, 1, 0], [0, 0, 0, 1, 2], [2 * DAY, 3 * DAY, NAN, NAN, NAN])
    crowd = Crowd(known, Action.APPLY)
    assert people_of(crowd, *asked) == [[0], [0], [1], [], []]
    found = crowd.before(*map(np.array, asked))
    np.testing.assert_array_equal(found.count, [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(found.age, [2, 3, 3, NAN, NAN])


def test_a_crowd_is_that_of_all_reposts_and_counts_nobody_twice(known):
    crowd = Crowd(known, Action.APPLY)
    assert people_of(crowd, [0, 0], [3, 3], [NAN, 5 * DAY]) == [[1], [1]]


def test_a_job_is_new_until_its_first_event_and_so_is_its_repost(known):
    is_new = Crowd(known, Action.APPLY).is_new(np.array([0.0, 1.0, NAN]))
    np.testing.assert_array_equal(is_new, [[1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 0]])


def test_without_events_every_job_is_new_and_nobody_is_there():
    jobs = Profiles(ids=("a", "b"))
    bare = MatchData(
        candidates=Profiles(ids=("x",)),
        jobs=jobs,
        events=build(None, jobs, [RawEvent("x", "a", "view")], until=None).events,
    )
    crowd = Crowd(bare, Action.APPLY)
    assert people_of(crowd, [0, 0], [0, 1], [NAN, NAN]) == [[], []]


def test_only_the_latest_stand_for_a_large_crowd(monkeypatch):
    monkeypatch.setattr("matcher.affinity.N_LATEST", 2)
    events = [RawEvent(f"{n}", "a", "apply", n * DAY) for n in range(5)]
    known = build(None, Profiles(ids=("a",)), events, until=None)
    crowd = Crowd(known, Action.APPLY)
    assert people_of(crowd, [0], [0], [NAN]) == [[3, 4]]
    assert crowd.before(np.array([0]), np.array([0]), np.array([NAN])).count == [4]


def test_usual_values_among_others_count_for_and_others_against():
    fields = {"city": ["Oslo", "Oslo", "Bergen", "Bergen"], "pay": [1.5, 2.5, 3.5, 4.5]}
    profiles = Profiles(ids=tuple("abcd"), fields=fields)
    alike = Affinity.fit(FieldEncoder().fit(profiles), profiles)
    assert alike.names == ["city", "pay", "pay"]
    others = sparse.csr_array(np.array([[1, 1, 0, 0], [0, 0, 0, 0]], np.float32))
    found = alike.numbers(profiles, np.array([0, 2, 2]), others, np.array([0, 0, 1]))
    usual = np.log([(2 + 2 * 0.5) / (4 * 0.5), (0 + 2 * 0.5) / (4 * 0.5)])
    np.testing.assert_allclose(found[:2, 0], usual, rtol=1e-6)
    assert found[2, 0] == 0
    np.testing.assert_allclose(found[:2, -1], [-0.447, 1.342], atol=1e-3)
    assert np.isnan(found[2, -1])


def test_profiles_that_say_nothing_yet_do_not_make_missing_fields_usual():
    cities = ["Oslo", "Oslo", "Bergen", None]
    told = Profiles(ids=tuple("abcd"), fields={"city": cities, "pay": [1, 2, 3, 4]})
    later = {name: [*values, None, None] for name, values in told.fields.items()}
    both = Profiles(ids=tuple("abcdef"), fields=later)
    encoder = FieldEncoder().fit(told)
    np.testing.assert_array_equal(
        Affinity.fit(encoder, both).usual, Affinity.fit(encoder, told).usual
    )
