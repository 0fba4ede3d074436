"""When to retrain: now, when enough has come, or again and again."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from sqlalchemy import Engine

from db.drift_answers import Unanswered, find_unanswered, mark_answered
from db.engine import reading
from db.errors import StoreError
from db.judging import Tell
from db.retrain import RetrainReport, Settings, Unchanged, retrain
from db.runs import n_new, reason_to_retrain
from db.trainer import Trainer

LOOK_S = 30.0
"""Seconds between two looks whether a retrain is due."""
DRIFT_LOOK_S = 3600.0
"""Seconds between two looks for drift, which takes seconds itself."""
WAIT_S = 600.0
"""Seconds after a retrain that failed."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What makes a retrain due; if nothing is set, it always is."""

    after_labels: int | None = None
    after_jobs: int | None = None
    every_hours: float | None = None
    when_drifted: bool = False

    @property
    def is_set(self) -> bool:
        """Whether there is anything to wait for."""
        limits = (self.after_labels, self.after_jobs, self.every_hours)
        return self.when_drifted or limits != (None, None, None)

    def due(self, engine: Engine, drifted: Unanswered | None = None) -> str | None:
        """Why a retrain is due; None if it is not.

        Parameters
        ----------
        drifted
            What was found when drift was looked for.
        """
        if not self.is_set:
            return "asked for"
        if drifted and drifted.alarms:
            return drifted.reason
        with reading(engine) as session:
            return reason_to_retrain(
                session,
                new_labels=self.after_labels,
                new_jobs=self.after_jobs,
                every=None if self.every_hours is None else timedelta(hours=self.every_hours),
            )

    def look_for_drift(self, engine: Engine) -> Unanswered | None:
        """What no retrain has answered yet; None if drift doesn't count."""
        if not self.when_drifted:
            return None
        with reading(engine) as session:
            return find_unanswered(session)

    def missing(self, engine: Engine) -> str:
        """How far it is to the next one, in words."""
        with reading(engine) as session:
            n_labels, n_jobs = n_new(session)
        parts = [
            f"{n:,} new {what}" + ("" if limit is None else f" (it takes {limit:,})")
            for n, what, limit in (
                (n_labels, "labels", self.after_labels),
                (n_jobs, "jobs", self.after_jobs),
            )
        ]
        drift = ["no drift that is new"] if self.when_drifted else []
        hours = [f"or {self.every_hours:g} hours since the last began"] if self.every_hours else []
        return ", ".join([*parts, *drift, *hours])


def retrain_when_due(
    engine: Engine,
    store: Path,
    trainer: Trainer,
    settings: Settings,
    *,
    schedule: Schedule,
    watch: bool = False,
    look_s: float = LOOK_S,
    tell: Tell = lambda line: None,
) -> Iterator[RetrainReport | Unchanged]:
    """Retrain if it is due; with `watch` again and again, until SIGTERM or Ctrl-C.

    Yields
    ------
    What each retrain did. Without `watch` at most one.

    Raises
    ------
    StoreError
        Without `watch`, if it fails. With it, failures are logged and tried again later.
    """

    def retrain_if_due(drifted: Unanswered | None) -> RetrainReport | Unchanged | None:
        reason = schedule.due(engine, drifted)
        if reason is None:
            return None
        report = retrain(engine, store, trainer, settings, reason=reason, tell=tell)
        if drifted:
            mark_answered(engine, report.run_id, drifted.keys)
        return report

    if not watch:
        if report := retrain_if_due(schedule.look_for_drift(engine)):
            yield report
        return
    next_drift = time.monotonic()
    with _stopping() as stop:
        while not stop.is_set():
            wait_s, drifted = look_s, None
            try:
                if time.monotonic() >= next_drift:
                    drifted = schedule.look_for_drift(engine)
                    next_drift = time.monotonic() + DRIFT_LOOK_S
                if report := retrain_if_due(drifted):
                    yield report
            except StoreError as error:
                logger.error("%s; next try in %.0f minutes", error, WAIT_S / 60)
                wait_s, next_drift = WAIT_S, time.monotonic()
            stop.wait(wait_s)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by SIGTERM: the retrain at work comes to its end, then the loop ends."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
