"""Probabilities of labelled jobs from models that have not seen their labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.crossfit import cross_fitted_proba
from tagger.labels import tag_list


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.usefixtures("eager")
def test_a_wrong_label_is_not_believed(tiny_tagger, tiny_jobs, tmp_path: Path):
    tiny_tagger.save(tmp_path / "model")
    wrong = [replace(tiny_jobs[0], tags=(), not_tags=("care",)), *tiny_jobs[1:]]
    assert "care" in tiny_jobs[0].tags
    tags = tag_list(wrong)
    proba = cross_fitted_proba(wrong, tags, model=tmp_path / "model")
    care = proba[:, tags.index("care")]
    others = [n for n, job in enumerate(wrong) if "care" not in job.tags and n]
    assert proba.shape == (len(wrong), len(tags))
    assert care[0] > np.max(care[others])


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.usefixtures("eager")
def test_a_tag_with_too_few_examples_has_no_probability(tiny_tagger, tiny_jobs, tmp_path: Path):
    tiny_tagger.save(tmp_path / "model")
    tags = tag_list(tiny_jobs)
    proba = cross_fitted_proba(tiny_jobs, tags, model=tmp_path / "model")
    is_unknown = np.isnan(proba).all(axis=0)
    assert [tag for tag, unknown in zip(tags, is_unknown, strict=True) if unknown] == ["rare"]
    assert np.isfinite(proba[:, ~is_unknown]).all()
