"""Waking workers that wait for jobs: NOTIFY on PostgreSQL, a short sleep elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

CHANNEL = "jobtool_jobs"
POLL_S = 1.0
"""How often a queue is looked at where nothing rings."""
LISTEN_S = 5.0
"""How often it is looked at where something does: whoever adds jobs may not know of the bell."""


def ring(session: Session) -> None:
    """Wake all waiting workers when this session commits."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))


class Bell:
    """A worker's ear; a context manager. Rings that came since the last wait are heard."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_listening = engine.dialect.name == "postgresql"
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        if self._is_listening:
            self._listen()
        return self

    def wait(self, stop: Callable[[], bool], *, at_most_s: float = LISTEN_S) -> bool:
        """Wait for a ring, a while, or until `stop()` is true; whether it rang."""
        end = time.monotonic() + min(at_most_s, LISTEN_S if self._is_listening else POLL_S)
        while not stop() and (left := end - time.monotonic()) > 0:
            slice_s = min(left, 0.5)
            if not self._is_listening:
                time.sleep(slice_s)
            elif self._heard(slice_s):
                return True
        return False

    def _heard(self, timeout_s: float) -> bool:
        import psycopg

        try:
            driver: Any = (self._connection or self._listen()).connection.driver_connection
            return any(True for _ in driver.notifies(timeout=timeout_s, stop_after=1))
        except (DBAPIError, psycopg.OperationalError):  # away; who asks the database next waits
            self._close()
            time.sleep(timeout_s)
            return False

    def _listen(self) -> Connection:
        connection = self._engine.connect()
        self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        self._connection.execute(text(f"LISTEN {CHANNEL}"))
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # a pooled one would go on listening
            self._connection.close()
            self._connection = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
