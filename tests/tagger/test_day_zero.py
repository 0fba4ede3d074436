"""The first days of a team: no label, one label, and whatever else is odd about its tags."""

import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tagger.features import count_all
from tagger.jobs import Job
from tagger.labels import encode_labels
from tagger.model import TagModel
from tagger.tag_info import TagInfo
from tagger.tagger import JobTagger, TaggerConfig

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config"),
]

INFOS = (
    TagInfo(name="nurse", words=("hospital", "ward")),
    TagInfo(name="SoftwareDeveloper", aliases=("programmer",), share=0.25),
    TagInfo(name="driving", description="Drivers of vans and trucks.", words=("driver",)),
    TagInfo(name="T1"),
)
NURSE, OTHER = Job("n", "Nurse", "hospital ward, night shifts"), Job("o", "Cook", "kitchen menu")


@pytest.fixture(scope="module")
def unlabelled(tiny_jobs: tuple[Job, ...]) -> list[Job]:
    return [Job(f"u{job.id}", job.title, job.text) for job in tiny_jobs]


@pytest.fixture(scope="module")
def day_zero(eager: None, tiny_config: TaggerConfig, unlabelled: list[Job]) -> JobTagger:
    """Trained on tags and postings alone. Not to be changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config")
        return JobTagger(tiny_config).fit([], unlabelled, tags=INFOS)


# No label


def test_without_labels_postings_are_tagged_by_the_names_of_tags(
    day_zero: JobTagger, unlabelled: list[Job]
) -> None:
    said = day_zero.predict(unlabelled)
    for title, tag in (("Nurse", "nurse"), ("Developer", "SoftwareDeveloper")):
        having = [job.title == title for job in unlabelled]
        given = [tag in tags for tags in said]
        assert any(given)
        assert not [g for g, h in zip(given, having, strict=True) if g and not h]


def test_without_labels_a_stated_share_of_the_postings_is_given_a_tag(
    day_zero: JobTagger, unlabelled: list[Job]
) -> None:
    n_given = sum("SoftwareDeveloper" in tags for tags in day_zero.predict(unlabelled))
    proba = day_zero.predict_proba(unlabelled)[:, day_zero.tags_.index("SoftwareDeveloper")]
    assert 0.15 <= n_given / len(unlabelled) <= 0.3
    assert proba.mean() == pytest.approx(0.25, abs=0.02)


def test_a_tag_with_a_meaningless_name_is_never_given(
    day_zero: JobTagger, unlabelled: list[Job]
) -> None:
    strange = [Job("s", "T1", "1 T1 t 1"), Job("empty")]
    assert not any("T1" in tags for tags in day_zero.predict([*unlabelled, *strange]))
    assert np.isnan(day_zero.model_.thresholds[day_zero.tags_.index("T1")])


def test_a_model_without_labels_says_so(day_zero: JobTagger) -> None:
    meta = day_zero.model_.meta
    assert set(day_zero.remarks_) == {info.name for info in INFOS}
    assert all(remark.startswith("no labels yet") for remark in day_zero.remarks_.values())
    assert meta["metrics"]["macro_f1"] is meta["metrics"]["mean_average_precision"] is None
    assert meta["metrics"]["n_scored_tags"] == meta["data"]["labelled"] == 0
    assert meta["tag_info"] == [info.to_json() for info in INFOS]


def test_a_model_without_labels_is_saved_encodes_and_explains(
    day_zero: JobTagger, unlabelled: list[Job], tmp_path: Path
) -> None:
    day_zero.save(tmp_path / "model")
    loaded = TagModel.load(tmp_path / "model")
    said, again = day_zero.model_.predict_all(unlabelled), loaded.predict_all(unlabelled)
    assert all((a == b).all() for a, b in zip(said, again, strict=True))
    assert np.isfinite(loaded.encode(unlabelled)).all()
    best = loaded.explain(NURSE)["nurse"][0]
    assert best.term in {"nurse", "hospital", "ward"}
    assert best.effect > 0


def test_labels_may_come_to_a_model_without_labels(
    day_zero: JobTagger, unlabelled: list[Job], tmp_path: Path
) -> None:
    day_zero.save(tmp_path / "model")
    labelled = [
        Job(j.id, j.title, j.text, tags=("nurse",) * (j.title == "Nurse")) for j in unlabelled
    ]
    Y = encode_labels(labelled, [info.name for info in INFOS])
    later = JobTagger.load(tmp_path / "model").partial_fit(count_all(labelled), Y, INFOS)
    nurse = later.tags_.index("nurse")
    proba = later.predict_proba([NURSE, OTHER])[:, nurse]
    assert proba[0] > 0.5 > proba[1]
    assert "no labels" not in later.remarks_["nurse"]


# The first labels


def test_a_tag_with_one_example_is_learned_and_has_a_remark(
    tiny_config: TaggerConfig, unlabelled: list[Job]
) -> None:
    """Its name says nothing, so what is learned comes from the example."""
    first = [
        Job(f"l{i}", job.title, job.text, tags=("T1",) if i == 0 else ())
        for i, job in enumerate(unlabelled[:8])
    ]
    tagger = JobTagger(tiny_config).fit(first, unlabelled[8:], tags=[TagInfo(name="T1")])
    proba = tagger.predict_proba(unlabelled[8:])[:, 0]
    like = np.array([job.title == first[0].title for job in unlabelled[8:]])
    assert tagger.remarks_["T1"].startswith("1 example, under 20")
    assert len(np.unique(proba)) > 10
    assert proba[like].mean() > proba[~like].mean()


@pytest.mark.parametrize("tags", [("nurse",), ()])
def test_one_labelled_posting_and_no_other_is_enough(
    tiny_config: TaggerConfig, tags: tuple[str, ...]
) -> None:
    job = Job("1", "Nurse", "hospital ward", tags=tags)
    tagger = JobTagger(tiny_config).fit([job], tags=INFOS)
    proba = tagger.predict_proba([job, OTHER, Job("empty")])
    assert proba.shape == (3, 4)
    assert ((proba > 0) & (proba < 1)).all()


def test_labels_may_use_other_names_of_a_tag_and_name_tags_nobody_described(
    tiny_config: TaggerConfig, unlabelled: list[Job]
) -> None:
    labelled = [
        Job(job.id, job.title, job.text, tags=("programmer", "early") if i % 2 else ())
        for i, job in enumerate(unlabelled[:12])
    ]
    tagger = JobTagger(tiny_config).fit(labelled, tags=INFOS)
    assert tagger.tags_ == (*(info.name for info in INFOS), "early")
    assert tagger.model_.meta["data"]["yes"] == {
        "nurse": 0, "SoftwareDeveloper": 6, "driving": 0, "T1": 0, "early": 6,
    }  # fmt: skip


def test_same_seed_same_model(
    day_zero: JobTagger, tiny_config: TaggerConfig, unlabelled: list[Job]
) -> None:
    again = JobTagger(tiny_config).fit([], unlabelled, tags=INFOS).model_
    for name, part in day_zero.model_.arrays.items():
        for key, values in part.items():
            np.testing.assert_array_equal(again.arrays[name][key], values)


def test_a_meaningless_tag_that_no_posting_has_yet_is_given_to_none(
    tiny_config: TaggerConfig, tiny_jobs: tuple[Job, ...]
) -> None:
    tagger = JobTagger(tiny_config).fit(tiny_jobs, tags=[TagInfo(name="T1")])
    assert not any("T1" in tags for tags in tagger.predict(tiny_jobs))


# Odd tags


def test_signs_in_what_is_said_of_tags_are_no_patterns_and_no_markup(
    tiny_config: TaggerConfig, unlabelled: list[Job]
) -> None:
    odd = ("C++", ".*", "a|b", "(", "<b>nurse</b>", "&amp;", "\\d+", "[x", "{}", "%s")
    infos = [
        TagInfo(name="nurse", words=odd, description="<script>.*</script>"),
        TagInfo(name="(.*)", aliases=("<i>",), against=odd),
    ]
    tagger = JobTagger(tiny_config).fit([], unlabelled, tags=infos)
    proba = tagger.predict_proba([NURSE, OTHER])
    assert np.isfinite(proba).all()
    assert proba[0, 0] > proba[1, 0]


def test_two_tags_whose_names_have_the_same_terms_get_the_same_without_labels(
    tiny_config: TaggerConfig, unlabelled: list[Job]
) -> None:
    infos = [TagInfo(name="Nurse (ward)"), TagInfo(name="nurses/ward")]
    tagger = JobTagger(tiny_config).fit([], unlabelled, tags=infos)
    proba = tagger.predict_proba(unlabelled)
    np.testing.assert_allclose(proba[:, 0], proba[:, 1], atol=1e-6)
    assert np.ptp(proba[:, 0]) > 0.1


def test_what_no_label_has_taught_takes_no_place_in_a_model(
    tiny_config: TaggerConfig, unlabelled: list[Job], tmp_path: Path
) -> None:
    infos = [TagInfo(name=f"kind {i}", words=("nurse",)) for i in range(2000)]
    tagger = JobTagger(tiny_config).fit([], unlabelled, tags=infos)
    tagger.save(tmp_path / "model")
    assert (tmp_path / "model/mixture.npz").stat().st_size < 100_000
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 5_000_000
    loaded = TagModel.load(tmp_path / "model").predict_proba(unlabelled)
    np.testing.assert_array_equal(loaded, tagger.predict_proba(unlabelled))
    assert np.ptp(loaded[:, 0]) > 0.1


def test_thousands_of_tags_with_few_postings_are_learned(tiny_config: TaggerConfig) -> None:
    """A hundred tags a posting; coefficients of columns that no posting has take no memory."""
    rng, names = Random(0), [f"kind {i}" for i in range(2000)]
    words = "nurse cook driver python ward kitchen van code night day shift menu route".split()
    jobs = [
        Job(str(i), rng.choice(words), " ".join(rng.sample(words, 8)), tags=tuple(names[i::20]))
        for i in range(20)
    ]
    tagger = JobTagger(tiny_config).fit(jobs)
    assert tagger.predict_proba(jobs).shape == (20, 2000)
    assert len(tagger.remarks_) == 2000
