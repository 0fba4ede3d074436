"""Unlabelled jobs narrow an interval only where nothing tells them from the labelled ones."""

from dataclasses import replace

import numpy as np
import pytest

from tagger.alike import find_alike
from tagger.evaluate import cross_validate, evaluate_model, groups_of
from tagger.jobs import Job
from tagger.report import render_report
from tagger.tagger import JobTagger, TaggerConfig, count_all

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config"),
]


def test_jobs_of_the_same_kind_are_alike_and_others_are_not(tiny_jobs: tuple[Job, ...]) -> None:
    mixed = [tiny_jobs[i] for i in np.random.default_rng(0).permutation(len(tiny_jobs))]
    labelled = count_all(mixed[:30])
    groups = groups_of(labelled)
    same = find_alike(labelled, groups, count_all(mixed[30:]))
    assert same.chosen.tolist() == list(range(30))
    assert same.note == "30 unlabelled jobs like the labelled ones"
    bread = [Job(str(i), "Baker", f"bread, cakes and rolls of shop {i} " * 3) for i in range(30)]
    other = find_alike(labelled, groups, count_all(bread))
    assert not len(other.chosen)
    assert other.note.startswith("none: the unlabelled jobs are of another kind")


def test_reposts_of_labelled_jobs_and_empty_files_help_nothing(tiny_jobs: tuple[Job, ...]) -> None:
    labelled = count_all(tiny_jobs)
    groups = groups_of(labelled)
    assert "repeat labelled ones" in find_alike(labelled, groups, labelled).note
    assert "no unlabelled jobs" in find_alike(labelled, groups, count_all([])).note


def test_evaluations_show_narrower_intervals(
    tiny_tagger: JobTagger, tiny_config: TaggerConfig, tiny_jobs: tuple[Job, ...]
) -> None:
    mixed = [tiny_jobs[i] for i in np.random.default_rng(0).permutation(len(tiny_jobs))]
    others = [replace(job, tags=None, not_tags=None) for job in mixed[30:]]
    crossed = cross_validate(mixed[:30], others, config=tiny_config, n_folds=2)
    asked = evaluate_model(tiny_tagger.model_, mixed[:30], others)
    for found in (crossed, asked):
        assert found.unlabelled is not None
        assert found.unlabelled[0].shape == (30, len(found.tags))
        assert (found.unlabelled[0] > 0).all()  # every one was asked about
        rows = found.to_json()["narrow_intervals"]
        assert [row["score"] for row in rows] == ["mean_average_precision", "macro_f1", "micro_f1"]
        assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
        assert all(row["unlabelled"] == 30 for row in rows)
        assert "30 unlabelled jobs make the intervals narrower" in render_report(found)
    np.testing.assert_array_equal(asked.unlabelled[0], tiny_tagger.predict_proba(mixed[30:]))
