"""Steps before a moment, never after it."""

import tracemalloc

import numpy as np
import pytest

from matcher.base import Pairs
from matcher.data import ACTIONS, NUMBER, Action, Events, MatchData, Profiles, RawEvent, build
from matcher.sequences import BROWSED, STEP_ACTIONS, Browsed, Sequences, draw, examples, under_way
from tagger.errors import DataError

HOUR = 3600.0


def data_of(*events: tuple[str, str, str, float | None]) -> MatchData:
    jobs = tuple(sorted({event[1] for event in events}))
    return build(None, Profiles(ids=jobs), [RawEvent(*event) for event in events], until=None)


def random_data(n: int = 400, seed: int = 0) -> MatchData:
    rng = np.random.default_rng(seed)
    actions = rng.choice(["view", "save", "visit", "apply", "impression", "dismiss"], n)
    return data_of(
        *(
            (f"c{rng.integers(6)}", f"j{rng.integers(5)}", str(action), float(rng.integers(90)))
            for action in actions
        )
    )


def pairs(*asked: tuple[int, int, float]) -> Pairs:
    candidates, jobs, times = zip(*asked, strict=True)
    return Pairs(np.array(candidates), np.array(jobs), np.array(times, float))


def sequences(data: MatchData) -> Sequences:
    return Sequences(data, data.target)


def test_a_step_is_its_action_and_the_time_since_the_one_before() -> None:
    data = data_of(
        ("a", "x", "view", 0.0), ("a", "x", "save", HOUR), ("a", "x", "visit", HOUR + 1),
        ("a", "x", "apply", 9 * HOUR), ("a", "y", "view", HOUR),
    )  # fmt: skip
    found = sequences(data).before(pairs((0, 0, 9 * HOUR)), 4)[0]
    assert found[:, :3].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    month = np.log1p(30 * 24 * HOUR)
    assert found[:, 3] == pytest.approx([0, 0, np.log1p(HOUR) / month, np.log1p(1) / month])


def test_long_sequences_keep_their_last_steps() -> None:
    data = data_of(*(("a", "x", "view", float(t)) for t in range(40)), ("a", "x", "apply", 99.0))
    found = sequences(data).before(pairs((0, 0, 99.0)), 30)[0]
    assert found[:, 0].sum() == 30
    assert (found[:, 3] > 0).all()  # the first kept one was not the first of the pair


def test_sequences_and_counts_agree_with_going_through_all_events() -> None:
    data, rng = random_data(), np.random.default_rng(1)
    asked = Pairs(rng.integers(6, size=200), rng.integers(5, size=200), rng.uniform(-5, 99, 200))
    reader = sequences(data)
    found, counts = reader.before(asked, 4), reader.counts(asked)
    events = data.events
    for at in range(len(asked)):
        own = (events.candidates == asked.candidates[at]) & (events.jobs == asked.jobs[at])
        past = data.with_events(events.take(own)).events.of(*STEP_ACTIONS).before(asked.times[at])
        kinds = [int(row.argmax()) if row[:3].any() else -1 for row in found[at]]
        expected = [(Action.VIEW, Action.SAVE, Action.VISIT).index(a) for a in _names(past)][-4:]
        # events of one moment have no order: compared as sets
        assert counts[at] == len(past)
        assert kinds.count(-1) == 4 - len(expected)
        if len(np.unique(past.times)) == len(past):
            assert [kind for kind in kinds if kind >= 0] == expected


def _names(events: Events) -> list[Action]:
    return [ACTIONS[number] for number in events.actions]


def test_nothing_that_happens_at_the_moment_or_later_counts() -> None:
    data = random_data()
    cut = 45.0
    rng = np.random.default_rng(2)
    asked = Pairs(rng.integers(6, size=50), rng.integers(5, size=50), np.full(50, cut))
    past = data.with_events(data.events.before(cut))
    vectors = rng.normal(size=(5, 3)).astype(np.float32)
    now, then = (Browsed(part).mean(asked, vectors)[0] for part in (data, past))
    assert np.allclose(now, then)
    assert (sequences(data).before(asked, 30) == sequences(past).before(asked, 30)).all()


def test_a_pair_asked_about_without_a_time_has_no_sequence() -> None:
    asked = pairs((0, 0, np.nan))
    assert not sequences(random_data()).before(asked, 30).any()


def test_events_without_a_time_have_no_place_in_a_sequence() -> None:
    data = data_of(("a", "x", "view", None), ("a", "x", "view", 1.0), ("a", "x", "apply", 2.0))
    assert sequences(data).counts(pairs((0, 0, 9.0))).tolist() == [1]


def test_browsed_jobs_are_averaged_once_each_and_without_the_asked_one() -> None:
    data, rng = random_data(), np.random.default_rng(3)
    vectors = rng.normal(size=(5, 3)).astype(np.float32)
    times = np.where(rng.random(100) < 0.2, np.nan, rng.uniform(-5, 99, 100))
    asked = Pairs(rng.integers(6, size=100), rng.integers(5, size=100), times)
    means, n = Browsed(data).mean(asked, vectors)
    looked = data.events.of(*BROWSED)
    for at in range(len(asked)):
        own = (looked.candidates == asked.candidates[at]) & (looked.jobs != asked.jobs[at])
        own &= looked.times < np.nan_to_num(asked.times[at], nan=np.inf)
        jobs = np.unique(looked.jobs[own])
        assert n[at] == len(jobs)
        assert np.allclose(means[at], vectors[jobs].mean(axis=0) if len(jobs) else 0, atol=1e-5)


