"""What the labelling queue saves: labels it needs for what random labelling reaches.

python bench/labelling_queue.py [--data ../shared/data] [--unlabelled N] [--repeats R]
                                [--sets NAME ...] [--quick] [--json] [--check]

A fifth of the jobs is held out, the next one in each repeat; the others wait without labels. From a
model that knows the tags' names alone, 50 jobs at a time are labelled: drawn at random, or as
`jobtool label` offers them (`db.usefulness.iter_offers`, every fifth at random). The model is
updated after each 50 and ranks the rest anew; all labels teach. Both ways end where 350 jobs, or
all, are labelled.

The curves are mean AP on the held-out jobs, means over the repeats; a tag counts if 5 jobs have it.
`ratio` is the number of labels at which the queue's curve first reaches what random labelling has
at 100, 200 and 300, divided by that number; where it never does, its last number of labels stands
for it. Noise lets curves fall here and there: behind its start the queue's is made monotone by
isotonic regression. Codes stay at their linear start and the network on them stays linear, so that
a model is fitted in a second.
"""

import argparse
import sys
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from common import (
    LABEL_SETS,
    TAG_FILES,
    Check,
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
from sklearn.isotonic import isotonic_regression

from db.usefulness import Pool, iter_offers
from tagger.autoencoder import AutoencoderConfig
from tagger.classifier import TagConfig
from tagger.deep import DeepConfig
from tagger.features import Counted
from tagger.metrics import average_precision
from tagger.tagger import JobTagger, TaggerConfig, join_counted

FloatArray = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.intp]
Curve = list[tuple[int, float]]
"""Labels, mean AP."""

STEP, LAST = 50, 350
POINTS = (100, 200, 300)
"""Numbers of labels at which the two ways are compared."""
N_FOLDS, MIN_JOBS = 5, 5
ENOUGH, WORST = 0.8, 1.05
"""What the ratio must be at most, on the mean of the sets and on each."""


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        add_unlabelled(parser, 1000)
        parser.add_argument("--repeats", type=int, default=5, metavar="R", help="runs to average")
        parser.add_argument(
            "--sets", nargs="+", choices=LABEL_SETS, default=LABEL_SETS, help="only these"
        )

    needs = (*TAG_FILES, *(f"tags/{file}.jsonl.gz" for file, _, _ in LABEL_SETS.values()))
    return run(__doc__ or "", measure, needs=needs, options=options)


def measure(args: argparse.Namespace) -> Result:
    more, config = unlabelled_counted(args), config_of(args)
    step, last = (20, 60) if args.quick else (STEP, LAST)
    points = (20, 40) if args.quick else POINTS
    n_repeats = 1 if args.quick else args.repeats
    curves: list[Row] = []
    ratios: dict[int, dict[str, float]] = {point: {} for point in points}
    for name in list(args.sets)[: 2 if args.quick else None]:
        data = labelled_set(args, name)
        found: dict[str, list[Curve]] = {"random": [], "queue": []}
        for seed in range(n_repeats):
            replay = Replay(data, seed, more, config)
            for way, runs in found.items():
                runs.append(replay.label(way, step, last))
                shown = ", ".join(f"{size}: {ap:.3f}" for size, ap in runs[-1])
                say(f"{name}, repeat {seed + 1}, {way}: {shown}")
        random, queue = (mean_curve(way) for way in found.values())
        for way, curve in (("random", random), ("queue", queue)):
            curves.append({"set": name, "way": way} | {str(n): ap for n, ap in curve})
        for point in points:
            if point < random[-1][0]:  # where everything is labelled nothing is chosen
                ratios[point][name] = labels_needed(queue, goal_at(random, point)) / point
    sizes = sorted({int(head) for row in curves for head in row if head.isdigit()})
    tables = {
        f"Mean AP by number of labels, {n_repeats} repeats": [
            {"set": row["set"], "way": row["way"]}
            | {str(size): row.get(str(size), np.nan) for size in sizes}
            for row in curves
        ],
        "ratio: labels the queue needs / labels at random": [
            {"labels": str(point), "mean": mean(known.values()), "worst": max(known.values())}
            | {name: known.get(name, np.nan) for name in args.sets}
            for point, known in ratios.items()
            if known
        ],
    }
    checks = [
        check
        for point, known in ratios.items()
        if known
        for check in (
            Check(f"{point} labels: ratio, mean of sets", mean(known.values()), high=ENOUGH),
            Check(f"{point} labels: ratio, worst set", max(known.values()), high=WORST),
        )
    ]
    return Result(tables, checks)


