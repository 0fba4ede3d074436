"""Waking workers."""

import pytest
from sqlalchemy import Engine

from db import bell
from db.bell import Bell, ring
from db.engine import writing


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "POLL_S", 0.1)
    monkeypatch.setattr(bell, "LISTEN_S", 2.0)


def test_a_ring_before_the_wait_is_heard_once_where_something_rings(engine: Engine) -> None:
    with Bell(engine) as ear:
        with writing(engine) as session:
            ring(session)
        heard = [ear.wait(lambda: False) for _ in range(2)]
    assert heard == [engine.dialect.name == "postgresql", False]


def test_what_is_rolled_back_does_not_ring(engine: Engine) -> None:
    with Bell(engine) as ear:
        with writing(engine) as session:
            ring(session)
            session.rollback()
        assert not ear.wait(lambda: False)


def test_a_stop_ends_the_wait(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "POLL_S", 1000.0)
    monkeypatch.setattr(bell, "LISTEN_S", 1000.0)
    with Bell(engine) as ear:
        assert not ear.wait(lambda: True)
