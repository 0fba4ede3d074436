"""A function over batches in several processes: results in order, memory flat, nobody left behind.

A worker is a fork of this process where that is safe: on Linux, while nothing else runs in it. It
starts at once then and shares what is loaded. Otherwise it is a new process that imports what the
function needs, which takes half a second. Either way a worker ends when its end of the connection
is closed, and so also when this process is killed.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn, Protocol, TypeVar

from tagger.cores import ONE_THREAD
from tagger.errors import JobtoolError, WorkerError
from tagger.interrupts import held

Batch = TypeVar("Batch")
Result = TypeVar("Result")
Work = Callable[[Any], Any]

N_AHEAD = 2
"""Batches that a worker has: one at work and one that waits, so that it never idles."""
N_UNORDERED = 4
"""Batches per worker between the oldest one without a result and the newest: memory stays flat."""

_NEW = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from tagger.workers import serve_new; serve_new(int(sys.argv[1]))"
)


def map_ordered(
    work: Callable[[Batch], Result], batches: Iterable[Batch], *, n_workers: int
) -> Generator[Result, None, None]:
    """What `work` makes of each batch, in the order of the batches.

    Close the iterator, with `contextlib.closing`, to end the workers at once.

    Parameters
    ----------
    work
        Pickled once for each worker that is a new process.
    batches
        Read in this process, at most `N_UNORDERED` per worker ahead of the results. If reading
        fails, the results of the batches before come first and then the error.

    Raises
    ------
    WorkerError
        In the place of a batch whose worker was killed, ran out of memory or failed; a
        JobtoolError that a worker raises comes as it is.
    """
    pool = _Pool(work, n_workers)
    problem: Exception | None = None
    stream = iter(batches)
    try:
        while True:
            try:
                batch = next(stream)
            except StopIteration:
                break
            except Exception as error:
                problem = error
                break
            while pool.is_full():
                pool.receive()
                yield from pool.ready()
            pool.send(batch)
            pool.receive(timeout_s=0)
            yield from pool.ready()
        while pool.n_sent > pool.n_given:
            pool.receive()
            yield from pool.ready()
        if problem:
            raise problem
    finally:
        pool.close()


# ---- in this process


class _Process(Protocol):
    """What `subprocess.Popen` and a fork have in common."""

    pid: int

    def kill(self) -> None: ...

    def wait(self) -> int:
        """Wait for its end; a negative exit code is the signal that killed it."""


@dataclass(slots=True)
class _Fork:
    pid: int
    code: int | None = None

    def kill(self) -> None:
        if self.code is None:  # the number is still its own
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code


@dataclass(slots=True)
class _Worker:
    process: _Process
    connection: Connection
    numbers: list[int] = field(default_factory=list)
    """Of the batches that it has."""


class _Pool:
    """Workers, started when there is a batch for one more of them."""

    def __init__(self, work: Work, n_workers: int) -> None:
        self.work, self.n_workers = work, n_workers
        self.workers: dict[Connection, _Worker] = {}
        self.n_sent = self.n_given = 0
        self._done: dict[int, tuple[bool, Any]] = {}  # batch -> is it a result, or an error

    def is_full(self) -> bool:
        """Whether a result must come before one more batch is sent."""
        if self.n_sent - self.n_given >= N_UNORDERED * self.n_workers:
            return True
        busy = [worker for worker in self.workers.values() if len(worker.numbers) >= N_AHEAD]
        return len(busy) >= self.n_workers

    def send(self, batch: Any) -> None:
        least = min(self.workers.values(), key=lambda one: len(one.numbers), default=None)
        if least is None or (least.numbers and len(self.workers) < self.n_workers):
            least = self._start()
        least.numbers.append(self.n_sent)
        self.n_sent += 1
        with suppress(OSError):  # it has ended; `receive` finds out why
            least.connection.send(batch)

    def receive(self, *, timeout_s: float | None = None) -> None:
        """Take what workers have told, at least one thing unless the time is over."""
        if self.n_given in self._done:
            return
        for connection in wait(list(self.workers), timeout=timeout_s):
            worker = self.workers[connection]  # type: ignore[index]  # these are all connections
            try:
                told = worker.connection.recv()
            except (EOFError, OSError):
                self._bury(worker)
            else:
                self._done[worker.numbers.pop(0)] = told

    def ready(self) -> Iterator[Any]:
        """Results whose turn has come."""
        while self.n_given in self._done:
            is_result, told = self._done.pop(self.n_given)
            if not is_result:
                raise told
            self.n_given += 1
            yield told

    def close(self) -> None:
        """End all workers, and wait until they have."""
        for worker in self.workers.values():
            worker.process.kill()
        for worker in self.workers.values():
            worker.process.wait()
            worker.connection.close()
        self.workers.clear()

    def _start(self) -> _Worker:
        ours, theirs = Pipe()
        # Ctrl-C reaches all processes of a terminal. This one decides what becomes of it; workers
        # never hear of it, nor of SIGTERM before they are ready to end by it.
        with held():
            if _may_fork():
                worker = _Worker(_fork(theirs, self.work), ours)
            else:
                worker = _Worker(_new_process(theirs), ours)
            self.workers[ours] = worker  # before Ctrl-C is heard: `close` must know of it
            theirs.close()
        if not isinstance(worker.process, _Fork):
            with suppress(OSError):
                ours.send(self.work)
        return worker

    def _bury(self, worker: _Worker) -> None:
        """One has ended too early: its batches have an error in the place of a result."""
        error = WorkerError(_why_ended(worker.process.pid, worker.process.wait()))
        del self.workers[worker.connection]
        worker.connection.close()
        if not worker.numbers:
            raise error
        self._done |= dict.fromkeys(worker.numbers, (False, error))


def _why_ended(pid: int, code: int) -> str:
    if code == -signal.SIGKILL:
        return (
            f"worker process {pid} was killed (signal 9), perhaps because memory ran out: "
            "run it again, with fewer --workers if memory is short"
        )
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"worker process {pid} {how}: run it again"


def _may_fork() -> bool:
    """Whether this process has no other thread, which could hold a lock that nobody would open."""
    return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1


def _fork(connection: Connection, work: Work) -> _Fork:
    pid = os.fork()
    if pid:
        return _Fork(pid)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _close_all_but(connection.fileno())
        _serve(connection, work)
    finally:
        os._exit(1)  # nothing of what this process was about to do is for the worker


def _close_all_but(kept: int) -> None:
    """Close what belongs to the parent: the ends of other workers' connections above all."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(nowhere, standard)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd != kept:
            with suppress(OSError):  # the folder that was listed is closed by now
                os.close(fd)


