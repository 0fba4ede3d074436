"""How far people agree on a tag, and where they don't.

Krippendorff's alpha is 1 where all agree, 0 where they agree as often as by chance, and below 0
where they agree less. An answer of a referee is left out: who settles a dispute has seen what
others said. So is "unsure", as a missing value.

References
----------
Krippendorff, Content Analysis, 4th edition, 2018, chapter 12: from 0.8 on labels can be relied
on; from 0.667 on for tentative conclusions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.columns import Answer, Source
from db.labels import all_tags, chunks, iter_held, last_lines
from db.schema import Job, Tag

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TagAgreement:
    """How far people agree on one tag, or on all."""

    tag: str | None
    """None: all tags together."""
    n_jobs: int
    """Answers compared: postings on which two people or more said yes or no; with all tags
    together a posting counts once for each tag."""
    percent: float
    """Share of the pairs of answers that are the same, in %."""
    alpha: float | None
    """Krippendorff's alpha, at most 1; None where every answer is the same: nothing could
    disagree."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A tag on a job on which those who count disagree."""

    job: str
    """External id."""
    tag: str
    said: dict[str, Answer]
    """Labeller -> answer."""


def agreement(session: Session, *, labellers: Sequence[str] | None = None) -> list[TagAgreement]:
    """Agreement on all tags together, then on each tag that two people or more judged.

    Parameters
    ----------
    labellers
        Only what these say. None: everybody.
    """
    line = last_lines().c
    query = (
        select(
            line.tag_id,
            func.sum(case((line.after == Answer.YES, 1), else_=0)),
            func.sum(case((line.after == Answer.NO, 1), else_=0)),
        )
        .where(line.source != Source.REFEREE, line.after.in_([Answer.YES, Answer.NO]))
        .group_by(line.job_id, line.tag_id)
        .having(func.count() > 1)
    )
    if labellers:
        query = query.where(line.labeller.in_(labellers))
    rows = np.array([tuple(row) for row in session.execute(query)], np.int64).reshape(-1, 3)
    if not len(rows):
        return []
    of_tags = [
        agreement_of(tag.name, rows[rows[:, 0] == tag.id, 1:])
        for tag in all_tags(session, retired=True)
        if tag.id in rows[:, 0]
    ]
    return [agreement_of(None, rows[:, 1:]), *of_tags]


def agreement_of(tag: str | None, counts: Counts) -> TagAgreement:
    """Agreement from the answers about some postings.

    Parameters
    ----------
    counts : shape (n, 2)
        How many said yes and how many no, of each posting; two or more in all.

    Examples
    --------
    >>> agreement_of("remote", np.array([[2, 0], [0, 2], [1, 1]])).percent.__round__(1)
    66.7
    """
    n_said = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum() / (n_said * (n_said - 1)).sum()
    return TagAgreement(tag, len(counts), 100 * float(same), _alpha(counts))


def _alpha(counts: Counts) -> float | None:
    from krippendorff import alpha

    if not counts.any(axis=0).all():
        return None
    return float(alpha(value_counts=counts, level_of_measurement="nominal"))


def disagreements(session: Session) -> list[Disagreement]:
    """Where those who count disagree, and nobody has settled it yet, ordered by job and tag."""
    disputed = [(held.job_id, held.tag_id) for held in iter_held(session) if held.is_disputed]
    said: dict[tuple[int, int], dict[str, Answer]] = {}
    names: dict[int, str] = {}
    for part in chunks(sorted({job_id for job_id, _ in disputed})):
        line = last_lines(part).c
        for job_id, tag_id, labeller, answer in session.execute(
            select(line.job_id, line.tag_id, line.labeller, line.after).order_by(line.labeller)
        ):
            said.setdefault((job_id, tag_id), {})[labeller] = answer
        of_part: Any = select(Job.id, Job.external_id).where(Job.id.in_(part))
        names |= dict(session.execute(of_part).all())
    tags = dict(session.execute(select(Tag.id, Tag.name)).all())
    return [Disagreement(names[job], tags[tag], said[job, tag]) for job, tag in disputed]


def labellers_of(session: Session) -> dict[str, int]:
    """Labeller -> answers that still count as theirs, most first."""
    line = last_lines().c
    n = func.count()
    query = select(line.labeller, n).group_by(line.labeller).order_by(n.desc(), line.labeller)
    return dict(session.execute(query).all())
