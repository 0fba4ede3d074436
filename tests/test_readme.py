"""What the README tells people to type exists."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^(?:\$ |    )(jobtool .*)$", README, re.MULTILINE)
TARGETS = re.findall(r"^\$ make (\w+)$", README, re.MULTILINE)


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 5
    assert {"demo", "test"} <= set(TARGETS)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_option_of_a_command_in_the_readme_exists(line: str) -> None:
    _, command, *rest = shlex.split(line)
    told = CliRunner().invoke(cli.app, [command, "--help"])
    assert told.exit_code == 0
    for option in (word for word in rest if word.startswith("--")):
        assert option in told.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    found: dict[str, object] = {}
    exec(code[1], found)  # our own README
    assert (tmp_path / "model" / "meta.json").is_file()
