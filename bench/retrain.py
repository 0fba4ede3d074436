"""Warm retraining as labels arrive, beside training from scratch on all of them.

python bench/retrain.py [--data ../shared/data] [--unlabelled N] [--folds K] [--quick] [--json]
                        [--check]

Jobs come in the order of the file. The first tenth is trained on from scratch; after each further
tenth the model is updated. At the end it is compared, on jobs held out, with a model trained from
scratch on everything, and with the usual shortcut: the network's weights fitted on each tenth's
new rows alone. Folds are pooled, so that each job is asked about once. Costs are processor seconds,
reading the texts included: less noisy than the clock on the wall.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

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

from db.retrain import N_TEACHING
from tagger.features import Counted
from tagger.metrics import average_precision
from tagger.tagger import JobTagger

N_PARTS = 10
MAX_LOSS = 0.02
FINE_TUNE_EPOCHS = 20

FloatArray = npt.NDArray[np.floating[Any]]


class Ways(NamedTuple):
    """Probabilities (N, T) by each way to come to a model."""

    first_tenth: FloatArray
    scratch: FloatArray
    warm: FloatArray
    fine_tuned: FloatArray


def replay(
    args: argparse.Namespace, found: LabelledSet, unlabelled: Counted, fold: int, ways: Ways
) -> tuple[float, list[float]]:
    """Fill in the fold's rows; returns processor seconds from scratch, and of each update."""
    folds = found.folds(5)
    out, order = folds == fold, np.flatnonzero(folds != fold)
    counted, asked = found.sample.counted, found.sample.counted.take(out)
    config = tagger_config(args)
    seconds = []
    scratch = JobTagger(config, seed=0)
    began = time.process_time()
    scratch.fit_counted(counted.take(order), found.Y[order], found.tags, unlabelled)
    from_scratch = time.process_time() - began
    ways.scratch[out] = scratch.model_.proba_of(asked)
    parts = np.array_split(order, N_PARTS)
    known = parts[0]
    start = JobTagger(config, seed=0).fit_counted(
        counted.take(known), found.Y[known], found.tags, unlabelled
    )
    ways.first_tenth[out] = start.model_.proba_of(asked)
    newest = unlabelled.take(np.arange(len(unlabelled.measures))[-N_TEACHING:])
    tuned = _FineTuned(start)
    with tempfile.TemporaryDirectory() as folder:
        start.save(Path(folder) / "model")
        for part in parts[1:]:
            known = np.concatenate([known, part])
            began = time.process_time()
            warm = JobTagger.load(Path(folder) / "model")
            warm.partial_fit(counted.take(known), found.Y[known], found.tags, newest)
            warm.save(Path(folder) / "model")
            seconds.append(time.process_time() - began)
            tuned.fit(counted.take(part), found.Y[part])
    ways.warm[out] = warm.model_.proba_of(asked)
    ways.fine_tuned[out] = tuned.proba(asked)
    return from_scratch, seconds


class _FineTuned:
    """The network on the code alone, its weights fitted a little more on new rows only."""

    def __init__(self, tagger: JobTagger) -> None:
        import keras

        from tagger.deep import DeepConfig
        from tagger.networks import build_taggers

        model = tagger.model_
        deep = tagger.classifier_.deep_
        config, arrays = deep.config or DeepConfig(), deep.arrays()
        self._encode = lambda counted: model.encoder(model.row_weights.weigh(counted))
        self._mean, self._scale = arrays["mean"], arrays["scale"]
        self._network = build_taggers(
            n_networks=1,
            code=len(self._mean),
            hidden=config.hidden,
            n_tags=len(model.tags),
            dropout=config.dropout,
        )
        self._network.get_layer("straight").trainable = True
        for layer in self._network.layers:
            for weight in layer.weights:
                learned = arrays.get(f"{layer.name}/{weight.name}")
                if learned is not None:  # else the network was no better than the linear model
                    weight.assign(np.asarray(learned)[None])
        self._network.compile(keras.optimizers.Adam(1e-3), loss=_masked_loss)

    def fit(self, counted: Counted, Y: npt.NDArray[np.int8]) -> None:
        self._network.fit(
            self._standard(counted),
            Y[:, None].astype(np.float32),
            epochs=FINE_TUNE_EPOCHS,
            verbose=0,
        )

    def proba(self, counted: Counted) -> FloatArray:
        logits = np.asarray(self._network.predict(self._standard(counted), verbose=0))[:, 0]
        return np.asarray(1 / (1 + np.exp(-logits)))

    def _standard(self, counted: Counted) -> FloatArray:
        return np.asarray((self._encode(counted) - self._mean) * self._scale)


def _masked_loss(labels: Any, logits: Any) -> Any:
    """Binary cross-entropy of what is known, (B, 1, T) each; -1 is unknown."""
    from keras import ops

    known = ops.cast(labels >= 0, logits.dtype)
    return ops.mean(ops.sum(known * (ops.softplus(logits) - labels * logits), axis=-1), axis=-1)


def measure(args: argparse.Namespace) -> Result:
    began = time.process_time()
    unlabelled = unlabelled_counted(args)
    reading = time.process_time() - began
    rows: list[Row] = []
    tag_rows: list[Row] = []
    checks: list[Check] = []
    for name in SETS:
        found = labelled_set(args, name)
        ways = Ways(*(np.full(found.Y.shape, np.nan) for _ in Ways._fields))
        scratch_s, update_s = [], []
        for fold in range(args.folds or (2 if args.quick else 5)):
            one, several = replay(args, found, unlabelled, fold, ways)
            scratch_s.append(one + reading)
            update_s += several
            say(f"{name} fold {fold}: scratch {one + reading:.0f} s, update {mean(several):.1f} s")
        asked = ~np.isnan(ways.scratch[:, 0])
        scores = {
            way: _per_tag(found.Y[asked], proba[asked]) for way, proba in ways._asdict().items()
        }
        share = mean(update_s) / mean(scratch_s)
        for way, values in scores.items():
            lost = scores["scratch"] - values
            rows.append(
                {
                    "set": name,
                    "way": way.replace("_", " "),
                    "mean AP": mean(values),
                    "of scratch": mean(values) / mean(scores["scratch"]),
                    "tags that lost > .02": int((lost > MAX_LOSS).sum()),
                    "worst loss": float(lost.max()),
                }
            )
        tag_rows += [
            {
                "set": name,
                "tag": tag,
                "jobs": int((found.Y[asked][:, t] == 1).sum()),
                **{way: float(values[t]) for way, values in scores.items()},
            }
            for t, tag in enumerate(found.tags)
        ]
        checks += [
            Check(f"{name}: mean AP, warm / scratch", rows[-2]["of scratch"], low=0.99),
            Check(f"{name}: processor seconds, one update / scratch", share, high=0.20),
            Check(
                f"{name}: tags that lost more than .02", rows[-2]["tags that lost > .02"], high=0
            ),
        ]
    return Result({"Retraining, ten tenths": rows, "Average precision by tag": tag_rows}, checks)


def _per_tag(Y: npt.NDArray[np.int8], P: FloatArray) -> FloatArray:
    scores = [average_precision(Y[:, t], P[:, t]) for t in range(Y.shape[1])]
    return np.nan_to_num(np.array(scores))


def options(parser: argparse.ArgumentParser) -> None:
    add_folds(parser)
    add_unlabelled(parser)


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", measure, options=options))
