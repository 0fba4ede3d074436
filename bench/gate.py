"""A hundred retrains through the gate, over and over: how far the live model falls below its best.

python bench/gate.py [--data FOLDER] [--quick] [--json] [--check]

A simulation of models of known quality, measured on labels that grow by 80 a retrain from 150, with
the noise that mean average precision of paired models has there. Four teams: labels help for years
(grow), change nothing (still), rot slowly (rot), and the worst case, where each new model is a
little worse than the live one (creep). Beside ours, the two simplest rules: the interval of the
difference to the champion lies above minus the margin (noninferiority), and a higher score wins.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from common import Check, Result, Row, run

from db.gate import Bar, judge

N_RETRAINS, N_RUNS, N_FIRST, N_BATCH = 100, 200, 150, 80
SPREAD_OF_ONE = 0.25
"""Standard deviation of a difference of mean average precision on one job: .02 on 150 jobs."""
MARGIN = 0.02

Quality = Callable[[int, int, float, np.random.Generator], float]
"""Retrain, labels and quality of the champion -> quality of the challenger."""
TEAMS: dict[str, Quality] = {
    "grow": lambda k, n, live, rng: 0.65 - 0.15 * np.exp((150 - n) / 800) + rng.normal(0, 0.006),
    "still": lambda k, n, live, rng: 0.5 + rng.normal(0, 0.01),
    "rot": lambda k, n, live, rng: 0.5 - 0.002 * k + rng.normal(0, 0.005),
    "creep": lambda k, n, live, rng: live - 0.01 + rng.normal(0, 0.003),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured difference and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, spread: float) -> "Measured":
        return cls(value, value - 1.96 * spread, value + 1.96 * spread)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the gate is told; a simulation has no tags."""

    n_jobs: int
    mean_average_precision: Measured
    shared_average_precision: Measured
    macro_f1: Measured = field(default_factory=lambda: Measured(0, 0, 0))
    tags: tuple[()] = ()
    new_tags: tuple[()] = ()
    dropped_tags: tuple[()] = ()


@dataclass(slots=True)
class Model:
    """Its quality, and how lucky it is with the judging jobs so far."""

    quality: float
    luck: float


class Outcome(NamedTuple):
    """Of one run."""

    drop: float
    """How far the live model was below the best that was ever live, at worst."""
    n_promoted: int


Rule = Callable[[Compared, Compared | None, int, int], tuple[bool, bool]]
"""Beside champion and anchor, labels before and now -> goes live, is the best so far."""


def ours(
    champion: Compared, anchor: Compared | None, n_before: int, n_now: int
) -> tuple[bool, bool]:
    found = judge(champion, Bar(), anchor=anchor, n_before=n_before, n_now=n_now)
    return found.promote, found.is_best


def noninferiority(
    champion: Compared, anchor: Compared | None, n_before: int, n_now: int
) -> tuple[bool, bool]:
    return champion.mean_average_precision.low >= -MARGIN, False


def higher(
    champion: Compared, anchor: Compared | None, n_before: int, n_now: int
) -> tuple[bool, bool]:
    return champion.mean_average_precision.value > 0, False


RULES: dict[str, Rule] = {
    "jobtool": ours,
    "noninferiority to the champion": noninferiority,
    "the higher score": higher,
}


def main() -> int:
    return run(__doc__ or "", measure, needs=())


def measure(args: argparse.Namespace) -> Result:
    n_runs = 10 if args.quick else N_RUNS
    rows: list[Row] = []
    claims = []
    for team in TEAMS:
        for name, rule in RULES.items():
            found = [simulate(TEAMS[team], rule, seed) for seed in range(n_runs)]
            worst = float(np.quantile([one.drop for one in found], 0.99))
            rows.append(
                {"team": team, "rule": name}
                | {"median drop": float(np.median([one.drop for one in found]))}
                | {"worst 1 %": worst, "promoted": np.mean([one.n_promoted for one in found])}
            )
            if rule is ours:
                claims.append(Check(f"{team}: worst 1 %, drop", worst, high=MARGIN))
    return Result({f"{N_RETRAINS} retrains, {n_runs} runs: drop below the best": rows}, claims)


def simulate(quality: Quality, rule: Rule, seed: int) -> Outcome:
    rng, n_labels = np.random.default_rng(seed), N_FIRST
    of_one = SPREAD_OF_ONE / np.sqrt(2)
    champion = Model(0.5, rng.normal(0, of_one / np.sqrt(n_labels)))
    anchor, best, drop, n_promoted = champion, 0.5, 0.0, 0
    for attempt in range(1, N_RETRAINS + 1):
        n_now, spread = n_labels + N_BATCH, SPREAD_OF_ONE / np.sqrt(n_labels)
        new = Model(
            quality(attempt, n_now, champion.quality, rng),
            rng.normal(0, of_one / np.sqrt(n_labels)),
        )

        found, best_so_far = (
            Measured.of(new.quality + new.luck - old.quality - old.luck, spread)
            for old in (champion, anchor)
        )
        goes_live, is_best = rule(
            Compared(n_labels, found, found),
            None if anchor is champion else Compared(n_labels, best_so_far, best_so_far),
            n_labels,
            n_now,
        )
        if goes_live:
            champion, n_promoted = new, n_promoted + 1
            anchor = new if is_best else anchor
        best = max(best, champion.quality)
        drop = max(drop, best - champion.quality)
        for model in {id(one): one for one in (champion, anchor)}.values():  # new jobs judge, too
            fresh = rng.normal(0, of_one * np.sqrt(N_BATCH) / n_now)
            model.luck = model.luck * n_labels / n_now + fresh
        n_labels = n_now
    return Outcome(drop, n_promoted)


if __name__ == "__main__":
    sys.exit(main())
