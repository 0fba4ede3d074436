"""Which postings to label next: uncertain, unlike those labelled already, spread over tags.

How useful a posting is, is uncertainty x novelty:

- The *uncertainty* of a tag is 4 s (1 - s), where s is the logistic function of the distance, in
  calibrated logits, between the posting's probability and the tag's threshold: 1 at the
  threshold, however rare the tag is, and 0 far from it. That of a posting is that of its most
  uncertain tag; tags take turns, so that a noisy one doesn't take all the time people have. A tag
  of which the posting's feed says something else than the model counts as uncertain, too.
- The *novelty* is 1 - the highest cosine between the posting's code and the codes of postings
  that are labelled, or were offered before it.

A group of reposts is offered once, as its canonical posting.

Postings chosen like this are not like the others: they are the hardest there are. So every
`RANDOM_EVERY`-th posting offered is drawn at random, and shown without the model's suggestions.

Letters for axes: N postings in the pool, T tags, C numbers of a code.

References
----------
Settles, Active Learning Literature Survey, 2009: uncertainty sampling and density weighting.
Brinker, Incorporating Diversity in Active Learning with Support Vector Machines, 2003.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from db.feed_values import suggestions_of, sure_tags
from db.labels import chunks, last_lines
from db.registry import CHAMPION, aliased
from db.schema import Job, JobCode, Model, ModelTag, Prediction

FloatArray = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

POOL = 10_000
"""Unlabelled postings that are ranked: drawn at random where there are more."""
N_LABELLED = 2_000
"""Labelled postings that novelty is measured against: drawn at random where there are more."""
RANDOM_EVERY = 5
"""One in so many postings offered is drawn at random."""
_STREAM = {"yield_per": 5000}
_SAFE = 1e-6  # a probability of 0 or 1 has no logit


@dataclass(frozen=True, slots=True)
class Offer:
    """A posting to be labelled."""

    job_id: int
    is_random: bool = False
    """Drawn whatever the model thinks of it."""
    tag_ids: tuple[int, ...] | None = None
    """Only these tags. None: all that are open."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Postings that can be offered, one per duplicate group, in random order."""

    job_ids: Ints
    """Shape (N,)."""
    uncertainty: FloatArray
    """Shape (N, T), in [0, 1]; 0 where the tag is labelled, or the model says nothing of it."""
    codes: FloatArray
    """Shape (N, C), of length 1; 0 where there is none."""
    nearest: FloatArray
    """Highest cosine to a labelled posting, shape (N,), in [0, 1]."""


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
        What jobs must be like.
    """
    rng = np.random.default_rng(seed)
    canonical = select(Job.id).where(Job.canonical_id.is_(None), *only).order_by(Job.id)
    jobs = np.fromiter(session.scalars(canonical, execution_options=_STREAM), np.int64)
    n_said = _n_answered(session, jobs, tag_ids)
    is_open = n_said < len(tag_ids)
    chosen = rng.permutation(np.flatnonzero(is_open))[:POOL]
    labelled = rng.permutation(np.flatnonzero(n_said > 0))[:N_LABELLED]
    pool = jobs[chosen]
    model = aliased(session, CHAMPION)
    codes = _codes(session, model, pool)
    uncertainty = _uncertainty(session, model, pool, tag_ids, partly=n_said[chosen] > 0)
    return Pool(
        job_ids=pool,
        uncertainty=uncertainty,
        codes=codes,
        nearest=_nearest(codes, _codes(session, model, jobs[labelled])),
    )


def iter_offers(pool: Pool) -> Iterator[Offer]:
    """The postings of a pool, the most useful first, every `RANDOM_EVERY`-th a random one."""
    left = np.ones(len(pool.job_ids), bool)
    nearest, turns = pool.nearest.copy(), _Turns(pool.uncertainty)
    for place in range(1, len(left) + 1):
        is_random = place % RANDOM_EVERY == 0
        at = int(np.argmax(left)) if is_random else turns.next(left, nearest)
        left[at] = False
        nearest = np.maximum(nearest, pool.codes @ pool.codes[at])
        yield Offer(int(pool.job_ids[at]), is_random)


class _Turns:
    """Tags in turn, each with its most useful posting."""

    def __init__(self, uncertainty: FloatArray) -> None:
        known = uncertainty if uncertainty.any() else np.ones((len(uncertainty), 1))
        self._tag, self._uncertainty = known.argmax(axis=1), known.max(axis=1)
        self._n_tags, self._turn = known.shape[1], 0

    def next(self, able: npt.NDArray[np.bool_], nearest: FloatArray) -> int:
        """Number of the best posting of the next tag that has one; some must be `able`."""
        useful = self._uncertainty * (1 - nearest)
        while True:
            mine = np.flatnonzero(able & (self._tag == self._turn))
            self._turn = (self._turn + 1) % self._n_tags
            if len(mine):
                return int(mine[np.argmax(useful[mine])])


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


def _uncertainty(
    session: Session,
    model: Model | None,
    pool: Ints,
    tag_ids: Sequence[int],
    *,
    partly: npt.NDArray[np.bool_],
) -> FloatArray:
    if model is None:
        return np.zeros((len(pool), len(tag_ids)))
    row = {job_id: place for place, job_id in enumerate(pool.tolist())}
    column = {tag_id: place for place, tag_id in enumerate(tag_ids)}
    proba, threshold = np.full((len(pool), len(tag_ids)), np.nan), np.full(len(tag_ids), np.nan)
    known = select(ModelTag.tag_id, ModelTag.threshold).where(ModelTag.model_id == model.id)
    for tag_id, value in session.execute(known.where(ModelTag.tag_id.in_(tag_ids))):
        threshold[column[tag_id]] = np.nan if value is None else value
    sure = sure_tags(session, model)
    feed = suggestions_of(session, pool.tolist())
    said = select(Prediction.job_id, Prediction.tag_id, Prediction.probability)
    said = said.where(Prediction.model_id == model.id)
    for part in chunks(pool.tolist()):
        for job_id, tag_id, value in session.execute(said.where(Prediction.job_id.in_(part))):
            if tag_id in column:
                proba[row[job_id], column[tag_id]] = value
    for part in chunks(pool[partly].tolist()):
        for job_id, tag_id in session.execute(answered(tag_ids, groups=part)):
            proba[row[job_id], column[tag_id]] = np.nan
    uncertainty = np.nan_to_num(nearness(proba, threshold))
    for job_id, suggested in feed.items():
        for tag_id, one in suggested.items():
            if tag_id in column and tag_id in sure:
                cell = row[job_id], column[tag_id]
                decision = proba[cell] >= threshold[column[tag_id]]
                if not np.isnan(proba[cell]) and one.answer != decision:
                    uncertainty[cell] = 1.0
    return uncertainty


def nearness(proba: FloatArray, threshold: FloatArray) -> FloatArray:
    """How near probabilities are to thresholds, in [0, 1]; nan where one is nan.

    Examples
    --------
    >>> nearness(np.array([0.1, 0.5, 0.001]), np.array([0.1])).round(2)
    array([1.  , 0.36, 0.04])
    """
    p, t = (np.clip(values, _SAFE, 1 - _SAFE) for values in (proba, threshold))
    s = expit(logit(p) - logit(t))
    return np.asarray(4 * s * (1 - s))


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


def _nearest(codes: FloatArray, labelled: FloatArray) -> FloatArray:
    """Highest cosine of each code to a labelled one, in [0, 1]."""
    highest = np.zeros(len(codes), np.float32)
    if codes.shape[1] != labelled.shape[1]:  # one of them has no codes at all
        return highest
    for start in range(0, len(labelled), 256):
        cosines = codes @ labelled[start : start + 256].T
        highest = np.maximum(highest, cosines.max(axis=1, initial=0))
    return np.minimum(highest, 1)
