"""What the README tells people to type works."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cli
import tagger.training
from jobtool.trainer import Trainer
from matcher.hybrid import Hybrid, HybridConfig
from tagger.tagger import TaggerConfig

pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run")
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^(?:\$ |    )(jobtool .*)$", README, re.MULTILINE)
TARGETS = re.findall(r"^\$ make (\w+)$", README, re.MULTILINE)


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 5
    assert {"demo", "test"} <= set(TARGETS)


def test_the_commands_of_the_readme_run(
    tmp_path: Path,
    tiny_demo: Any,
    tiny_config: TaggerConfig,
    monkeypatch: pytest.MonkeyPatch,
    eager: None,
) -> None:
    """In the order of the README, on the packaged sample, with tiny networks."""
    monkeypatch.setattr(tagger.training, "tagger_config", lambda wide: tiny_config)
    monkeypatch.setattr(cli.Tagging, "trainer", lambda _, seed: Trainer(seed, tiny_config))
    small = HybridConfig(n_factors=8, n_seeds=1, n_inner=1, n_rounds=4, n_trees=10)
    monkeypatch.setattr(Hybrid, "settings", small)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_demo.model.parent, "jobtool-demo")
    for name, packaged in (("labelled", "labelled"), ("more", "unlabelled"), ("new", "new")):
        lines = (ROOT / f"tagger/data/sample_{packaged}.jsonl").read_text("utf-8").splitlines()
        Path(f"{name}.jsonl").write_text("\n".join(lines[:100]), "utf-8")
    write_events()
    Path("tags.csv").write_text("tag,words\nhealthcare,nurse; ward\nremote,\n", "utf-8")
    for line in COMMANDS:
        done = CliRunner().invoke(cli.app, shlex.split(line)[1:], input="Night nurse, $38/hr")
        assert done.exit_code == 0, f"{line}: {done.output}"
    written = {path.name for path in tmp_path.iterdir()}
    assert {
        "tags.jsonl",
        "report.html",
        "model",
        "day-zero",
        "jobs.models",
        "predictions.csv",
        "matching.html",
    } <= written


def write_events() -> None:
    """Candidates who each applied to five of the labelled jobs."""
    lines = Path("labelled.jsonl").read_text("utf-8").splitlines()
    jobs = [str(json.loads(line)["id"]) for line in lines][:40]
    people = [{"id": f"c{n}", "text": "Nurse, five years on a ward."} for n in range(30)]
    events = [
        {"candidate": one["id"], "job": jobs[(7 * n + 3 * k) % 40], "action": "apply"}
        for n, one in enumerate(people)
        for k in range(5)
    ]
    for name, rows in (("candidates", people), ("events", events)):
        Path(f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link.partition("#")[0]).exists()] == []


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    found: dict[str, object] = {}
    exec(code[1], found)  # our own README
    assert (tmp_path / "model" / "meta.json").is_file()
