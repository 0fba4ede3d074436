"""A model with options, a tagger that is none, and made-up files."""

from pathlib import Path

import pytest

import cli
from matcher import registry, spaces
from tests.match.asked import Letters, as_files, match
from tests.matcher.made_up import made_up


@pytest.fixture(autouse=True)
def leaning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A model with options, and a folder of its own to work in."""
    monkeypatch.setitem(registry.MODELS, "leaning", "tests.matcher.leaning:Leaning")
    monkeypatch.setitem(spaces.SPACES, "leaning", {"weight": spaces.Span(0.0, 1.0)})
    monkeypatch.delenv("JOBTOOL_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tagger(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The option that names a tagger, which is none."""
    monkeypatch.setattr(cli.Tagging, "encoder", lambda self, folder: Letters(folder))
    return ("--tagger", "letters")


@pytest.fixture
def files() -> list[str]:
    return as_files(made_up())


@pytest.fixture
def trained(files) -> list[str]:
    assert match("train", "popularity", *files).exit_code == 0
    return files
