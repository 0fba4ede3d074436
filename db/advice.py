"""Whether labelling more still helps, from what the gate measured.

The rule: a verdict compares a challenger with the champion on the same postings, which neither
has seen. Where the challenger knows clearly more labelled postings, the difference of their mean
average precision is what those labels brought, and its 95 % interval how sure that is. If even
the upper end is below `WORTH`, labelling more of the same has stopped helping; if the lower end
is above 0, it helps; between them it can't be told yet.
"""

from dataclasses import dataclass
from math import isfinite

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from db.schema import Model, Verdict

WORTH = 0.01
"""A gain in mean average precision, in [0, 1], that is worth labelling for."""
MIN_NEW = 50
MIN_SHARE = 0.1
"""Labels that a comparison is about: at least MIN_NEW postings, and this share of what the
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
    challenger, champion = aliased(Model), aliased(Model)
    query = (
        select(Verdict.details, challenger.metrics, champion.metrics)
        .join(challenger, challenger.id == Verdict.challenger_id)
        .join(champion, champion.id == Verdict.champion_id)
        .order_by(Verdict.id.desc())
        .limit(50)
    )
    for details, new, old in session.execute(query):
        overall, before = details.get("overall") or {}, old.get("n_labelled") or 0
        n_new = (new.get("n_labelled") or 0) - before
        ends = [float(overall.get(name, "nan")) for name in ("difference", "low", "high")]
        if isfinite(sum(ends)) and n_new >= max(MIN_NEW, MIN_SHARE * before):
            return Gain(n_new, int(details.get("n_jobs") or 0), *ends)
    return None


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
