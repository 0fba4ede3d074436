"""The packaged sample from end to end: train, measure on jobs kept aside, tag new ones, report."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from tagger.baselines import LEARNED, Sample, plain_texts
from tagger.errors import DataError
from tagger.evaluate import checked_folds, evaluate_model, groups_of
from tagger.evaluation import Evaluation
from tagger.jobs import Job, Rejects, iter_jobs, read_labelled
from tagger.labels import encode_labels
from tagger.model import TagModel
from tagger.report import write_report
from tagger.tagged import TaggedJob, TagWriter
from tagger.tagger import JobTagger, TaggerConfig, count_all
from tagger.tagging import tag_jobs
from tagger.thresholds import cross_fitted_decisions

HELD_OUT = 4
"""One of so many labelled jobs is kept aside to measure on."""

_MODEL, _LOGS, _TAGS, _REPORT = "model", "model.logs", "tags.jsonl", "report.html"
_MARK = ".jobtool-demo"  # tells a folder of ours from one that has files of these names


@dataclass(frozen=True, slots=True)
class Mistake:
    """A job kept aside whose tags came out wrong."""

    job: Job
    wrong: tuple[str, ...]
    """Given, but a person said no."""
    missed: tuple[str, ...]
    """Not given, but a person said yes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demo:
    """What the demo did and where it put things."""

    model: Path
    tags: Path
    report: Path
    n_labelled: int
    n_unlabelled: int
    held_out: list[Job]
    evaluation: Evaluation
    """Of the jobs in `held_out`, which the model has not seen."""
    mistakes: list[Mistake]
    """All of those jobs with a wrong or missed tag."""
    new: list[tuple[Job, TaggedJob]]
    seconds: float


def run_demo(
    folder: Path,
    *,
    config: TaggerConfig | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> Demo:
    """Train on three quarters of the packaged sample, measure on the rest, tag its new jobs.

    Parameters
    ----------
    folder
        Gets the model, the tags of the new jobs and the report; an earlier demo is replaced.

    Raises
    ------
    DataError
        If something else is in the folder.
    """
    started = time.monotonic()
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    known, unlabelled, new = read_sample()
    train, held_out = hold_out(known)
    tagger = JobTagger(config, seed=seed).fit(
        train, unlabelled, show_progress=show_progress, log_dir=folder / _LOGS
    )
    tagger.save(folder / _MODEL)
    model = TagModel.load(folder / _MODEL)
    evaluation = replace(
        _beside_baselines(evaluate_model(model, held_out), train, held_out, unlabelled, seed),
        histories=tagger.histories_,
        seed=seed,
    )
    write_report(folder / _REPORT, evaluation)
    with TagWriter(folder / _TAGS, model.tags, explain=True) as writer:
        tagged = list(tag_jobs(model, new, explain=True))
        for one in tagged:
            writer.write(one)
    return Demo(
        model=folder / _MODEL,
        tags=folder / _TAGS,
        report=folder / _REPORT,
        n_labelled=len(train),
        n_unlabelled=len(unlabelled),
        held_out=held_out,
        evaluation=evaluation,
        mistakes=list(_mistakes(held_out, evaluation)),
        new=list(zip(new, tagged, strict=True)),
        seconds=time.monotonic() - started,
    )


def read_sample() -> tuple[list[Job], list[Job], list[Job]]:
    """Jobs of the packaged sample: labelled, unlabelled, and new ones to be tagged.

    Examples
    --------
    >>> [len(jobs) for jobs in read_sample()]
    [210, 78, 12]
    """
    data = resources.files("tagger").joinpath("data")
    with resources.as_file(data) as folder, Rejects() as rejects:
        labelled = read_labelled([folder / "sample_labelled.jsonl"], rejects=rejects)
        unlabelled, new = (
            list(iter_jobs(folder / f"sample_{name}.jsonl", rejects=rejects))
            for name in ("unlabelled", "new")
        )
    return labelled, unlabelled, new


def hold_out(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Jobs to train on, and one in `HELD_OUT` to measure on; reposts stay together."""
    aside = groups_of(count_all(jobs)) % HELD_OUT == HELD_OUT - 1
    pairs = list(zip(jobs, aside, strict=True))
    return [job for job, out in pairs if not out], [job for job, out in pairs if out]


def _beside_baselines(
    evaluation: Evaluation,
    train: Sequence[Job],
    held_out: Sequence[Job],
    unlabelled: Sequence[Job],
    seed: int,
) -> Evaluation:
    """Add the learned baselines, trained on the same jobs."""
    Y, more = encode_labels(train, evaluation.tags), count_all(unlabelled)
    known, asked = (Sample(plain_texts(jobs), count_all(jobs)) for jobs in (train, held_out))
    folds = checked_folds(groups_of(asked.counted, seed=seed), 5, seed=seed)
    found = dict(evaluation.baselines)
    for baseline in LEARNED:
        proba = baseline(seed=seed).fit(known, Y, more).predict_proba(asked)
        decisions, _ = cross_fitted_decisions(np.asarray(evaluation.Y, np.int8), proba, folds)
        found[baseline.name] = (proba, decisions)
    how = {
        "how": "jobs kept aside from the packaged sample; repeated postings stay together",
        "thresholds": "ours chosen in training; the learned baselines' by cross-fitting on the "
        "jobs kept aside",
    }
    return replace(evaluation, baselines=found, info={**evaluation.info, **how})


def _mistakes(jobs: Sequence[Job], evaluation: Evaluation) -> Iterator[Mistake]:
    tags = np.array(evaluation.tags)
    for job, labels, given in zip(jobs, evaluation.Y, evaluation.decisions, strict=True):
        wrong, missed = given & (labels == 0), ~given & (labels == 1)
        if wrong.any() or missed.any():
            yield Mistake(job, tuple(tags[wrong].tolist()), tuple(tags[missed].tolist()))


def check_folder(folder: Path) -> None:
    """DataError unless a demo may be written there: nothing, an empty folder or a demo."""
    if not folder.exists() or (folder / _MARK).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise DataError(f"{folder} exists and holds no earlier demo: name another --folder")
