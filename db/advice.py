"""Whether labelling more still helps, from what the gate measured.

The rule: a verdict compares a challenger with the champion on the same postings, each by answers
that had not seen their labels. Where the challenger knows clearly more labelled postings, the
difference of their mean average precision is what those labels brought, and its 95 % interval how
sure that is. If even the upper end is below `WORTH`, labelling more of the same has stopped
helping; if the lower end is above 0, it helps; between them it can't be told yet.
"""

from dataclasses import dataclass

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session, aliased

from db.schema import Label, Run, Verdict

WORTH = 0.01
"""A gain in mean average precision, in [0, 1], that is worth labelling for."""
MIN_NEW = 50
MIN_SHARE = 0.1
"""Labels that a comparison is about: of MIN_NEW postings or more, and this share of those that the
champion knew. A handful changes nothing, which would say nothing."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What the last labels brought."""

    n_new: int
    """Labelled postings that the challenger knew and the champion did not."""
    n_jobs: int
    """Postings on which both were compared."""
    difference: float
    """Of mean average precision."""
    low: float
    high: float
    """95 % interval of the difference."""


def last_gain(session: Session) -> Gain | None:
    """What the labels brought in the last comparison that can tell; None if there is none."""
    ours, theirs = aliased(Run), aliased(Run)
    query = (
        select(Verdict.details, theirs.label_id, ours.label_id)
        .join(ours, ours.id == Verdict.run_id)
        .join(theirs, theirs.model_id == Verdict.champion_id)
        .order_by(Verdict.id.desc())
        .limit(20)
    )
    for details, before, after in session.execute(query):
        found = details.get("mean_average_precision") or {}
        value, low, high = (found.get(name) for name in ("value", "low", "high"))
        n_new, n_known = _n_labelled(session, before, after), _n_labelled(session, 0, before)
        if value is None or low is None or high is None:
            continue
        if n_new >= max(MIN_NEW, MIN_SHARE * n_known):
            return Gain(n_new, int(details["n_jobs"]), value, low, high)
    return None


def _n_labelled(session: Session, after: int, until: int) -> int:
    """Postings about which something was said between two lines of history."""
    query = select(func.count(distinct(Label.job_id))).where(Label.id > after, Label.id <= until)
    return session.scalar(query) or 0


def labelling_advice(session: Session) -> str | None:
    """One sentence about whether to go on labelling; None if nothing can be said yet."""
    gain = last_gain(session)
    if gain is None:
        return None
    told = (
        f"The last {gain.n_new:,} labelled postings changed mean average precision by "
        f"{gain.difference:+.3f} (95 % interval {gain.low:+.3f} to {gain.high:+.3f}, on "
        f"{gain.n_jobs:,} postings): "
    )
    if gain.high < WORTH:
        return told + "labelling more of the same has stopped helping."
    if gain.low > 0:
        return told + "labelling more helps."
    return told + "too close to tell whether labelling more helps."
