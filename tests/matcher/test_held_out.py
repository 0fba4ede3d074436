from dataclasses import replace

import numpy as np
import pytest

from matcher import held_out
from matcher.data import NUMBER, Action, Profiles, RawEvent, build
from matcher.held_out import Rivals, held_out_pairs, pairs_under_way
from matcher.splits import split
from tests.matcher.made_up import made_up, slow


def with_reposts(data):
    groups = np.arange(len(data.jobs)) % 10
    return replace(data, jobs=replace(data.jobs, groups=groups))


def test_a_job_competes_unless_it_was_met_or_is_not_live():
    lines = ("x a 1", "y a 2", "x b 3", "x c 8", "y b 9", "x d 9")
    raw = [RawEvent(c, j, "apply", float(t)) for c, j, t in map(str.split, lines)]
    data = build(None, Profiles(ids=tuple("abcdef")), raw, until=None)
    held = split(data, test_share=0.5)
    live = held.live.copy()
    live[5] = False  # f
    found = Rivals(replace(held, live=live)).of(np.arange(len(held)))
    names = ["".join(np.array(list("abcdef"))[row]) for row in found]
    assert dict(zip(held.candidates.tolist(), names, strict=True)) == {0: "de", 1: "bcde"}


def test_a_job_posted_after_the_question_does_not_compete_nor_is_it_drawn():
    data = made_up(200, actions=("apply",))
    held = split(data, test_share=0.6)
    posted, rows = data.jobs.known_from, np.arange(len(held))
    found = Rivals(held).of(rows)
    own = found[rows, held.jobs]
    assert own.all()
    found[rows, held.jobs] = False
    is_later = posted > held.times[:, None]
    assert (is_later & held.live).any()
    assert not (found & is_later).any()
    assert found.any(axis=1).all()
    asked = held_out_pairs(data, held)
    assert asked.are_sampled
    assert (posted[asked.pairs.jobs] <= asked.pairs.times).all()


def test_what_a_candidate_met_after_the_question_competes():
    lines = ("x a 1", "y a 2", "x b 3", "x c 8", "y d 20", "z a 4", "z e 9", "z b 11")
    raw = [RawEvent(c, j, "apply", float(t)) for c, j, t in map(str.split, lines)]
    data = build(None, Profiles(ids=tuple("abcde")), raw, until=None)
    held = split(data, test_share=0.6)
    z = np.flatnonzero(held.candidates == 2)
    earlier = replace(held, times=np.where(held.candidates == 2, 8.5, held.times))
    assert "".join(np.array(list("abcde"))[Rivals(held).of(z)[0]]) == "bcd"
    assert "".join(np.array(list("abcde"))[Rivals(earlier).of(z)[0]]) == "bcde"


def test_reposts_of_the_held_out_job_and_of_those_met_do_not_compete():
    data = with_reposts(made_up(times=False))
    held = split(data)
    found = Rivals(held).of(np.arange(len(held)))
    groups = data.jobs.groups
    for row, (candidate, job) in enumerate(zip(held.candidates, held.jobs, strict=True)):
        own = held.known.events.candidates == candidate
        barred = {*groups[held.known.events.jobs[own]], groups[job]}
        expected = ~np.isin(groups, list(barred))
        expected[job] = True
        np.testing.assert_array_equal(found[row], expected)


def test_pairs_that_met_after_the_training_are_asked_about():
    data = made_up()
    held = split(data)
    asked = held_out_pairs(data, held)
    assert not asked.are_sampled
    assert (asked.pairs.times > held.train.events.times.max()).all()
    assert asked.known is held.known
    assert asked.known.jobs is data.jobs
    applied = data.matrix().toarray() > 0
    np.testing.assert_array_equal(asked.y, applied[asked.pairs.candidates, asked.pairs.jobs])
    assert 0 < asked.y.mean() < 1
    assert "that first met after the training" in asked.note


def test_no_asked_pair_nor_a_repost_of_it_is_in_the_training():
    data = with_reposts(made_up())
    held = split(data)
    asked = held_out_pairs(data, held)
    groups = data.jobs.groups

    def pairs(part):
        return list(zip(part.candidates.tolist(), groups[part.jobs].tolist(), strict=True))

    found = pairs(asked.pairs)
    assert len(set(found)) == len(found) > 20
    assert not set(found) & set(pairs(held.train.events))


