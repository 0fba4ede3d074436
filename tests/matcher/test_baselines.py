"""What holds for every model that scores from histories alone."""

from dataclasses import replace

import numpy as np
import pytest

from matcher import registry
from matcher.base import Pairs
from matcher.data import MatchData
from matcher.metrics import ranks
from matcher.splits import split
from tests.matcher.made_up import made_up

NAMES = [
    "item-knn",
    "bm25-knn",
    "rp3beta",
    "user-knn",
    "ease",
    "als",
    "fields-als",
    "code-similarity",
]
pytestmark = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def data() -> MatchData:
    return made_up(60, 40, times=True)


def test_it_ranks_better_than_chance(name, data):
    asked = split(made_up(200, 40, times=False))
    model = registry.find(name)().fit(asked.train)
    scores = model.score_jobs(asked.known, asked.candidates)
    allowed = asked.known.matrix()[asked.candidates].toarray() == 0
    middle = allowed.sum(axis=1).mean() / 2
    assert ranks(scores, asked.jobs, allowed).mean() < 0.75 * middle


def test_pairs_and_whole_rows_agree(name, data):
    model = registry.find(name)().fit(data)
    rows = model.score_jobs(data, np.arange(60))
    people, jobs = np.nonzero(data.matrix().toarray() == 0)
    pairs = Pairs(people, jobs, np.full(len(jobs), np.nan))
    np.testing.assert_allclose(model.score_pairs(data, pairs), rows[people, jobs], atol=1e-4)


def test_nothing_later_counts(name, data):
    model = registry.find(name)().fit(data)
    middle = float(np.median(data.events.times))
    past = data.with_events(data.events.before(middle))
    pairs = Pairs(np.repeat(np.arange(60), 40), np.tile(np.arange(40), 60), np.full(2400, middle))
    np.testing.assert_allclose(
        model.score_pairs(data, pairs), model.score_pairs(past, pairs), atol=1e-5
    )


@pytest.mark.parametrize("n_reposts", [0, 1])
def test_what_happened_between_the_two_does_not_count(name, data, n_reposts):
    groups = np.arange(40) % (40 // (1 + n_reposts))
    data = replace(data, jobs=replace(data.jobs, groups=groups))
    model = registry.find(name)().fit(data)
    person, job = int(data.events.candidates[0]), int(data.events.jobs[0])
    between = (data.events.candidates == person) & (groups[data.events.jobs] == groups[job])
    without = data.with_events(data.events.take(~between))
    pair = Pairs(np.array([person]), np.array([job]), np.array([np.nan]))
    np.testing.assert_allclose(
        model.score_pairs(data, pair), model.score_pairs(without, pair), atol=1e-5
    )


def test_a_new_event_counts_at_once_and_new_jobs_have_a_finite_score(name, data):
    model = registry.find(name)().fit(split(data).train)
    other = made_up(70, 50, times=True)
    scores = model.score_jobs(other, np.arange(70))
    assert scores.shape == (70, 50)
    assert np.isfinite(scores).all()
    nothing = other.with_events(other.events.take(slice(0, 0)))
    assert not np.array_equal(scores, model.score_jobs(nothing, np.arange(70)))


def test_a_new_repost_is_scored_as_the_job_that_it_repeats(name, data):
    model = registry.find(name)().fit(data)
    twins = np.r_[np.arange(40), 7]
    jobs = replace(
        data.jobs,
        ids=(*data.jobs.ids, "again"),
        codes=data.jobs.codes[twins],
        fields={name: [v[row] for row in twins] for name, v in data.jobs.fields.items()},
        known_from=None,
        groups=twins,
    )
    scores = model.score_jobs(replace(data, jobs=jobs), np.arange(60))
    np.testing.assert_allclose(scores[:, 40], scores[:, 7], atol=1e-5)


def test_jobs_are_known_by_id_not_by_row(name, data):
    model = registry.find(name)().fit(data)
    order = np.random.default_rng(0).permutation(40)
    jobs = replace(
        data.jobs,
        ids=tuple(data.jobs.ids[row] for row in order),
        codes=None if data.jobs.codes is None else data.jobs.codes[order],
        fields={name: [v[row] for row in order] for name, v in data.jobs.fields.items()},
        known_from=None,
    )
    events = replace(data.events, jobs=np.argsort(order)[data.events.jobs])
    shuffled = replace(data, jobs=jobs, events=events)
    np.testing.assert_allclose(
        model.score_jobs(shuffled, np.arange(9)),
        model.score_jobs(data, np.arange(9))[:, order],
        atol=1e-4,
    )


def test_it_comes_back_from_its_folder_with_the_same_scores(name, data, tmp_path):
    model = registry.find(name)(seed=3).fit(data)
    registry.save(model, tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    assert loaded.seed == 3  # type: ignore[attr-defined]
    np.testing.assert_array_equal(
        loaded.score_jobs(data, np.arange(9)), model.score_jobs(data, np.arange(9))
    )
