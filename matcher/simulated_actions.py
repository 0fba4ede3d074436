"""What simulated candidates do with a job that they opened, and what the employer answers.

A candidate who has opened a job looks again and again, saves it, visits the employer's page, until
he applies or leaves; the more he wants it, the longer he stays, the sooner he comes back and the
likelier he applies. Letters for axes: P pairs of a candidate and a job.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from matcher.data import DAY, NUMBER, Action, BoolArray, FloatArray, IntArray

MAX_ACTIONS = 60
"""A candidate who has looked so often at one job leaves it."""


class Part(NamedTuple):
    """Columns of some events, as in `Events`, and places on the page (-1: not shown then)."""

    candidates: IntArray
    jobs: IntArray
    actions: IntArray
    times: FloatArray
    positions: IntArray

    def take(self, which: BoolArray | IntArray) -> "Part":
        return Part(
            self.candidates[which],
            self.jobs[which],
            self.actions[which],
            self.times[which],
            self.positions[which],
        )


def part(candidates: IntArray, jobs: IntArray, actions: IntArray | int, times: FloatArray) -> Part:
    """Events that are not impressions."""
    n = len(jobs)
    kinds = np.broadcast_to(np.asarray(actions, np.int8), n)
    return Part(candidates, jobs, kinds, times, np.full(n, -1, np.int8))


def joined(parts: list[Part]) -> Part:
    return Part(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def opening(wanted: FloatArray) -> FloatArray:
    """Probability that a job that is looked at is opened; shape (P,)."""
    return _sigmoid(wanted - 1)


def funnel(
    candidates: IntArray,
    jobs: IntArray,
    times: FloatArray,
    wanted: FloatArray,
    rng: np.random.Generator,
) -> Iterator[Part]:
    """All actions of pairs from the first view on, one step of all pairs after another.

    Parameters
    ----------
    times
        Shape (P,): when the job was seen on a page, in seconds since 1970.
    wanted
        Shape (P,): interest, about -2 to 3.
    """
    times = times + rng.lognormal(np.log(4), 0.7, len(times))
    actions: IntArray = np.full(len(jobs), NUMBER[Action.VIEW], np.int8)
    saved = np.zeros(len(jobs), bool)
    for step in range(1, MAX_ACTIONS + 1):
        yield part(candidates, jobs, actions, times)
        applies, leaves = _ends(wanted, saved, step, rng)
        later = times + _gaps(wanted, rng)
        yield part(candidates[applies], jobs[applies], APPLY, later[applies])
        drops = leaves & (rng.random(len(jobs)) < DISMISSED * _sigmoid(-wanted))
        yield part(candidates[drops], jobs[drops], DISMISS, later[drops])
        stays = ~(applies | leaves)
        candidates, jobs, times = candidates[stays], jobs[stays], later[stays]
        wanted, saved = wanted[stays], saved[stays]
        actions = _next_actions(wanted, saved, rng)
        saved = saved | (actions == NUMBER[Action.SAVE])


def still_open(events: Part) -> BoolArray:
    """Which events come no later than the first apply or dismissal of their pair; shape (P,)."""
    keys = events.candidates.astype(np.int64) * (int(events.jobs.max(initial=0)) + 1) + events.jobs
    order = np.lexsort((events.times, keys))
    ends = np.isin(events.actions[order], (APPLY, DISMISS))
    before: IntArray = np.cumsum(ends) - ends
    starts = np.r_[True, np.diff(keys[order]) != 0][: len(order)]
    at_start = np.maximum.accumulate(np.where(starts, before, 0))
    is_open = np.empty(len(order), bool)
    is_open[order] = before == at_start
    return is_open


def replies(applies: Part, suits: FloatArray, rng: np.random.Generator) -> Part:
    """Employers' answers to some applies, days later: likelier the better the candidate suits."""
    given = rng.random(len(suits)) < _sigmoid(-1.6 + 1.0 * suits)
    times = applies.times[given] + DAY * rng.lognormal(np.log(2.5), 0.8, int(given.sum()))
    return part(applies.candidates[given], applies.jobs[given], NUMBER[Action.REPLY], times)


# ---- hazards, fitted to the shares of applies by number of actions in 104's talk

APPLY, DISMISS = NUMBER[Action.APPLY], NUMBER[Action.DISMISS]
DISMISSED = 0.25
"""Share of those who leave without any interest that dismiss the job."""
FIRST_APPLIES = 0.12
"""Chance of an apply right after the first view, as a share of what it is later on."""


def _ends(
    wanted: FloatArray, saved: BoolArray, step: int, rng: np.random.Generator
) -> tuple[BoolArray, BoolArray]:
    """Who applies after this many actions, and who leaves without; hardly anyone applies at once.

    What was saved is applied to later, or forgotten.
    """
    starts = FIRST_APPLIES if step == 1 else 1 - np.exp(-1.5 * (step - 1))
    apply = 0.095 * _sigmoid(2.0 * (wanted - 1.4)) * (1 + 0.7 * saved) * starts
    leave = _sigmoid(0.1 - 0.5 * wanted + (step == 1) - 0.4 * np.log(step))
    draw = rng.random(len(wanted))
    return draw < apply, (draw >= apply) & (draw < apply + (1 - apply) * leave)


def _next_actions(wanted: FloatArray, saved: BoolArray, rng: np.random.Generator) -> IntArray:
    """A view, a visit of the employer or a save (once): the latter two show interest."""
    visit, save = np.exp(-1.6 + 0.4 * wanted), np.where(saved, 0, np.exp(-2.0 + 0.7 * wanted))
    draw = rng.random(len(wanted)) * (1 + visit + save)
    places = (draw > 1).astype(np.int8) + (draw > 1 + visit)
    kinds = np.array([NUMBER[kind] for kind in (Action.VIEW, Action.VISIT, Action.SAVE)], np.int8)
    return np.asarray(kinds[places])


def _gaps(wanted: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Seconds until the next action: about a minute, or a day; shorter with more interest."""
    here = rng.random(len(wanted)) < _sigmoid(0.5 + 0.5 * wanted)
    middle = np.where(here, np.log(70.0), np.log(0.8 * DAY)) - 0.3 * wanted
    return np.asarray(np.exp(middle + rng.normal(0, 1, len(wanted))))


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))
