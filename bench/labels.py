"""How many labels it takes: learning curves from none to all, ours beside plain methods.

python bench/labels.py [--data ../shared/data] [--unlabelled N] [--repeats R] [--sets NAME ...]
                       [--quick] [--json] [--check]

A fifth of the jobs is held out, the same for all sizes; of the others, drawn in one order, the
first n are used with their labels. `semi-supervised` starts from the model that knows no label and
goes on with n, as `jobtool retrain` does; it sees the rest of the postings without labels, beside
the unlabelled file. `supervised` sees the n labelled postings alone; `meaningless names` is
semi-supervised with tags called T1, T2, ... A tag counts if 5 jobs of the whole pool have it, also
where the n have none. Decisions of all methods use thresholds cross-fitted on the held-out jobs.
Means over the repeats, each with its own fifth. The ratio is to the best of the four plain methods.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Self

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
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tagger.baselines import LEARNED, SPARSE_STRENGTH, Sample, names_alone
from tagger.features import Counted, count_all, join_counted, small_indices
from tagger.labels import UNKNOWN, YES
from tagger.metrics import average_precision, summary
from tagger.tagger import JobTagger, TaggerConfig
from tagger.thresholds import cross_fitted_decisions
from tagger.vocabulary import log_odds
from tagger.wide import column_scale

SEMI, SUPERVISED = "jobtool, semi-supervised", "jobtool, supervised"
MEANINGLESS, NAMES = "jobtool, meaningless names", "names alone"
ALL = 10**9
SIZES, QUICK_SIZES = (0, 10, 25, 50, 100, 200, 400, ALL), (0, 25, ALL)
MIN_POOL = 5
"""Examples that a tag needs in the whole pool to count."""
MIN_RATIO = {
    10: (1.8, 1.25),
    25: (1.55, 1.15),
    50: (1.35, 1.12),
    100: (1.22, 1.08),
    200: (1.14, 1.05),
    400: (1.10, 1.03),
    ALL: (1.08, 1.02),
}
"""Labels -> least ratio of mean AP to the best plain method, mean over sets and worst set."""

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
Scores = dict[str, tuple[float, float]]
"""Method -> mean AP and macro F1."""


class LogCountRatio:
    """TF-IDF scaled by log-count ratios, logistic regression (Wang and Manning, 2012)."""

    name = "log-count ratio x TF-IDF + LR"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, sample: Sample, Y: npt.NDArray[np.int8], unlabelled: Counted) -> Self:
        self.vectorizer_ = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
        X = small_indices(self.vectorizer_.fit_transform(sample.texts))
        scales = column_scale(log_odds(X, Y)[0], 0.0)
        self.coef_, self.intercept_ = np.zeros(scales.shape), np.full(Y.shape[1], -9.0)
        for tag, labels in enumerate(Y.T):
            known = np.flatnonzero(labels != UNKNOWN)
            yes = labels[known] == YES
            if yes.any() and not yes.all():
                rows = X[known]
                rows.data = rows.data * scales[rows.indices, tag]
                model = LogisticRegression(
                    C=SPARSE_STRENGTH, solver="liblinear", random_state=self.seed
                ).fit(small_indices(rows), yes)
                self.coef_[:, tag] = model.coef_[0] * scales[:, tag]
                self.intercept_[tag] = model.intercept_[0]
        return self

    def predict_proba(self, sample: Sample) -> FloatArray:
        X = self.vectorizer_.transform(sample.texts)
        return np.asarray(1 / (1 + np.exp(-(X @ self.coef_ + self.intercept_))))


PEERS = (*LEARNED, LogCountRatio)
PEER_NAMES = tuple(peer.name for peer in PEERS)


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        add_unlabelled(parser, 4000)
        parser.add_argument("--repeats", type=int, default=5, metavar="R", help="splits to average")
        parser.add_argument(
            "--sets", nargs="+", choices=LABEL_SETS, default=LABEL_SETS, help="only these"
        )

    needs = (*TAG_FILES, *(f"tags/{file}.jsonl.gz" for file, _, _ in LABEL_SETS.values()))
    return run(__doc__ or "", measure, needs=needs, options=options)


def measure(args: argparse.Namespace) -> Result:
    more, config = unlabelled_counted(args), tagger_config(args)
    sizes, n_repeats = (QUICK_SIZES, 1) if args.quick else (SIZES, args.repeats)
    found: dict[tuple[str, int], Scores] = {}
    for name in list(args.sets)[: 2 if args.quick else None]:
        data = labelled_set(args, name)
        splits = [Split.of(data, seed, more, config) for seed in range(n_repeats)]
        for size in sizes:
            points = [curve(split, size, more, config) for split in splits]
            if all(points):
                found[name, size] = {
                    method: (
                        mean(point[method][0] for point in points if point),
                        mean(point[method][1] for point in points if point),
                    )
                    for method in points[0] or ()
                }
    names = list(dict.fromkeys(name for name, _ in found))
    tables = {
        f"{name}: {score}, {len(more.measures):,} unlabelled beside its own, {n_repeats} repeats": (
            as_curves(found, name, sizes, column)
        )
        for name in names
        for column, score in enumerate(("mean AP", "macro F1"))
    }
    for column, score in enumerate(("mean AP", "macro F1")):
        tables[f"{score} / best of the four plain methods"] = ratio_rows(found, names, column)
    return Result(tables, checks(found, names, sizes))


@dataclass(frozen=True, slots=True)
class Split:
    """A held-out fifth, an order in which the others are labelled, and the model before that."""

    data: LabelledSet
    seed: int
    held_out: BoolArray
    order: npt.NDArray[np.intp]
    day_zero: JobTagger

    @classmethod
    def of(cls, data: LabelledSet, seed: int, more: Counted, config: TaggerConfig) -> Self:
        held_out = data.folds(5, seed) == 0
        order = np.random.default_rng(seed).permutation(np.flatnonzero(~held_out))
        counted = data.sample.counted
        day_zero = JobTagger(config, seed=seed).fit_counted(
            counted.take(order[:0]),
            data.Y[order[:0]],
            data.tags,
            join_counted([counted.take(order), more]),
        )
        return cls(data, seed, held_out, order, day_zero)


def curve(split: Split, size: int, more: Counted, config: TaggerConfig) -> Scores | None:
    """One point of every method's curve; None where the pool is smaller than the size."""
    began, data = time.perf_counter(), split.data
    if size != ALL and size >= len(split.order):
        return None
    inner = data.folds(5, split.seed + 1)[split.held_out]
    counts = (data.Y == YES).sum(axis=0) >= MIN_POOL
    Y = data.Y[split.held_out][:, counts]

    def scores(proba: FloatArray) -> tuple[float, float]:
        P = proba[:, counts]
        decided, _ = cross_fitted_decisions(Y, P, inner)
        return float(
            np.nanmean([average_precision(y, p) for y, p in zip(Y.T, P.T, strict=True)])
        ), (summary(Y, P, decided).macro_f1)

    proba = probabilities(split, size, more, config)
    shown = "all" if size == ALL else size
    say(f"{data.name}, repeat {split.seed + 1}, {shown}: {time.perf_counter() - began:.0f} s")
    return {name: scores(found) for name, found in proba.items()}


