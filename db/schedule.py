"""When to retrain: now, when enough has come, or again and again."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from sqlalchemy import Engine

from db.engine import reading
from db.errors import StoreError
from db.retrain import RetrainReport, Settings, Tell, Unchanged, retrain
from db.runs import n_new, reason_to_retrain
from db.trainer import Trainer

LOOK_S = 30.0
"""Seconds between two looks whether a retrain is due."""
WAIT_S = 600.0
"""Seconds after a retrain that failed."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What makes a retrain due; if nothing is set, it always is."""

    after_labels: int | None = None
    after_jobs: int | None = None
    every_hours: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is anything to wait for."""
        return (self.after_labels, self.after_jobs, self.every_hours) != (None, None, None)

    def due(self, engine: Engine) -> str | None:
        """Why a retrain is due; None if it is not."""
        if not self.is_set:
            return "asked for"
        with reading(engine) as session:
            return reason_to_retrain(
                session,
                new_labels=self.after_labels,
                new_jobs=self.after_jobs,
                every=None if self.every_hours is None else timedelta(hours=self.every_hours),
            )

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
        hours = [f"or {self.every_hours:g} hours since the last began"] if self.every_hours else []
        return ", ".join([*parts, *hours])


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
    if not watch:
        if reason := schedule.due(engine):
            yield retrain(engine, store, trainer, settings, reason=reason, tell=tell)
        return
    with _stopping() as stop:
        while not stop.is_set():
            wait_s = look_s
            try:
                if reason := schedule.due(engine):
                    yield retrain(engine, store, trainer, settings, reason=reason, tell=tell)
            except StoreError as error:
                logger.error("%s; next try in %.0f minutes", error, WAIT_S / 60)
                wait_s = WAIT_S
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
