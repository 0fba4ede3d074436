"""Drift that a retrain has not answered yet.

A retrain started with ``--when-drifted`` remembers the alarms that stood when it began. An alarm
that it has answered starts no other retrain, until a later one finds it gone: the same change goes
on for weeks, and to train again on the same labels would bring nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.audit_log import Kind, note
from db.drift import find_drift
from db.drift_advice import Alarm, alarms_of
from db.engine import writing
from db.registry import CHAMPION, aliased
from db.runs import last_run
from db.schema import Run

_N_NAMED = 3


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What has changed since the last retrain."""

    alarms: tuple[Alarm, ...]
    """Those that no retrain has answered."""
    keys: tuple[str, ...]
    """What a retrain that begins now has answered: these, and earlier ones that still hold."""

    @property
    def reason(self) -> str:
        """Why a retrain is due, in words.

        Examples
        --------
        >>> alarm = Alarm(key="", title="new source x", changed="", meaning="", steps=())
        >>> Unanswered((alarm,), ()).reason
        'drift: new source x'
        """
        titles = list(dict.fromkeys(alarm.title for alarm in self.alarms))
        more = f" and {len(titles) - _N_NAMED} more" if len(titles) > _N_NAMED else ""
        return f"drift: {'; '.join(titles[:_N_NAMED])}{more}"


def find_unanswered(session: Session) -> Unanswered:
    """Compare the jobs that came after the last retrain; nothing without a live model."""
    if aliased(session, CHAMPION) is None:
        return Unanswered((), ())
    last = last_run(session)
    weeks = find_drift(session, after_job=last.job_id if last else 0).weeks
    found = {alarm.key: alarm for week in weeks for alarm in alarms_of(week)}
    standing = {figure.key for week in weeks for figure in week.alarms}
    answered = _answered(session)
    if any(week.n_compared and week.is_over for week in weeks):
        kept = answered & standing
    else:  # too few postings to say that one is gone
        kept = answered
    new = tuple(alarm for key, alarm in found.items() if key not in answered)
    return Unanswered(new, tuple(sorted(kept | standing)))


def mark_answered(engine: Engine, run_id: int, keys: Iterable[str]) -> None:
    """Remember what a retrain has answered."""
    with writing(engine) as session:
        run = session.get_one(Run, run_id)
        run.alarms = list(keys)
        note(session, Kind.RETRAINED, run)  # it was logged without them


def _answered(session: Session) -> set[str]:
    query = select(Run.alarms).where(Run.alarms.is_not(None)).order_by(Run.id.desc()).limit(1)
    found: Sequence[str] | None = session.scalar(query)
    return set(found or ())
