"""Drift: in which weeks postings were unlike those that the live model was trained on.

The *reference* are postings that the live model knew, without those whose labels it learned: of
these it says what it was taught. Of each week the postings are compared that came after that
model. A group of reposts counts once in the reference and once a week. Compared are the share of
each source, the share of postings that get each tag, the mean score of each tag, the share of known
words, the mean code, and how far codes lie from the centre; see `db.permutation`.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.drift_figures import Figure, compare_samples
from db.drift_samples import (
    NO_SOURCE,
    Ints,
    Known,
    Sample,
    known_postings,
    once,
    predicted_by,
    read_sample,
    words_of,
)
from db.engine import now
from db.job_source import came_at, find_source_field, source_of
from db.live import champion
from db.schema import Job, Model, ModelTag, Tag

LEVEL, LEVEL_SO_FAR = 0.035, 0.002
"""Chance of a false alarm in a week that is over; and at one look at a week that is not, which is
looked at again and again. Together less than 1 in 20 weeks, see ``bench/drift.py``."""
MIN_POSTINGS = 30
"""A reference or a week with fewer postings is not compared."""
MAX_REFERENCE, MAX_WEEK = 5_000, 1_000
"""Postings compared: drawn at random where there are more. It bounds memory and time, and keeps
differences that are too small to matter from becoming certain."""
N_NEW_WORDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Monday to Sunday, UTC."""

    begins: date
    is_over: bool
    n_postings: int
    """Reposts included."""
    sources: dict[str, int]
    """Postings of each source, the most frequent first."""
    n_new: int
    """Postings that came after the live model, reposts counted once."""
    n_compared: int = 0
    """So many of them were compared; 0 if there are too few."""
    n_untagged: int = 0
    """New postings that the live model has not tagged yet."""
    figures: tuple[Figure, ...] = ()
    """Empty for a week that was not compared."""
    new_words: tuple[str, ...] = ()
    """Stems that known postings don't have, the most frequent first."""

    @property
    def alarms(self) -> tuple[Figure, ...]:
        """What has changed."""
        return tuple(figure for figure in self.figures if figure.is_alarm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What was found."""

    model_id: int
    n_known: int
    """Postings that the live model was trained on."""
    n_reference: int
    """Postings that weeks are compared with."""
    source_field: str | None
    """The field of the import that names the source."""
    note: str
    """What could not be compared, and why; else empty."""
    weeks: tuple[Week, ...]
    """Oldest first."""


def find_drift(session: Session, *, n_weeks: int = 8, after_job: int = 0, seed: int = 0) -> Drift:
    """Compare each of the last weeks with what the live model was trained on.

    Memory is bounded by `MAX_REFERENCE` and `MAX_WEEK` postings, and by a number for each job.

    Parameters
    ----------
    n_weeks
        How many, the last being the newest in which a job came.
    after_job
        Compare only jobs with a larger id.

    Raises
    ------
    StoreError
        If there is no live model.
    """
    at, model, source_field = now(session), champion(session), find_source_field(session)
    reference = _read_reference(session, model, source_field, seed)
    weeks = tuple(
        _week(session, begins, at, reference, after_job)
        for begins in _mondays(session, at, n_weeks)
    )
    return Drift(
        model_id=model.id,
        n_known=len(reference.known.ids),
        n_reference=len(reference.sample.ids),
        source_field=source_field,
        note=reference.note,
        weeks=weeks,
    )


# ---- the reference


@dataclass(frozen=True, slots=True)
class _Reference:
    """What weeks are compared with."""

    model: Model
    known: Known
    predicted: Ints
    sample: Sample
    vocabulary: frozenset[str]
    """Words of known postings that are not in the sample."""
    tags: dict[int, str]
    """Tags that are compared; none if what the model says can't be."""
    source_field: str | None
    seed: int
    note: str


def _read_reference(
    session: Session, model: Model, source_field: str | None, seed: int
) -> _Reference:
    known, predicted = known_postings(session, model), predicted_by(session, model)
    learned = select(Tag.id, Tag.name).join(ModelTag, ModelTag.tag_id == Tag.id)
    learned = learned.where(ModelTag.model_id == model.id, ModelTag.threshold.is_not(None))
    tags: dict[int, str] = dict(session.execute(learned.order_by(Tag.position)).all())
    able, note = np.intersect1d(known.unlearned, predicted), ""
    if len(able) < MIN_POSTINGS:
        note, tags = _why_without_tags(known), {}
        able = known.ids
    rng = np.random.default_rng((seed, model.id))
    drawn = rng.permutation(once(session, able))
    chosen = drawn[:MAX_REFERENCE]
    others = rng.permutation(np.setdiff1d(known.ids, chosen))[:MAX_REFERENCE]
    if len(others) < len(chosen) / 2:
        half = len(drawn) // 2
        chosen, others = drawn[:half], np.union1d(others, drawn[half : half + MAX_REFERENCE])
    vocabulary = words_of(session, np.sort(others))
    sample = read_sample(
        session,
        model,
        np.sort(chosen),
        tag_ids=tuple(tags),
        source_field=source_field,
        vocabulary=vocabulary,
    )
    return _Reference(model, known, predicted, sample, vocabulary, tags, source_field, seed, note)


def _why_without_tags(known: Known) -> str:
    if len(known.unlearned) < MIN_POSTINGS:
        return (
            "tags, scores and codes are not compared: the live model has learned the labels of "
            "nearly all postings that it knows, and what it says of those does not tell what it "
            "says of others"
        )
    return (
        "tags, scores and codes are not compared: the live model has not tagged the postings "
        "that it was trained on; run jobtool tag --db"
    )


# ---- a week


def _mondays(session: Session, at: datetime, n_weeks: int) -> list[datetime]:
    """Beginnings of the last weeks, oldest first; none without jobs."""
    newest = session.scalar(select(func.max(came_at())).where(came_at() <= at))
    if newest is None:
        return []
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=newest.weekday())
    return [monday - timedelta(weeks=back) for back in range(n_weeks - 1, -1, -1)]


