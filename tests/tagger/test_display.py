"""What the commands print."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.demo import Demo
from tagger.display import print_demo
from tagger.evaluation import Evaluation
from tagger.jobs import Job
from tagger.tagged import TaggedJob


@pytest.mark.parametrize(
    ("said", "share"), [("ahead of", 0.0), ("level with", 0.94), ("behind", 2.0)]
)
def test_the_demo_says_who_is_ahead_only_where_the_interval_does(
    said: str,
    share: float,
    make_evaluation: Callable[..., Evaluation],
    capsys: pytest.CaptureFixture[str],
) -> None:
    bare = make_evaluation()
    # As much of what we know of the labels as `share` says, behind noise of its own.
    noise = np.random.default_rng(2).normal(size=bare.Y.shape)
    proba = np.clip(0.3 + 0.3 * share * bare.Y + 0.3 * noise, 0, 1)
    peer = {"peer": (proba, proba >= 0.5)}
    evaluation = replace(bare, baselines={**bare.baselines, **peer}, n_samples=200)
    print_demo(
        Demo(
            model=Path("model"),
            tags=Path("tags.jsonl"),
            report=Path("report.html"),
            n_labelled=45,
            n_unlabelled=0,
            labelled=[],
            evaluation=evaluation,
            mistakes=[],
            new=[],
            seconds=1.0,
        )
    )
    assert f"jobtool is {said} the best simple method" in capsys.readouterr().out


def test_tags_of_new_postings_stand_side_by_side_in_80_columns(
    make_evaluation: Callable[..., Evaluation],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tags = ("customer-facing", "shift-work")
    tagged = TaggedJob("1", tags, ("remote",), dict.fromkeys((*tags, "remote"), 0.5))
    new = [(Job("1", "A title that is much longer than a terminal is wide, by far"), tagged)]
    evaluation = replace(make_evaluation(), n_samples=20)
    print_demo(
        Demo(
            model=Path("model"),
            tags=Path("tags.jsonl"),
            report=Path("report.html"),
            n_labelled=45,
            n_unlabelled=0,
            labelled=[],
            evaluation=evaluation,
            mistakes=[],
            new=new,
            seconds=1.0,
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert any("customer-facing, shift-work" in line and "remote" in line for line in lines)
