"""Speed beside scikit-learn's usual pipeline and TensorFlow's start; part of speech: bench/pos.py.

python bench/throughput.py [--data ../shared/data] [--training] [--quick] [--json] [--check]

Rounds alternate between ours and the peer, so that a slow minute hits both; ratios are medians over
rounds. Ours starts each round without the words it has seen before. The tagger is barely trained:
its speed does not depend on its weights. From file to file the whole command counts for ours, its
start and its writing included, and only reading and predicting for the peer, whose process has
started and keeps its model. --training also trains a whole model on all postings and shows time
and peak memory.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `jobtool tag` has it

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from common import (
    Check,
    Result,
    Row,
    barely_trained,
    labelled_jobs,
    run,
    say,
    tagger_config,
    unlabelled_jobs,
)
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from tagger.baselines import SPARSE_STRENGTH, plain_texts
from tagger.cores import usable_cores
from tagger.features import count_all, small_indices
from tagger.jobs import Job
from tagger.labels import encode_labels, tag_list
from tagger.model import weighed
from tagger.networks import build_taggers
from tagger.tagger import JobTagger
from tagger.words import word_table

N_POSTINGS, N_ROUNDS, N_COMPARED = 5000, 5, 256
MIN_SPEED, MIN_SPEED_ALL_CORES, MAX_START, MAX_DIFFERENCE = 0.75, 1.2, 0.5, 1e-5
MAX_TRAINING_S, MAX_TRAINING_MB = 120, 2000
TRAIN_HERE = "--train-here"
JOBTOOL = Path(sys.executable).with_name("jobtool")


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--training", action="store_true", help="also train on everything")
        parser.add_argument(TRAIN_HERE, action="store_true", help=argparse.SUPPRESS)

    return run(__doc__ or "", measure, options=options)


def measure(args: argparse.Namespace) -> Result:
    if args.train_here:
        return Result({"training": [train(args)]}, [])
    tables, checks = {}, []
    if args.training:  # first: a child's peak memory starts from its parent's
        row = training_row(args)
        tables["training, in a process of its own"] = [row]
        checks += [
            Check("training, s", row["seconds"], high=MAX_TRAINING_S),
            Check("training, peak memory in MB", row["peak MB"], high=MAX_TRAINING_MB),
        ]
    n_rounds = 1 if args.quick else N_ROUNDS
    labelled = labelled_jobs(args, "indeed")
    others = unlabelled_jobs(args)
    asked = others[:N_POSTINGS]
    tagger = with_all_paths(JobTagger(barely_trained()).fit(labelled, others[:500]))
    peer = sklearn_tagger(labelled, others)
    texts = plain_texts(asked)

    def ours() -> object:
        word_table.cache_clear()
        return tagger.predict(asked)

    ours_s, peer_s = alternate([ours, lambda: peer(texts)], n_rounds)
    speed = median(b / a for a, b in zip(ours_s, peer_s, strict=True))
    tables[f"text to tags, {len(asked):,} postings"] = [
        {"method": "jobtool", "jobs/s": len(asked) / median(ours_s), "ratio": speed},
        {"method": "TF-IDF + one-vs-rest", "jobs/s": len(asked) / median(peer_s), "ratio": 1.0},
    ]
    ours_s, peer_s = file_to_file(tagger, peer, others, n_rounds)
    speed_all_cores = median(b / a for a, b in zip(ours_s, peer_s, strict=True))
    command = f"jobtool tag FILE, {usable_cores()} cores"
    tables[f"file to file, {len(others):,} postings"] = [
        {"method": command, "jobs/s": len(others) / median(ours_s), "ratio": speed_all_cores},
        {"method": "TF-IDF + one-vs-rest", "jobs/s": len(others) / median(peer_s), "ratio": 1.0},
    ]
    start_s, keras_s = cold_starts(tagger, asked[0], n_rounds)
    start = median(a / b for a, b in zip(start_s, keras_s, strict=True))
    tables["a fresh process"] = [
        {"command": "jobtool tag POSTING", "seconds": median(start_s), "ratio": start},
        {"command": "python -c 'import tensorflow'", "seconds": median(keras_s), "ratio": 1.0},
    ]
    apart = float(np.abs(keras_proba(tagger, asked) - our_proba(tagger, asked)).max())
    checks += [
        Check("speed / TF-IDF's", speed, low=MIN_SPEED),
        Check("the same on all cores, file to file", speed_all_cores, low=MIN_SPEED_ALL_CORES),
        Check("cold start / TensorFlow's import", start, high=MAX_START),
        Check("largest difference of a probability from Keras'", apart, high=MAX_DIFFERENCE),
    ]
    return Result(tables, checks)


def with_all_paths(tagger: JobTagger) -> JobTagger:
    """Let codes and names count: hardly trained ones may get no weight, and cost nothing then."""
    model, half = tagger.model_, np.full(len(tagger.tags_), 0.5)
    mixture = replace(model.mixture, code=half, names=half)
    tagger.model_ = replace(
        model, mixture=mixture, arrays={**model.arrays, "mixture": asdict(mixture)}
    )
    return tagger


# ---- speed


def sklearn_tagger(labelled: list[Job], others: list[Job]) -> Callable[[list[str]], object]:
    """What one would write with scikit-learn, its vocabulary from all postings at hand."""
    own = plain_texts(labelled)
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, dtype=np.float32)
    vectorizer.fit(own + plain_texts(others))
    say(f"TF-IDF: {len(vectorizer.vocabulary_):,} terms")
    Y = encode_labels(labelled, tag_list(labelled))
    # A higher tolerance than usual: the speed of predicting does not depend on the weights.
    one = LogisticRegression(C=SPARSE_STRENGTH, solver="liblinear", tol=0.1)
    model = OneVsRestClassifier(one).fit(small_indices(vectorizer.transform(own)), Y)
    return lambda texts: model.predict(vectorizer.transform(texts))


def alternate(calls: Sequence[Callable[[], object]], n_rounds: int) -> list[list[float]]:
    """Seconds of each call in each round."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(n_rounds):
        for call, taken in zip(calls, seconds, strict=True):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
    return seconds