def config_of(args: argparse.Namespace) -> TaggerConfig:
    if args.quick:
        return tagger_config(args)
    return TaggerConfig(
        autoencoder=AutoencoderConfig(epochs=1, epoch_rows=1),
        tags=TagConfig(n_folds=3, deep_config=DeepConfig(epochs=0)),
    )


class Replay:
    """One fifth of a set held out, the others to be labelled in any order."""

    def __init__(self, data: LabelledSet, seed: int, more: Counted, config: TaggerConfig) -> None:
        out = data.folds(N_FOLDS) == seed % N_FOLDS
        self._data, self._config = data, config
        self._waiting = np.random.default_rng(seed).permutation(np.flatnonzero(~out))
        self._asked, self._Y = data.sample.counted.take(out), data.Y[out]
        self._counts = (data.Y == 1).sum(axis=0) >= MIN_JOBS
        none, waiting = self._waiting[:0], data.sample.counted.take(self._waiting)
        self._start = JobTagger(config, seed=0).fit_counted(
            data.sample.counted.take(none), data.Y[none], data.tags, join_counted([waiting, more])
        )

    def label(self, way: str, step: int, last: int) -> Curve:
        """Mean AP after each step."""
        left = self._waiting
        known, model = left[:0], self._start
        curve = [(0, self._score(model))]
        while len(left) and len(known) < last:
            size = min(step, last - len(known))
            chosen = left[:size] if way == "random" else self._offered(model, known, left, size)
            known, left = np.concatenate([known, chosen]), left[~np.isin(left, chosen)]
            model = self._fit(known, left)
            curve.append((len(known), self._score(model)))
        return curve

    def _fit(self, known: Ints, left: Ints) -> JobTagger:
        data, counted = self._data, self._data.sample.counted
        tagger = JobTagger(self._config, seed=0)
        tagger.autoencoder_, tagger.model_ = self._start.autoencoder_, self._start.model_
        return tagger.partial_fit(counted.take(known), data.Y[known], data.tags, counted.take(left))

    def _offered(self, tagger: JobTagger, known: Ints, left: Ints, size: int) -> Ints:
        """The jobs that `jobtool label` would offer."""
        model, counted = tagger.model_, self._data.sample.counted
        codes = model.encoder(model.row_weights.weigh(counted))
        codes /= np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
        pool = Pool(
            job_ids=left.astype(np.int64),
            proba=model.proba_of(counted.take(left)),
            codes=codes[left],
            labelled_proba=model.proba_of(counted.take(known)),
            labelled_codes=codes[known],
        )
        return np.array([offer.job_id for offer in islice(iter_offers(pool), size)], np.intp)

    def _score(self, tagger: JobTagger) -> float:
        proba = tagger.model_.proba_of(self._asked)
        pairs = zip(self._Y.T[self._counts], proba.T[self._counts], strict=True)
        return float(np.nanmean([average_precision(y, p) for y, p in pairs]))


def mean_curve(curves: list[Curve]) -> Curve:
    """Mean of curves, up to where the shortest ends."""
    shortest = min(curves, key=len)
    means = np.mean([[ap for _, ap in curve[: len(shortest)]] for curve in curves], axis=0)
    return [(size, ap) for (size, _), ap in zip(shortest, means.tolist(), strict=True)]


def goal_at(curve: Curve, n_labels: int) -> float:
    """Mean AP at so many labels; between two steps, in line."""
    sizes, means = zip(*curve, strict=True)
    return float(np.interp(n_labels, sizes, means))


def labels_needed(curve: Curve, goal: float) -> float:
    """Labels at which a curve, made monotone, first reaches a goal; its end if it never does."""
    start, means = curve[0][1], [ap for _, ap in curve[1:]]
    rising = [start, *np.maximum(isotonic_regression(means), start).tolist()]
    before = (0, start)
    for after in zip((size for size, _ in curve), rising, strict=True):
        if after[1] >= goal:
            part = (goal - before[1]) / max(after[1] - before[1], 1e-12)
            return max(before[0] + part * (after[0] - before[0]), 0.0)
        before = after
    return float(curve[-1][0])


if __name__ == "__main__":
    sys.exit(main())
