"""What people look up about kinds of models."""

from dataclasses import dataclass

import pytest

from matcher import registry
from matcher.configs import make
from matcher.kinds import settings


@dataclass(frozen=True)
class Inner:
    width: tuple[int, ...] = (4, 2)
    """Units."""


@dataclass(frozen=True)
class Base:
    depth: int = 3
    """How deep,
    in steps."""
    plain: float = 0.5


@dataclass(frozen=True)
class Config(Base):
    inner: Inner = Inner()
    """Not told: its fields are."""


def test_settings_come_with_those_within_and_inherited_and_what_they_mean():
    assert list(settings(Config(depth=5))) == [
        ("depth", 5, "How deep, in steps."),
        ("plain", 0.5, ""),
        ("inner.width", (4, 2), "Units."),
    ]


@pytest.mark.parametrize("name", registry.MODELS)
def test_settings_of_every_kind_can_be_listed(name):
    config = make(name).settings
    told = [] if config is None else list(settings(config))
    assert len({setting for setting, _, _ in told}) == len(told)
