from dataclasses import replace

import numpy as np
import pytest

from matcher.data import DAY, Profiles, RawEvent, build
from matcher.splits import as_of, known_from, rolling, split
from tagger.errors import DataError
from tests.matcher.made_up import made_up


def events_of(*lines, jobs="abcdef", groups=None, posted=None):
    """Data of lines such as `x a view 3`; without the number there is no time."""
    raw = []
    for line in lines:
        candidate, job, action, *time = line.split()
        raw.append(RawEvent(candidate, job, action, float(time[0]) if time else None))
    known_from = None if posted is None else np.array(posted, float)
    profiles = Profiles(
        ids=tuple(jobs), groups=None if groups is None else np.array(groups), known_from=known_from
    )
    return build(None, profiles, raw, until=None)


def questions(data, held):
    """Such as `x c 7`."""
    ids = data.candidates.ids, data.jobs.ids
    rows = zip(held.candidates, held.jobs, held.times, strict=True)
    return [f"{ids[0][c]} {ids[1][j]} {t:g}" for c, j, t in rows]


def known(data, of="known", *, candidate):
    """The events of a candidate in a part of a split, such as `a view 3`."""
    part = getattr(data, of)
    events = part.events.take(part.events.candidates == part.candidates.rows_of([candidate])[0])
    names = [part.jobs.ids[job] for job in events.jobs]
    return [f"{name} {time:g}" for name, time in zip(names, events.times, strict=True)]


def with_reposts(data):
    """The same with every job a repost of the one ten places before."""
    groups = np.arange(len(data.jobs)) % 10
    return replace(data, jobs=replace(data.jobs, groups=groups))


def pair_keys(events, groups):
    return set(zip(events.candidates.tolist(), groups[events.jobs].tolist(), strict=True))


TIMED = ("x a apply 1", "y a apply 2", "x b apply 3", "x c apply 8", "x d apply 9", "y b apply 10")


def test_by_time_each_candidate_is_asked_about_the_last_new_job():
    data = events_of(*TIMED)
    held = split(data, test_share=0.5)  # from 5.5 on
    assert questions(data, held) == ["x d 9", "y b 10"]
    assert known(held, "train", candidate="x") == ["a 1", "b 3"]


def test_live_all_events_before_the_last_question_are_known_and_frozen_those_learned_from():
    data = events_of(*TIMED, "z a view 2", "z e view 9", "z f view 10")
    held = split(data, test_share=0.5)
    assert known(held, candidate="x") == ["a 1", "b 3", "c 8", "d 9"]  # y is asked at 10
    assert known(held, candidate="z") == ["a 2", "e 9"]
    assert known(held, "frozen", candidate="x") == ["a 1", "b 3"]
    assert known(held, "frozen", candidate="z") == ["a 2"]


def test_a_candidate_is_new_who_did_nothing_before_the_question():
    data = events_of(*TIMED, "z d apply 8.5", "z e view 9", "w a apply 9.5", "v a apply 12")
    held = split(data, test_share=0.5)
    new = dict(zip(held.candidates.tolist(), held.is_new_candidate.tolist(), strict=True))
    assert new == dict(enumerate([False, False, True, True, True]))


def test_a_pair_that_met_before_is_no_question():
    data = events_of(*TIMED, "z d view 2", "z e apply 4", "z d apply 9", "z e apply 9.5")
    assert not any(line.startswith("z") for line in questions(data, split(data, test_share=0.5)))


def test_a_look_just_before_an_apply_does_not_give_it_away():
    data = events_of(*TIMED, "x e view 10", "x e save 11", "x f view 11.5", "x e apply 12")
    held = split(data, test_share=0.5)
    assert "x e 10" in questions(data, held)
    assert known(held, candidate="x") == ["a 1", "b 3", "c 8", "d 9"]


def test_a_repost_of_a_job_met_before_is_no_question():
    data = events_of(*TIMED, groups=[0, 1, 2, 0, 4, 5])  # d repeats a
    held = split(data, test_share=0.5)
    assert questions(data, held) == ["x c 8", "y b 10"]


def test_equal_times_are_not_before_each_other():
    data = events_of("x a apply 1", "y b apply 1", "x b apply 5", "x c view 5", "x c apply 5")
    held = split(data, test_share=0.4)
    assert known(held, candidate="x") == ["a 1"]


