"""Batches of labels that are wrong, and honest ones: which of them the live model holds.

python bench/batches.py [--data ../shared/data] [--sets NAME ...] [--quick] [--json] [--check]

A live model has learned 100 or 300 labelled postings of its team. Then comes a batch of 30 to 400,
with labels that are wrong in one of six ways, or right: drawn at random, or as they stand one after
the other in the file. Beside ours, the simplest rule: a batch is held if its mean average precision
by the live model is under half of what the model had on its own labels.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from common import Check, Result, Row, labelled_jobs, run, say, tagger_config

from tagger.batch_checks import check_batch
from tagger.features import count_all
from tagger.labels import YES, encode_labels, tag_list
from tagger.metrics import summary
from tagger.model import TagModel
from tagger.tagger import JobTagger

Labels = npt.NDArray[np.int8]
FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

BATCH_SETS = ("wuzzuf", "indeed", "remoteintech", "analytics_eng", "wuzzuf-skills")
LEARNED, SIZES = (100, 300), (30, 60, 120, 400)
QUICK_SETS = ("wuzzuf",)


def shuffled(Y: Labels, rng: np.random.Generator) -> Labels:
    return rng.permutation(Y)


def slipped(Y: Labels, rng: np.random.Generator) -> Labels:
    return np.roll(Y, 1, axis=0)


def permuted(Y: Labels, rng: np.random.Generator) -> Labels:
    """No tag keeps its place."""
    order = rng.permutation(Y.shape[1])
    changed = np.empty_like(Y)
    changed[:, order] = Y[:, np.roll(order, 1)]
    return changed


def at_random(Y: Labels, rng: np.random.Generator) -> Labels:
    """A labeller who gives each tag as often as it is right, to no matter what."""
    return np.asarray(rng.random(Y.shape) < (Y == YES).mean(axis=0), np.int8)


def all_no(Y: Labels, rng: np.random.Generator) -> Labels:
    return np.zeros_like(Y)


def copied(Y: Labels, rng: np.random.Generator) -> Labels:
    """The most frequent tag's column in the place of all."""
    column = Y[:, [int((Y == YES).sum(axis=0).argmax())]]
    return np.repeat(column, Y.shape[1], axis=1)


SPOILED: dict[str, Callable[[Labels, np.random.Generator], Labels]] = {
    "shuffled": shuffled,
    "slipped by a row": slipped,
    "tags changed places": permuted,
    "given at random": at_random,
    "all no": all_no,
    "one column copied": copied,
}
HONEST = ("honest, at random", "honest, in file order")


@dataclass(frozen=True, slots=True)
class Batch:
    """Labels that a live model looks at."""

    kind: str
    n_jobs: int
    proba: FloatArray
    """By the live model, (n_jobs, T)."""
    Y: Labels
    """As the batch has them, (n_jobs, T)."""


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--sets", nargs="+", choices=BATCH_SETS, default=BATCH_SETS, help="only these"
        )

    return run(__doc__ or "", measure, options=options)


def measure(args: argparse.Namespace) -> Result:
    held: dict[str, list[tuple[str, bool, bool]]] = {}
    for name in QUICK_SETS if args.quick else args.sets:
        jobs = labelled_jobs(args, name)
        tags, counted = tag_list(jobs), count_all(jobs)
        Y = encode_labels(jobs, tags)
        for seed, n_learned in enumerate(LEARNED[: 1 if args.quick else None]):
            n_learned = min(n_learned, len(jobs) // 2)
            order = np.random.default_rng(seed).permutation(len(jobs))
            own, rest = order[:n_learned], np.sort(order[n_learned:])
            tagger = JobTagger(tagger_config(args), seed=seed)
            tagger.fit_counted(counted.take(own), Y[own], tags, counted.take(rest))
            model = tagger.model_
            proba = model.proba_of(counted.take(rest)).astype(float)
            before = len(held.get(name, ()))
            for batch in batches(proba, Y[rest], seed):
                held.setdefault(name, []).append(
                    (batch.kind, ours(model, batch), simplest(model, batch))
                )
            n_held = sum(one[1] for one in held[name][before:])
            say(f"{name}, {n_learned} labels: {n_held} of {len(held[name]) - before} held")
    everything = [one for found in held.values() for one in found]
    return Result(
        {
            "share of batches held": [row(kind, everything) for kind in (*SPOILED, *HONEST)],
            "wrong batches that pass, honest ones held": [
                {"set": name, **errors(found)}
                for name, found in (*held.items(), ("all", everything))
            ],
        },
        [
            Check("wrong batches that pass, of all", errors(everything)["pass"], high=0.0),
            Check("honest batches held, of all", errors(everything)["held"], high=0.05),
        ],
    )


def batches(proba: FloatArray, Y: Labels, seed: int) -> Iterator[Batch]:
    """Two of every kind and size."""
    rng = np.random.default_rng(seed)
    for size in SIZES:
        if size > len(Y):
            continue
        for kind in (*SPOILED, *HONEST):
            n_repeats = 2 if kind in SPOILED else 6
            for _ in range(n_repeats):
                rows = rng.choice(len(Y), size, replace=False)
                if kind == HONEST[1]:
                    first = int(rng.integers(len(Y) - size + 1))
                    rows = np.arange(first, first + size)
                said = SPOILED[kind](Y[rows], rng) if kind in SPOILED else Y[rows]
                yield Batch(kind, size, proba[rows], said)


def ours(model: TagModel, batch: Batch) -> bool:
    old = model.held_out
    found = check_batch(old.probability, old.label, old.group, batch.proba, batch.Y, model.tags)
    return bool(found.problems)


def simplest(model: TagModel, batch: Batch) -> bool:
    old, never = model.held_out, np.zeros(batch.Y.shape, bool)
    usual = summary(old.label, old.probability, old.decided).mean_average_precision
    found = summary(batch.Y, batch.proba, never).mean_average_precision
    return not found >= usual / 2


def row(kind: str, found: list[tuple[str, bool, bool]]) -> Row:
    own = [one for one in found if one[0] == kind]
    ours, theirs = np.array([one[1:] for one in own], float).mean(axis=0).tolist()
    return {"labels": kind, "batches": len(own), "jobtool": ours, "half of mean AP": theirs}


def errors(found: list[tuple[str, bool, bool]]) -> dict[str, float]:
    wrong = [held for kind, held, _ in found if kind in SPOILED]
    honest = [held for kind, held, _ in found if kind in HONEST]
    return {
        "wrong": len(wrong),
        "pass": 1 - float(np.mean(wrong)),
        "honest": len(honest),
        "held": float(np.mean(honest)),
    }


if __name__ == "__main__":
    sys.exit(main())
