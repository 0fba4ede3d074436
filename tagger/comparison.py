"""Two taggers judged on the same labelled jobs, each by answers about labels it had not seen.

Letters for axes: N jobs, T tags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tagger.bootstrap import Interval, Resampled, paired_bootstrap, resample
from tagger.errors import DataError
from tagger.jobs import Job
from tagger.labels import UNKNOWN, YES, encode_labels
from tagger.model import TagModel
from tagger.tagger import count_all

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

_N_EXAMPLES = 20


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
    """Duplicate groups that judged: something is known of one of `tags`."""
    mean_average_precision: Difference
    macro_f1: Difference
    shared_average_precision: Difference
    """Mean average precision over the tags that both can give."""
    tags: tuple[TagDifference, ...]
    """Tags that either can give and that have a yes and a no."""
    new_tags: tuple[str, ...]
    """The challenger alone can give them."""
    dropped_tags: tuple[str, ...]
    """Still a tag of the challenger, but only the champion can give them."""
    examples: tuple[Changed, ...]


def compare_models(
    champion: TagModel | None,
    challenger: TagModel,
    labelled: Sequence[Job],
    *,
    champion_rows: Sequence[int | None] | None = None,
    groups: Sequence[int] | None = None,
    renamed: Mapping[str, str] | None = None,
    has_learned: bool = True,
    seed: int = 0,
) -> ModelComparison:
    """Compare two models on labelled jobs by answers that had not seen the job's label.

    The challenger answers by its cross-fitting, about all its labelled jobs. So does the champion
    about those that it learned from, and these judge: both were fitted on the other folds of them.
    A champion that has learned none of them is asked itself, and all of them judge.

    The means are over all tags of the challenger that either model can give. A model that can't
    give a tag ranks it by nothing.

    Parameters
    ----------
    champion
        None: what the challenger's tags are called, and nothing else.
    labelled
        The jobs that the challenger learned from, in that order, with the labels that hold.
    champion_rows
        Of each: its place among the jobs that the champion learned from, None if it did not.
    groups
        Of each job; those of equal value are drawn together in the bootstrap.
    renamed
        Names of tags that the champion knows -> what they are called now.
    has_learned
        Whether the challenger learned from `labelled`; else it is asked itself, but for postings
        that are among those that it learned from, wherever that was.

    Returns
    -------
    Scores are nan where nothing can be compared: no job, or no tag that either can give.

    Raises
    ------
    DataError
        If `labelled` are not as many as the challenger learned from.
    """
    if has_learned and len(labelled) != len(challenger.held_out.label):
        raise DataError(
            f"the challenger learned from {len(challenger.held_out.label)} labelled jobs, "
            f"got {len(labelled)}"
        )
    rows = [None] * len(labelled) if champion_rows is None else champion_rows
    judges = [i for i, row in enumerate(rows) if row is not None] or list(range(len(labelled)))
    names = [(renamed or {}).get(tag, tag) for tag in champion.tags] if champion else []
    ours = _given(challenger, challenger.tags)
    theirs = _given(champion, names) if champion else ours
    tags = [tag for tag in challenger.tags if tag in ours or tag in theirs]
    new_tags = tuple(tag for tag in challenger.tags if tag in ours and tag not in theirs)
    dropped_tags = tuple(tag for tag in challenger.tags if tag in theirs and tag not in ours)
    if not tags or not labelled:
        nothing = Difference(*[float("nan")] * 5)
        return ModelComparison(0, nothing, nothing, nothing, (), new_tags, dropped_tags, ())
    jobs = [labelled[i] for i in judges]
    Y = encode_labels([_keeping(job, set(tags)) for job in jobs], tags)
    P_old, D_old = _answers(champion, challenger, jobs, [rows[i] for i in judges], names, tags)
    own_rows = judges if has_learned else challenger.held_out.places(count_all(jobs))
    P_new, D_new = _answers(challenger, challenger, jobs, own_rows, challenger.tags, tags)
    by = np.asarray(judges if groups is None else [groups[i] for i in judges])
    old = resample(Y, P_old, D_old, groups=by, seed=seed)
    new = resample(Y, P_new, D_new, groups=by, seed=seed)
    found = paired_bootstrap(old, new)
    overall = _difference(old, new, "mean_average_precision", found)
    shared = [t for t, tag in enumerate(tags) if tag in ours and tag in theirs]
    scored = np.array([one.value == one.value for one in found.average_precision], bool)
    return ModelComparison(
        n_jobs=len(np.unique(by[(Y[:, scored] != UNKNOWN).any(axis=1)])),
        mean_average_precision=overall,
        macro_f1=_difference(old, new, "macro_f1", found),
        shared_average_precision=(
            overall
            if len(shared) == len(tags)
            else _shared(Y, (P_old, D_old), (P_new, D_new), shared, by, seed)
        ),
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
        examples=_examples(jobs, tags, Y, D_old, D_new) if champion else (),
    )


def _shared(
    Y: npt.NDArray[np.int8],
    old: tuple[FloatArray, BoolArray],
    new: tuple[FloatArray, BoolArray],
    tags: Sequence[int],
    groups: npt.NDArray[Any],
    seed: int,
) -> Difference:
    """The difference of mean average precision over some of the tags."""
    if not tags:
        return Difference(*[float("nan")] * 5)
    a, b = (
        resample(Y[:, tags], P[:, tags], D[:, tags], groups=groups, seed=seed)
        for P, D in (old, new)
    )
    return _difference(a, b, "mean_average_precision", paired_bootstrap(a, b))


def _given(model: TagModel, names: Sequence[str]) -> set[str]:
    """Names of the tags that a model can give."""
    return {name for name, limit in zip(names, model.thresholds, strict=True) if limit == limit}


def _keeping(job: Job, tags: set[str]) -> Job:
    yes, no = (
        None if said is None else tuple(tag for tag in said if tag in tags)
        for said in (job.tags, job.not_tags)
    )
    return replace(job, tags=yes, not_tags=no)


def _answers(
    champion: TagModel | None,
    challenger: TagModel,
    jobs: Sequence[Job],
    rows: Sequence[int | None],
    names: Sequence[str],
    tags: Sequence[str],
) -> tuple[FloatArray, BoolArray]:
    """The champion's probabilities and decisions, (N, T) each; 0 and never without a column."""
    if champion is None:
        evidence = challenger.names.scores(count_all(jobs))
        chosen = evidence[:, [challenger.tags.index(tag) for tag in tags]]
        return np.asarray(expit(chosen)), np.zeros(chosen.shape, bool)
    known = np.array([t for t, tag in enumerate(tags) if tag in names], np.intp)
    columns = np.array([names.index(tags[t]) for t in known], np.intp)
    proba, decided = np.zeros((len(jobs), len(tags))), np.zeros((len(jobs), len(tags)), bool)
    learned = np.array([job for job, row in enumerate(rows) if row is not None], np.intp)
    places = np.array([row for row in rows if row is not None], np.intp)
    held_out = champion.held_out
    proba[np.ix_(learned, known)] = held_out.probability[np.ix_(places, columns)]
    decided[np.ix_(learned, known)] = held_out.decided[np.ix_(places, columns)]
    others = np.setdiff1d(np.arange(len(jobs)), learned)
    if len(others):
        said = champion.predict_counted(count_all([jobs[i] for i in others]), codes=False)
        proba[np.ix_(others, known)] = said.probabilities[:, columns]
        decided[np.ix_(others, known)] = said.decisions[:, columns]
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