@pytest.mark.parametrize("reposts", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_by_time_no_future_event_is_known(seed, reposts):
    data = made_up(seed=seed)
    data = with_reposts(data) if reposts else data
    held = split(data)
    moment = np.full(len(data.candidates), np.inf)
    moment[held.candidates] = held.times
    assert held.train.events.times.max() < held.times.min()
    events = held.known.events
    assert events.times.max() < held.times.max()
    before = events.take(events.times < moment[events.candidates])
    groups = np.arange(40) if data.jobs.groups is None else data.jobs.groups
    asked = set(zip(held.candidates.tolist(), groups[held.jobs].tolist(), strict=True))
    assert len(asked) == len(held) > 10
    assert not asked & pair_keys(before, groups)
    assert not asked & pair_keys(held.train.events, groups)


@pytest.mark.parametrize("reposts", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_leave_one_out_holds_out_all_that_happened_between_the_two(seed, reposts):
    data = made_up(times=False, seed=seed)
    data = with_reposts(data) if reposts else data
    held = split(data, seed=seed)
    groups = np.arange(40) if data.jobs.groups is None else data.jobs.groups
    asked = set(zip(held.candidates.tolist(), groups[held.jobs].tolist(), strict=True))
    assert len(asked) == len(held) == len(np.unique(held.candidates)) > 10
    assert pair_keys(held.known.events, groups) == pair_keys(data.events, groups) - asked
    assert len(held.known.events) == len(held.train.events)
    assert np.isnan(held.times).all()
    assert held.live.all()


def test_leave_one_out_asks_only_who_has_enough_jobs():
    lines = [f"x {job} apply" for job in "abc"] + [f"y {job} apply" for job in "ab"]
    data = events_of(*lines, "z a apply", "z a apply", "z a apply", "z b view", "z c view")
    assert {q[0] for q in questions(data, split(data))} == {"x"}
    assert {q[0] for q in questions(data, split(data, min_events=2))} == {"x", "y"}
    assert {q[0] for q in questions(data, split(data, min_events=0))} == {"x", "y"}


def test_leave_one_out_draws_any_of_the_jobs():
    data = events_of(*(f"x {job} apply" for job in "abcd"), "y a apply")
    drawn = {questions(data, split(data, seed=seed))[0] for seed in range(40)}
    assert drawn == {"x a nan", "x b nan", "x c nan", "x d nan"}


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_cold_jobs_have_no_event_left_nor_have_their_reposts(seed, times):
    data = with_reposts(made_up(times=times, seed=seed))
    held = split(data, cold_share=0.3, test_share=0.5, seed=seed)
    groups = data.jobs.groups
    cold = set(groups[held.jobs].tolist())
    assert held.is_new_job.all()
    for part in (held.train, held.known):
        assert not cold & set(groups[part.events.jobs].tolist())
    assert len(np.unique(held.candidates)) == len(held)


def test_cold_jobs_by_time_are_asked_with_the_past_alone():
    data = made_up()
    held = split(data, cold_share=0.3, test_share=0.5)
    assert held.train.events.times.max() < held.times.min()
    assert held.known.events.times.max() < held.times.max()


def told(profiles):
    """Which rows have a code or a field, shape (N,)."""
    fields = [[value is not None for value in values] for values in profiles.fields.values()]
    return profiles.codes.any(axis=1) | np.any(fields, axis=0)


@pytest.mark.parametrize(
    "cut", [lambda data: split(data, test_share=0.6), lambda data: rolling(data, 3)[0]]
)
def test_what_came_after_the_training_cannot_be_learned_from(cut):
    data = with_first_seen(made_up())
    held = cut(data)
    latest = held.train.events.times.max()
    is_later = known_from(data) > latest
    assert 0 < is_later.sum() < len(is_later)
    assert (told(held.train.jobs) == ~is_later).all()
    first = np.full(len(data.candidates), np.inf)
    np.minimum.at(first, data.events.candidates, data.events.times)
    assert (first[np.isfinite(first)] > latest).any()
    assert (told(held.train.candidates) == (first <= latest)).all()
    assert held.known.jobs is data.jobs
    assert held.known.candidates is data.candidates


def with_first_seen(data):
    """The same, but two candidates do nothing in the first 45 days, and one job has no date."""
    late = (data.events.candidates > 1) | (data.events.times > data.events.times.min() + 45 * DAY)
    posted = data.jobs.known_from.copy()
    posted[-1] = np.nan
    jobs = replace(data.jobs, known_from=posted)
    return replace(data, jobs=jobs, events=data.events.take(late))


def test_a_job_without_a_date_is_there_since_it_was_met():
    data = events_of(*TIMED)
    past = as_of(data, 8.0)
    assert past.events.times.tolist() == [1, 2, 3]
    assert past.jobs.known_from[2:4].tolist() == [8, 9]
    assert np.isnan(past.jobs.known_from[[0, 1, 4, 5]]).all()


def test_where_nothing_came_later_all_profiles_stay():
    data = made_up()
    past = as_of(data, np.inf)
    assert past.jobs is data.jobs
    assert past.candidates is data.candidates


def test_new_jobs_and_new_candidates_are_marked():
    data = events_of(*TIMED, "w e apply 9", "w a apply 10")
    held = split(data, test_share=0.5)
    assert questions(data, held) == ["x d 9", "y b 10", "w a 10"]
    assert held.is_new_job.tolist() == [True, False, False]
    # w came after the training, but had applied once when asked
    assert held.is_new_candidate.tolist() == [False, False, False]
    data = events_of(*TIMED, "w e apply 9")
    assert split(data, test_share=0.5).is_new_candidate.tolist() == [False, True, False]


def test_a_job_whose_repost_was_met_is_not_new():
    data = events_of(*TIMED, "y f view 1", groups=[0, 1, 2, 3, 4, 3])  # f repeats d
    held = split(data, test_share=0.5)
    assert dict(zip(questions(data, held), held.is_new_job, strict=True))["x d 9"] == np.False_


def test_windows_of_time_learn_from_all_before_them():
    data = made_up(n_candidates=200)
    windows = rolling(data, 3, test_share=0.6)
    assert len(windows) == 3
    ends = [held.train.events.times.max() for held in windows]
    assert ends == sorted(ends)
    for held, after in zip(windows, [*windows[1:], None], strict=True):
        assert held.train.events.times.max() < held.times.min()
        assert after is None or held.times.max() < after.train.events.times.max() + DAY
    sizes = [len(held) for held in windows]
    assert max(sizes) < 2 * min(sizes)


def test_jobs_that_were_not_there_yet_do_not_compete():
    lines = [
        f"{c} {j} apply {t}" for t, (c, j) in enumerate(zip("xyxyxyxy", "aabbccdd", strict=True))
    ]
    data = events_of(*lines, posted=[-9, np.nan, np.nan, np.nan, -9, 99])
    first, last = rolling(data, 2, test_share=0.5)
    assert first.live.tolist() == [True, True, True, False, True, False]
    assert last.live.tolist() == [True, True, True, True, True, False]
    assert split(data).live.tolist() == [True, True, True, True, True, False]


def test_a_job_of_which_nothing_tells_its_age_is_live():
    data = events_of(*TIMED)  # nobody ever met f
    assert split(data).live.all()


@pytest.mark.parametrize("times", [True, False])
def test_at_most_so_many_questions_the_same_for_a_seed(times):
    data = made_up(times=times)
    drawn = [split(data, max_questions=5, seed=seed).candidates.tolist() for seed in (0, 0, 1)]
    assert len(drawn[0]) == 5
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"test_share": 0.0}, r"test_share must be in \(0, 1\), got 0.0"),
        ({"test_share": 1.0}, r"test_share must be in \(0, 1\)"),
        ({"test_share": float("nan")}, "test_share"),
        ({"cold_share": 1.0}, r"cold_share must be in \[0, 1\)"),
        ({"cold_share": -0.1}, r"cold_share must be in \[0, 1\)"),
        ({"max_questions": 0}, "max_questions must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_one_clear_error(options, why):
    with pytest.raises(DataError, match=why):
        split(made_up(), **options)


def test_too_few_events_are_one_clear_error():
    with pytest.raises(DataError, match=r"1 events give 0 questions.*too few to hold some out"):
        split(events_of("x a apply"))
    with pytest.raises(DataError, match="too few to hold some out"):
        split(events_of("x a apply 1"))


def test_training_without_the_target_is_too_few_events():
    data = events_of("x a view 1", "y b view 2", "x c apply 3", "y d apply 3")
    with pytest.raises(DataError, match=r"2 events to learn from, 0 of them apply.*too few"):
        split(data)


def test_windows_need_times_and_a_number():
    with pytest.raises(DataError, match="windows of time need events that all have a time"):
        rolling(made_up(times=False), 2)
    with pytest.raises(DataError, match="n_windows must be at least 1, got 0"):
        rolling(made_up(), 0)


def test_splitting_leaves_the_data_alone():
    data = made_up()
    before = data.events.times.copy(), data.events.jobs.copy()
    split(data)
    np.testing.assert_array_equal(before[0], data.events.times)
    np.testing.assert_array_equal(before[1], data.events.jobs)
