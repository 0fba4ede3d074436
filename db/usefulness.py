"""Which postings to label next: those that teach the live model most; every fifth at random.

The postings with the highest gain come first (`db.design`): tags count alike, however rare they
are, and what is like a labelled or an offered posting gains little. Those of which the model has
said nothing come last; without a model the order is random. A group of reposts is offered once, as
its canonical posting.

Postings chosen like this are not like the others: they are the hardest there are. So every
`RANDOM_EVERY`-th posting offered is drawn at random, and shown without the model's suggestions.

Letters for axes: N postings in the pool, L labelled postings, T tags, C numbers of a code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from db.design import Design
from db.labels import chunks, last_lines
from db.registry import CHAMPION, aliased
from db.schema import Job, JobCode, Model, Prediction

FloatArray = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

POOL = 5_000
"""Unlabelled postings that are ranked: drawn at random where there are more."""
N_LABELLED = 2_000
"""Labelled postings that count as known: drawn at random where there are more."""
RANDOM_EVERY = 5
"""One in so many postings offered is drawn at random."""
_STREAM = {"yield_per": 5000}


@dataclass(frozen=True, slots=True)
class Offer:
    """A posting to be labelled."""

    job_id: int
    is_random: bool = False
    """Drawn whatever the model thinks of it."""
    is_ranked: bool = True
    """False: it comes in random order, since the live model has said nothing of it."""
    tag_ids: tuple[int, ...] | None = None
    """Only these tags. None: all that are open."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Postings that can be offered, one per duplicate group, in random order."""

    job_ids: Ints
    """Shape (N,)."""
    proba: FloatArray
    """Shape (N, T), in [0, 1]; nan where the tag is labelled, or the model says nothing of it."""
    codes: FloatArray
    """Shape (N, C), of length 1; 0 where there is none."""
    labelled_proba: FloatArray
    """Of labelled postings, shape (L, T); nan where the tag has no label."""
    labelled_codes: FloatArray
    """Shape (L, C)."""


def load_pool(
    session: Session,
    tag_ids: Sequence[int],
    *,
    seed: int,
    only: Sequence[ColumnElement[bool]] = (),
) -> Pool:
    """A random pool of postings on which one of the tags, or more, is open.

    Memory is bounded by `POOL` postings, and by a number for each job in the database.

    Parameters
    ----------
    only
        Conditions on the jobs.
    """
    rng = np.random.default_rng(seed)
    canonical = select(Job.id).where(Job.canonical_id.is_(None), *only).order_by(Job.id)
    jobs = np.fromiter(session.scalars(canonical, execution_options=_STREAM), np.int64)
    n_said = _n_answered(session, jobs, tag_ids)
    is_open = n_said < len(tag_ids)
    chosen = rng.permutation(np.flatnonzero(is_open))[:POOL]
    labelled = rng.permutation(np.flatnonzero(n_said > 0))[:N_LABELLED]
    pool, known = jobs[chosen], jobs[labelled]
    model = aliased(session, CHAMPION)
    proba = _probabilities(session, model, pool, tag_ids)
    proba[_is_answered(session, pool, tag_ids, n_said[chosen] > 0)] = np.nan
    labelled_proba = _probabilities(session, model, known, tag_ids)
    labelled_proba[~_is_answered(session, known, tag_ids, n_said[labelled] > 0)] = np.nan
    codes = _codes(session, model, np.concatenate([pool, known]))
    return Pool(
        job_ids=pool,
        proba=proba,
        codes=codes[: len(pool)],
        labelled_proba=labelled_proba,
        labelled_codes=codes[len(pool) :],
    )


def iter_offers(pool: Pool) -> Iterator[Offer]:
    """The postings of a pool, the most useful first, every `RANDOM_EVERY`-th a random one."""
    left = np.ones(len(pool.job_ids), bool)
    design = Design(pool.codes, pool.proba, pool.labelled_codes, pool.labelled_proba)
    for place in range(1, len(left) + 1):
        is_random = place % RANDOM_EVERY == 0
        gains = design.gains()
        at = int(np.argmax(left if is_random else np.where(left, gains, -1)))
        left[at] = False
        design.add(at)
        yield Offer(int(pool.job_ids[at]), is_random, is_ranked=bool(gains[at] > 0))


