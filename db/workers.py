"""Tagging a database by one process or several: progress, signals, and a summary at the end."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import wait
from typing import Any, cast

from sqlalchemy import Engine

from db import queue
from db.engine import open_engine, reading, writing
from db.errors import StoreError
from db.labelling import Settings, label
from db.live import Load, champion

TOTAL_S = 5.0
"""How often the progress bar asks how many jobs are left: others add some, or take some."""

MAX_RESTARTS = 3
"""So many workers are started in the place of killed ones: what kills more than that kills all."""

THREADS = "OMP_NUM_THREADS"
"""What numpy's matrix products obey, where a user has not set it."""

_logger = logging.getLogger(__name__)
_Stop = Callable[[], bool]
_Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """What came of tagging a database."""

    tagged: int
    """Jobs that these workers have tagged."""
    left: int
    """Jobs that still wait for the live model."""
    seconds: float
    model: int
    """The model that is live at the end."""
    is_stopped: bool
    """Whether a signal ended it."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        rate = round(self.tagged / self.seconds, 1) if self.seconds else 0.0
        return {**asdict(self), "seconds": round(self.seconds, 2), "jobs_per_second": rate}


def tag_database(
    engine: Engine, load: Load, settings: Settings, *, n_workers: int = 1, show_progress: bool
) -> Tagged:
    """Tag what the live model has not tagged yet, in `n_workers` processes.

    SIGTERM and Ctrl-C end it after the batch in work; a second one at once. Either way no job is
    lost: what was claimed is given back, or taken over when its lease runs out.

    Parameters
    ----------
    load
        With several workers a function that a new process can import.

    Raises
    ------
    StoreError
        As `db.labelling.label`, or if all workers were killed.
    """
    began = time.monotonic()
    with writing(engine) as session:
        queue.enqueue_missing(session, champion(session).id)
    with _stopping() as stop, _bar(engine, show_progress) as progress:
        if n_workers == 1:
            n_tagged = label(engine, load, settings, stop=stop, progress=progress)
        else:
            n_tagged = _run_processes(engine, load, settings, n_workers, stop, progress)
        is_stopped = stop()
    seconds = time.monotonic() - began
    model, left = _left(engine)
    return Tagged(tagged=n_tagged, left=left, seconds=seconds, model=model, is_stopped=is_stopped)


def _left(engine: Engine) -> tuple[int, int]:
    """The live model and how many jobs wait for it."""
    with reading(engine) as session:
        model_id = champion(session).id
        return model_id, queue.n_queued(session, model_id)


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Whether SIGTERM or Ctrl-C came; the second one is raised as KeyboardInterrupt."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(engine: Engine, show_progress: bool) -> Iterator[_Progress]:
    """A bar with rate and time left; its total follows the queue."""
    from tqdm import tqdm

    with tqdm(desc="tagging", unit="job", disable=None if show_progress else True) as bar:
        looked = 0.0

        def progress(n_jobs: int) -> None:
            nonlocal looked
            if not bar.disable and time.monotonic() - looked > TOTAL_S:
                bar.total, looked = bar.n + n_jobs + _left(engine)[1], time.monotonic()
            bar.update(n_jobs)

        progress(0)
        yield progress


# ---- several processes


@dataclass(slots=True)
class _Worker:
    """One worker process."""

    process: Any
    limit: int | None
    n_tagged: int = 0
    """What it told."""


_Start = Callable[[int | None], tuple[Any, _Worker]]
"""Starts a worker with a limit of jobs: what it tells through, and the worker."""


def _run_processes(
    engine: Engine,
    load: Load,
    settings: Settings,
    n_workers: int,
    stop: _Stop,
    progress: _Progress,
) -> int:
    """Start workers, wait for all of them; returns how many jobs they tagged."""
    context = multiprocessing.get_context("spawn")
    url = engine.url.render_as_string(hide_password=False)
    started: list[_Worker] = []

    def start(limit: int | None) -> tuple[Any, _Worker]:
        receiver, sender = context.Pipe(duplex=False)
        told = replace(settings, limit=limit)
        process = context.Process(target=_work, args=(sender, url, load, told))
        with _ignoring_ctrl_c(), _sharing_cores(n_workers):
            process.start()
        sender.close()
        started.append(_Worker(process, limit))
        return receiver, started[-1]

    try:
        shares = (_share(settings.limit, number, n_workers) for number in range(n_workers))
        errors = _follow(dict(map(start, shares)), start, stop, progress)
    finally:
        for worker in started:
            worker.process.terminate()
            worker.process.join()
    n_tagged = sum(worker.n_tagged for worker in started)
    if errors:
        errors[0].add_note(f"{n_tagged} jobs were tagged; the others wait as before")
        raise errors[0]
    codes = [worker.process.exitcode for worker in started]
    if all(codes) and not stop():
        raise StoreError(
            f"all workers were killed (exit codes {codes}); nothing is lost: run again"
        )
    return n_tagged


def _share(limit: int | None, number: int, n_workers: int) -> int | None:
    return None if limit is None else limit // n_workers + (number < limit % n_workers)


def _follow(
    running: dict[Any, _Worker], start: _Start, stop: _Stop, progress: _Progress
) -> list[Exception]:
    """Hear what the workers tell until the last one has ended; returns what went wrong.

    One that was killed is replaced, `MAX_RESTARTS` times in all. A stop is passed on.
    """
    errors, n_restarts, is_told = list[Exception](), 0, False
    while running:
        for receiver in cast(list[Any], wait(list(running), timeout=0.2)):
            try:
                told = receiver.recv()
            except EOFError:
                worker = running.pop(receiver)
                if _was_killed(worker) and not stop():
                    n_restarts += 1
                    again = n_restarts <= MAX_RESTARTS and _is_unfinished(worker)
                    _warn_of(worker.process, again)
                    if again:
                        running |= [start(_rest(worker))]
                continue
            if isinstance(told, Exception):
                errors.append(told)
            else:
                running[receiver].n_tagged += told
                progress(told)
        if stop() and not is_told:
            is_told = True
            for worker in running.values():
                worker.process.terminate()
    return errors


def _was_killed(worker: _Worker) -> bool:
    worker.process.join()
    return bool(worker.process.exitcode < 0)


def _rest(worker: _Worker) -> int | None:
    return None if worker.limit is None else worker.limit - worker.n_tagged


def _is_unfinished(worker: _Worker) -> bool:
    return _rest(worker) != 0


def _warn_of(process: Any, again: bool) -> None:
    _logger.warning(
        "worker %d was killed by signal %d; the others take over its jobs, %s",
        process.pid,
        -process.exitcode,
        "and another starts in its place" if again else "no other starts in its place",
    )


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """A process that is started meanwhile ignores Ctrl-C: its parent tells it what to do."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _sharing_cores(n_workers: int) -> Iterator[None]:
    """A process that is started meanwhile multiplies matrices on its share of the cores.

    Without this two workers on two cores took 8 s of processor time where 5 are enough, and twice
    as long.
    """
    before = os.environ.get(THREADS)
    os.environ.setdefault(THREADS, str(max((os.cpu_count() or 1) // n_workers, 1)))
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]


def _work(sender: Any, url: str, load: Load, settings: Settings) -> None:
    """One worker process: tells how many jobs each batch had, and what went wrong."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    parent = multiprocessing.parent_process()

    def stop() -> bool:
        return bool(asked) or parent is None or not parent.is_alive()

    engine = open_engine(url)
    try:
        label(engine, load, settings, stop=stop, progress=sender.send)
    except Exception as error:
        sender.send(error)
    finally:
        engine.dispose()
