"""How many cores there are to use, and one thread for each process that uses one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""The environment in which a matrix product takes one thread."""


def usable_cores() -> int:
    """Number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return 1 if sys.platform == "win32" else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """A numpy that is imported meanwhile multiplies matrices in one thread.

    Tagging is no faster with more of them, several processes would be in each other's way, and
    forking is safe only without them.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
