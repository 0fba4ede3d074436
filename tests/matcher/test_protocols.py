"""Live questions know everything that happened before them, and nothing of what came later."""

from dataclasses import replace

import numpy as np
import pytest

from matcher import registry
from matcher.base import Pairs
from matcher.data import DAY, NUMBER, Action, Events, MatchData
from matcher.first_stage import FirstStage
from matcher.found import WANTED
from matcher.hybrid import Hybrid, HybridConfig
from matcher.splits import Split, split
from tests.matcher.made_up import made_up

SMALL = HybridConfig(n_factors=8, n_seeds=1, n_rounds=3, n_inner=2, n_trees=30, n_found=10)
CONFIGS = {"hybrid": SMALL}
EPOCHS = ("activity-cnn", "activity-lstm", "activity-transformer", "deepfm", "ncf")
RANKING = [name for name in registry.MODELS if registry.find(name).ranks_jobs]


@pytest.fixture(scope="module")
def data() -> MatchData:
    return made_up(120, 30)


@pytest.fixture(scope="module")
def asked(data: MatchData) -> Split:
    return split(data)


def made(name: str):
    kind = registry.find(name)
    config = CONFIGS.get(name)
    if name in EPOCHS:
        config = replace(kind().settings, epochs=1)
    return kind() if config is None else kind(config)


def with_planted(known: MatchData, time: float, candidates, job: int) -> MatchData:
    """Some candidates look at a job, save it and apply, one second after the other."""
    actions = [NUMBER[Action(name)] for name in ("view", "save", "apply")]
    who, what = np.repeat(candidates, 3), np.tile(actions, len(candidates)).astype(np.int8)
    times = time + np.arange(3.0 * len(candidates))
    more = Events(who, np.full(len(who), job), what, times)
    columns = ("candidates", "jobs", "actions", "times")
    both = {n: np.concatenate([getattr(known.events, n), getattr(more, n)]) for n in columns}
    return known.with_events(Events(**both).in_order())


@pytest.mark.parametrize("name", RANKING)
def test_no_model_sees_what_happens_at_the_question_or_later(name, data, asked):
    model = made(name).fit(asked.train)
    first = np.argsort(asked.times)[:3]
    people, times = asked.candidates[first], asked.times[first]
    others = np.setdiff1d(np.arange(60), people)
    now = times.max()
    later = with_planted(asked.known, now, np.r_[people, others], job=7)
    np.testing.assert_array_equal(
        model.score_jobs(later, people, np.full(3, now)),
        model.score_jobs(asked.known, people, np.full(3, now)),
    )
    pairs = Pairs(np.repeat(people, 30), np.tile(np.arange(30), 3), np.full(90, now))
    np.testing.assert_array_equal(
        model.score_pairs(later, pairs), model.score_pairs(asked.known, pairs)
    )


@pytest.mark.parametrize("name", ["recent-popularity", "hybrid"])
def test_what_others_did_a_moment_ago_is_seen_live_and_not_frozen(name, asked):
    model = made(name).fit(asked.train)
    person, now = asked.candidates[:1], asked.times[:1]
    others = np.setdiff1d(np.arange(100), person)
    counts = np.bincount(asked.known.events.jobs, minlength=30)
    job = int(np.argmin(np.where(asked.live, counts, np.inf)))
    planted = with_planted(asked.known, float(now[0]) - 3600, others, job)
    before = model.score_jobs(asked.known, person, now)[0]
    after = model.score_jobs(planted, person, now)[0]
    assert (after > after[job]).sum() < (before > before[job]).sum()
    frozen = replace(asked, known=planted).frozen
    np.testing.assert_array_equal(
        model.score_jobs(frozen, person, now), model.score_jobs(asked.frozen, person, now)
    )


def test_inner_questions_see_the_past_of_all_and_no_future(data, monkeypatch):
    rows = FirstStage.rows
    n_asked, n_fresh = 0, 0

    def watched(self, known, candidates, times=None, **options):
        nonlocal n_asked, n_fresh
        found = rows(self, known, candidates, times, **options)
        for place in range(0, len(times), 5):
            one = slice(place, place + 1)
            past = known.with_events(known.events.before(times[place]))
            alone = rows(self, past, candidates[one], times[one], **options)
            for name, scores in found.scores.items():
                np.testing.assert_allclose(scores[place], alone.scores[name][0], atol=1e-4)
            asked, jobs = alone.found(options["live"], 10)
            numbers = found.numbers(np.full(len(asked), place), jobs)
            np.testing.assert_allclose(numbers, alone.numbers(asked, jobs), atol=1e-3)
            day = known.with_events(known.events.before(times[place] - DAY))
            stale = rows(self, day, candidates[one], times[one], **options)
            n_asked += 1
            n_fresh += not np.allclose(stale.scores[WANTED], alone.scores[WANTED])
        return found

    monkeypatch.setattr(FirstStage, "rows", watched)
    Hybrid(SMALL).fit(data)
    assert n_asked > 10
    assert n_fresh > 0.9 * n_asked
