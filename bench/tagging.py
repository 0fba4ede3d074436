"""Quality of tags by cross-validation, ours beside simpler methods, same folds and thresholds.

python bench/tagging.py [--data ../shared/data] [--unlabelled N] [--folds K] [--quick] [--json]
                        [--check]

Every method gives probabilities of jobs it was not trained on; average precision is taken over all
jobs at once. Decisions on a fold use thresholds chosen on the other folds, the same way for all.
Repeated postings stay in one fold. TF-IDF knows the labelled postings alone, the others count words
in the unlabelled ones too. In brackets: 95% bootstrap intervals, repeats drawn together.
"""

import argparse
import sys
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from common import (
    FOUR_SETS,
    LABEL_SETS,
    TAG_FILES,
    Check,
    LabelledSet,
    Result,
    Row,
    add_folds,
    add_unlabelled,
    labelled_set,
    run,
    say,
    tagger_config,
    unlabelled_counted,
)

from tagger.baselines import LEARNED, SPARSE_STRENGTH, MaskedLogistic
from tagger.bootstrap import Interval, bootstrap
from tagger.classifier import TagClassifier, TagConfig
from tagger.features import Counted
from tagger.job_features import Featurizer
from tagger.tagger import JobTagger, TaggerConfig
from tagger.thresholds import cross_fitted_decisions

OURS, CHAIN, ABLATION = "jobtool", "jobtool, plain chain (wide=False)", "our row + log. regression"
MIN_RATIO = {
    "indeed": (1.12, 1.10),
    "wuzzuf": (1.12, 1.10),
    "remoteintech": (1.03, 1.03),
    "analytics_eng": (1.03, 1.03),
}
"""Set -> least mean AP and macro F1 of ours beside the best of the learned baselines."""

FloatArray = npt.NDArray[np.floating]


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        add_unlabelled(parser)
        add_folds(parser)
        parser.add_argument(
            "--sets", nargs="+", choices=FOUR_SETS, default=FOUR_SETS, help="only these"
        )

    needs = (*TAG_FILES, *(f"tags/{LABEL_SETS[name][0]}.jsonl.gz" for name in FOUR_SETS))
    return run(__doc__ or "", measure, needs=needs, options=options)


def measure(args: argparse.Namespace) -> Result:
    more, config = unlabelled_counted(args), tagger_config(args)
    tables, checks = {}, []
    for name in list(args.sets)[: 2 if args.quick else None]:
        data = labelled_set(args, name)
        folds = data.folds(2 if args.quick else 5)
        n_run = min(args.folds or 5, int(folds.max()) + 1)
        rows = scores(data, folds, out_of_fold(data, folds, n_run, more, config), n_run)
        title = f"{name}: {len(data.Y):,} jobs, {len(data.tags)} tags, {n_run} folds"
        tables[f"{title}, {len(more.measures):,} unlabelled"] = rows
        checks += ratio_checks(name, rows)
    return Result(tables, checks)


def out_of_fold(
    data: LabelledSet,
    folds: npt.NDArray[np.intp],
    n_run: int,
    more: Counted,
    config: TaggerConfig,
) -> dict[str, FloatArray]:
    """Method -> probabilities (N, T); zeros in folds that were not run."""
    names = [OURS, CHAIN, *(baseline.name for baseline in LEARNED), ABLATION]
    proba = {name: np.zeros(data.Y.shape) for name in names}
    for fold in range(n_run):
        began = time.perf_counter()
        train, test = folds != fold, folds == fold
        for name, found in of_fold(data, train, test, more, config).items():
            proba[name][test] = found
        say(f"{data.name}: fold {fold + 1} of {n_run}, {time.perf_counter() - began:.0f} s")
    return proba


def of_fold(
    data: LabelledSet,
    train: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
    more: Counted,
    config: TaggerConfig,
) -> dict[str, FloatArray]:
    counted, Y = data.sample.counted.take(train), data.Y[train]
    tagger = JobTagger(config).fit_counted(counted, Y, data.tags, more)
    model = tagger.model_
    featurize = Featurizer(model.row_weights, model.vocabulary, model.names, model.encoder)
    known, asked = featurize(counted), featurize(data.sample.counted.take(test))
    chain = TagClassifier(_plain(config)).fit(known, Y)
    ablation = MaskedLogistic(SPARSE_STRENGTH).fit(known.rows, Y)
    found = {
        OURS: model.proba_of(data.sample.counted.take(test)),
        CHAIN: chain.predict_proba(asked),
        ABLATION: ablation.predict_proba(asked.rows),
    }
    sample, held_out = data.sample.take(train), data.sample.take(test)
    for baseline in LEARNED:
        found[baseline.name] = baseline().fit(sample, Y, more).predict_proba(held_out)
    return found


def _plain(config: TaggerConfig) -> TagConfig:
    return replace(config.tags, wide=False)


def scores(
    data: LabelledSet, folds: npt.NDArray[np.intp], proba: dict[str, FloatArray], n_run: int
) -> list[Row]:
    """One row per method; the ratio is to the best of the learned baselines."""
    seen = folds < n_run
    Y, groups, fold = data.Y[seen], data.groups[seen], folds[seen]
    rows = []
    for name, P in proba.items():
        D, _ = cross_fitted_decisions(Y, P[seen], fold)
        found = bootstrap(Y, P[seen], D, groups=groups)
        rows.append(
            {
                "method": name,
                "mean AP": found.mean_average_precision.value,
                "AP 95%": _bounds(found.mean_average_precision),
                "macro F1": found.macro_f1.value,
                "F1 95%": _bounds(found.macro_f1),
                "micro F1": found.micro_f1.value,
            }
        )
    peers = {baseline.name for baseline in LEARNED}
    for score in ("mean AP", "macro F1"):
        best = max(row[score] for row in rows if row["method"] in peers)
        for row in rows:
            row[f"{score} ratio"] = row[score] / best
    return rows


def ratio_checks(name: str, rows: list[Row]) -> list[Check]:
    ours = next(row for row in rows if row["method"] == OURS)
    return [
        Check(f"{name}: {score} / best baseline", ours[f"{score} ratio"], low=least)
        for score, least in zip(("mean AP", "macro F1"), MIN_RATIO[name], strict=True)
    ]


def _bounds(interval: Interval) -> str:
    return f"{interval.low:.3f}-{interval.high:.3f}"


if __name__ == "__main__":
    sys.exit(main())
