"""What the commands print."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.demo import Demo
from tagger.display import NO_LABELS, print_demo, print_model, print_posting
from tagger.evaluation import Evaluation
from tagger.jobs import Job
from tagger.model import TagModel
from tagger.tagged import TaggedJob
from tagger.tagger import JobTagger
from tagger.tagging import tag_jobs

METRICS = {"mean_average_precision": None, "path_weights": {"code": 0.5}, "n_scored_tags": 0}


@pytest.mark.parametrize(
    ("n_labelled", "said"),
    [(0, NO_LABELS), (3, "No tag can be measured yet: that takes different jobs")],
)
def test_what_can_not_be_measured_is_told_from_what_has_no_labels(
    n_labelled: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {
        **{"model": "model", "bytes": 1, "version": "0", "created": "now", "seed": 0},
        **{"n_labelled": n_labelled, "n_unlabelled": 1, "metrics": METRICS},
    }
    print_model(facts, [])
    shown = capsys.readouterr().out
    assert said in shown
    assert (NO_LABELS in shown) == (not n_labelled)


@pytest.mark.parametrize("n_labelled", [0, 60])
def test_a_tagged_posting_is_marked_where_the_model_has_no_labels(
    n_labelled: int, tiny_tagger: JobTagger, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tiny_tagger.model_
    data = {**known.meta["data"], "labelled": n_labelled}
    model = TagModel.of(known.arrays, {**known.meta, "data": data})
    print_posting(next(tag_jobs(model, [Job("1", "Nurse", "hospital ward")])), model)
    assert (NO_LABELS in capsys.readouterr().out) == (not n_labelled)


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
    shown = capsys.readouterr().out
    assert f"jobtool is {said} the best simple method" in shown
    assert "Day zero has read the texts of all of them, but no label:" in shown


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
