"""Rows: the laws they keep, alone and in a batch."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse

from tagger.features import (
    MEASURES,
    N_COLUMNS,
    N_HASHES,
    N_MEASURES,
    N_TERMS,
    JobText,
    RowStatistics,
    RowWeights,
    buckets_of,
    count,
    small_indices,
)
from tagger.hashing import term_hash
from tagger.jobs import Job
from tagger.pos import PENN_TAGS
from tagger.text import terms

TEXTS = (
    "Night nurse, 5+ years.",
    "<p>Cook</p> in our kitchen",
    "Python developer (remote)",
    "",
    "\n",
)
JOBS = [Job(str(i), title=text[:5], text=text) for i, text in enumerate(TEXTS)]
texts = st.lists(st.text(max_size=30), min_size=1, max_size=8)


def bucket_of(term: str) -> int:
    return int(buckets_of(np.array(term_hash(term) & (N_HASHES - 1))))


def weights_of(*batches: list[Job]) -> RowWeights:
    statistics = RowStatistics()
    for jobs in batches:
        statistics.add(count(jobs))
    return statistics.weights()


@pytest.fixture(scope="module")
def weights() -> RowWeights:
    return weights_of(JOBS)


def same(a: sparse.csr_array, b: sparse.csr_array) -> bool:
    """Equal to the bit."""
    return bool(a.shape == b.shape and (a.toarray() == b.toarray()).all())


@given(texts)
def test_each_text_gives_one_finite_row(weights: RowWeights, found: list[str]) -> None:
    rows = weights.rows([Job("1", text=text) for text in found])
    assert rows.shape == (len(found), N_COLUMNS) == (len(found), 32_768)
    assert rows.dtype == np.float32
    assert np.isfinite(rows.data).all()


@given(texts)
def test_a_job_gets_the_same_row_alone_and_in_a_batch(
    weights: RowWeights, found: list[str]
) -> None:
    jobs = [Job("1", title=text[::-1], text=text) for text in found]
    alone = sparse.vstack([weights.rows([job]) for job in jobs], format="csr")
    assert same(weights.rows(jobs), alone)


@given(st.permutations(JOBS))
def test_the_order_of_a_batch_does_not_matter(weights: RowWeights, jobs: list[Job]) -> None:
    places = [int(job.id) for job in jobs]
    assert same(weights.rows(jobs), weights.rows(JOBS)[places])


def test_streaming_gives_the_same_rows_in_one_go(weights: RowWeights) -> None:
    batches = list(weights.iter_rows(iter(JOBS), batch=2))
    assert [batch.shape[0] for batch in batches] == [2, 2, 1]
    assert same(sparse.vstack(batches, format="csr"), weights.rows(JOBS))


def test_no_jobs_give_no_rows(weights: RowWeights) -> None:
    assert weights.rows([]).shape == (0, N_COLUMNS)


def test_statistics_may_be_added_to_in_several_goes() -> None:
    at_once, in_parts = weights_of(JOBS), weights_of(JOBS[:2], JOBS[2:])
    assert (at_once.idf == in_parts.idf).all()
    np.testing.assert_allclose(at_once.mean, in_parts.mean, rtol=1e-6)
    np.testing.assert_allclose(at_once.scale, in_parts.scale, rtol=1e-5)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=5))
@example([(job.title, job.text) for job in JOBS])
def test_buckets_and_counts_are_those_of_scikit_learn(found: list[tuple[str, str]]) -> None:
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.feature_extraction.text import HashingVectorizer

    jobs = [Job("1", title=title, text=text) for title, text in found] or JOBS
    hashing = HashingVectorizer(
        analyzer=lambda tokens: [term for term, _ in terms(tokens)],
        n_features=N_TERMS,
        norm=None,
        alternate_sign=False,
    )
    split = [JobText.of(job) for job in jobs]
    in_title = hashing.transform([job.title_tokens for job in split])
    in_text = hashing.transform([job.text_tokens for job in split])
    counted = count(jobs)
    assert (counted.text.toarray() == (in_title + in_text).toarray()).all()
    title = [[f"title:{term}" for term, _ in terms(job.title_tokens)] for job in split]
    hasher = FeatureHasher(N_TERMS, input_type="string", alternate_sign=False)
    assert (counted.title.toarray() == hasher.transform(title).toarray()).all()


@given(st.text(min_size=1))
def test_any_term_has_the_bucket_of_scikit_learn(term: str) -> None:
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(N_TERMS, input_type="string", alternate_sign=False)
    assert hasher.transform([[term]]).indices.tolist() == [bucket_of(term)]


def test_a_title_counts_in_its_own_buckets_too() -> None:
    counted = count([Job("1", title="Nurse", text="Nurse")])
    assert counted.text[0, bucket_of("nurs")] == 2
    assert counted.title[0, bucket_of("title:nurs")] == 1


def test_terms_have_length_one_however_long_the_text() -> None:
    weights = weights_of(JOBS)
    rows = weights.rows([Job("1", text="nurse"), Job("2", text="nurse and cook " * 500)])
    lengths = np.linalg.norm(rows[:, :N_TERMS].toarray(), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_a_rarer_term_weighs_more() -> None:
    weights = weights_of([Job("1", text="nurse cook"), Job("2", text="nurse baker")])
    row = weights.rows([Job("3", text="nurse cook")]).toarray()[0]
    assert row[bucket_of("cook")] > row[bucket_of("nurs")] > 0


def test_part_of_speech_shares_add_up_to_one() -> None:
    shares = count(JOBS[:3]).measures[:, : len(PENN_TAGS)]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert shares[0, PENN_TAGS.index("NN")] > 0


def test_an_empty_posting_has_measures_and_no_terms(weights: RowWeights) -> None:
    row = weights.rows([Job("1")])
    assert row[:, :N_TERMS].nnz == 0
    assert np.isfinite(row.data).all()


def test_columns_past_the_last_measure_stay_empty(weights: RowWeights) -> None:
    assert len(MEASURES) <= N_MEASURES
    assert weights.rows(JOBS)[:, N_TERMS + len(MEASURES) :].nnz == 0


def test_a_huge_posting_is_no_farther_out_than_a_long_one(weights: RowWeights) -> None:
    rows = weights.rows([Job("1", text="nurse, cook! " * n) for n in (2_000, 100_000)])
    measures = rows[:, N_TERMS:].toarray()
    assert np.abs(measures).max() <= 0.0301


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix, sparse.coo_array])
def test_small_indices_change_no_row_and_leave_theirs_alone(kind: type) -> None:
    whole = sparse.csr_array(np.array([[0, 1.5], [2, 0], [0, 0]], np.float32))
    whole.indices, whole.indptr = whole.indices.astype(np.int64), whole.indptr.astype(np.int64)
    small = small_indices(rows := kind(whole))
    assert {small.indices.dtype, small.indptr.dtype} == {np.dtype(np.int32)}
    assert (whole.indices.dtype, small.dtype) == (np.int64, np.float32)
    assert isinstance(small, sparse.csr_array)
    assert (small.toarray() == whole.toarray()).all()
    assert (rows.toarray() == whole.toarray()).all()
