"""Ctrl-C and SIGTERM, remembered: a library that they interrupt may raise something else.

TensorFlow turns a KeyboardInterrupt that comes while it traces a function into a TypeError, a
ValueError or an AssertionError, and who pressed Ctrl-C would see a traceback.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_came: list[int] = []


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it stops as Ctrl-C does."""


def remember() -> None:
    """From now on note that Ctrl-C came; it raises KeyboardInterrupt as before.

    Where SIGINT is ignored or handled otherwise, that stays.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def _note(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    signal.default_int_handler(number, frame)


@contextmanager
def restored(*, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """What is raised after a signal came is its KeyboardInterrupt, with the notes of the error.

    Parameters
    ----------
    but
        Exceptions that stay what they are.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        if not _came:
            raise
        stopped = Terminated() if _came[-1] == signal.SIGTERM else KeyboardInterrupt()
        for note in getattr(error, "__notes__", ()):
            stopped.add_note(note)
        raise stopped from error


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises Terminated meanwhile, so that what is done so far is told and tidied up.

    Where SIGTERM is ignored or handled otherwise, that stays.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    raise Terminated


@contextmanager
def held() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait meanwhile: what belongs together is done as a whole or not at all."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_code(stop: KeyboardInterrupt) -> int:
    """As shells count it: 128 and the number of the signal."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
