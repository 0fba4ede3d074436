"""Tagging the jobs of a database with the live model: the loop of one worker.

Any number of workers, on any number of machines, may run it at once; `db.queue` keeps them apart.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import queue
from db.bell import Bell
from db.engine import is_gone, reading, writing
from db.errors import StoreError
from db.live import LiveModel, Load, champion, load_live
from db.predictions import store

LEASE_S = 60.0
N_JOBS, N_CHARS = 512, 4 * 2**20
"""A batch ends at so many jobs, or so much text: enough for array speed, little memory."""
MISSING_S = 60.0
"""How often a waiting worker looks for jobs that nobody has queued."""
PATIENCE_S = 300.0
"""How long a worker waits for a server that went away."""

_logger = logging.getLogger(__name__)
_Found = TypeVar("_Found")
_Opener = Callable[[Engine], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a worker is told."""

    store: Path
    """The folder of the model folders."""
    lease_s: float = LEASE_S
    """How long nobody else takes a batch whose worker gives no sign of life."""
    watch: bool = False
    """Wait for more jobs instead of ending."""
    limit: int | None = None
    """End after so many jobs. None: no limit."""


def label(
    engine: Engine,
    load: Load,
    settings: Settings,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int], object] = lambda n_jobs: None,
) -> int:
    """Tag jobs until none is left (or for ever, if told to watch); returns how many.

    Ends only when no job waits for the live model: a batch that another worker holds is waited
    for, and taken over if that worker dies.

    Parameters
    ----------
    stop
        Asked between batches: true ends the work, with nothing left half done.
    progress
        Told how many jobs each stored batch had.

    Raises
    ------
    StoreError
        If there is no live model, or its folder is not what was registered; or if the database
        stays away for `PATIENCE_S` seconds.
    """
    worker = _Worker(engine, load, settings, stop)
    n_done = 0
    with Bell(engine) as bell:
        while not stop() and (settings.limit is None or n_done < settings.limit):
            left = N_JOBS if settings.limit is None else settings.limit - n_done
            n_tagged = worker.tag_batch(min(left, N_JOBS))
            if n_tagged is not None:
                n_done += n_tagged
                progress(n_tagged)
            elif not settings.watch and worker.has_ended():
                break
            else:
                worker.look_around()
                bell.wait(stop)
    return n_done


class _Worker:
    """One worker and the model that it has in memory."""

    def __init__(
        self, engine: Engine, load: Load, settings: Settings, stop: Callable[[], bool]
    ) -> None:
        self._engine, self._load, self._settings, self._stop = engine, load, settings, stop
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._live: LiveModel | None = None
        self._filled_up = 0.0

    def tag_batch(self, n_jobs: int) -> int | None:
        """Claim jobs, tag them, store the answers; None if there is nothing to claim."""
        live = self._take_up()
        claimed = self._patiently(lambda session: self._claim(session, live, n_jobs))
        if claimed is None:
            return None
        try:
            with self._renewing(claimed.batch_id):
                predicted = live.predictor.predict(claimed.postings)
                return self._patiently(lambda session: store(session, live, claimed, predicted))
        except BaseException:
            self._give_back(claimed.batch_id)
            raise

    def has_ended(self) -> bool:
        """Whether no job waits for the live model, and none is being tagged by another worker."""
        live = self._take_up()
        if self._patiently(lambda session: queue.n_queued(session, live.id)):
            return False
        return not self._fill_up(live.id)

    def look_around(self) -> None:
        """Now and then queue the jobs that somebody added without queueing them."""
        live = self._take_up()
        if time.monotonic() - self._filled_up > MISSING_S:
            self._fill_up(live.id)

    def _take_up(self) -> LiveModel:
        """The live model of this moment; loaded, if it is another one than before."""
        model = self._patiently(champion, to=reading)
        if self._live is None or self._live.id != model.id:
            _logger.info("model %d is live", model.id)
            self._live = self._patiently(self._load_live, to=reading)
            self._fill_up(self._live.id)
        return self._live

    def _load_live(self, session: Session) -> LiveModel:
        model = champion(session)
        return load_live(session, model, store=self._settings.store, load=self._load)

    def _fill_up(self, model_id: int) -> int:
        self._filled_up = time.monotonic()
        return self._patiently(lambda session: queue.enqueue_missing(session, model_id))

    def _claim(self, session: Session, live: LiveModel, n_jobs: int) -> queue.Claim | None:
        lease_s = self._settings.lease_s
        return queue.claim(
            session, live.id, self._name, n_jobs=n_jobs, n_chars=N_CHARS, lease_s=lease_s
        )

    @contextmanager
    def _renewing(self, batch_id: int) -> Iterator[None]:
        """Lengthen the lease of a batch as long as this process works on it."""
        ended = Event()

        def renew() -> None:
            while not ended.wait(self._settings.lease_s / 3):
                with suppress(StoreError), writing(self._engine) as session:
                    queue.renew(session, batch_id, lease_s=self._settings.lease_s)

        thread = Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _give_back(self, batch_id: int) -> None:
        with suppress(StoreError), writing(self._engine) as session:  # else its lease runs out
            queue.give_back(session, batch_id)

    def _patiently(self, work: Callable[[Session], _Found], *, to: _Opener = writing) -> _Found:
        """Do something in one transaction; while the server is away, again and again."""
        end = time.monotonic() + PATIENCE_S
        for n_tries in count():
            try:
                with to(self._engine) as session:
                    return work(session)
            except StoreError as error:
                wait_s = min(0.25 * 2**n_tries, 15.0)
                if not is_gone(error) or self._stop() or time.monotonic() + wait_s > end:
                    raise
                _logger.warning("%s; trying again in %g s", error, wait_s)
                time.sleep(wait_s)
        raise AssertionError  # count() has no end