def _new_process(connection: Connection) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-P",
        "-c",
        _NEW,
        str(connection.fileno()),
        json.dumps([*map(str, sys.path)]),
    ]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[connection.fileno()],
        env={**os.environ, **ONE_THREAD},
    )


# ---- in a worker


def serve_new(fd: int) -> NoReturn:
    """What a worker that is a new process does: the first thing that it is sent is its work."""
    _serve(Connection(fd), None)


def _serve(connection: Connection, work: Work | None) -> NoReturn:
    """Answer each batch with a result, or with the error that it led to."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    received: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_read, args=(connection, received), daemon=True).start()
    work = work or received.get()
    while True:
        batch = received.get()
        try:
            if isinstance(batch, Exception):
                raise batch
            answer = (True, work(batch))
        except Exception as error:
            answer = (False, _told(error))
        with suppress(OSError):  # nobody listens any more: `_read` ends this process
            connection.send(answer)


def _read(connection: Connection, received: "SimpleQueue[Any]") -> None:
    """Take what is sent, so that the sender never waits; end the process with the sender."""
    while True:
        try:
            received.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)
        except Exception as error:  # no memory, or nothing that can be imported here
            received.put(error)


def _told(error: Exception) -> JobtoolError:
    """The error as the parent raises it: one line that a user can act on."""
    if isinstance(error, JobtoolError):
        return error
    if isinstance(error, MemoryError):
        return WorkerError("a worker process ran out of memory: run it with fewer --workers")
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return WorkerError(f"a worker process failed: {what}; --workers 1 shows where")
