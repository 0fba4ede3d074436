"""Labels that are probably wrong, by confident learning.

A label is suspected where the probability of a model that has not seen it says otherwise, more
clearly than it says so of the other labels of that tag. The probabilities must be out of sample:
of models trained without the labels they are asked about. Others would repeat the mistakes.

Letters for axes: N jobs, T tags.

References
----------
Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, 2021
(in cleanlab).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.columns import Answer
from db.labels import all_tags, chunks, iter_held, last_lines
from db.schema import Job, Tag
from db.snapshot import LabelledJob, known_labels, read_labelled

FloatArray = npt.NDArray[np.floating[Any]]

MAX_JOBS = 20_000
"""Labelled jobs that are looked at: drawn at random where there are more, to bound the time."""
MIN_EXAMPLES = 5
"""A tag with fewer yes (or fewer no) is left out: nothing can be said of it."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that is probably wrong."""

    job_id: int
    tag_id: int
    job: str
    """External id."""
    tag: str
    answer: Answer
    """What holds."""
    probability: float
    """That the tag applies, by models that have not seen this label, in [0, 1]."""
    labellers: tuple[str, ...]
    """Who says so."""


def labelled_jobs(session: Session, *, seed: int = 0) -> list[LabelledJob]:
    """Labelled jobs with their texts, ordered by id; at most `MAX_JOBS`."""
    tags = {tag.id: tag.name for tag in all_tags(session)}
    said = known_labels(session, tags)
    chosen = np.random.default_rng(seed).permutation(np.array(list(said), np.int64))[:MAX_JOBS]
    return list(read_labelled(session, sorted(chosen.tolist()), said, tags))


def find_suspects(
    session: Session, job_ids: Sequence[int], tags: Sequence[str], probabilities: FloatArray
) -> list[Suspect]:
    """The labels of some jobs that are probably wrong, the most suspicious first.

    Parameters
    ----------
    probabilities : shape (N, T)
        Of models that have not seen the labels of these jobs; a column of nan is left out.
    """
    row = {job_id: place for place, job_id in enumerate(job_ids)}
    ids = {name: tag_id for tag_id, name in session.execute(select(Tag.id, Tag.name))}
    column = {ids[name]: place for place, name in enumerate(tags) if name in ids}
    Y = np.full(probabilities.shape, -1, np.int8)
    for held in iter_held(session, job_ids=job_ids):
        if held.answer is not None and held.tag_id in column:
            Y[row[held.job_id], column[held.tag_id]] = held.answer == Answer.YES
    cells = [
        (job_ids[n], ids[tags[t]], float(probabilities[n, t]), bool(Y[n, t]))
        for n, t in suspicious_cells(Y, probabilities)
    ]
    return list(_told(session, cells))


def suspicious_cells(Y: npt.NDArray[np.int8], probabilities: FloatArray) -> list[tuple[int, int]]:
    """Row and column of the labels that are probably wrong, the most suspicious first.

    Parameters
    ----------
    Y : shape (N, T)
        1 yes, 0 no, -1 unknown.
    probabilities : shape (N, T)
    """
    from cleanlab.filter import find_label_issues

    found: list[tuple[float, int, int]] = []
    for t, (labels, proba) in enumerate(zip(Y.T, probabilities.T, strict=True)):
        known = np.flatnonzero(labels >= 0)
        y, p = labels[known].astype(int), proba[known]
        if min((y == 1).sum(), (y == 0).sum()) < MIN_EXAMPLES or np.isnan(p).any():
            continue
        issues = find_label_issues(
            y,
            np.column_stack([1 - p, p]),
            # Of 96 labels turned in the packaged sample 73 are among the 186 that it lists; the
            # default lists 245 with 77.
            filter_by="low_normalized_margin",
            return_indices_ranked_by="self_confidence",
            n_jobs=1,
        )
        found += [(float(p[i] if y[i] else 1 - p[i]), int(known[i]), t) for i in issues]
    return [(n, t) for _, n, t in sorted(found)]


def _told(session: Session, cells: Iterable[tuple[int, int, float, bool]]) -> Iterator[Suspect]:
    tags = dict(session.execute(select(Tag.id, Tag.name)).all())
    for part in chunks(list(cells)):
        job_ids = sorted({job_id for job_id, *_ in part})
        of_part: Any = select(Job.id, Job.external_id).where(Job.id.in_(job_ids))
        names = dict(session.execute(of_part).all())
        line = last_lines(job_ids).c
        who: dict[tuple[int, int, Answer], list[str]] = {}
        query = select(line.job_id, line.tag_id, line.after, line.labeller)
        for job_id, tag_id, answer, labeller in session.execute(query.order_by(line.labeller)):
            who.setdefault((job_id, tag_id, answer), []).append(labeller)
        for job_id, tag_id, proba, is_yes in part:
            answer = Answer.YES if is_yes else Answer.NO
            said_by = tuple(who.get((job_id, tag_id, answer), ()))
            yield Suspect(job_id, tag_id, names[job_id], tags[tag_id], answer, proba, said_by)
