"""The packaged sample: big, small and varied enough, and what the demo makes of it."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from tagger.demo import DAY_ZERO, Demo, check_folder, read_sample, run_demo
from tagger.errors import DataError
from tagger.features import RowStatistics, count_all
from tagger.jobs import Job
from tagger.labels import encode_labels
from tagger.metrics import summary
from tagger.splits import duplicate_groups
from tagger.text import clean

ROWS = ("labelled", "unlabelled", "new")


def everything() -> list[Job]:
    return [job for part in read_sample() for job in part]


def groups_of(jobs: list[Job]) -> np.ndarray:
    statistics = RowStatistics()
    statistics.add(counted := count_all(jobs))
    return duplicate_groups(statistics.weights().weigh(counted))


def test_the_sample_is_as_big_as_promised() -> None:
    jobs = everything()
    files = [resources.files("tagger").joinpath(f"data/sample_{name}.jsonl") for name in ROWS]
    assert len({job.id for job in jobs}) == len(jobs) >= 250
    assert len({tag for job in jobs for tag in job.tags or ()}) >= 12
    assert sum(len(file.read_bytes()) for file in files) <= 500_000


def test_the_sample_holds_every_kind_of_row() -> None:
    labelled, unlabelled, new = read_sample()
    assert sum(job.not_tags is not None for job in labelled) >= 10
    assert sum(job.tags == () and job.not_tags is None for job in labelled) >= 10
    assert sum(len(job.tags or ()) >= 3 for job in labelled) >= 50
    assert {job.tags for job in (*unlabelled, *new)} == {None}
    assert sum("<p>" in job.text or "<br>" in job.text for job in everything()) >= 15
    assert sum("&lt;" in job.text for job in everything()) >= 3
    assert any(not job.title for job in everything())


def test_no_markup_is_left_in_the_cleaned_sample() -> None:
    cleaned = [clean(job.text) for job in everything()]
    assert not [text for text in cleaned if "&lt;" in text or "<p>" in text or "</li>" in text]


def test_some_postings_repeat_others_but_no_new_one_does() -> None:
    labelled, unlabelled, new = read_sample()
    groups = groups_of([*labelled, *unlabelled, *new])
    assert len(set(groups)) < len(groups)
    assert not {*groups[-len(new) :]} & {*groups[: -len(new)]}


def test_a_tiny_model_beats_the_prior_on_jobs_it_has_not_seen(tiny_demo: Demo) -> None:
    evaluation = tiny_demo.evaluation
    Y = encode_labels(tiny_demo.labelled, evaluation.tags)
    prior = np.tile((Y == 1).sum(axis=0) / (Y >= 0).sum(axis=0), (len(Y), 1))
    of_prior = summary(Y, prior, prior >= 0.5)
    assert evaluation.summary.mean_average_precision > of_prior.mean_average_precision + 0.2
    assert evaluation.summary.macro_f1 > of_prior.macro_f1 + 0.2


def test_the_demo_shows_the_model_of_day_zero_between_ours_and_the_prior(tiny_demo: Demo) -> None:
    row = {row["method"]: row["mean_average_precision"] for row in tiny_demo.evaluation.score_rows}
    assert row["jobtool"] > row[DAY_ZERO] > row["prior"]


@pytest.mark.parametrize("name", ["tags.jsonl", "report.html", "model/meta.json"])
def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("years of work")
    with pytest.raises(DataError, match="holds no earlier demo: name another --folder"):
        run_demo(tmp_path)
    assert mine.read_text() == "years of work"


def test_an_earlier_demo_or_an_empty_folder_may_be_replaced(
    tiny_demo: Demo, tmp_path: Path
) -> None:
    for folder in (tiny_demo.model.parent, tmp_path, tmp_path / "new"):
        check_folder(folder)


def test_the_demo_leaves_a_model_tags_and_a_report(tiny_demo: Demo) -> None:
    assert "pay-stated" in tiny_demo.report.read_text("utf-8")
    assert len(tiny_demo.tags.read_text("utf-8").splitlines()) == len(tiny_demo.new) == 12
    assert (tiny_demo.model / "meta.json").is_file()
    assert 0 < len(tiny_demo.mistakes) <= len(tiny_demo.labelled)
