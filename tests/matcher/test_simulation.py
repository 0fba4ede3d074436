"""The simulated job board: what is told of it must be so."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.data import ACTIONS, NUMBER, Action, MatchData
from matcher.simulated_world import START, WorldConfig
from matcher.simulation import Simulation, SimulationConfig, run_simulation, simulate
from tagger.errors import DataError


@pytest.fixture(scope="module")
def board() -> Simulation:
    return run_simulation(SimulationConfig.sized(200_000), seed=3)


def pair_keys(data: MatchData) -> np.ndarray:
    return data.events.candidates.astype(np.int64) * len(data.jobs) + data.events.jobs


def rows_of(data: MatchData, *actions: Action) -> np.ndarray:
    return np.isin(data.events.actions, [NUMBER[action] for action in actions])


def test_the_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    config = SimulationConfig.sized(2000)
    first, again, other = (simulate(config, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.events.times, again.events.times)
    assert first.jobs.fields == again.jobs.fields
    assert not np.array_equal(first.events.times[:100], other.events.times[:100])


@pytest.mark.parametrize("n_events", [1000, 10_000, 300_000])
def test_it_makes_about_as_many_events_as_asked_for(n_events: int) -> None:
    assert len(simulate(SimulationConfig.sized(n_events)).events) == pytest.approx(
        n_events, rel=0.35
    )


def test_all_actions_occur_so_that_views_applies_and_replies_can_be_predicted(
    board: Simulation,
) -> None:
    counts = np.bincount(board.data.events.actions, minlength=len(ACTIONS))
    shown, viewed, applied, replied = (
        counts[NUMBER[action]]
        for action in (Action.IMPRESSION, Action.VIEW, Action.APPLY, Action.REPLY)
    )
    assert (counts > 0).all()
    assert shown > viewed > applied > replied > 100


def test_events_are_in_order_and_none_comes_before_its_job_or_after_the_end(
    board: Simulation,
) -> None:
    events, posted = board.data.events, board.data.jobs.known_from
    assert posted is not None
    assert (np.diff(events.times) >= 0).all()
    assert (events.times > posted[events.jobs]).all()
    assert events.times.max() < START + 86_400 * WorldConfig().days


def test_each_pair_starts_with_an_impression_and_ends_with_an_apply_dismissal_or_reply(
    board: Simulation,
) -> None:
    events, keys = board.data.events, pair_keys(board.data)
    _, first = np.unique(keys, return_index=True)
    assert (events.actions[first] == NUMBER[Action.IMPRESSION]).all()
    ended = rows_of(board.data, Action.APPLY, Action.DISMISS)
    assert len(np.unique(keys[ended])) == ended.sum()
    end = dict(zip(keys[ended].tolist(), events.times[ended].tolist(), strict=True))
    ordinary = ~rows_of(board.data, Action.REPLY)
    times = zip(keys[ordinary].tolist(), events.times[ordinary].tolist(), strict=True)
    assert all(time <= end.get(key, np.inf) for key, time in times)


def test_employers_answer_only_applies_and_later(board: Simulation) -> None:
    events, keys = board.data.events, pair_keys(board.data)
    applied = rows_of(board.data, Action.APPLY)
    when = dict(zip(keys[applied].tolist(), events.times[applied].tolist(), strict=True))
    replied = rows_of(board.data, Action.REPLY)
    times = zip(keys[replied].tolist(), events.times[replied].tolist(), strict=True)
    assert all(time > when[key] for key, time in times)


def test_applies_grow_with_the_actions_of_a_pair_as_in_the_talk_of_104(board: Simulation) -> None:
    """Applies per pair: 1.1 % with one action, 14 % with two, 31 % with five, 39 % with ten."""
    data, keys = board.data, pair_keys(board.data)
    pairs, place = np.unique(keys, return_inverse=True)
    acted = rows_of(data, Action.VIEW, Action.SAVE, Action.VISIT)
    n_actions = np.bincount(place[acted], minlength=len(pairs))
    applies = np.bincount(place[rows_of(data, Action.APPLY)], minlength=len(pairs))
    shares = [applies[n_actions == n].mean() for n in (1, 2, 3, 5)]
    assert shares[0] < 0.03
    assert shares == sorted(shares)
    assert shares[1] == pytest.approx(0.14, abs=0.06)
    assert 0.25 < shares[3] < 0.5
    assert 0.4 < (n_actions[n_actions > 0] == 1).mean() < 0.65  # 53 % in the talk


def test_low_places_are_opened_less_even_where_the_order_means_nothing() -> None:
    config = replace(SimulationConfig.sized(100_000), search_skill=0.0)
    for bias, low, high in ((0.0, 0.8, 1.25), (0.7, 0.05, 0.65)):
        board = run_simulation(replace(config, position_bias=bias))
        keys = pair_keys(board.data)
        opened = np.isin(keys, keys[rows_of(board.data, Action.VIEW)])
        rates = [opened[board.positions == place].mean() for place in (0, 8)]
        assert low < rates[1] / rates[0] < high


def test_only_impressions_have_a_place_and_no_job_comes_twice_on_a_page(board: Simulation) -> None:
    shown = rows_of(board.data, Action.IMPRESSION)
    assert (board.positions[shown] >= 0).all()
    assert (board.positions[~shown] == -1).all()
    events = board.data.events
    page = np.c_[events.candidates, events.jobs, events.times][shown]
    assert len(np.unique(page, axis=0)) == shown.sum()


def test_interest_decides_what_is_opened_and_fit_what_is_answered(board: Simulation) -> None:
    data, world = board.data, board.world
    events, keys = data.events, pair_keys(data)
    interest = world.interest(events.candidates, events.jobs, events.times)
    shown, applied = rows_of(data, Action.IMPRESSION), rows_of(data, Action.APPLY)
    opened = np.isin(keys, keys[rows_of(data, Action.VIEW)])
    assert interest[shown & opened].mean() > interest[shown & ~opened].mean() + 0.2
    suits = world.suits(events.candidates[applied], events.jobs[applied])
    answered = np.isin(keys[applied], keys[rows_of(data, Action.REPLY)])
    assert suits[answered].mean() > suits[~answered].mean() + 0.2


def test_tastes_drift_so_that_later_views_tell_more_of_the_last_one() -> None:
    def recent_minus_early(drift: float) -> float:
        board = run_simulation(SimulationConfig.sized(60_000, drift=drift, n_code=8))
        viewed = board.data.events.of(Action.VIEW)
        leaf = board.world.jobs.leaf
        gains = []
        for candidate in range(len(board.data.candidates)):
            jobs = leaf[viewed.jobs[viewed.candidates == candidate]]
            if len(jobs) >= 10:
                gains.append((jobs[-3:-1] == jobs[-1]).mean() - (jobs[:2] == jobs[-1]).mean())
        return float(np.mean(gains))

    assert recent_minus_early(1.0) > recent_minus_early(0.0) + 0.05


def test_codes_are_nearer_within_a_category_and_fields_have_gaps(board: Simulation) -> None:
    codes, leaf = board.data.jobs.codes, board.world.jobs.leaf
    assert codes is not None
    codes = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    near = codes @ codes.T
    same = leaf[:, None] == leaf
    np.fill_diagonal(same, False)
    assert near[same].mean() > near[~same].mean() + 0.3
    missing = np.mean([value is None for value in board.data.jobs.fields["education"]])
    assert 0.02 < missing < 0.08


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SimulationConfig(taste_share=1.5), r"taste_share must be in \[0, 1\], got 1.5"),
        (lambda: SimulationConfig(sessions=0), "sessions must be above 0"),
        (lambda: WorldConfig(n_jobs=0), "n_jobs must be above 0"),
        (lambda: WorldConfig(categories=(0, 1, 1)), "categories must be 1 or more"),
        (lambda: WorldConfig(drift=2), "drift must be in"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(make: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        make()  # type: ignore[operator]


def test_a_board_with_almost_nothing_still_runs_or_says_that_nothing_happened() -> None:
    world = WorldConfig(n_candidates=1, n_jobs=3, categories=(1, 1, 1), n_districts=1)
    assert len(simulate(SimulationConfig(world=world, sessions=50.0)).events)
    with pytest.raises(DataError, match="nothing happened in the simulation"):
        simulate(SimulationConfig(world=world, sessions=1e-9, page=1), seed=4)
