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
N_DRAWS = 2000
"""Bootstrap samples."""


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
    low: float | None
    high: float | None
    """95 % bootstrap interval of alpha, over postings; None where alpha is."""


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
            line.job_id,
            func.sum(case((line.after == Answer.YES, 1), else_=0)),
            func.sum(case((line.after == Answer.NO, 1), else_=0)),
        )
        .where(line.source != Source.REFEREE, line.after.in_([Answer.YES, Answer.NO]))
        .group_by(line.job_id, line.tag_id)
        .having(func.count() > 1)
    )
    if labellers:
        query = query.where(line.labeller.in_(labellers))
    rows = np.array([tuple(row) for row in session.execute(query)], np.int64).reshape(-1, 4)
    if not len(rows):
        return []
    of_tags = [
        agreement_of(tag.name, rows[rows[:, 0] == tag.id, 2:])
        for tag in all_tags(session, retired=True)
        if tag.id in rows[:, 0]
    ]
    return [agreement_of(None, rows[:, 2:], jobs=rows[:, 1]), *of_tags]


def agreement_of(tag: str | None, counts: Counts, *, jobs: Counts | None = None) -> TagAgreement:
    """Agreement from the answers about some postings.

    Parameters
    ----------
    counts : shape (n, 2)
        How many said yes and how many no, of each posting; two or more in all.
    jobs : shape (n,)
        Equal for rows about one posting, which are drawn together. None: each is another.

    Examples
    --------
    >>> agreement_of("remote", np.array([[2, 0], [0, 2], [1, 1]])).percent.__round__(1)
    66.7
    """
    n_said = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum() / (n_said * (n_said - 1)).sum()
    alpha = _alpha(counts)
    low, high = (None, None) if alpha is None else _interval(counts, jobs)
    return TagAgreement(tag, len(counts), 100 * float(same), alpha, low, high)


def _alpha(counts: Counts) -> float | None:
    from krippendorff import alpha

    if not counts.any(axis=0).all():
        return None
    return float(alpha(value_counts=counts, level_of_measurement="nominal"))


def _interval(counts: Counts, jobs: Counts | None) -> tuple[float, float]:
    """95 % interval of alpha by drawing postings again and again.

    A posting adds to three sums alone (pairs of answers that differ, yes, no), so a draw is
    weights times sums. Draws in which all answers are the same are left out: alpha is not defined.
    """
    n_yes, n_no = counts.T
    sums = np.stack([n_yes * n_no / (n_yes + n_no - 1), n_yes, n_no], axis=1)
    if jobs is not None:
        _, place = np.unique(jobs, return_inverse=True)
        sums = np.stack([np.bincount(place, column) for column in sums.T], axis=1)
    # Postings with equal sums are drawn at once, however many they are.
    kinds, n_alike = np.unique(sums, axis=0, return_counts=True)
    n_jobs = len(sums)
    drawn = np.random.default_rng(0).multinomial(n_jobs, n_alike / n_jobs, size=N_DRAWS) @ kinds
    differ, yes, no = drawn[(drawn[:, 1:] > 0).all(axis=1)].T
    alphas = 1 - (yes + no - 1) * differ / (yes * no)
    low, high = np.quantile(alphas, [0.025, 0.975])
    return float(low), float(high)


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
