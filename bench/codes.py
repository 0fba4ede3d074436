"""Our codes beside TruncatedSVD-100 fitted on the same postings; nothing held out is seen.

python bench/codes.py [--data ../shared/data] [--unlabelled N] [--folds K] [--quick] [--json]
                      [--check]

cosine      between a held-out posting's row and what comes back from its code
mean AP     of a logistic regression on the codes, brought to mean squared length 1, C = 30
standard    the same on standardised codes, C = 0.03
"""

import argparse
import sys
import time
from dataclasses import replace

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
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from tagger.autoencoder import reconstruction_cosine
from tagger.baselines import DENSE_STRENGTH, MaskedLogistic, unit_scale
from tagger.classifier import TagConfig
from tagger.deep import DeepConfig
from tagger.features import Counted, Rows
from tagger.metrics import average_precision
from tagger.tagger import JobTagger, TaggerConfig

OURS, SVD, START = "jobtool", "TruncatedSVD-100", "TruncatedSVD-100, weighted: our start"
SCORES = ("cosine", "mean AP", "standard")
STANDARD_STRENGTH = 0.03
MIN_BETTER = 1.03
"""Of our mean AP to SVD's, on one of the sets at least."""

FloatArray = npt.NDArray[np.floating]


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        add_unlabelled(parser)
        add_folds(parser)

    return run(__doc__ or "", measure, options=options)


def measure(args: argparse.Namespace) -> Result:
    more, config = unlabelled_counted(args), _hardly_classified(tagger_config(args))
    tables, checks, ratios = {}, [], []
    for name in SETS:
        data = labelled_set(args, name)
        folds = data.folds(2 if args.quick else 5)
        n_run = min(args.folds or 5, int(folds.max()) + 1)
        rows = compare(data, folds, n_run, more, config)
        title = f"{name}: {len(data.Y):,} jobs, {n_run} folds, {len(more.measures):,} unlabelled"
        tables[title] = rows
        of = {row["codes"]: row for row in rows}
        for score in ("cosine", "mean AP"):
            ratio = of[OURS][score] / of[SVD][score]
            checks.append(Check(f"{name}: {score} / TruncatedSVD-100's", ratio, low=1))
        ratios.append(of[OURS]["mean AP"] / of[SVD]["mean AP"])
    better = Check("best mean AP / TruncatedSVD-100's", max(ratios), low=MIN_BETTER)
    return Result(tables, [*checks, better])


def compare(
    data: LabelledSet,
    folds: npt.NDArray[np.intp],
    n_run: int,
    more: Counted,
    config: TaggerConfig,
) -> list[Row]:
    names = (OURS, SVD, START)
    cosines: dict[str, list[float]] = {name: [] for name in names}
    proba = {name: np.zeros((2, *data.Y.shape)) for name in names}
    for fold in range(n_run):
        began = time.perf_counter()
        train, test = folds != fold, folds == fold
        counted, Y = data.sample.counted.take(train), data.Y[train]
        tagger = JobTagger(config).fit_counted(counted, Y, data.tags, more)
        weigh = tagger.model_.row_weights.weigh
        rows, asked = weigh(counted), weigh(data.sample.counted.take(test))
        others = weigh(more)
        own = tagger.autoencoder_
        codes = {OURS: (own.encode(rows), own.encode(asked))}
        back = {OURS: own.reconstruct(asked)}
        for name, share in ((SVD, None), (START, config.own_share)):
            basis = svd_basis(rows, others, own_share=share)
            codes[name] = rows @ basis.T, asked @ basis.T
            back[name] = codes[name][1] @ basis
        for name in names:
            cosines[name].append(reconstruction_cosine(asked, back[name]))
            proba[name][:, test] = head_proba(*codes[name], Y)
        say(f"{data.name}: fold {fold + 1} of {n_run}, {time.perf_counter() - began:.0f} s")
    Y = data.Y[folds < n_run]
    return [
        {
            "codes": name,
            "cosine": mean(cosines[name]),
            **{
                score: mean_ap(Y, P[folds < n_run])
                for score, P in zip(SCORES[1:], proba[name], strict=True)
            },
        }
        for name in names
    ]


def svd_basis(rows: Rows, others: Rows, *, own_share: float | None) -> FloatArray:
    """Directions (100, H) of all rows: alike, or the labelled ones together worth `own_share`."""
    parts = [rows, others]
    if own_share is not None:
        shares = own_share, 1 - own_share
        parts = [
            part * np.float32(np.sqrt(share / part.shape[0]))
            for part, share in zip(parts, shares, strict=True)
        ]
    seen = sparse.csr_array(sparse.vstack(parts, format="csr"))
    # The same call as in scikit-learn's TruncatedSVD, which has no sample weights.
    _, _, basis = randomized_svd(seen, min(100, *seen.shape), n_iter=5, random_state=0)
    return np.asarray(basis)


def head_proba(codes: FloatArray, asked: FloatArray, Y: npt.NDArray[np.int8]) -> FloatArray:
    """Probabilities by both heads, shape (2, N, T)."""
    scale = unit_scale(codes)
    middle, spread = codes.mean(axis=0), np.maximum(codes.std(axis=0), 1e-9)
    unit = MaskedLogistic(DENSE_STRENGTH).fit(codes * scale, Y)
    standard = MaskedLogistic(STANDARD_STRENGTH).fit((codes - middle) / spread, Y)
    return np.stack(
        [unit.predict_proba(asked * scale), standard.predict_proba((asked - middle) / spread)]
    )


def mean_ap(Y: npt.NDArray[np.int8], P: FloatArray) -> float:
    return float(np.nanmean([average_precision(Y[:, t], P[:, t]) for t in range(Y.shape[1])]))


def _hardly_classified(config: TaggerConfig) -> TaggerConfig:
    """The same codes, but no time spent on the tags, which are not asked for."""
    return replace(config, tags=TagConfig(wide=False, n_folds=2, deep_config=DeepConfig(epochs=1)))


if __name__ == "__main__":
    sys.exit(main())
