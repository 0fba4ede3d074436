from dataclasses import replace

import numpy as np
import pytest

from matcher import registry
from matcher.activity_models import DecayActivity
from matcher.base import Pairs
from matcher.data import NUMBER, MatchData
from matcher.hybrid import Hybrid, HybridConfig
from matcher.metrics import ranks
from matcher.splits import split
from tagger.errors import DataError
from tests.matcher.made_up import made_up

SMALL = HybridConfig(n_factors=8, n_seeds=1, n_rounds=4, n_inner=1, n_trees=10, n_found=50)


@pytest.fixture(scope="module")
def data() -> MatchData:
    return made_up(200, 40, times=False)


@pytest.fixture(scope="module")
def hybrid(data: MatchData) -> Hybrid:
    return Hybrid(SMALL).fit(data)


def mean_rank(model, asked) -> float:
    scores = model.score_jobs(asked.known, asked.candidates)
    allowed = asked.known.matrix()[asked.candidates].toarray() == 0
    return float(ranks(scores, asked.jobs, allowed).mean())


def test_it_ranks_held_out_jobs_before_others(data):
    assert mean_rank(Hybrid(SMALL).fit(split(data).train), split(data)) < 12


def test_it_ranks_jobs_without_events_by_fields_and_codes(data):
    asked = split(data, cold_share=0.2)
    assert mean_rank(Hybrid(SMALL).fit(asked.train), asked) < 14


def test_events_alone_are_enough():
    bare = made_up(120, 30, times=False, codes=False, fields=False)
    assert np.isfinite(Hybrid(SMALL).fit(bare).score_jobs(bare, np.arange(9))).all()


def test_times_are_learned_from_the_latest_events():
    timed = made_up(120, 30, times=True)
    asked = split(timed)
    model = Hybrid(SMALL).fit(asked.train)
    assert np.isfinite(model.score_jobs(asked.known, np.arange(9))).all()
    assert model.notes_ == ()


@pytest.mark.parametrize("n_inner", [1, 3])
def test_texts_and_views_may_begin_late(n_inner):
    timed = made_up(120, 60, times=True)
    events, posted = timed.events, timed.jobs.known_from
    is_late = posted >= np.quantile(posted, 0.95)
    codes = np.where(is_late[:, None], timed.jobs.codes, 0)
    kept = (events.actions == NUMBER[timed.target]) | (events.times >= posted[is_late].min())
    late = replace(timed, jobs=replace(timed.jobs, codes=codes), events=events.take(kept))
    model = Hybrid(replace(SMALL, n_inner=n_inner)).fit(late)
    assert {"code-similarity", "activity-decay"} <= {*model.first_.parts_}
    assert len(model.trees_)
    assert np.isfinite(model.score_jobs(late, np.arange(9))).all()


def test_a_first_model_that_finds_too_little_is_left_out(tmp_path, monkeypatch):
    def refuse(self, data, *, show_progress=False):
        raise DataError("too little")

    monkeypatch.setattr(DecayActivity, "fit", refuse)
    model = Hybrid(SMALL).fit(made_up(80, 30))
    assert "activity-decay" not in model.first_.parts_
    registry.save(model, tmp_path / "model")
    again, _ = registry.load(tmp_path / "model")
    timed = made_up(80, 30)
    people = np.arange(9)
    np.testing.assert_array_equal(again.score_jobs(timed, people), model.score_jobs(timed, people))


def test_few_events_are_ranked_by_the_factors_alone(tmp_path):
    few = made_up(6, 8, times=False)
    model = Hybrid(SMALL).fit(few)
    assert not len(model.trees_)
    assert "the factors rank alone" in model.notes_[0]
    pairs = Pairs(np.zeros(8, np.intp), np.arange(8), np.full(8, np.nan))
    assert np.isfinite(model.score_pairs(few, pairs)).all()
    registry.save(model, tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.score_jobs(few, np.arange(6)), model.score_jobs(few, np.arange(6))
    )


def test_pairs_and_whole_rows_agree_where_every_job_is_found(data, hybrid):
    rows = hybrid.score_jobs(data, np.arange(20))
    people, jobs = np.nonzero(data.matrix().toarray()[:20] == 0)
    pairs = Pairs(people, jobs, np.full(len(jobs), np.nan))
    scores = hybrid.score_pairs(data, pairs)
    close = np.isclose(scores, rows[people, jobs], atol=1e-3)
    assert close.mean() > 0.95  # jobs that no first model scores follow after the others in rows


def test_nothing_asked_is_nothing_answered(data, hybrid):
    none = np.array([], np.intp)
    assert hybrid.score_pairs(data, Pairs(none, none, np.array([]))).shape == (0,)
    assert hybrid.score_jobs(data, none).shape == (0, len(data.jobs))


def test_what_happened_between_the_two_does_not_count(data, hybrid):
    person, job = int(data.events.candidates[0]), int(data.events.jobs[0])
    between = (data.events.candidates == person) & (data.events.jobs == job)
    without = data.with_events(data.events.take(~between))
    pair = Pairs(np.array([person]), np.array([job]), np.array([np.nan]))
    np.testing.assert_allclose(
        hybrid.score_pairs(data, pair), hybrid.score_pairs(without, pair), atol=1e-5
    )


def test_nothing_later_counts():
    timed = made_up(120, 30, times=True)
    model = Hybrid(SMALL).fit(timed)
    middle = float(np.median(timed.events.times))
    past = timed.with_events(timed.events.before(middle))
    pairs = Pairs(np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20), np.full(600, middle))
    np.testing.assert_allclose(
        model.score_pairs(timed, pairs), model.score_pairs(past, pairs), atol=1e-5
    )


def test_it_comes_back_from_its_folder_with_the_same_scores(data, hybrid, tmp_path):
    registry.save(hybrid, tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.score_jobs(data, np.arange(9)), hybrid.score_jobs(data, np.arange(9))
    )


def test_the_same_seed_gives_the_same_scores(data, hybrid):
    again = Hybrid(SMALL).fit(data)
    np.testing.assert_array_equal(
        again.score_jobs(data, np.arange(9)), hybrid.score_jobs(data, np.arange(9))
    )


def test_sizes_are_checked():
    with pytest.raises(DataError, match="n_found must be above 0, got 0"):
        HybridConfig(n_found=0)


def test_what_it_says_of_a_score_adds_up(data, hybrid):
    met = data.matrix()[[0]].indices
    jobs = np.setdiff1d(np.arange(len(data.jobs)), met)
    told = [hybrid.explain(data, 0, int(job)) for job in jobs]
    assert {"factors", "als", "taste", "demand"} <= set(told[0])
    pairs = Pairs(np.zeros(len(jobs), np.intp), jobs, np.full(len(jobs), np.nan))
    scores = hybrid.score_pairs(data, pairs)
    np.testing.assert_allclose(
        np.ptp([s - sum(p.values()) for s, p in zip(scores, told, strict=True)]), 0, atol=1e-4
    )


def test_views_and_saves_count_where_there_are_some(tmp_path):
    timed = made_up(120, 30, times=True)
    model = Hybrid(replace(SMALL, n_trees=60)).fit(timed)
    assert "activity-decay" in model.first_.parts_
    registry.save(model, tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    people = np.arange(9)
    np.testing.assert_array_equal(loaded.score_jobs(timed, people), model.score_jobs(timed, people))
    bare = timed.with_events(timed.events.of(timed.target))
    assert (model.score_jobs(bare, people) != model.score_jobs(timed, people)).any()
