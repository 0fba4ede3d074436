"""Whether a batch of new labels can be believed, by a model that has not learned from it.

A file whose rows slipped, a labeller who guesses or a column that was copied gives labels that
have little to do with the postings. The live model need not be good to see that: it need only have
agreed with older labels clearly better than with these.

Letters for axes: M older labelled jobs, N jobs of the batch, T tags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.jobs import Job
from tagger.labels import UNKNOWN, YES, encode_labels, known_counts
from tagger.model import TagModel

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]

N_DRAWS = 1000
"""Batches of this size drawn from the older labels: what honest ones look like."""
RARELY = 0.01
"""Share of honest batches that look worse by chance than what is noticed."""
LEAST_AGREEMENT, LEAST_TAG_AGREEMENT = 0.6, 0.1
"""Share of the older labels' agreement below which a batch, or a tag in it, is held."""
UNSURE = 0.1
"""The older agreement is taken at this quantile of what chance makes of it: it is measured on few
labels itself."""
RATE_FACTOR = 3.0
"""How much more or less often tags may be given than in older labels."""
MIN_EXAMPLES = 8
"""Jobs with and without a tag, in the batch and before, from which it is looked at by itself."""
MIN_OLDER = 30
"""Older labelled jobs, repeats counted once, without which nothing can be checked."""
N_SUSPECTS = 10
_CLIP = 6.0


@dataclass(frozen=True, slots=True)
class BatchCheck:
    """What a check of a batch found."""

    n_jobs: int
    agreement: float
    """Correlation of labels and the model's logits, in [-1, 1]; nan where nothing can be said."""
    usual_agreement: float
    """The same of older labels."""
    problems: tuple[str, ...]
    """Why it should be held; empty where it looks like older ones."""
    suspects: tuple[int, ...]
    """Jobs of the batch that fit the model least, worst first: N_SUSPECTS at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Per job: sums over its known tags, (n,) each, from which a correlation follows."""

    both: FloatArray
    label: FloatArray
    logit: FloatArray

    def correlation(self, chosen: npt.NDArray[Any]) -> FloatArray:
        """Of each draw (S, n) of jobs, shape (S,); 0 where nothing varies."""
        both, label, logit = (
            part[chosen].sum(axis=-1) for part in (self.both, self.label, self.logit)
        )
        size = np.sqrt(label * logit)
        return np.asarray(both / np.where(size > 0, size, 1))


def check_jobs(
    model: TagModel,
    jobs: Sequence[Job],
    *,
    renamed: Mapping[str, str] | None = None,
    seed: int = 0,
) -> BatchCheck:
    """Check labelled jobs, none of which (nor a repost) the model has learned from.

    Parameters
    ----------
    renamed
        Names of tags that the model knows -> what they are called now. Tags that it does not know
        are left out.
    """
    names = tuple((renamed or {}).get(tag, tag) for tag in model.tags)
    kept = [
        replace(
            job,
            tags=tuple(tag for tag in job.tags or () if tag in names),
            not_tags=None
            if job.not_tags is None
            else tuple(tag for tag in job.not_tags if tag in names),
        )
        for job in jobs
    ]
    held_out = model.held_out
    return check_batch(
        held_out.probability,
        held_out.label,
        held_out.group,
        model.predict_proba(jobs),
        encode_labels(kept, names),
        names,
        seed=seed,
    )