def probabilities(
    split: Split, size: int, more: Counted, config: TaggerConfig
) -> dict[str, FloatArray]:
    """Method -> probabilities of the held-out jobs."""
    data, tagger, seed = split.data, copy(split.day_zero), split.seed
    labelled, rest = split.order[:size], split.order[size:]
    counted, asked = data.sample.counted.take(labelled), data.sample.counted.take(split.held_out)
    if not len(labelled):
        names = names_alone(tagger.model_.names, asked)
        return {SEMI: tagger.model_.proba_of(asked), NAMES: names}
    Y, others = data.Y[labelled], join_counted([data.sample.counted.take(rest), more])
    proba = {}
    for method, tags in (
        (SEMI, data.tags),
        (MEANINGLESS, [f"T{number}" for number in range(1, len(data.tags) + 1)]),
    ):
        tagger.partial_fit(counted, Y, tags, others)
        proba[method] = tagger.model_.proba_of(asked)
        if method == SEMI:
            proba[NAMES] = names_alone(tagger.model_.names, asked)
    alone = JobTagger(config, seed=seed).fit_counted(counted, Y, data.tags, count_all([]))
    proba[SUPERVISED] = alone.model_.proba_of(asked)
    is_labelled = np.isin(np.arange(len(data.Y)), labelled)
    sample, questions = data.sample.take(is_labelled), data.sample.take(split.held_out)
    for peer in PEERS:
        fitted = peer(seed=seed).fit(sample, data.Y[is_labelled], others)
        proba[peer.name] = fitted.predict_proba(questions)
    return proba


