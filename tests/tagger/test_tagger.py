"""The whole tagger on made-up postings."""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tagger.errors import DataError
from tagger.features import N_HASHES, Rows, count, count_all, join_counted
from tagger.hashing import term_hash
from tagger.jobs import Job
from tagger.tag_info import TagInfo
from tagger.tagger import JobTagger, TaggerConfig

NEW = (
    Job("n1", "Night nurse", "hospital ward, patients, shifts"),
    Job("n2", "Python engineer", "web services in Python"),
    Job("n3", "Van driver", "deliver parcels, clean driving licence"),
    Job("n4", "Cook", "soups and sauces in our kitchen"),
)


def test_obvious_postings_get_their_tag(tiny_tagger: JobTagger) -> None:
    proba = tiny_tagger.predict_proba(NEW)
    kinds = [tiny_tagger.tags_.index(tag) for tag in ("care", "software", "driving", "kitchen")]
    assert proba[:, kinds].argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert ((proba >= 0) & (proba <= 1)).all()


def test_tags_are_the_columns_in_order(tiny_tagger: JobTagger) -> None:
    assert tiny_tagger.tags_ == ("care", "driving", "kitchen", "rare", "remote", "software")
    given = tiny_tagger.predict(NEW)
    assert any(given)
    assert given == [tuple(sorted(tags)) for tags in given]


def test_a_rare_tag_is_learned_and_says_so(
    tiny_tagger: JobTagger, tiny_jobs: tuple[Job, ...]
) -> None:
    proba = tiny_tagger.predict_proba(tiny_jobs)[:, tiny_tagger.tags_.index("rare")]
    assert set(np.argsort(-proba)[:2].tolist()) == {5, 6}
    assert tiny_tagger.remarks_["rare"].startswith("2 examples, under 20")
    assert tiny_tagger.remarks_["care"].startswith("15 examples, under 20")


def test_codes_have_the_size_that_was_asked_for(tiny_tagger: JobTagger) -> None:
    codes = tiny_tagger.encode(NEW)
    assert codes.shape == (4, tiny_tagger.config.autoencoder.code)
    assert np.isfinite(codes).all()


def test_reasons_are_words_of_the_posting(tiny_tagger: JobTagger) -> None:
    job = Job("1", "Senior NURSE", "Nights on the ward")
    shown = {"senior", "nurse", "nights", "ward", "senior nurse", "nights ward"}
    reasons = tiny_tagger.explain(job, n_terms=20)
    assert {term for found in reasons.values() for term, _ in found} <= shown
    assert reasons["care"][0].term in {"nurse", "ward"}
    assert reasons["care"][0].effect > 0


def test_the_strongest_reasons_come_first(tiny_tagger: JobTagger) -> None:
    effects = [abs(effect) for _, effect in tiny_tagger.explain(NEW[1], n_terms=3)["software"]]
    assert len(effects) == 3
    assert effects == sorted(effects, reverse=True)


def test_an_effect_is_what_the_logit_loses_without_the_term(tiny_tagger: JobTagger) -> None:
    """The word ends a sentence on both sides, so it stands in no pair."""
    model = tiny_tagger.model_
    whole = count([Job("1", text="hospital. nurse. patients")])
    without = whole._replace(terms=without_column(whole.terms, "nurs"))
    scores = [model.predict_counted(one).scores[0] for one in (whole, without)]
    for tag, lost in zip(model.tags, scores[0] - scores[1], strict=True):
        effects = dict(model.explain(Job("1", text="hospital. nurse. patients"))[tag])
        assert effects["nurse"] == pytest.approx(lost, abs=1e-3)
    assert scores[0][0] > scores[1][0]  # "care"


def without_column(terms: Rows, term: str) -> Rows:
    kept = terms.copy()
    kept.data[kept.indices == (term_hash(term) & (N_HASHES - 1))] = 0
    kept.eliminate_zeros()
    return kept


def test_a_word_taken_out_of_a_posting_lowers_its_tag(tiny_tagger: JobTagger) -> None:
    whole = Job("1", "Nurse", "Nights in the hospital. Friendly team. Training")
    without = Job("1", "", "Nights in the hospital. Friendly team. Training")
    care = tiny_tagger.tags_.index("care")
    scores = tiny_tagger.model_.predict_all([whole, without]).scores[:, care]
    assert dict(tiny_tagger.explain(whole)["care"])["nurse"] > 0
    assert scores[0] > scores[1]


def test_histories_are_kept(tiny_tagger: JobTagger) -> None:
    assert set(tiny_tagger.histories_) == {"autoencoder", "classifier"}
    assert all(tiny_tagger.histories_.values())


def test_jobs_without_labels_are_unlabelled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        JobTagger, "fit_counted", lambda self, own, Y, tags, others, **_: seen.update(locals())
    )
    labelled = [Job("1", text="a", tags=("x",)), Job("2", text="b"), Job("3", text="c", tags=())]
    JobTagger().fit(labelled, iter([Job("4", text="d", tags=("not used",))]))
    assert seen["tags"] == (TagInfo(name="x"),)
    assert seen["Y"].tolist() == [[1], [0]]
    assert len(seen["own"].measures) == len(seen["others"].measures) == 2


def test_counting_in_parts_is_counting_at_once() -> None:
    whole = count_all(iter(NEW))
    joined = join_counted([count_all(NEW[:1]), count_all(NEW[1:])])
    for a, b in zip(joined, whole, strict=True):
        assert (a != b).sum() == 0
    assert (whole.take(np.array([2])).text != whole.text[[2]]).nnz == 0


# Errors: each at once, before anything is trained


@pytest.mark.parametrize("jobs", [(), (Job("1", text="a"),), (Job("1", text="a", tags=()),)])
def test_jobs_without_any_tag_are_an_error(jobs: tuple[Job, ...]) -> None:
    with pytest.raises(DataError, match=f"none of the {len(jobs)} jobs has a tag, and no tags"):
        JobTagger().fit(jobs)


def test_tags_without_any_job_are_an_error() -> None:
    with pytest.raises(DataError, match="no job to learn from, neither labelled nor unlabelled"):
        JobTagger().fit([], tags=[TagInfo(name="care")])


@pytest.mark.parametrize("share", [0, 1, -1])
def test_a_share_is_between_none_and_all(share: float) -> None:
    with pytest.raises(DataError, match="own_share must be between 0 and 1"):
        TaggerConfig(own_share=share)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "encode", "save", "explain"])
def test_it_must_be_fitted_first(method: str) -> None:
    with pytest.raises(NotFittedError, match="call fit or load first"):
        getattr(JobTagger(), method)(NEW[0] if method == "explain" else NEW)
