"""The packaged sample from end to end: measure by cross-validation, train, tag new jobs, report."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from tagger.errors import DataError
from tagger.evaluate import cross_validate
from tagger.evaluation import Evaluation
from tagger.features import count_all, join_counted
from tagger.jobs import Job, Rejects, iter_jobs
from tagger.labelled_files import read_labelled
from tagger.model import TagModel
from tagger.report import write_report
from tagger.tagged import TaggedJob, TagWriter
from tagger.tagger import JobTagger, TaggerConfig
from tagger.tagging import tag_jobs

N_FOLDS = 4
"""Each labelled job is measured by a model that has learned from the other three quarters."""

DAY_ZERO = "jobtool, day zero (all texts, no labels)"
"""What the tags are called, and the texts of all postings, those it is asked about too, as a team
has them on its first day; nobody's labels."""

_MODEL, _LOGS, _TAGS, _REPORT = "model", "model.logs", "tags.jsonl", "report.html"
_MARK = ".jobtool-demo"  # tells a folder of ours from one that has files of these names


@dataclass(frozen=True, slots=True)
class Mistake:
    """A job whose tags came out wrong when it was held out."""

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
    labelled: list[Job]
    evaluation: Evaluation
    """Of the jobs in `labelled`, each by a model that has not seen it."""
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
    """Cross-validate on the packaged sample, train on all of it, tag its new jobs.

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
    labelled, unlabelled, new = read_sample()
    tagger = JobTagger(config, seed=seed).fit(
        labelled, unlabelled, show_progress=show_progress, log_dir=folder / _LOGS
    )
    tagger.save(folder / _MODEL)
    model = TagModel.load(folder / _MODEL)
    evaluation = _with_day_zero(
        cross_validate(
            labelled,
            unlabelled,
            config=config,
            n_folds=N_FOLDS,
            seed=seed,
            show_progress=show_progress,
        ),
        folder / _MODEL,
        labelled,
        unlabelled,
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
        n_labelled=len(labelled),
        n_unlabelled=len(unlabelled),
        labelled=labelled,
        evaluation=evaluation,
        mistakes=list(_mistakes(labelled, evaluation)),
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


def _with_day_zero(
    evaluation: Evaluation, model: Path, labelled: Sequence[Job], unlabelled: Sequence[Job]
) -> Evaluation:
    """Add a model that has the same postings and the tags' names, but nobody's labels."""
    counted = count_all(labelled)
    day_zero = JobTagger.load(model).partial_fit(
        count_all([]),
        np.zeros((0, len(evaluation.tags)), np.int8),
        evaluation.tags,
        join_counted([counted, count_all(unlabelled)]),
    )
    said = day_zero.model_.predict_counted(counted)
    first = {DAY_ZERO: (said.probabilities, said.decisions)}
    return replace(evaluation, baselines={**first, **evaluation.baselines})


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