# ---- tables and claims


def as_curves(
    found: dict[tuple[str, int], Scores], name: str, sizes: Iterable[int], column: int
) -> list[Row]:
    """One row per method, one column per number of labels."""
    known = [size for size in sizes if (name, size) in found]
    methods = list(dict.fromkeys(method for size in known for method in found[name, size]))
    return [
        {"method": method}
        | {
            "all" if size == ALL else str(size): found[name, size].get(method, (np.nan,) * 2)[
                column
            ]
            for size in known
        }
        for method in methods
    ]


def best_peer(scores: Scores, column: int = 0) -> float:
    return max(scores[peer][column] for peer in PEER_NAMES)


def ratio_rows(found: dict[tuple[str, int], Scores], names: list[str], column: int) -> list[Row]:
    """Ours to the best plain method: one row per number of labels, mean and worst set."""
    rows = []
    for size in MIN_RATIO:
        for method in (SEMI, SUPERVISED, MEANINGLESS):
            ratios = {
                name: found[name, size][method][column] / best_peer(found[name, size], column)
                for name in names
                if (name, size) in found
            }
            if ratios:
                rows.append(
                    {"labels": "all" if size == ALL else str(size), "method": method}
                    | {"mean": mean(ratios.values()), "worst": min(ratios.values())}
                    | {name: ratios.get(name, np.nan) for name in names}
                )
    return rows


def checks(
    found: dict[tuple[str, int], Scores], names: list[str], sizes: Iterable[int]
) -> list[Check]:
    claims = []
    for size, (least_mean, least_worst) in MIN_RATIO.items():
        known = [found[name, size] for name in names if (name, size) in found]
        if not known:
            continue
        of = f"{'all' if size == ALL else size} labels"
        for column, score, slack in ((0, "mean AP", 0.0), (1, "macro F1", 0.05)):
            if column and size < 25:
                continue
            ratios = [scores[SEMI][column] / best_peer(scores, column) for scores in known]
            claims += [
                Check(f"{of}: {score} / best plain method", mean(ratios), low=least_mean - slack),
                Check(f"{of}: the same, worst set", min(ratios), low=least_worst - slack),
            ]
        semi = [scores[SEMI][0] / scores[SUPERVISED][0] for scores in known]
        claims.append(Check(f"{of}: semi-supervised / supervised, worst set", min(semi), low=1.0))
        if size <= 50:
            claims.append(Check(f"{of}: semi-supervised / supervised", mean(semi), low=1.05))
        if size >= 25:
            plain = [scores[MEANINGLESS][0] / best_peer(scores) for scores in known]
            least = 1.05 if size == ALL else 0.98
            claims.append(Check(f"{of}: meaningless names / best plain", mean(plain), low=least))
    for size in sizes:
        ratios = [
            found[name, size][SEMI][0] / found[name, size][NAMES][0]
            for name in names
            if (name, size) in found
        ]
        if ratios:
            of = "no labels" if not size else f"{'all' if size == ALL else size} labels"
            claims.append(Check(f"{of}: ours / names alone, worst set", min(ratios), low=0.98))
            if not size:
                claims.append(Check(f"{of}: ours / names alone", mean(ratios), low=1.0))
    for few, many in ((10, 50), (25, 100)):
        both = [name for name in names if {(name, few), (name, many)} <= found.keys()]
        if both:
            ahead = mean(found[name, few][SEMI][0] - best_peer(found[name, many]) for name in both)
            claims.append(Check(f"ours at {few} - best plain at {many}, mean AP", ahead, low=0.0))
    return claims


if __name__ == "__main__":
    sys.exit(main())