@pytest.mark.parametrize("times", [True, False])
def test_without_exposures_as_many_unmet_jobs_are_drawn(times):
    data = made_up(times=times, actions=("apply",))
    held = split(data)
    asked = held_out_pairs(data, held)
    n = len(asked.y) // 2
    assert asked.are_sampled
    assert asked.y.tolist() == [True] * n + [False] * n
    assert asked.pairs.jobs[:n].tolist() == held.jobs.tolist()
    met = data.matrix(*Action).toarray() > 0
    assert not met[asked.pairs.candidates[n:], asked.pairs.jobs[n:]].any()
    assert "drawn at random" in asked.note


def test_only_live_jobs_are_drawn_and_no_repost_of_a_met_one():
    data = with_reposts(made_up(times=False))
    held = split(data)
    live = np.arange(40) < 20
    asked = held_out_pairs(data, replace(held, live=live))
    n = len(asked.y) // 2
    drawn = asked.pairs.take(slice(n, None))
    assert (drawn.jobs < 20).all()
    groups = data.jobs.groups
    met = set(zip(data.events.candidates.tolist(), groups[data.events.jobs].tolist(), strict=True))
    assert not met & set(zip(drawn.candidates.tolist(), groups[drawn.jobs].tolist(), strict=True))


def test_who_has_met_every_job_is_not_asked_yes_or_no():
    raw = [RawEvent("x", j, "apply") for j in "abc"] + [RawEvent("y", j, "apply") for j in "ab"]
    data = build(None, Profiles(ids=tuple("abc")), raw, until=None)
    asked = held_out_pairs(data, split(data, min_events=2))
    assert asked.pairs.candidates.tolist() == [1, 1]


def test_the_same_seed_draws_the_same_pairs():
    data = made_up(times=False)
    held = split(data)
    drawn = [held_out_pairs(data, held, seed=seed).pairs.jobs.tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_handful_of_exposures_is_not_enough():
    data = made_up()
    is_look = data.events.actions != NUMBER[Action.APPLY]
    looks = np.flatnonzero(is_look)[-3:]
    applies = np.flatnonzero(~is_look)
    few = data.with_events(data.events.take(np.sort(np.r_[applies, looks])))
    assert held_out_pairs(few, split(few)).are_sampled


@pytest.mark.parametrize(("limit", "value"), [("MAX_SCORES", 40 * 20), ("MAX_PAIRS", 80)])
def test_of_many_candidates_some_are_drawn_with_all_their_pairs(monkeypatch, limit, value):
    data = made_up(300)
    held = split(data)
    whole = held_out_pairs(data, held)
    monkeypatch.setattr(held_out, limit, value)
    some = held_out_pairs(data, held)
    drawn = np.unique(some.pairs.candidates)
    assert 10 < len(drawn) < 100
    assert len(some.y) == np.isin(whole.pairs.candidates, drawn).sum()


def test_pairs_under_way_are_asked_about_when_the_training_ends():
    data = slow()
    held = split(data)
    asked = pairs_under_way(data, held)
    jobs = np.array(data.jobs.ids)[asked.pairs.jobs]
    assert sorted(set(jobs)) == ["quick", "slow"]
    assert (jobs[asked.y] == "slow").all()
    assert (asked.y.sum(), (~asked.y).sum()) == (20, 20 + 20)
    last = held.train.events.times.max()
    assert (asked.pairs.times > last).all()
    assert (asked.pairs.times < last + 1).all()
    assert asked.known.events is held.train.events
    assert asked.note == (
        "60 pairs with two steps or more when the training ended and no apply yet; 33.3% of them "
        "came to it afterwards"
    )


def test_what_comes_after_the_held_out_time_is_no_answer():
    data = slow()
    held = split(data)
    before_all = replace(held, end=held.train.events.times.max() + 1)
    assert not len(pairs_under_way(data, before_all))


def test_too_few_pairs_under_way_are_not_asked_about():
    data = slow(18)
    asked = pairs_under_way(data, split(data))
    assert (len(asked), len(asked.pairs)) == (0, 0)
    assert "27 pairs with two steps or more" in asked.note
    assert "9 of which came to it afterwards, are too few to be asked about" in asked.note


@pytest.mark.parametrize("options", [{"times": False}, {"actions": ("apply",)}])
def test_without_times_or_steps_nothing_is_under_way(options):
    data = made_up(**options)
    asked = pairs_under_way(data, split(data))
    assert (len(asked), asked.note) == (0, "")


def test_of_pairs_under_way_those_of_some_candidates_may_be_drawn():
    data = slow(200)
    asked = pairs_under_way(data, split(data), max_candidates=50)
    assert len(np.unique(asked.pairs.candidates)) == 50
