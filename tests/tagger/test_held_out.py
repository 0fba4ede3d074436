"""What a model says of its labelled jobs as it stood before it had seen their labels."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from tagger.features import count_all
from tagger.labels import UNKNOWN, encode_labels
from tagger.metrics import average_precision
from tagger.model import TagModel
from tagger.tag_info import plain_tags
from tagger.tagger import JobTagger

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config"),
]


@pytest.fixture(scope="module")
def jobs(tiny_jobs):
    """60 jobs with a tag that is a toss of a coin, and three reposts."""
    rng = Random(1)
    tossed = [
        replace(job, tags=(*job.tags, "coin"), not_tags=job.not_tags)
        if rng.random() < 0.5
        else replace(job, not_tags=job.not_tags and (*job.not_tags, "coin"))
        for job in tiny_jobs
    ]
    return [*tossed, *(replace(job, id=f"{job.id} again") for job in tossed[:3])]


@pytest.fixture(scope="module")
def model(tiny_config, jobs, eager):
    return JobTagger(tiny_config, seed=0).fit(jobs).model_


def test_there_is_an_answer_about_every_labelled_job_in_their_order(model, jobs):
    found = model.held_out
    shape = (len(jobs), len(model.tags))
    assert found.probability.shape == found.decided.shape == found.label.shape == shape
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    np.testing.assert_array_equal(found.label, encode_labels(jobs, model.tags))
    assert (found.label == UNKNOWN).any()
    assert not found.decided[:, np.isnan(model.thresholds)].any()


def test_reposts_are_held_out_together(model):
    group = model.held_out.group
    np.testing.assert_array_equal(group[60:], group[:3])
    assert len(np.unique(group)) == 60
    np.testing.assert_allclose(
        model.held_out.probability[60:], model.held_out.probability[:3], rtol=1e-5
    )


def test_what_can_only_be_learned_by_heart_is_not_known(model, jobs):
    """The live model has seen the coins: its own answers would flatter it."""
    column = model.tags.index("coin")
    found = model.held_out
    seen = model.predict_proba(jobs)[:, column]
    known = found.label[:, column] != UNKNOWN
    Y = found.label[known, column]
    by_heart = average_precision(Y, seen[known])
    held_out = average_precision(Y, found.probability[known, column])
    assert by_heart > 0.7
    assert held_out < by_heart - 0.1


def test_it_is_saved_with_the_model(model, tmp_path):
    model.save(tmp_path / "m")
    loaded = TagModel.load(tmp_path / "m").held_out
    for name, array in model.held_out.to_arrays().items():
        np.testing.assert_array_equal(getattr(loaded, name), array)


def test_without_labels_there_is_none(tiny_config, jobs):
    tagger = JobTagger(tiny_config, seed=0)
    others = [replace(job, tags=None) for job in jobs]
    tagger.fit([], others, tags=plain_tags(("remote", "night")))
    assert tagger.model_.held_out.probability.shape == (0, 2)


def test_a_posting_is_known_again_by_its_words(model, jobs):
    asked = [
        replace(jobs[5], id="other", text=f"<p>{jobs[5].text}</p>"),  # the same words
        replace(jobs[5], text=f"{jobs[5].text} nightly"),
        jobs[0],
    ]
    places = model.held_out.places(count_all(asked))
    assert places[:2] == [5, None]
    assert places[2] in (0, 60)  # a repost of the same words
    assert model.held_out.places(count_all([])) == []
