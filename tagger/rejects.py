"""Rows that can't be used, and values that count as unknown: counted, written down if asked.

The first few are kept for display.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from tagger.errors import DataError


@dataclass(frozen=True, slots=True)
class Reject:
    """One row, or one label of a row, that was left out, and why."""

    line: int
    """Line of the file where the row begins, from 1; in a parquet file the number of the row."""
    id: str | None
    """Id of the job; None where the row has none or it could not be read."""
    reason: str
    """What is wrong and, where it isn't obvious, what to do."""
    file: str = ""
    """The file as the user named it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Rejects:
    """Collects rejects while files are read; use it as a context manager if it writes a file.

    Parameters
    ----------
    path
        Where to write JSON lines with the keys file, line, id and reason. The file is made when
        the first reject comes (an older one is replaced) and each line is flushed at once.
        Without a path nothing is written.
    n_kept
        Rejects kept in `first`, so that memory stays flat however bad a file is.
    """

    def __init__(self, path: Path | None = None, *, n_kept: int = 10) -> None:
        self.path = path
        self.n_kept = n_kept
        self.count = 0
        self.first: list[Reject] = []
        self.n_unknown = 0
        """Values that can't be read and count as unknown, in rows that were kept."""
        self.first_unknown: list[Reject] = []
        self._stream: TextIO | None = None

    def add(self, file: Path | str, line: int, id: str | None, reason: str) -> None:
        """Count one reject and write it down.

        Raises
        ------
        DataError
            If the file of rejects can't be written.
        """
        self.count += 1
        self._keep(Reject(line, id, reason, str(file)), self.first)

    def unknown(self, file: Path | str, line: int, id: str | None, reason: str) -> None:
        """Count one value that becomes unknown and write it down, as `add` does for rows."""
        self.n_unknown += 1
        self._keep(
            Reject(line, id, f"{reason}; it counts as unknown", str(file)), self.first_unknown
        )

    def _keep(self, reject: Reject, first: list[Reject]) -> None:
        if len(first) < self.n_kept:
            first.append(reject)
        if self.path is not None:
            self._write(self.path, reject)

    def _write(self, path: Path, reject: Reject) -> None:
        row = asdict(reject)
        ordered = {name: row[name] for name in ("file", "line", "id", "reason")}
        try:
            if self._stream is None:
                self._stream = path.open("w", encoding="utf-8", buffering=1)
            # ASCII escapes: ids and file names may hold half a surrogate pair.
            self._stream.write(json.dumps(ordered) + "\n")
        except OSError as error:
            raise DataError(f"{path}: can't write the rejects: {error.strerror}") from error

    def close(self) -> None:
        """Close the file of rejects, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