def test_a_yes_is_asked_about_at_the_first_application() -> None:
    data = data_of(
        ("a", "x", "view", 1.0), ("a", "x", "save", 2.0), ("a", "x", "apply", 3.0),
        ("a", "x", "view", 4.0), ("a", "x", "apply", 5.0), ("a", "y", "view", 6.0),
        ("b", "x", "view", 1.0), ("b", "x", "view", 7.0),
    )  # fmt: skip
    found = examples(data)
    assert found.y.tolist() == [True, False]
    assert found.pairs.times[0] == 3.0
    assert sequences(data).counts(found.pairs).tolist() == [2, 2]
    assert found.n_short == 1  # b looked at x twice, a at y once


def reposted(*events: tuple[str, str, str, float | None]) -> MatchData:
    """Jobs x, x2 (a repost of x) and y."""
    jobs = Profiles(ids=("x", "x2", "y"), groups=np.array([0, 0, 1]))
    return build(None, jobs, [RawEvent(*event) for event in events], until=None)


def test_looks_at_a_job_and_at_its_repost_are_one_sequence() -> None:
    data = reposted(
        ("a", "x", "view", 1.0), ("a", "x2", "save", 2.0), ("a", "x2", "apply", 3.0),
        ("b", "y", "view", 1.0), ("b", "y", "view", 2.0),
    )  # fmt: skip
    found = examples(data)
    assert found.y.tolist() == [True, False]
    assert sequences(data).before(found.pairs, 2)[0, :, :3].tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_repost_of_the_asked_job_is_no_other_job_that_was_looked_at() -> None:
    data = reposted(("a", "x", "view", 1.0), ("a", "x2", "view", 2.0), ("a", "y", "apply", 3.0))
    vectors = np.array([[1.0], [2.0], [4.0]], np.float32)
    means, n = Browsed(data).mean(pairs((0, 1, np.nan), (0, 2, 9.0)), vectors)
    assert n.tolist() == [1, 1]
    assert means.ravel().tolist() == [4, 1]


def test_means_for_a_few_candidates_do_not_load_the_jobs_of_all_others() -> None:
    n, size = 100_000, 64
    events = Events(np.arange(n), np.arange(n) % 5, np.full(n, NUMBER[Action.VIEW]), np.zeros(n))
    data = MatchData(
        candidates=Profiles(ids=tuple(map(str, range(n)))), jobs=random_data().jobs, events=events
    )
    browsed, vectors = Browsed(data), np.ones((5, size), np.float32)
    tracemalloc.start()
    browsed.mean(pairs((0, 3, np.nan), (n - 1, 3, np.nan)), vectors)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * n  # and not 8 * n * size


def test_what_is_done_after_the_application_makes_no_example() -> None:
    data = data_of(
        ("a", "x", "view", 1.0), ("a", "x", "apply", 2.0), ("a", "x", "save", 3.0),
        ("b", "x", "view", 1.0), ("b", "x", "view", 2.0), ("c", "x", "view", 1.0),
        ("c", "x", "view", 2.0), ("c", "x", "apply", 3.0),
    )  # fmt: skip
    found = examples(data)
    assert found.pairs.candidates.tolist() == [1, 2]


def test_data_of_one_answer_or_without_steps_say_so() -> None:
    with pytest.raises(DataError, match="2 or more of view, save, visit"):
        examples(data_of(("a", "x", "apply", 1.0), ("b", "x", "apply", 1.0)))
    only_yes = data_of(("a", "x", "view", 1.0), ("a", "x", "view", 2.0), ("a", "x", "apply", 3.0))
    with pytest.raises(DataError, match="1 of these end so"):
        examples(only_yes)


def test_a_million_looks_of_one_bot_are_one_long_history() -> None:
    n = 1_000_000
    data = random_data()
    bot = Events(
        np.zeros(n, int),
        np.arange(n) % 5,
        np.full(n, NUMBER[Action.VIEW], np.int8),
        np.arange(n) / n,
    )
    reader = Sequences(data.with_events(bot), data.target)
    assert reader.counts(pairs((0, 0, 2.0), (1, 0, 2.0))).tolist() == [n // 5, 0]


def test_drawing_keeps_the_ratio_where_there_are_too_few_of_one_answer() -> None:
    y = np.r_[np.ones(50, bool), np.zeros(60, bool)]
    rows = draw(y, 3.0)
    assert [int(y[rows].sum()), len(rows)] == [20, 80]
    assert (draw(y, 3.0, seed=1) != rows).any()


def test_under_way_is_a_pair_with_two_steps_that_has_not_ended_yet() -> None:
    data = reposted(
        ("a", "x", "view", 1.0), ("a", "x2", "save", 2.0), ("a", "x", "apply", 9.0),
        ("b", "x", "view", 1.0), ("b", "x", "view", 5.0),
        ("c", "y", "view", 1.0), ("c", "y", "save", 2.0), ("c", "y", "apply", 3.0),
    )  # fmt: skip

    def at(moment: float) -> list[tuple[int, int]]:
        found = under_way(data, moment)
        assert (found.times == moment).all()
        return list(zip(found.candidates.tolist(), found.jobs.tolist(), strict=True))

    assert at(2.0) == []
    assert at(3.0) == [(0, 0), (2, 2)]
    assert at(4.0) == [(0, 0)]
    assert at(np.inf) == [(1, 0)]
