"""A challenger from a champion, and both asked about the same jobs.

Letters for axes: N jobs, C code, T tags.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.bootstrap import Interval, Resampled, paired_bootstrap, resample
from tagger.features import Counted
from tagger.jobs import Job
from tagger.labels import UNKNOWN, YES, encode_labels
from tagger.model import TagModel
from tagger.storage import META
from tagger.tag_info import TagInfo
from tagger.tagger import JobTagger, TaggerConfig, count_all
from tagger.versions import versions

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

_N_DRIFT = 1000  # jobs whose codes are compared before and after
_N_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What is to be remembered of a model that was saved."""

    sha256: str
    """Of its `meta.json`, which holds the hashes of the other files."""
    thresholds: dict[str, float | None]
    """Tag -> probability from which it is given; None where not learned."""
    n_yes: dict[str, int]
    """Tag -> labelled jobs with it; 0 where it is known by its name alone."""
    remarks: dict[str, str]
    """Tag -> what must be known of it; not every tag has one."""
    seed: int
    versions: dict[str, str]
    """Of jobtool and what it rests on."""
    metrics: dict[str, Any]
    """As in `meta.json`, and n_labelled and n_unlabelled."""
    n_code: int
    """Numbers of a code."""
    drift: float | None
    """How far the codes of the same jobs have moved, see `code_drift`; 0 where they were left as
    they are, None where there was no model before."""


def train_challenger(
    folder: Path,
    labelled: Sequence[Job],
    tags: Sequence[TagInfo],
    unlabelled: Iterable[Job],
    *,
    parent: Path | None,
    refresh: bool = False,
    config: TaggerConfig | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> TrainedModel:
    """Train a model and save it: from scratch, or on from another one.

    Parameters
    ----------
    folder
        Where the model goes.
    labelled
        All labelled jobs to learn from, old ones too; perhaps none.
    tags
        The columns of the new model, and what the team says of them.
    unlabelled
        More jobs, as in `JobTagger.fit`.
    parent
        Folder of the model to go on from; None: from scratch, by `config` and `seed`.
    refresh
        Let the codes go on learning; else they stay exactly as they are.

    Raises
    ------
    DataError
        If there is no job or no tag.
    ModelError
        If the parent is not whole, or the disk refuses the new one.
    """
    others = count_all(unlabelled, show_progress=show_progress)
    counted = count_all(labelled, show_progress=show_progress)
    Y = encode_labels(labelled, [tag.name for tag in tags])
    drift = None
    if parent is None:
        tagger = JobTagger(config, seed=seed)
        tagger.fit_counted(counted, Y, tags, others, show_progress=show_progress)
    else:
        tagger = JobTagger.load(parent)
        before = tagger.model_
        tagger.partial_fit(counted, Y, tags, others, refresh=refresh, show_progress=show_progress)
        seen = others if len(others.measures) else counted
        drift = _drift(before, tagger.model_, seen) if refresh else 0.0
    tagger.save(folder)
    model = tagger.model_
    data = model.meta["data"]
    return TrainedModel(
        sha256=hashlib.sha256((folder / META).read_bytes()).hexdigest(),
        thresholds={
            tag: None if limit != limit else float(limit)
            for tag, limit in zip(model.tags, model.thresholds, strict=True)
        },
        n_yes=dict(data["yes"]),
        remarks=model.remarks,
        seed=tagger.seed,
        versions=versions(),
        metrics={
            **model.meta["metrics"],
            "n_labelled": data["labelled"],
            "n_unlabelled": data["unlabelled"],
        },
        n_code=model.encode([Job("")]).shape[1],
        drift=drift,
    )


def _drift(before: TagModel, after: TagModel, counted: Counted) -> float:
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(counted.measures))[:_N_DRIFT]
    rows = before.row_weights.weigh(counted.take(chosen))
    return code_drift(before.encoder(rows), after.encoder(rows))


def code_drift(before: FloatArray, after: FloatArray) -> float:
    """1 - mean cosine between two codes of the same jobs, (N, C) each; in [0, 2].

    Examples
    --------
    >>> code_drift(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]))
    1.0
    """
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return float(1 - np.mean(np.sum(before * after, axis=1) / np.maximum(lengths, 1e-12)))


@dataclass(frozen=True, slots=True)
class Difference:
    """A score of both models in [0, 1], and challenger minus champion with its 95 % interval."""

    champion: float
    challenger: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TagDifference:
    """The same for one tag."""

    tag: str
    n_yes: int
    """Jobs that carry it."""
    average_precision: Difference


