"""What the benches share: the data folder, options, tables, and checks with names.

Import this first: it quietens TensorFlow.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GLOG_minloglevel", "2")

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.autoencoder import AutoencoderConfig
from tagger.baselines import Sample, plain_texts
from tagger.classifier import TagConfig
from tagger.deep import DeepConfig
from tagger.errors import JobtoolError
from tagger.evaluate import checked_folds, groups_of
from tagger.features import Counted, count_all
from tagger.jobs import Job, Rejects, iter_jobs
from tagger.labelled_files import read_labelled
from tagger.labels import encode_labels, tag_list
from tagger.tagger import TaggerConfig

Row = dict[str, Any]

SETS = ("indeed", "wuzzuf")
FOUR_SETS = (*SETS, "remoteintech", "analytics_eng")
TAG_FILES = tuple(f"tags/{name}.jsonl.gz" for name in (*SETS, "unlabelled"))
LABEL_SETS = {
    "indeed": ("indeed", "tags", 20),
    "wuzzuf": ("wuzzuf", "tags", 20),
    "wuzzuf-skills": ("wuzzuf", "skills", 40),
    "remoteintech": ("remoteintech", "tags", 5),
    "analytics_eng": ("analytics_eng", "tags", 5),
}
"""Set -> file, column of its tags, and on how many jobs a tag must be to be kept."""
QUICK_ROWS, QUICK_UNLABELLED = 300, 500


@dataclass(frozen=True, slots=True)
class Check:
    """A claim: `value` lies between `low` and `high`, where these are given."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return bool(low <= self.value <= high)  # False for nan

    def __str__(self) -> str:
        limits = (("at least", self.low), ("at most", self.high))
        wanted = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
        verdict = "ok" if self.holds else "FAILED"
        return f"{verdict}: {self.name} is {self.value:.4g}, wanted {wanted}"


@dataclass(frozen=True, slots=True)
class Result:
    """Tables by title, and the claims that they carry."""

    tables: dict[str, list[Row]]
    checks: list[Check]


# ---- options, output, exit code


def run(
    doc: str,
    measure: Callable[[argparse.Namespace], Result],
    *,
    needs: Sequence[str] = TAG_FILES,
    options: Callable[[argparse.ArgumentParser], object] = lambda parser: None,
) -> int:
    """Parse the options, measure, print. Returns 0, 1 if a check failed, 2 without the data."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--quick", action="store_true", help="a small part: does it run at all?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit 1 if a claim does not hold")
    options(parser)
    args = parser.parse_args()
    missing = [name for name in needs if not (args.data / name).is_file()]
    if missing:
        say(f"{args.data} has no {', '.join(missing)}: name the data folder with --data")
        return 2
    if args.quick:
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)  # a few steps don't pay for tracing the networks
        warnings.filterwarnings("ignore", message="Even though the `tf.config")
    try:
        result = measure(args)
    except JobtoolError as error:
        say(f"error: {error}")
        return 1
    if args.json:
        print(json.dumps(asdict(result), default=float))
    else:
        for title, rows in result.tables.items():
            print(f"\n{title}\n{as_table(rows)}")
        print("", *result.checks, sep="\n")
    failed = [check for check in result.checks if not check.holds]
    if args.check and args.json:
        say(*failed)
    return 1 if args.check and failed else 0


def say(*lines: object) -> None:
    """Progress and problems: to standard error, at once."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def as_table(rows: Sequence[Row]) -> str:
    """Rows under their keys; numbers to the right, with four digits."""
    heads = list(rows[0])
    cells = [heads, *([_cell(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    is_text = [isinstance(rows[0][head], str) for head in heads]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, is_text, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


# ---- data


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A labelled set, ready for cross-validation. N jobs, T tags."""

    name: str
    tags: tuple[str, ...]
    Y: npt.NDArray[np.int8]
    """Shape (N, T)."""
    sample: Sample
    groups: npt.NDArray[np.intp]
    """Shape (N,): equal for jobs that repeat each other."""

    def folds(self, n_folds: int, seed: int = 0) -> npt.NDArray[np.intp]:
        """Fold of each job, shape (N,)."""
        return checked_folds(self.groups, n_folds, seed=seed)


def add_unlabelled(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    parser.add_argument("--unlabelled", type=int, default=default, metavar="N", help="at most N")


def add_folds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folds", type=int, choices=range(2, 6), metavar="K", help="run only K of the 5 folds"
    )


def unlabelled_jobs(args: argparse.Namespace, limit: int | None = None) -> list[Job]:
    """The first `limit` unlabelled jobs; all of them by default, a few with --quick."""
    limit = QUICK_UNLABELLED if args.quick else limit
    with Rejects() as rejects:
        path = args.data / "tags/unlabelled.jsonl.gz"
        jobs = list(islice(iter_jobs(path, rejects=rejects, labels=False), limit))
    say(f"unlabelled: {len(jobs):,} jobs, {rejects.count} rows rejected")
    return jobs


def unlabelled_counted(args: argparse.Namespace) -> Counted:
    """The same, counted, as many as --unlabelled says."""
    return count_all(unlabelled_jobs(args, args.unlabelled))


def labelled_jobs(args: argparse.Namespace, name: str) -> list[Job]:
    """The jobs of a set, each with those of its tags that are frequent enough."""
    file, column, min_jobs = LABEL_SETS[name]
    with Rejects() as rejects:
        path = args.data / f"tags/{file}.jsonl.gz"
        jobs = read_labelled([path], rejects=rejects, columns={"tags": column})
    jobs = jobs[: QUICK_ROWS if args.quick else None]
    n_jobs = Counter(tag for job in jobs for tag in job.tags or ())
    kept = [
        replace(job, tags=tuple(tag for tag in job.tags if n_jobs[tag] >= min_jobs))
        for job in jobs
        if job.tags is not None
    ]
    say(f"{name}: {len(kept):,} jobs, {len(tag_list(kept))} tags, {rejects.count} rows rejected")
    return kept


def labelled_set(args: argparse.Namespace, name: str) -> LabelledSet:
    jobs = labelled_jobs(args, name)
    tags = tag_list(jobs)
    sample = Sample(plain_texts(jobs), count_all(jobs))
    return LabelledSet(name, tags, encode_labels(jobs, tags), sample, groups_of(sample.counted))


# ---- configurations


def tagger_config(args: argparse.Namespace) -> TaggerConfig:
    """What `jobtool train` uses; with --quick small networks that have hardly been trained."""
    if not args.quick:
        return TaggerConfig()
    return TaggerConfig(
        autoencoder=AutoencoderConfig(code=16, filters=(2, 2, 2, 2), hidden=(8,), epochs=1),
        tags=TagConfig(n_folds=2, deep_config=DeepConfig(hidden=(8,), epochs=1)),
    )


def barely_trained() -> TaggerConfig:
    """Every part at its usual size, so that the speed of tagging is right, but not its quality."""
    return TaggerConfig(
        autoencoder=AutoencoderConfig(epochs=1, epoch_rows=512),
        tags=TagConfig(n_folds=2, deep_config=DeepConfig(epochs=1)),
    )


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
