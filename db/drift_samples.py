"""What drift compares of postings: read for a few thousand of them, whatever the database holds.

Letters for axes: N postings, T tags, C numbers of a code.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.job_source import source_of
from db.labels import chunks
from db.schema import Job, JobCode, Label, Model, ModelJob, Prediction, PredictionSet, Run
from tagger.text import clean, terms, tokenize

Ints = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NO_SOURCE = "(no source)"
_STREAM = {"yield_per": 5000}


class Known(NamedTuple):
    """What a model knew when it was trained; arrays of job ids in ascending order."""

    ids: Ints
    """Postings that it learned from, with or without their labels."""
    unlearned: Ints
    """Postings that were there, but not with labels that it learned: of these it says what it
    would say of new ones."""
    last_job: int
    """Later jobs came after it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """N postings."""

    ids: Ints
    sources: tuple[str, ...]
    given: npt.NDArray[np.bool_]
    """Shape (N, T): which tags the model gives. T is 0 if it has tagged none of them."""
    scores: FloatArray
    """Shape (N, T): logits."""
    codes: npt.NDArray[np.float32]
    """Shape (N, C); C is 0 unless all have a code."""
    known_words: FloatArray
    """Shape (N,): share of a posting's different words that are known, in [0, 1]."""
    new_words: Counter[str]
    """The others: word -> postings with it."""


def known_postings(session: Session, model: Model) -> Known:
    """What a model knew."""
    run = session.execute(
        select(Run.job_id, Run.label_id).where(Run.model_id == model.id).limit(1)
    ).one_or_none()
    in_model = select(ModelJob.job_id).where(ModelJob.model_id == model.id)
    seen = _sorted(session, in_model)
    last_job = run.job_id if run else int(seen.max(initial=0))
    labels = select(Label.job_id).distinct().where(Label.job_id <= last_job)
    labelled = _sorted(session, labels.where(Label.id <= run.label_id) if run else labels)
    judging = np.setdiff1d(labelled, seen)
    return Known(seen, np.union1d(np.setdiff1d(seen, labelled), judging), last_job)


def predicted_by(session: Session, model: Model) -> Ints:
    """Jobs of which a model has said something, in ascending order."""
    said = select(PredictionSet.job_id).where(PredictionSet.model_id == model.id)
    return _sorted(session, said)


def once(session: Session, ids: Ints) -> Ints:
    """The first posting of each group of reposts, in ascending order."""
    group = func.coalesce(Job.canonical_id, Job.id)
    first: dict[int, int] = {}
    for part in chunks(ids.tolist()):
        query = select(group, func.min(Job.id)).where(Job.id.in_(part)).group_by(group)
        for of_group, job_id in session.execute(query):
            first[of_group] = min(job_id, first.get(of_group, job_id))
    return np.sort(np.fromiter(first.values(), np.int64, len(first)))


def words_in(text: str) -> set[str]:
    """The different words of a text, stemmed.

    Examples
    --------
    >>> sorted(words_in("Nurses nurse the sick"))
    ['nurs', 'sick']
    """
    return {term for term, _ in terms(tokenize(clean(text))) if " " not in term}


def words_of(session: Session, ids: Ints) -> frozenset[str]:
    """All words that some postings have, stemmed."""
    return frozenset().union(*(words for _, words in _iter_words(session, ids)))


def read_sample(
    session: Session,
    model: Model,
    ids: Ints,
    *,
    tag_ids: Sequence[int],
    source_field: str | None,
    vocabulary: Collection[str],
) -> Sample:
    """Read what is compared of some jobs; `ids` in ascending order.

    Parameters
    ----------
    tag_ids
        T tags; none to leave out what the model says: tags, scores, codes.
    vocabulary
        The known words.
    """
    sources: dict[int, str] = {}
    for part in chunks(ids.tolist()):
        query = select(Job.id, source_of(source_field)).where(Job.id.in_(part))
        sources |= {job_id: source or NO_SOURCE for job_id, source in session.execute(query)}
    known, new = np.ones(len(ids)), Counter[str]()
    place = {job_id: at for at, job_id in enumerate(ids.tolist())}
    for job_id, words in _iter_words(session, ids):
        unknown = words.difference(vocabulary)
        new.update(unknown)
        known[place[job_id]] = 1 - len(unknown) / max(len(words), 1)
    given, scores = _answers(session, model, place, tag_ids)
    codes = _codes(session, model, place) if tag_ids else np.zeros((len(ids), 0), np.float32)
    names = tuple(sources[job_id] for job_id in ids.tolist())
    return Sample(ids, names, given, scores, codes, known, new)


def _answers(
    session: Session, model: Model, place: dict[int, int], tag_ids: Sequence[int]
) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    column = {tag_id: at for at, tag_id in enumerate(tag_ids)}
    given = np.zeros((len(place), len(column)), bool)
    scores = np.zeros((len(place), len(column)))
    query = select(
        Prediction.job_id, Prediction.tag_id, Prediction.decision, Prediction.score
    ).where(Prediction.model_id == model.id)
    for part in chunks(list(place) if column else []):
        for job_id, tag_id, decision, score in session.execute(
            query.where(Prediction.job_id.in_(part))
        ):
            if tag_id in column:
                given[place[job_id], column[tag_id]] = decision
                scores[place[job_id], column[tag_id]] = score
    return given, scores


def _codes(session: Session, model: Model, place: dict[int, int]) -> npt.NDArray[np.float32]:
    found: dict[int, npt.NDArray[Any]] = {}
    query = select(JobCode.job_id, JobCode.code)
    query = query.where(JobCode.code_version_id == model.code_version_id)
    for part in chunks(list(place)):
        for job_id, code in session.execute(query.where(JobCode.job_id.in_(part))):
            found[job_id] = np.frombuffer(code, "<f4")
    if len(found) < len(place) or not found:
        return np.zeros((len(place), 0), np.float32)
    return np.stack([found[job_id] for job_id in place])


def _iter_words(session: Session, ids: Ints) -> Iterator[tuple[int, set[str]]]:
    """Job and its different words, stemmed."""
    for part in chunks(ids.tolist()):
        query = select(Job.id, Job.title, Job.text).where(Job.id.in_(part))
        for job_id, title, text in session.execute(query):
            yield job_id, words_in(f"{title}\n{text}")


def _sorted(session: Session, query: Any) -> Ints:
    found = np.fromiter(session.scalars(query, execution_options=_STREAM), np.int64)
    return np.sort(found)