@dataclass(frozen=True, slots=True)
class Changed:
    """A job that the two models tag differently."""

    job_id: str
    title: str
    gained: tuple[str, ...]
    """Tags that only the challenger gives."""
    lost: tuple[str, ...]
    """Tags that only the champion gives."""
    better: int
    """Changes that agree with what people say, minus those that don't."""


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two models on the same jobs."""

    n_jobs: int
    """Duplicate groups of which something is known about one of `tags`."""
    mean_average_precision: Difference
    macro_f1: Difference
    tags: tuple[TagDifference, ...]
    """Tags learned by either that have a yes and a no."""
    new_tags: tuple[str, ...]
    """Learned by the challenger alone."""
    dropped_tags: tuple[str, ...]
    """Still a tag of the challenger, but learned by the champion alone."""
    examples: tuple[Changed, ...]


def compare_models(
    champion: TagModel,
    challenger: TagModel,
    labelled: Sequence[Job],
    *,
    groups: Sequence[int] | None = None,
    renamed: Mapping[str, str] | None = None,
    seed: int = 0,
) -> ModelComparison:
    """Ask two models about labelled jobs that neither was trained on.

    The means are over all tags of the challenger that either model has learned. A model that has
    not learned a tag never gives it; where it has no column for it at all, every job is as likely
    as another to it.

    Parameters
    ----------
    groups
        Of each job; those of equal value are drawn together in the bootstrap.
    renamed
        Names of tags that the champion knows -> what they are called now.

    Returns
    -------
    Scores are nan where nothing can be compared: no job, or no tag that one has learned.
    """
    names = [(renamed or {}).get(tag, tag) for tag in champion.tags]
    theirs = _learned(champion, names)
    ours = _learned(challenger, challenger.tags)
    tags = [tag for tag in challenger.tags if tag in ours or tag in theirs]
    new_tags = tuple(tag for tag in challenger.tags if tag in ours and tag not in theirs)
    dropped_tags = tuple(tag for tag in challenger.tags if tag in theirs and tag not in ours)
    if not tags or not labelled:
        nothing = Difference(*[float("nan")] * 5)
        return ModelComparison(0, nothing, nothing, (), new_tags, dropped_tags, ())
    Y = encode_labels([_keeping(job, set(tags)) for job in labelled], tags)
    P_old, D_old = _ask(champion, labelled, names, tags)
    P_new, D_new = _ask(challenger, labelled, challenger.tags, tags)
    by = np.arange(len(labelled)) if groups is None else np.asarray(groups)
    old = resample(Y, P_old, D_old, groups=by, seed=seed)
    new = resample(Y, P_new, D_new, groups=by, seed=seed)
    found = paired_bootstrap(old, new)
    scored = np.array([one.value == one.value for one in found.average_precision], bool)
    return ModelComparison(
        n_jobs=len(np.unique(by[(Y[:, scored] != UNKNOWN).any(axis=1)])),
        mean_average_precision=_difference(old, new, "mean_average_precision", found),
        macro_f1=_difference(old, new, "macro_f1", found),
        tags=tuple(
            TagDifference(
                tag,
                int((Y[:, t] == YES).sum()),
                _pair(
                    old.points.average_precision[0, t],
                    new.points.average_precision[0, t],
                    found.average_precision[t],
                ),
            )
            for t, tag in enumerate(tags)
            if scored[t]
        ),
        new_tags=new_tags,
        dropped_tags=dropped_tags,
        examples=_examples(labelled, tags, Y, D_old, D_new),
    )


def _learned(model: TagModel, names: Sequence[str]) -> set[str]:
    """Names of the tags that a model has learned."""
    return {name for name, limit in zip(names, model.thresholds, strict=True) if limit == limit}


def _keeping(job: Job, tags: set[str]) -> Job:
    yes, no = (
        None if said is None else tuple(tag for tag in said if tag in tags)
        for said in (job.tags, job.not_tags)
    )
    return replace(job, tags=yes, not_tags=no)


def _ask(
    model: TagModel, jobs: Sequence[Job], names: Sequence[str], tags: Sequence[str]
) -> tuple[FloatArray, BoolArray]:
    """Probabilities and decisions, (N, T) each; 0 and never for a tag without a column."""
    column = {name: place for place, name in enumerate(names)}
    known = [t for t, tag in enumerate(tags) if tag in column]
    columns = [column[tags[t]] for t in known]
    said = model.predict_counted(count_all(jobs), codes=False)
    proba, decided = np.zeros((len(jobs), len(tags))), np.zeros((len(jobs), len(tags)), bool)
    proba[:, known], decided[:, known] = (
        said.probabilities[:, columns],
        said.decisions[:, columns],
    )
    return proba, decided


def _difference(old: Resampled, new: Resampled, score: str, found: Any) -> Difference:
    return _pair(
        getattr(old.points, score)[0], getattr(new.points, score)[0], getattr(found, score)
    )


def _pair(old: float, new: float, found: Interval) -> Difference:
    return Difference(float(old), float(new), found.value, found.low, found.high)


def _examples(
    jobs: Sequence[Job],
    tags: Sequence[str],
    Y: npt.NDArray[np.int8],
    old: BoolArray,
    new: BoolArray,
) -> tuple[Changed, ...]:
    """Jobs with most changes where people's answer is known, worst first."""
    right = (new == (Y == YES)) & (Y != UNKNOWN)
    changed = (old != new) & (Y != UNKNOWN)
    better = np.where(changed, np.where(right, 1, -1), 0).sum(axis=1)
    order = [i for i in np.argsort(better, kind="stable") if changed[i].any()]
    half = _N_EXAMPLES // 2
    shown = order if len(order) <= _N_EXAMPLES else [*order[:half], *order[-half:]]
    return tuple(
        Changed(
            job_id=jobs[i].id,
            title=jobs[i].title,
            gained=tuple(tags[t] for t in np.flatnonzero(new[i] & ~old[i]).tolist()),
            lost=tuple(tags[t] for t in np.flatnonzero(old[i] & ~new[i]).tolist()),
            better=int(better[i]),
        )
        for i in shown
    )
