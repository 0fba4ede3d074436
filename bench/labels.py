"""How many labels it takes: learning curves with and without unlabelled postings, and baselines.

python bench/labels.py [--data ../shared/data] [--unlabelled N] [--repeats R] [--quick] [--json]
                       [--check]

A fifth of the jobs is held out, the same for all sizes; of the others 5, 10, 20, 50 and 100 % are
used with their labels (each size holds the smaller ones). `semi-supervised` also sees the
unlabelled postings, `supervised` the labelled ones alone. Decisions of all methods use thresholds
cross-fitted on the held-out jobs. Means over the repeats, each with its own fifth.
"""

import argparse
import sys
import time

import numpy as np
import numpy.typing as npt
from common import (
    SETS,
    LabelledSet,
    Result,
    Row,
    add_unlabelled,
    labelled_set,
    mean,
    run,
    say,
    tagger_config,
    unlabelled_counted,
)

from tagger.baselines import LEARNED, prior
from tagger.evaluate import proba_of
from tagger.features import Counted
from tagger.labels import known_counts
from tagger.metrics import summary
from tagger.tagger import JobTagger, TaggerConfig, count_all
from tagger.thresholds import cross_fitted_decisions, learnable

SEMI, SUPERVISED = "jobtool, semi-supervised", "jobtool, supervised"
SHARES, QUICK_SHARES = (0.05, 0.1, 0.2, 0.5, 1.0), (0.5, 1.0)

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        add_unlabelled(parser, 4000)
        parser.add_argument("--repeats", type=int, default=2, metavar="R", help="splits to average")

    return run(__doc__ or "", measure, options=options)


def measure(args: argparse.Namespace) -> Result:
    more, config = unlabelled_counted(args), tagger_config(args)
    shares, n_repeats = (QUICK_SHARES, 1) if args.quick else (SHARES, args.repeats)
    tables = {}
    for name in SETS:
        data = labelled_set(args, name)
        found = [
            curve(data, share, seed, more, config) for seed in range(n_repeats) for share in shares
        ]
        for column, score in enumerate(("mean AP", "macro F1")):
            title = f"{name}: {score}, {len(more.measures):,} unlabelled, {n_repeats} repeats"
            tables[title] = as_curves(found, shares, column)
    return Result(tables, [])


def curve(
    data: LabelledSet, share: float, seed: int, more: Counted, config: TaggerConfig
) -> dict[str, tuple[float, float]]:
    """One point of every method's curve: mean AP and macro F1 on the held-out jobs."""
    began = time.perf_counter()
    held_out = data.folds(5, seed) == 0
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~held_out))
    train = np.zeros(len(data.Y), bool)
    train[order[: max(round(share * len(order)), 2)]] = True
    inner = data.folds(5, seed + 1)[held_out]
    Y = data.Y[held_out]

    def scores(proba: FloatArray) -> tuple[float, float]:
        found = summary(Y, proba, cross_fitted_decisions(Y, proba, inner)[0])
        return found.mean_average_precision, found.macro_f1

    proba = probabilities(data, train, held_out, seed, more, config)
    say(f"{data.name}, repeat {seed + 1}, {share:.0%}: {time.perf_counter() - began:.0f} s")
    return {name: scores(found) for name, found in proba.items()}


def probabilities(
    data: LabelledSet,
    train: BoolArray,
    held_out: BoolArray,
    seed: int,
    more: Counted,
    config: TaggerConfig,
) -> dict[str, FloatArray]:
    """Method -> probabilities of the held-out jobs."""
    counted, asked = (data.sample.counted.take(some) for some in (train, held_out))
    Y = data.Y[train]
    proba = {}
    for name, others in ((SEMI, more), (SUPERVISED, count_all([]))):
        if not learnable(Y).any():  # jobtool refuses: no tag has enough examples
            frequency = prior(*known_counts(Y))
            proba[name] = np.broadcast_to(frequency, (int(held_out.sum()), len(frequency)))
            continue
        tagger = JobTagger(config, seed=seed).fit_counted(counted, Y, data.tags, others)
        proba[name] = proba_of(tagger.model_, asked)
    sample, questions = data.sample.take(train), data.sample.take(held_out)
    for baseline in LEARNED:
        fitted = baseline(seed=seed).fit(sample, Y, more)
        proba[baseline.name] = fitted.predict_proba(questions)
    return proba


def as_curves(
    found: list[dict[str, tuple[float, float]]], shares: tuple[float, ...], column: int
) -> list[Row]:
    """One row per method, one column per share of the labels."""
    return [
        {
            "method": name,
            **{
                f"{share:.0%}": mean(point[name][column] for point in found[i :: len(shares)])
                for i, share in enumerate(shares)
            },
        }
        for name in found[0]
    ]


if __name__ == "__main__":
    sys.exit(main())