def check_batch(
    old_proba: FloatArray,
    old_Y: LabelArray,
    old_groups: npt.NDArray[Any],
    proba: FloatArray,
    Y: LabelArray,
    tags: tuple[str, ...],
    *,
    seed: int = 0,
) -> BatchCheck:
    """Compare a batch of labels with older ones by how well a model agrees with each.

    Parameters
    ----------
    old_proba, old_Y, old_groups : shape (M, T), (M, T), (M,)
        Cross-fitted probabilities of the jobs that the model learned from, their labels, and
        which of them repeat each other.
    proba, Y : shape (N, T)
        The model's probabilities of the batch's jobs, and what the batch says.
    tags
        Names of the columns, for the problems.

    Jobs and tags of which the batch says nothing are left out, and so are older labels of these.
    """
    n_jobs, known = len(Y), Y != UNKNOWN
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    first = np.unique(old_groups, return_index=True)[1]
    older_rows = first[(old_Y[np.ix_(first, columns)] != UNKNOWN).any(axis=1)]
    if len(older_rows) < MIN_OLDER:
        return BatchCheck(n_jobs, float("nan"), float("nan"), (), ())
    old_proba, old_Y = (one[np.ix_(older_rows, columns)] for one in (old_proba, old_Y))
    proba, Y = proba[np.ix_(rows, columns)], Y[np.ix_(rows, columns)]
    tags = tuple(tags[t] for t in columns.tolist())
    n_known, n_yes = (old_Y != UNKNOWN).sum(axis=0), (old_Y == YES).sum(axis=0)
    rate = (n_yes + 0.5) / (n_known + 1)
    old_logits, logits = _logits(old_proba), _logits(proba)
    mean = old_logits.mean(axis=0)
    old_cells, cells = _cells(old_Y, old_logits - mean, rate), _cells(Y, logits - mean, rate)
    draws = np.random.default_rng(seed).integers(len(old_Y), size=(N_DRAWS, len(Y)))
    older, batch = _sums(*old_cells), _sums(*cells)
    everyone = np.arange(len(old_Y))[None]
    usual = float(older.correlation(everyone)[0])
    own_size = np.random.default_rng(seed).integers(len(old_Y), size=(N_DRAWS, len(old_Y)))
    at_least = float(np.quantile(older.correlation(own_size), UNSURE))
    found = float(batch.correlation(np.arange(len(Y))[None])[0])
    problems = []
    rarely = float(np.quantile(older.correlation(draws), RARELY))
    if found < min(LEAST_AGREEMENT * at_least, rarely):
        problems.append(
            f"the labels agree with the live model far less than older ones do ({found:.2f}, "
            f"older labels {usual:.2f}; honest batches of this size are hardly ever under "
            f"{rarely:.2f})"
        )
    problems += _rate_problems(Y, old_Y, rate, draws)
    problems += _tag_problems(cells, old_cells, Y, old_Y, tags)
    fit = np.where(batch.label > 0, batch.both, np.inf)
    suspects = np.argsort(fit, kind="stable")[: min(N_SUSPECTS, int((batch.label > 0).sum()))]
    return BatchCheck(n_jobs, found, usual, tuple(problems), tuple(rows[suspects].tolist()))


def _logits(proba: FloatArray) -> FloatArray:
    clipped = np.clip(proba.astype(float), 1e-9, 1 - 1e-9)
    return np.asarray(np.clip(np.log(clipped / (1 - clipped)), -_CLIP, _CLIP))


def _cells(Y: LabelArray, z: FloatArray, rate: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Labels less their rate, logits less their mean, (n, T) each; 0 where unknown."""
    known = Y != UNKNOWN
    return np.where(known, (Y == YES) - rate, 0), np.where(known, z, 0)


def _sums(label: FloatArray, logit: FloatArray) -> _Sums:
    return _Sums((label * logit).sum(axis=1), (label**2).sum(axis=1), (logit**2).sum(axis=1))


def _rate_problems(
    Y: LabelArray, old_Y: LabelArray, rate: FloatArray, draws: npt.NDArray[Any]
) -> list[str]:
    """Whether tags are given far more or less often than before, over all tags together."""
    expected = float(((Y != UNKNOWN) * rate).sum())
    n_yes = int((Y == YES).sum())
    n_old = (old_Y == YES).sum(axis=1)[draws].sum(axis=1)
    of_old = ((old_Y != UNKNOWN) * rate).sum(axis=1)[draws].sum(axis=1)
    ratio = n_old / np.maximum(of_old, 1e-9)
    low, high = np.quantile(ratio, [RARELY, 1 - RARELY]) * expected
    if n_yes > max(RATE_FACTOR * expected, high) or n_yes < min(expected / RATE_FACTOR, low):
        return [
            f"tags are given {n_yes:,} times where older labels of as many postings give them "
            f"{expected:,.0f} times"
        ]
    return []


def _tag_problems(
    cells: tuple[FloatArray, FloatArray],
    old_cells: tuple[FloatArray, FloatArray],
    Y: LabelArray,
    old_Y: LabelArray,
    tags: tuple[str, ...],
) -> list[str]:
    """Tags whose labels have hardly anything to do with what they meant before."""
    problems = []
    n_batch, n_old = (np.minimum(*known_counts(labels)) for labels in (Y, old_Y))
    for t in np.flatnonzero((n_batch >= MIN_EXAMPLES) & (n_old >= MIN_EXAMPLES)):
        (found, _), (usual, error) = (
            _mean_difference(which[0][:, t], which[1][:, t]) for which in (cells, old_cells)
        )
        error *= np.sqrt(n_old[t] / n_batch[t])  # of as few examples as the batch has
        if found < LEAST_TAG_AGREEMENT * usual and found < usual - 5 * error:
            problems.append(
                f"tag {tags[t]!r:.60} is given to other postings than before: its labels agree "
                f"with the live model by {found:.2f}, older ones by {usual:.2f}"
            )
    return problems


def _mean_difference(label: FloatArray, logit: FloatArray) -> tuple[float, float]:
    """Mean logit of a tag's yes less that of its no, and its standard error."""
    yes, no = logit[label > 0], logit[label < 0]
    error = np.sqrt(yes.var() / len(yes) + no.var() / len(no))
    return float(yes.mean() - no.mean()), float(error)
