"""The probability of each job to be the next one wanted."""

from dataclasses import replace

import numpy as np

from matcher.data import DAY, Profiles, RawEvent, build
from matcher.fields import FieldEncoder
from matcher.hybrid import Hybrid, HybridConfig
from matcher.recent_popularity import RecentPopularity, RecentPopularityConfig
from matcher.wanted import AT_ONCE, HALF_LIVES, FieldDemand, Wanted, shares
from tests.matcher.made_up import made_up

N_SOURCES = len(HALF_LIVES) + 2
NEW = -2


def board(job_of, n_jobs, n_events=800):
    """An apply every quarter of an hour, each by somebody else."""
    raw = [RawEvent(f"c{n}", f"j{job_of(n)}", "apply", 1e9 + 900.0 * n) for n in range(n_events)]
    return build(None, Profiles(ids=tuple(f"j{j}" for j in range(n_jobs))), raw, until=None)


def test_probabilities_add_up_to_one_and_are_those_of_each_moment():
    data = made_up(100, 25, actions=("apply",))
    moments = np.r_[np.quantile(data.events.times, [0.3, 0.9, 0.6]), np.nan]
    found = Wanted(data).at(moments).proba
    total = found.sum(axis=1)
    assert (total > 0.8).all()
    assert (total < 1 + 1e-6).all()
    for row, moment in enumerate(moments[:3]):
        past = data.with_events(data.events.before(moment))
        np.testing.assert_allclose(Wanted(past).at(moments[[row]]).proba[0], found[row], rtol=1e-5)


def test_where_every_job_is_wanted_once_new_ones_have_most_of_the_probability():
    wanted = Wanted(board(lambda n: n, 900))
    assert wanted.shares_[-1][NEW] > 0.8
    found = wanted.at(np.array([np.nan])).proba[0]
    assert found[800:].min() > found[:800].max()


def test_where_the_same_jobs_come_again_lately_wanted_ones_have_it():
    wanted = Wanted(board(lambda n: n // 100, 9))
    found = wanted.at(np.array([np.nan])).proba[0]
    assert found.argmax() == 7
    assert wanted.shares_[-1][NEW] < 0.1


def test_shares_follow_a_change_of_habits():
    wanted = Wanted(board(lambda n: n if n < 400 else 400 + n // 100, 410))
    at_change, at_end = wanted.shares_[400 // AT_ONCE], wanted.shares_[-1]
    assert at_change[NEW] > 0.7 > 0.3 > at_end[NEW]


def test_a_source_that_nothing_is_known_of_keeps_its_share():
    assert shares(np.empty((3, 0)), np.empty(0)).tolist() == [[1 / 3] * 3]


def test_jobs_that_are_not_there_yet_are_not_counted_as_new():
    data = board(lambda n: n, 900)
    posted = np.r_[np.full(850, 1e9), np.full(50, 1e9 + 900 * 10**6)]
    dated = replace(data, jobs=replace(data.jobs, known_from=posted))
    now = np.array([1e9 + 900.0 * 800])
    by_date = Wanted(dated).at(now).proba[0]
    by_live = Wanted(data).at(now, np.arange(900) < 850).proba[0]
    np.testing.assert_allclose(by_date[:850], by_live[:850], rtol=1e-6)
    assert by_date[800:850].min() > 1.5 * Wanted(data).at(now).proba[0, 800]
    assert by_date[850:].max() < by_date[800]


def test_the_half_life_is_the_one_that_would_have_told_the_latest_events_best():
    quick = RecentPopularity().fit(board(lambda n: n // 10 % 80, 80))
    slow = RecentPopularity().fit(board(lambda n: n % 7 if n % 2 else 7 + n % 73, 80))
    assert quick.half_life_ < slow.half_life_
    fixed = RecentPopularity(RecentPopularityConfig(half_life=2.0)).fit(board(lambda n: n, 900))
    assert fixed.half_life_ == 2.0


def test_recent_popularity_forgets():
    data = build(
        None,
        Profiles(ids=("old", "lately")),
        [RawEvent(f"c{n}", "old", "apply", DAY * n) for n in range(9)]
        + [RawEvent(f"d{n}", "lately", "apply", DAY * 30) for n in range(3)],
        until=None,
    )
    model = RecentPopularity(RecentPopularityConfig(half_life=1.0)).fit(data)
    old, lately = model.score_jobs(data, np.arange(1), np.array([DAY * 31]))[0]
    assert lately > old > 0
    assert model.score_jobs(data, np.arange(1), np.array([DAY * 9]))[0, 1] == 0


def by_employer(groups=None):
    """An apply an hour, each to another job: of the employer A at first, then of B."""
    n = 40
    employers = ["A"] * 20 + ["B"] * 22 + ["A"] * 2
    jobs = Profiles(
        ids=tuple(f"j{j}" for j in range(44)), fields={"employer": employers}, groups=groups
    )
    raw = [RawEvent(f"c{j}", f"j{j}", "apply", 1e9 + 3600.0 * j) for j in range(n)]
    data = build(None, jobs, raw, until=None)
    encoder = FieldEncoder().fit(jobs)
    now = Wanted(data).at(np.array([1e9 + 3600.0 * 20, np.nan]))
    return FieldDemand(data, encoder).of(now.proba)["employer"]


def test_an_employer_whose_jobs_were_wanted_lately_is_wanted_itself():
    then, now = by_employer()
    assert then[43] > then[41]
    assert now[41] > now[43]


def test_an_employer_gains_nothing_by_reposts():
    alone, with_reposts = (by_employer(groups) for groups in (None, np.r_[0:40, 39, 39, 42, 43]))
    assert with_reposts[1, 41] <= alone[1, 41] + 1e-6


def test_the_hybrid_finds_and_explains_by_what_fields_are_wanted():
    data = made_up(120, 30)
    model = Hybrid(HybridConfig(n_factors=8, n_seeds=1, n_rounds=3, n_inner=1, n_trees=20))
    model.fit(data)
    rows = model.first_.rows(data, np.arange(3))
    assert {"category", "district", "languages"} == set(rows.by_field)
    assert "wanted now: category" in model.explain(data, 0, 1)
    asked, jobs = rows.found(None, 3)
    best = np.argmax(np.where(rows.known.toarray() > 0, -np.inf, sum(rows.by_field.values())), 1)
    assert all(best[row] in jobs[asked == row] for row in range(3))