def answered(tag_ids: Sequence[int], *, groups: Sequence[int] | None = None) -> Select[Any]:
    """Query: each (duplicate group, tag) about which somebody has said something."""
    line = last_lines(None if groups is None else members(groups)).c
    group = func.coalesce(Job.canonical_id, Job.id)
    query = select(group, line.tag_id).join(Job, Job.id == line.job_id)
    return query.where(line.tag_id.in_(tag_ids)).distinct()


def members(groups: Sequence[int]) -> Select[Any]:
    """Query: the ids of the jobs in some duplicate groups."""
    return select(Job.id).where(or_(Job.id.in_(groups), Job.canonical_id.in_(groups)))


def _n_answered(session: Session, jobs: Ints, tag_ids: Sequence[int]) -> Ints:
    """About how many tags something was said, shape (len(jobs),); `jobs` in ascending order."""
    cells = answered(tag_ids).subquery().c
    group, _ = cells
    query = select(group, func.count()).group_by(group)
    n_said = np.zeros(len(jobs), np.int64)
    for part in session.execute(query, execution_options=_STREAM).partitions():
        groups, counts = (np.array(column, np.int64) for column in zip(*part, strict=True))
        known = np.isin(groups, jobs)  # a job may have come since `jobs` were read
        n_said[np.searchsorted(jobs, groups[known])] = counts[known]
    return n_said


def _probabilities(
    session: Session, model: Model | None, jobs: Ints, tag_ids: Sequence[int]
) -> FloatArray:
    """What the model says, shape (len(jobs), T); nan where it says nothing."""
    proba = np.full((len(jobs), len(tag_ids)), np.nan)
    if model is None:
        return proba
    row = {job_id: place for place, job_id in enumerate(jobs.tolist())}
    column = {tag_id: place for place, tag_id in enumerate(tag_ids)}
    said = select(Prediction.job_id, Prediction.tag_id, Prediction.probability)
    said = said.where(Prediction.model_id == model.id)
    for part in chunks(jobs.tolist()):
        for job_id, tag_id, value in session.execute(said.where(Prediction.job_id.in_(part))):
            if tag_id in column:
                proba[row[job_id], column[tag_id]] = value
    return proba


def _is_answered(session: Session, jobs: Ints, tag_ids: Sequence[int], any_tag: Flags) -> Flags:
    """Which tags have an answer, shape (len(jobs), T); `any_tag` tells which jobs to look at."""
    row = {job_id: place for place, job_id in enumerate(jobs.tolist())}
    column = {tag_id: place for place, tag_id in enumerate(tag_ids)}
    found = np.zeros((len(jobs), len(tag_ids)), bool)
    for part in chunks(jobs[any_tag].tolist()):
        for job_id, tag_id in session.execute(answered(tag_ids, groups=part)):
            found[row[job_id], column[tag_id]] = True
    return found


def _codes(session: Session, model: Model | None, jobs: Ints) -> FloatArray:
    """Codes of length 1, shape (len(jobs), C); 0 for jobs without one."""
    found: dict[int, FloatArray] = {}
    if model is not None:
        query = select(JobCode.job_id, JobCode.code)
        query = query.where(JobCode.code_version_id == model.code_version_id)
        for part in chunks(jobs.tolist()):
            for job_id, code in session.execute(query.where(JobCode.job_id.in_(part))):
                found[job_id] = np.frombuffer(code, "<f4")
    width = max((len(code) for code in found.values()), default=1)
    codes = np.zeros((len(jobs), width), np.float32)
    for place, job_id in enumerate(jobs.tolist()):
        if job_id in found:
            codes[place] = found[job_id]
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    return np.asarray(codes / np.maximum(lengths, 1e-12), np.float32)
