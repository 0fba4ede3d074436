"""Tagging the jobs of a database with the live model: the loop of one worker.

Any number of workers, on any number of machines, may run it at once; `db.queue` keeps them apart.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import queue
from db.bell import LISTEN_S, Bell
from db.engine import is_gone, reading, writing
from db.errors import StoreError
from db.live import LiveModel, Load, Predicted, champion, load_live
from db.predictions import store
from db.promises import Wanted, keep

LEASE_S = 60.0
N_JOBS, N_CHARS = 1024, 4 * 2**20
"""A batch ends at so many jobs, or so much text: enough for array speed, little memory."""
MISSING_S = 60.0
"""How often a waiting worker looks for jobs that nobody has queued."""
END_S = 0.2
"""How often a worker that has nothing left to claim looks whether the others are done."""
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
    promise: Wanted | None = None
    """What to promise of the tags that are given without a person. None: nothing new."""


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
    n_done = 0
    with _Worker(engine, load, settings, stop) as worker, Bell(engine) as bell:
        while not stop():
            n_stored = worker.step()
            if n_stored is not None:
                n_done += n_stored
                progress(n_stored)
            elif worker.n_allowed() == 0 or (not settings.watch and worker.has_ended()):
                break
            else:
                worker.look_around()
                bell.wait(stop, at_most_s=LISTEN_S if settings.watch else END_S)
        n_stored = worker.stored() or 0
        progress(n_stored)
    return n_done + n_stored


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch of ours, and the model that it was claimed for."""

    live: LiveModel
    claimed: queue.Claim


class _AtOnce(Executor):
    """Does what is submitted before it returns."""

    def submit(self, work: Callable[..., _Found], /, *args: Any, **options: Any) -> Future[_Found]:
        done: Future[_Found] = Future()
        done.set_result(work(*args, **options))
        return done


class _Worker:
    """One worker and the model that it has in memory; a context manager.

    While a batch is tagged, a server stores the one before it and hands out the next one: a thread
    waits for it. SQLite runs in this process, where a thread would only be in the way.
    """

    def __init__(
        self, engine: Engine, load: Load, settings: Settings, stop: Callable[[], bool]
    ) -> None:
        self._engine, self._load, self._settings, self._stop = engine, load, settings, stop
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._live: LiveModel | None = None
        self._filled_up = 0.0
        self._n_claimed = 0
        self._leases: set[int] = set()  # batches that are ours
        self._ahead: Future[_Held | None] | None = None
        self._storing: Future[int] | None = None
        is_server = engine.dialect.name != "sqlite"
        self._database: Executor = ThreadPoolExecutor(1) if is_server else _AtOnce()
        self._is_over = Event()
        self._renewer = Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        self._renewer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what is claimed and not stored."""
        self._database.shutdown()
        self._is_over.set()
        self._renewer.join()
        with suppress(StoreError), writing(self._engine) as session:  # else their leases run out
            for batch_id in self._leases:
                queue.give_back(session, batch_id)

    def step(self) -> int | None:
        """Tag one batch; how many jobs of the one before were stored.

        None if there is nothing to claim, and nothing was left to store.
        """
        held = self._ahead.result() if self._ahead else self._claim()
        self._ahead = None
        if held is None:
            return self.stored()
        self._ahead = self._database.submit(self._claim)
        predicted = held.live.predictor.predict(held.claimed.postings)
        n_stored = self.stored() or 0
        self._storing = self._database.submit(self._store, held, predicted)
        return n_stored

    def stored(self) -> int | None:
        """Wait until the last batch is stored; how many jobs it had. None if there was none."""
        storing, self._storing = self._storing, None
        return storing.result() if storing else None

    def n_allowed(self) -> int:
        """How many jobs the next batch may have."""
        limit = self._settings.limit
        return N_JOBS if limit is None else min(limit - self._n_claimed, N_JOBS)

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
            live = self._live = self._patiently(self._load_live, to=reading)
            if self._settings.promise:
                self._promise(live, self._settings.promise)
            self._fill_up(live.id)
        return self._live

    def _promise(self, live: LiveModel, wanted: Wanted) -> None:
        found = live.predictor.promises(**asdict(wanted))
        tag_ids = dict(zip(live.predictor.tags, live.tag_ids.tolist(), strict=True))
        self._patiently(lambda session: keep(session, live.id, tag_ids, wanted, found))

    def _load_live(self, session: Session) -> LiveModel:
        model = champion(session)
        return load_live(session, model, store=self._settings.store, load=self._load)

    def _fill_up(self, model_id: int) -> int:
        self._filled_up = time.monotonic()
        return self._patiently(lambda session: queue.enqueue_missing(session, model_id))

    def _claim(self) -> _Held | None:
        live, n_jobs, lease_s = self._take_up(), self.n_allowed(), self._settings.lease_s
        if not n_jobs or self._stop():
            return None
        claimed = self._patiently(
            lambda session: queue.claim(
                session, live.id, self._name, n_jobs=n_jobs, n_chars=N_CHARS, lease_s=lease_s
            )
        )
        if claimed is None:
            return None
        self._leases.add(claimed.batch_id)
        self._n_claimed += len(claimed.postings)
        return _Held(live, claimed)

    def _store(self, held: _Held, predicted: Predicted) -> int:
        n_stored = self._patiently(
            lambda session: store(session, held.live, held.claimed, predicted)
        )
        self._leases.discard(held.claimed.batch_id)
        return n_stored

    def _renew(self) -> None:
        """Lengthen the leases of our batches as long as this process lives."""
        while not self._is_over.wait(self._settings.lease_s / 3):
            try:
                with writing(self._engine) as session:
                    for batch_id in tuple(self._leases):
                        queue.renew(session, batch_id, lease_s=self._settings.lease_s)
            except StoreError as error:
                _logger.warning("leases were not renewed: %s", error)

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
