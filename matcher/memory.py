"""How much memory a step takes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EVERY_S = 0.02


@dataclass(slots=True)
class Memory:
    grown_mb: float = np.nan


@contextmanager
def peak_memory() -> Iterator[Memory]:
    """How much the process grows at most within, looked at every few hundredths of a second."""
    memory, before = Memory(), resident_mb()
    stop, peak = threading.Event(), [before]

    def watch() -> None:
        while not stop.wait(EVERY_S):
            peak[0] = max(peak[0], resident_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        stop.set()
        watcher.join()
        memory.grown_mb = max(peak[0], resident_mb()) - before


def resident_mb() -> float:
    """Memory of this process in MB, nan where the system doesn't say (it does on Linux)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return np.nan
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
