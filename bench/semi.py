"""What the labelling queue is worth: labels needed for 95 % of the full score.

python bench/semi.py [--data ../shared/data] [--unlabelled N] [--folds K] [--quick] [--json]
                     [--check]

Of the jobs that may be trained on, a tenth is labelled, the others wait as unlabelled ones. A tenth
more is labelled at a time: drawn at random, or as `jobtool label` would offer it (uncertain and
unlike the others; every fifth at random). The model is updated after each; those that wait teach
softly. Held-out jobs judge; folds are pooled. Codes are learned once, from the unlabelled file and
the first tenth.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from common import (
    SETS,
    Check,
    LabelledSet,
    Result,
    Row,
    add_folds,
    add_unlabelled,
    labelled_set,
    mean,
    run,
    say,
    tagger_config,
    unlabelled_counted,
)

from db.usefulness import Pool, iter_offers, nearness
from tagger.deep import DeepConfig
from tagger.features import Counted
from tagger.metrics import average_precision
from tagger.tagger import JobTagger, TaggerConfig

FloatArray = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.intp]

N_STEPS = 10
ENOUGH = 0.95


WAYS = ("random", "queue")
"""How the next jobs to label are chosen."""


def config_of(args: argparse.Namespace) -> TaggerConfig:
    """The usual tagger, its network trained for a third of the time: it is fitted very often."""
    config = tagger_config(args)
    if args.quick:
        return config
    return replace(config, tags=replace(config.tags, deep_config=DeepConfig(epochs=20)))


def label_on(
    found: LabelledSet, start: JobTagger, order: Ints, way: str, asked: Counted
) -> list[FloatArray]:
    """Probabilities of held-out jobs after each tenth, the first one included."""
    counted = found.sample.counted
    size = -(-len(order) // N_STEPS)
    known, left = order[:size], order[size:]
    tagger, answers = start, [start.model_.proba_of(asked)]
    while len(left):
        chosen = _next(tagger, counted, known, left, size) if way == "queue" else left[:size]
        known, left = np.concatenate([known, chosen]), left[~np.isin(left, chosen)]
        tagger.partial_fit(counted.take(known), found.Y[known], found.tags, counted.take(left))
        answers.append(tagger.model_.proba_of(asked))
    return answers


def _next(tagger: JobTagger, counted: Counted, known: Ints, left: Ints, size: int) -> Ints:
    """The jobs that `jobtool label` would offer."""
    model = tagger.model_
    codes = model.encoder(model.row_weights.weigh(counted))
    codes /= np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
    proba = model.proba_of(counted.take(left))
    pool = Pool(
        job_ids=left.astype(np.int64),
        uncertainty=np.nan_to_num(nearness(proba, model.thresholds)),
        codes=codes[left],
        nearest=np.clip((codes[left] @ codes[known].T).max(axis=1), 0, 1),
    )
    return np.array([offer.job_id for offer in islice(iter_offers(pool), size)], np.intp)


def measure(args: argparse.Namespace) -> Result:
    unlabelled = unlabelled_counted(args)
    rows: list[Row] = []
    saved: dict[str, list[float]] = {way: [] for way in WAYS}
    for name in SETS:
        found = labelled_set(args, name)
        folds = found.folds(5)
        n_folds = args.folds or (1 if args.quick else 5)
        answers = {way: [np.zeros(found.Y.shape) for _ in range(N_STEPS)] for way in WAYS}
        for fold in range(n_folds):
            out = folds == fold
            order = np.random.default_rng(fold).permutation(np.flatnonzero(~out))
            asked = found.sample.counted.take(out)
            first = order[: -(-len(order) // N_STEPS)]
            start = _starter(args, found, first, unlabelled)
            for way in WAYS:
                for step, proba in enumerate(label_on(found, start(), order, way, asked)):
                    answers[way][step][out] = proba
            say(f"{name} fold {fold} done")
        judged = folds < n_folds
        curves = {
            way: [_mean_ap(found.Y[judged], proba[judged]) for proba in steps]
            for way, steps in answers.items()
        }
        full = curves["random"][-1]
        n_jobs = round(mean((folds != fold).sum() for fold in range(n_folds)))
        needed = {way: _needed(curve, ENOUGH * full) for way, curve in curves.items()}
        for way, curve in curves.items():
            saved[way].append(needed[way] / needed["random"])
            rows.append(
                {
                    "set": name,
                    "way": way,
                    **{f"{10 * (step + 1)} %": value for step, value in enumerate(curve)},
                    "share for 95 %": needed[way],
                    "labels for 95 %": round(needed[way] * n_jobs),
                }
            )
    checks = [
        Check(f"labels needed, {way} / random", mean(shares), high=1.0)
        for way, shares in saved.items()
        if way != "random"
    ]
    return Result({"Mean average precision by share of labelled jobs": rows}, checks)


def _starter(
    args: argparse.Namespace, found: LabelledSet, first: Ints, unlabelled: Counted
) -> Callable[[], JobTagger]:
    """Makes taggers that know the first tenth; the codes are learned once."""
    counted = found.sample.counted.take(first)
    tagger = JobTagger(config_of(args), seed=0)
    tagger.fit_counted(counted, found.Y[first], found.tags, unlabelled)
    model, classifier = tagger.model_, tagger.classifier_

    def make() -> JobTagger:
        again = JobTagger(config_of(args), seed=0)
        again.autoencoder_, again.model_ = tagger.autoencoder_, model
        again.classifier_, again.tags_ = classifier, tagger.tags_
        return again

    return make


def _mean_ap(Y: npt.NDArray[np.int8], P: FloatArray) -> float:
    scores = [average_precision(Y[:, t], P[:, t]) for t in range(Y.shape[1])]
    return float(np.nanmean(scores))


def _needed(curve: list[float], goal: float) -> float:
    """Share of the labels at which the curve first reaches the goal; between two steps, in line."""
    for step, value in enumerate(curve):
        if value >= goal:
            before = curve[step - 1] if step else 0.0
            part = (goal - before) / max(value - before, 1e-9)
            return (step + part) / N_STEPS
    return 1.0


def options(parser: argparse.ArgumentParser) -> None:
    add_folds(parser)
    add_unlabelled(parser)


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", measure, options=options))
