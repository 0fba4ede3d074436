"""A job board that never was: candidates with hidden tastes, and all they did with jobs.

No public set holds impressions, views, saves, visits, applies, dismissals and replies together,
with times. This one does, in any size, so that models of sequences and of click, apply and reply
rates can be tried and timed. **Its figures are simulated and say nothing about real candidates.**
What happens, and what does not, is told in `docs/simulation.md`.

Examination by position: Craswell et al., An experimental comparison of click position-bias models,
2008. Share of pairs that end in an apply, by their number of actions: the table of 104's talk
(Lin, Job Match Recommendation using Deep Learning, 2017), which the hazards below were fitted to.

Letters for axes: E events, S sessions, K places of a page, P pairs of a candidate and a job.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from tqdm import tqdm

from matcher.data import DAY, NUMBER, Action, Events, IntArray, MatchData
from matcher.simulated_actions import Part, funnel, joined, opening, replies, still_open
from matcher.simulated_pages import Shelf, pages, places
from matcher.simulated_world import START, World, WorldConfig, build_world
from tagger.errors import DataError

EVENTS_PER_SESSION = 12.5
"""Measured, where there are some thousand candidates; `SimulationConfig.sized` goes by it."""
SESSIONS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationConfig:
    """How many there are, what is shown and how candidates act."""

    world: WorldConfig = field(default_factory=WorldConfig)
    """Candidates and jobs."""
    sessions: float = 8.0
    """Mean number of pages that a candidate is shown; some see many more, as on any board."""
    page: int = 10
    """Jobs on a page, at most."""
    taste_share: float = 0.6
    """Share of the places of a page that are filled from the candidate's category (or one beside
    it); the others from all jobs, the popular ones more often. In [0, 1]."""
    search_skill: float = 0.4
    """How well pages are ordered: correlation of the order with true interest, in [0, 1]."""
    position_bias: float = 0.7
    """Place k of a page (from 0) is looked at with probability (1 + k) ** -position_bias."""
    whim: float = 0.6
    """Standard deviation of the interest in a pair that nothing seen explains."""

    def __post_init__(self) -> None:
        if not self.sessions > 0 or not 1 <= self.page <= 100:
            raise DataError(
                f"sessions must be above 0 and page in [1, 100], got {self.sessions}, {self.page}"
            )
        for name in ("taste_share", "search_skill"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("position_bias", "whim"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} must be 0 or more, got {getattr(self, name)}")

    @classmethod
    def sized(cls, n_events: int, **changes: Any) -> Self:
        """One that makes about `n_events` events (1,000 to 10 million were tried).

        Candidates grow with the events; there are as many jobs, but 400 at least. `changes` go to
        the world.
        """
        n_candidates = max(round(n_events / EVENTS_PER_SESSION / cls().sessions), 5)
        sizes = {"n_candidates": n_candidates, "n_jobs": max(n_candidates, 400)}
        return cls(world=WorldConfig(**{**sizes, **changes}))


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What models may see, and what is true."""

    data: MatchData
    positions: IntArray
    """Shape (E,): place on the page, from 0, of impressions; -1 for other events."""
    world: World
    """Tastes and fits, to judge models by; not to be learned from."""


def simulate(
    config: SimulationConfig | None = None, *, seed: int = 0, show_progress: bool = False
) -> MatchData:
    """What candidates did; the same for the same configuration and seed.

    Examples
    --------
    >>> data = simulate(SimulationConfig.sized(1000))
    >>> data.target, 800 < len(data.events) < 1200
    (<Action.APPLY: 'apply'>, True)
    """
    return run_simulation(config, seed=seed, show_progress=show_progress).data


def run_simulation(
    config: SimulationConfig | None = None, *, seed: int = 0, show_progress: bool = False
) -> Simulation:
    """The same, with places on the page and with what is true.

    Raises
    ------
    DataError
        If nothing happens, for lack of jobs or sessions.
    """
    config = config or SimulationConfig()
    rng = np.random.default_rng(seed)
    world = build_world(config.world, rng)
    shelves = Shelf(world, by_category=True), Shelf(world, by_category=False)
    blocks = tqdm(
        _blocks(config, rng), "simulate", unit="block", disable=None if show_progress else True
    )
    happened = joined([_happens(config, world, shelves, people, rng) for people in blocks])
    if not len(happened.jobs):
        raise DataError("nothing happened in the simulation: give it more jobs, sessions or days")
    happened = happened.take(np.argsort(happened.times, kind="stable"))
    data = MatchData(
        candidates=world.candidate_profiles,
        jobs=world.job_profiles,
        events=Events(*happened[:4]),
        notes=("these candidates, jobs and events are simulated",),
    )
    return Simulation(data, happened.positions, world)


def _blocks(config: SimulationConfig, rng: np.random.Generator) -> list[IntArray]:
    """Candidates once for each of their sessions, some thousand sessions a block.

    All sessions of a candidate are in one block: what he does in one depends on the others.
    """
    activity = rng.gamma(1.0, 1.0, config.world.n_candidates)
    n_sessions = rng.poisson(config.sessions * activity / activity.mean())
    n_sessions[0] += n_sessions.sum() == 0  # somebody has to look
    ends = np.cumsum(n_sessions)
    n_blocks = -(-int(ends[-1]) // SESSIONS_AT_ONCE)
    cuts = np.searchsorted(ends, np.arange(1, n_blocks) * SESSIONS_AT_ONCE)
    people = np.split(np.arange(len(ends), dtype=np.int32), cuts)
    return [np.repeat(block, n_sessions[block]) for block in people]


def _happens(
    config: SimulationConfig,
    world: World,
    shelves: tuple[Shelf, Shelf],
    candidates: IntArray,
    rng: np.random.Generator,
) -> Part:
    """All events of some candidates, whose sessions are given as rows of the candidates."""
    times = world.begins[candidates] + rng.random(len(candidates)) * world.lasts[candidates]
    session, jobs = pages(
        world,
        shelves,
        candidates,
        times,
        page=config.page,
        taste_share=config.taste_share,
        job_days=config.world.job_days,
        rng=rng,
    )
    who, when = candidates[session], times[session]
    interest = world.interest(who, jobs, when)
    place = places(session, interest, config.search_skill, rng)
    wanted = interest + rng.normal(0, config.whim, len(interest))
    shown = Part(who, jobs, np.full(len(jobs), NUMBER[Action.IMPRESSION], np.int8), when, place)
    seen = rng.random(len(jobs)) < (1.0 + place) ** -config.position_bias
    opens = seen & (rng.random(len(jobs)) < opening(wanted))
    acts = funnel(who[opens], jobs[opens], when[opens], wanted[opens], rng)
    events = joined([shown, *acts])
    events = events.take(still_open(events))
    applies = events.take(events.actions == NUMBER[Action.APPLY])
    events = joined([events, replies(applies, world.suits(applies.candidates, applies.jobs), rng)])
    return events.take(events.times < START + DAY * config.world.days)  # the rest is yet to come
