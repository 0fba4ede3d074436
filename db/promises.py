"""Which tags a model may give without a person: promises, each kept with what it rests on.

A promise is a line of history, never changed; a model's last line about a tag holds. What is given
without a person follows from it: predictions that are given and reach the promised threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Subquery, and_, func, select
from sqlalchemy.orm import Session

from db.engine import now, take_turns
from db.schema import Model, Prediction, Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be promised of each tag by itself."""

    wrong_at_most: float
    """Share of the postings given the tag that may lack it, in (0, 1)."""
    confidence: float
    """How sure to be of that, in (0, 1)."""


class Promised(Protocol):
    """What can be promised of one tag."""

    @property
    def tag(self) -> str: ...
    @property
    def threshold(self) -> float | None:
        """None: a person has to look at each posting given the tag."""

    @property
    def n_given(self) -> int:
        """Judged postings at or above the threshold (without one, the nearest to it)."""

    @property
    def n_wrong(self) -> int:
        """Those of them that lack the tag."""

    @property
    def missing(self) -> int:
        """More judged postings given the tag that it takes at least."""


def keep(
    session: Session,
    model_id: int,
    tag_ids: Mapping[str, int],
    wanted: Wanted,
    found: Sequence[Promised],
) -> None:
    """Add what is promised, unless the model's last promises say the same. Does not commit."""
    take_turns(session)  # another worker may have taken up the model, too
    facts = {
        tag_ids[one.tag]: (one.threshold, one.n_given, one.n_wrong, one.missing) for one in found
    }
    last = _last(model_id)
    held = {
        row.tag_id: (row.threshold, row.n_given, row.n_wrong, row.missing)
        for row in session.execute(select(last)).all()
        if (row.wrong_at_most, row.confidence) == (wanted.wrong_at_most, wanted.confidence)
    }
    if held == facts:
        return
    at = now(session)
    session.add_all(
        Promise(
            model_id=model_id,
            tag_id=tag_id,
            wrong_at_most=wanted.wrong_at_most,
            confidence=wanted.confidence,
            threshold=threshold,
            n_given=n_given,
            n_wrong=n_wrong,
            missing=missing,
            promised_at=at,
        )
        for tag_id, (threshold, n_given, n_wrong, missing) in facts.items()
    )


def promised_column(model_id: int) -> tuple[Subquery, ColumnElement[bool], ColumnElement[bool]]:
    """For a query on `Prediction`: what to join, on what, and whether a tag is given by itself."""
    last = _last(model_id)
    on = last.c.tag_id == Prediction.tag_id
    is_promised = and_(
        Prediction.decision, Prediction.probability >= func.coalesce(last.c.threshold, 2.0)
    )
    return last, on, is_promised


def summary(session: Session, model: Model) -> dict[str, Any] | None:
    """How many tags a model gives without a person; None if nobody asked for promises."""
    rows = session.execute(select(_last(model.id))).all()
    if not rows:
        return None
    return {
        "wrong_at_most": rows[0].wrong_at_most,
        "confidence": rows[0].confidence,
        "tags": len(rows),
        "promised_tags": sum(row.threshold is not None for row in rows),
        "promised_at": rows[0].promised_at.isoformat(),
    }


def _last(model_id: int) -> Subquery:
    newest = (
        select(func.max(Promise.id)).where(Promise.model_id == model_id).group_by(Promise.tag_id)
    )
    return select(*Promise.__table__.columns).where(Promise.id.in_(newest)).subquery()
