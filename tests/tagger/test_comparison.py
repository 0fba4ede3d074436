"""Two models judged on the same labelled jobs, each by answers that had not seen the labels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from tagger.comparison import compare_models
from tagger.errors import DataError
from tagger.jobs import Job
from tagger.labels import encode_labels
from tagger.metrics import average_precision
from tagger.model import TagModel
from tagger.tagger import count_all

pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config")


@pytest.fixture(scope="module")
def model(tiny_tagger) -> TagModel:
    return tiny_tagger.model_


@pytest.fixture(scope="module")
def everywhere(tiny_jobs) -> range:
    """Places of the jobs in a model that has learned the same, in the same order."""
    return range(len(tiny_jobs))


def changed(
    model: TagModel,
    held_out: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> TagModel:
    """A model with other held-out answers, or other names of its tags."""
    arrays = {**model.arrays, "held_out": {**model.arrays["held_out"], **(held_out or {})}}
    names = [(tags or {}).get(tag, tag) for tag in model.tags]
    return TagModel.of(arrays, {**model.meta, "tags": names})


def rows(model: TagModel, chosen: Any) -> TagModel:
    """A model that has learned some of the jobs, or the same in another order."""
    return changed(model, {name: one[chosen] for name, one in model.arrays["held_out"].items()})


def turned(model: TagModel) -> TagModel:
    """A model that is wrong where this one is right."""
    p = model.held_out.probability
    return changed(model, {"probability": 1 - p, "decided": ~model.held_out.decided})


def without(model: TagModel, tag: str) -> TagModel:
    """A model that has not learned a tag."""
    lacks = np.array(model.tags) == tag
    return replace(
        changed(model, {"decided": model.held_out.decided & ~lacks}),
        thresholds=np.where(lacks, np.nan, model.thresholds),
    )


def test_a_model_is_as_good_as_itself(model, tiny_jobs, everywhere):
    found = compare_models(model, model, tiny_jobs, champion_rows=everywhere)
    assert found.n_jobs == len(tiny_jobs)
    for one in (found.mean_average_precision, found.macro_f1, found.shared_average_precision):
        assert (one.value, one.low, one.high) == (0, 0, 0)
    assert (found.new_tags, found.dropped_tags, found.examples) == ((), (), ())
    assert found.tags
    assert {one.tag: one.n_yes for one in found.tags}["rare"] == 2


def test_a_worse_model_loses_and_its_worst_jobs_are_shown_first(model, tiny_jobs, everywhere):
    found = compare_models(model, turned(model), tiny_jobs, champion_rows=everywhere)
    ap = found.mean_average_precision
    assert ap.high < 0
    assert ap.low <= ap.value <= ap.high
    assert ap.value == pytest.approx(ap.challenger - ap.champion)
    assert found.shared_average_precision == ap
    assert found.macro_f1.value < 0
    changes = [one.better for one in found.examples]
    assert changes == sorted(changes)
    assert all(one.gained or one.lost for one in found.examples)


# ---- which answers are compared


def test_held_out_answers_pair_up_by_job(model, tiny_jobs, everywhere):
    order = np.random.default_rng(0).permutation(len(tiny_jobs))
    places = np.argsort(order).tolist()
    found = compare_models(rows(model, order), model, tiny_jobs, champion_rows=places)
    assert found == compare_models(model, model, tiny_jobs, champion_rows=everywhere)
    mixed_up = compare_models(rows(model, order), model, tiny_jobs, champion_rows=everywhere)
    assert mixed_up.mean_average_precision.value > 0.2


def test_jobs_that_the_champion_has_learned_judge_alone(model, tiny_jobs):
    champion = rows(model, slice(0, 40))
    places = [*range(40), *[None] * 20]
    found = compare_models(champion, model, tiny_jobs, champion_rows=places)
    assert found.n_jobs == 40
    blind = model.held_out.probability.copy()
    blind[40:] = 0.5
    same = compare_models(
        champion, changed(model, {"probability": blind}), tiny_jobs, champion_rows=places
    )
    assert same.mean_average_precision == found.mean_average_precision


def test_an_added_model_answers_by_cross_fitting_about_postings_that_it_has_learned(
    model, tiny_jobs
):
    """Asked itself, it would look better than it is: it has seen their labels."""
    again = [replace(job, id=f"here-{job.id}") for job in tiny_jobs]
    found = compare_models(None, model, again, has_learned=False)
    own = compare_models(None, model, tiny_jobs)
    assert found.mean_average_precision == own.mean_average_precision
    others = [replace(job, text=f"{job.text} nightly") for job in tiny_jobs]
    asked = compare_models(None, model, others, has_learned=False)
    assert asked.mean_average_precision.challenger != own.mean_average_precision.challenger


def test_a_champion_that_has_learned_none_of_the_jobs_is_asked_itself(model, tiny_jobs, everywhere):
    said = model.predict_all(tiny_jobs)
    as_said = changed(
        model,
        {"probability": said.probabilities.astype(np.float32), "decided": said.decisions},
    )
    expected = compare_models(as_said, model, tiny_jobs, champion_rows=everywhere)
    for places in (None, [None] * len(tiny_jobs)):
        found = compare_models(turned(model), model, tiny_jobs, champion_rows=places)
        assert found.n_jobs == len(tiny_jobs)
        assert found.mean_average_precision.champion == pytest.approx(
            expected.mean_average_precision.champion, abs=1e-6
        )
        assert found.macro_f1.champion == expected.macro_f1.champion


def test_a_strange_posting_is_asked_about_as_it_would_be_tagged(model, tiny_jobs):
    """No tag is given to a text none of whose words are known, however low the thresholds are."""
    decisions = {**model.arrays["decisions"], "threshold": np.zeros_like(model.thresholds)}
    generous = TagModel.of({**model.arrays, "decisions": decisions}, model.meta)
    challenger = changed(model, {"decided": np.zeros_like(model.held_out.decided)})
    strange = Job("strange", text="\u770b\u8b77\u5e2b\u3092\u52df\u96c6", tags=("care",))
    found = compare_models(generous, challenger, [strange, *tiny_jobs[1:]])
    shown = {one.job_id for one in found.examples}
    assert shown
    assert "strange" not in shown


def test_without_a_champion_the_names_of_the_tags_are_asked(model, tiny_jobs):
    found = compare_models(None, model, tiny_jobs)
    said = expit(model.names.scores(count_all(tiny_jobs)))
    Y = encode_labels(tiny_jobs, model.tags)
    for one in found.tags:
        t = model.tags.index(one.tag)
        known = Y[:, t] >= 0
        assert one.average_precision.champion == pytest.approx(
            average_precision(Y[known, t], said[known, t])
        )
    assert found.macro_f1.champion == 0
    assert (found.new_tags, found.dropped_tags, found.examples) == ((), (), ())


def test_the_jobs_must_be_those_that_the_challenger_learned(model, tiny_jobs):
    with pytest.raises(DataError, match="learned from 60 labelled jobs, got 59"):
        compare_models(model, model, tiny_jobs[1:])


# ---- tags that one of them does not know


def test_a_renamed_tag_is_the_same_tag(model, tiny_jobs, everywhere):
    renamed = {tag: f"x{tag}" for tag in model.tags}
    jobs = [
        replace(
            job,
            tags=tuple(renamed[tag] for tag in job.tags),
            not_tags=job.not_tags and tuple(renamed[tag] for tag in job.not_tags),
        )
        for job in tiny_jobs
    ]
    now = changed(model, tags=renamed)
    found = compare_models(model, now, jobs, champion_rows=everywhere, renamed=renamed)
    assert (found.new_tags, found.dropped_tags, found.macro_f1.value) == ((), (), 0)
    assert found.n_jobs == len(jobs)
    unknown = compare_models(model, now, jobs, champion_rows=everywhere)
    assert len(unknown.new_tags) == len(found.tags)
    assert np.isnan(unknown.shared_average_precision.value)


def test_a_tag_that_only_the_challenger_knows_counts(model, tiny_jobs, everywhere):
    """To the champion it is as likely on every posting, and never given."""
    lacks = changed(model, tags={"remote": "old"})
    found = compare_models(lacks, model, tiny_jobs, champion_rows=everywhere)
    assert found.new_tags == ("remote",)
    (remote,) = (one for one in found.tags if one.tag == "remote")
    known = [job for job in tiny_jobs if job.not_tags is None or "remote" in job.tags]
    assert remote.average_precision.champion == pytest.approx(remote.n_yes / len(known))
    assert found.mean_average_precision.value > 0
    assert found.shared_average_precision.value == 0


def test_a_new_tag_does_not_hide_losses_on_the_others(model, tiny_jobs, everywhere):
    t = model.tags.index("remote")
    worse = turned(model).held_out.probability.copy()
    worse[:, t] = model.held_out.probability[:, t]
    half = (worse + 3 * model.held_out.probability) / 4  # flatter, and so worse where it matters
    half[::5] = worse[::5]
    challenger = changed(model, {"probability": half})
    lacks = changed(model, tags={"remote": "old"})
    found = compare_models(lacks, challenger, tiny_jobs, champion_rows=everywhere)
    assert found.shared_average_precision.value < 0
    assert found.mean_average_precision.value > found.shared_average_precision.value


def test_a_tag_that_only_the_champion_knows_is_dropped(model, tiny_jobs, everywhere):
    found = compare_models(model, without(model, "remote"), tiny_jobs, champion_rows=everywhere)
    assert found.dropped_tags == ("remote",)
    assert found.macro_f1.value < 0
    assert found.mean_average_precision.value == 0  # it may still know which are likelier


def test_where_nothing_can_be_compared_scores_are_unknown(model, tiny_jobs, everywhere):
    nobody = rows(model, slice(0, 0))
    other = changed(model, tags={tag: f"x{tag}" for tag in model.tags})
    found = [
        compare_models(model, nobody, []),
        compare_models(model, other, tiny_jobs, champion_rows=everywhere),
    ]
    for one in found:
        assert one.n_jobs == 0
        assert one.tags == ()
        assert np.isnan([one.macro_f1.low, one.mean_average_precision.value]).all()
    assert {"xcare", "xremote"} <= set(found[1].new_tags)


def test_reposts_count_once(model, tiny_jobs, everywhere):
    groups = [0] * len(tiny_jobs)
    found = compare_models(model, turned(model), tiny_jobs, champion_rows=everywhere, groups=groups)
    assert found.n_jobs == 1
    assert found.mean_average_precision.low == found.mean_average_precision.high