def _week(
    session: Session, begins: datetime, at: datetime, reference: _Reference, after_job: int
) -> Week:
    ends = begins + timedelta(weeks=1)
    in_week = (came_at() >= begins) & (came_at() < ends)
    source = source_of(reference.source_field)
    by_source = select(source, func.count()).select_from(Job).where(in_week).group_by(source)
    counts = Counter({name or NO_SOURCE: n for name, n in session.execute(by_source)})
    known = reference.known
    is_new = in_week & (Job.id > max(known.last_job, after_job))
    ids = np.fromiter(session.scalars(select(Job.id).where(is_new).order_by(Job.id)), np.int64)
    new = once(session, np.setdiff1d(ids, known.ids))
    tagged = np.intersect1d(new, reference.predicted)
    able = tagged if reference.tags else new
    week = Week(
        begins=begins.date(),
        is_over=at >= ends,
        n_postings=counts.total(),
        sources=dict(counts.most_common()),
        n_new=len(new),
        n_untagged=len(new) - len(tagged),
    )
    if min(len(able), len(reference.sample.ids)) < MIN_POSTINGS:
        return week
    rng = np.random.default_rng((reference.seed, reference.model.id, begins.toordinal()))
    sample = read_sample(
        session,
        reference.model,
        np.sort(rng.permutation(able)[:MAX_WEEK]),
        tag_ids=tuple(reference.tags),
        source_field=reference.source_field,
        vocabulary=reference.vocabulary,
    )
    figures = compare_samples(
        reference.sample,
        sample,
        tuple(reference.tags.values()),
        level=LEVEL if week.is_over else LEVEL_SO_FAR,
        rng=rng,
    )
    return replace(
        week,
        n_compared=len(sample.ids),
        figures=figures,
        new_words=tuple(word for word, _ in sample.new_words.most_common(N_NEW_WORDS)),
    )