def file_to_file(
    tagger: JobTagger, peer: Callable[[list[str]], object], jobs: list[Job], n_rounds: int
) -> list[list[float]]:
    """Seconds of `jobtool tag FILE`, and of the peer reading and predicting the same postings."""
    with TemporaryDirectory() as folder:
        model, source, output = (Path(folder) / n for n in ("model", "jobs.jsonl", "tags.jsonl"))
        tagger.save(model)
        with source.open("w", encoding="utf-8") as stream:
            for job in jobs:
                row = {"id": job.id, "title": job.title, "text": job.text}
                stream.write(json.dumps(row) + "\n")
        command = ["tag", str(source), "--model", str(model), "--output", str(output)]

        def predict() -> None:
            with source.open(encoding="utf-8") as stream:
                rows = map(json.loads, stream)
                peer([f"{row['title']}\n{row['text']}" for row in rows])

        return alternate([lambda: _call([str(JOBTOOL), *command]), predict], n_rounds)


# ---- start


def cold_starts(tagger: JobTagger, job: Job, n_rounds: int) -> list[list[float]]:
    """Seconds of `jobtool tag` on one posting, and of importing TensorFlow."""
    with TemporaryDirectory() as folder:
        model, posting = Path(folder) / "model", Path(folder) / "posting.txt"
        tagger.save(model)
        posting.write_text(job.text, encoding="utf-8")
        ours = [str(JOBTOOL), "tag", str(posting), "--model", str(model)]
        theirs = [sys.executable, "-c", "import tensorflow"]
        return alternate([lambda: _call(ours), lambda: _call(theirs)], n_rounds)


def _call(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


# ---- the same probabilities


def our_proba(tagger: JobTagger, jobs: list[Job]) -> npt.NDArray[np.floating]:
    return tagger.model_.predict_proba(jobs[:N_COMPARED])


def keras_proba(tagger: JobTagger, jobs: list[Job]) -> npt.NDArray[np.floating]:
    """Probabilities with the networks run by Keras."""
    model, counted = tagger.model_, count_all(jobs[:N_COMPARED])
    mixture, autoencoder = model.mixture, tagger.autoencoder_
    rows = model.row_weights.weigh(counted)
    folded = rows.toarray()[:, autoencoder.order_]
    codes = np.asarray(autoencoder.encoder_.predict(folded, verbose=0))
    wide = weighed(rows, model.places.rows, mixture.rows)
    wide += weighed(model.vocabulary.rows(counted), model.places.terms, mixture.terms)
    named = mixture.names * model.names.scores(counted)
    return expit(wide + named + mixture.code * deep_logits(tagger, codes) + mixture.intercept)


def deep_logits(tagger: JobTagger, codes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the deep path says of codes (B, C), with its network, if any, built again in Keras."""
    deep = tagger.classifier_.deep_
    standard = (codes - deep.mean_) * deep.scale_
    logits = standard @ deep.straight_[-1] + deep.bias_[-1]
    if deep.layers_:
        hidden = [layer.shape[-1] for name, layer in deep.layers_.items() if "dense" in name]
        network = build_taggers(
            n_networks=1,
            code=codes.shape[1],
            hidden=hidden[::2],
            n_tags=len(tagger.tags_),
            dropout=0.0,
        )
        for name, values in deep.layers_.items():
            layer, part = name.split("/")
            getattr(network.get_layer(layer), part).assign(values[-1:])
        logits = logits + np.asarray(network.predict(standard, verbose=0))[:, 0]
    return np.asarray(logits)


# ---- training


def training_row(args: argparse.Namespace) -> Row:
    command = [sys.executable, __file__, "--data", str(args.data), TRAIN_HERE, "--json"]
    found = json.loads(_call(command + ["--quick"] * args.quick))
    return dict(found["tables"]["training"][0])


def train(args: argparse.Namespace) -> Row:
    """Train as `jobtool train` does, from files to model, and measure this process."""
    import resource

    began = time.perf_counter()
    labelled, others = labelled_jobs(args, "indeed"), unlabelled_jobs(args)
    JobTagger(tagger_config(args)).fit(labelled, others)
    return {
        "labelled": len(labelled),
        "unlabelled": len(others),
        "seconds": time.perf_counter() - began,
        # in kB on Linux
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
