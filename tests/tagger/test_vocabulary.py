"""Exact terms: counted, weighed, chosen, kept, and by which a strange posting is noticed."""

import tracemalloc
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import roc_auc_score

import tagger.vocabulary
from tagger.autoencoder import AutoencoderConfig
from tagger.classifier import TagConfig
from tagger.deep import DeepConfig
from tagger.features import N_HASHES, TITLE_WEIGHT, Counted, buckets_of, count
from tagger.hashing import term_hash
from tagger.jobs import Job
from tagger.tagger import JobTagger, TaggerConfig
from tagger.vocabulary import (
    DocumentCounts,
    TermCounts,
    Vocabulary,
    learn_vocabulary,
    log_odds,
    look_up,
)


def column(term: str) -> int:
    return term_hash(term) & (N_HASHES - 1)


def hashes(*terms: str) -> np.ndarray:
    return np.sort(np.array([column(term) for term in terms], np.int64))


def counted(*texts: str, title: str = "") -> Counted:
    return count([Job(str(i), title, text) for i, text in enumerate(texts)])


def learned(jobs: Counted, **options: Any) -> Vocabulary:
    return learn_vocabulary(jobs, TermCounts.of(jobs), jobs, **options)


@cache
def two_terms_of_one_bucket() -> tuple[str, str]:
    """Two made-up words that share a bucket of the hashed row; the stemmer leaves them alone."""
    seen: dict[int, str] = {}
    for number in range(10_000):
        word = "q" + "".join("bcdfgkmpqv"[int(digit)] for digit in str(number)) + "x"
        bucket = int(buckets_of(np.array(column(word))))
        if bucket in seen:
            return seen[bucket], word
        seen[bucket] = word
    raise AssertionError("no two words share a bucket")


# Counting


def test_terms_are_counted_exactly() -> None:
    jobs = counted("kafka, kafka and rust; kafka", "rust", "")
    wanted = hashes("kafka", "rust", "nothing")
    found = look_up(jobs.terms, wanted).toarray()
    place = {term: np.searchsorted(wanted, column(term)) for term in ("kafka", "rust", "nothing")}
    assert found[:, place["kafka"]].tolist() == [3, 0, 0]
    assert found[:, place["rust"]].tolist() == [1, 1, 0]
    assert not found[:, place["nothing"]].any()


@pytest.mark.parametrize("wanted", [(), ("nothing",)])
def test_terms_nobody_asked_for_are_left_out(wanted: tuple[str, ...]) -> None:
    jobs = counted("kafka and rust", "night shifts on the ward")
    found = look_up(jobs.terms, hashes(*wanted))
    assert found.shape == (2, len(wanted))
    assert found.nnz == 0


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=5), st.data())
def test_looking_up_is_counting_by_hand(texts: list[list[str]], data: st.DataObject) -> None:
    wanted = np.sort(data.draw(st.lists(st.integers(0, 5), unique=True))).astype(np.int64)
    table = np.array([[text.count("abcdef"[i]) for i in range(6)] for text in texts])
    rows = sparse.csr_array(table.reshape(-1, 6).astype(np.float32))
    assert (look_up(rows, wanted).toarray() == rows.toarray()[:, wanted]).all()


def test_two_terms_of_one_bucket_are_told_apart() -> None:
    one, other = two_terms_of_one_bucket()
    jobs = counted(one, other)
    assert (jobs.text.toarray()[0] == jobs.text.toarray()[1]).all()
    vocabulary = learned(counted(one, one, other, other))
    rows = vocabulary.rows(jobs).toarray()
    assert (rows[0] > 0).sum() == (rows[1] > 0).sum() == 1
    assert rows[0] @ rows[1] == 0


def test_text_and_title_have_their_own_columns_and_lengths() -> None:
    jobs = counted("night shifts", "night shifts", title="Nurse")
    rows = learned(jobs).rows(jobs).toarray()
    n_text = len(np.unique(jobs.terms.indices))
    np.testing.assert_allclose(np.linalg.norm(rows[:, :n_text], axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows[:, n_text:], axis=1), TITLE_WEIGHT, rtol=1e-6)


def test_a_posting_without_a_known_term_is_a_row_of_zeros() -> None:
    jobs = counted("night shifts", "night shifts")
    vocabulary = learned(jobs)
    rows = vocabulary.rows(counted("", "kafka", "..."))
    assert rows.shape == (3, vocabulary.n_columns)
    assert rows.nnz == 0


def test_rare_terms_weigh_as_in_scikit_learn() -> None:
    table = np.random.default_rng(0).integers(0, 3, (12, 5)).astype(np.float32)
    table[:, 4] = 0
    table[3, 4] = 1
    expected = TfidfTransformer().fit(table).idf_
    found = DocumentCounts.of(sparse.csr_array(table[:7]), sparse.csr_array(table[7:]))
    np.testing.assert_allclose(found.idf(np.arange(5)), expected, rtol=1e-6)
    assert found.n_jobs == 12


def test_a_term_nobody_has_weighs_most_also_where_there_is_no_job() -> None:
    some = DocumentCounts.of(counted("kafka", "rust").terms)
    none = DocumentCounts.of(counted().terms)
    assert some.idf(hashes("nothing"))[0] == pytest.approx(np.log(3) + 1)
    assert none.idf(hashes("nothing", "kafka")).tolist() == [1, 1]


# Choosing


def test_a_term_of_one_labelled_posting_alone_gets_no_column() -> None:
    jobs = counted("kafka rust", "kafka nurse", "nurse kafka")
    found = learned(jobs)
    assert {column("kafka"), column("nurs")} <= set(found.hashes.tolist())
    assert column("rust") not in found.hashes
    assert column("kafka rust") not in found.hashes


def test_of_too_many_terms_those_of_most_labelled_postings_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tagger.vocabulary, "MAX_VOCABULARY", 3)
    jobs = counted(*["kafka"] * 4, *["rust"] * 3, *["nurse"] * 2, *["cook"] * 2)
    others = counted(*["nurse"] * 9, "cook")
    found = learn_vocabulary(jobs, TermCounts.of(jobs, others), jobs)
    assert found.hashes.tolist() == hashes("kafka", "rust", "cook").tolist()
    assert found.n_columns == 3


def test_terms_of_names_are_kept_before_more_frequent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger.vocabulary, "MAX_VOCABULARY", 3)
    jobs = counted(*["kafka"] * 4, "rust", "rust", title="Nurse")
    of_names = (hashes("rust", "unheard of"), hashes("title:nurs"))
    found = learned(jobs, of_names=of_names)
    assert found.hashes.tolist() == hashes("rust", "nurs").tolist()
    assert found.title_hashes.tolist() == hashes("title:nurs").tolist()


def test_labels_at_random_are_not_told_apart_on_held_out_postings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A vocabulary chosen by all labels would let each posting's own label through."""
    monkeypatch.setattr(tagger.vocabulary, "MAX_VOCABULARY", 100)
    rng = np.random.default_rng(0)
    letters = np.array(list("bcdfgkmpqv"))
    jobs = count(
        [
            Job(str(i), "", ". ".join("".join(letters[rng.integers(0, 10, 3)]) for _ in range(40)))
            for i in range(300)
        ]
    )
    tags = tuple(f"T{n}" for n in range(12))
    Y = (rng.random((300, len(tags))) < 0.3).astype(np.int8)
    made = JobTagger(
        TaggerConfig(
            autoencoder=AutoencoderConfig(code=4, filters=(2, 2, 2, 2), hidden=(4,), epochs=1),
            tags=TagConfig(deep_config=DeepConfig(hidden=(4,), epochs=0)),
        )
    ).fit_counted(jobs, Y, tags, jobs.take(np.zeros(0, int)))
    areas = [roc_auc_score(y, p) for y, p in zip(Y.T, made.classifier_.oof_proba_.T, strict=True)]
    assert made.model_.vocabulary.n_columns == 100
    assert np.mean(areas) < 0.54


def test_terms_of_an_earlier_vocabulary_stay_and_new_ones_come() -> None:
    first = learned(counted("kafka", "kafka"))
    second = learned(counted("rust", "rust"), kept=first)
    assert second.hashes.tolist() == hashes("kafka", "rust").tolist()
    assert len(second.idf) == 2


def test_without_labelled_postings_there_are_no_columns_but_familiar_terms() -> None:
    own = counted("night shifts on the ward", "day shifts on the ward")
    nobody = own.take(np.zeros(0, int))
    found = learn_vocabulary(nobody, TermCounts.of(own), own)
    assert found.n_columns == 0
    assert found.rows(own).shape == (2, 0)
    assert found.rows_and_familiar(own)[1].all()


# What is familiar

WARD = (
    "We look for a nurse for night shifts on the ward",
    "Nurse for the surgery ward, day shifts",
    "We look for a cook for the kitchen on the ward",
    "Cook for day shifts in the kitchen of our house",
    "Our house looks for a nurse or a cook",
)


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("A nurse for day shifts in our house", True),
        ("Krankenpfleger gesucht: Nachtdienst auf der Station, Vollzeit, unbefristet", False),
        ("看護師を募集しています", False),
        ("...", False),
        ("\U0001f680\U0001f525", False),
        ("", False),
        ("12345 67890", False),
    ],
)
def test_a_posting_of_which_hardly_a_term_is_known_is_noticed(text: str, familiar: bool) -> None:
    jobs = counted(*WARD)
    vocabulary = learned(jobs)
    assert vocabulary.rows_and_familiar(counted(text))[1].tolist() == [familiar]


def test_the_training_postings_are_familiar() -> None:
    jobs = counted(*WARD)
    assert learned(jobs).rows_and_familiar(jobs)[1].all()


def test_one_posting_to_learn_from_is_familiar_itself() -> None:
    jobs = counted("night shifts")
    vocabulary = learned(jobs)
    assert vocabulary.rows_and_familiar(counted("night shifts", "kafka"))[1].tolist() == [
        True,
        False,
    ]


# What tells tags apart


def test_log_odds_of_a_table_made_by_hand() -> None:
    columns = sparse.csr_array(np.array([[2, 0], [1, 1], [0, 1], [0, 1]], np.float32))
    Y = np.array([[1], [1], [0], [0]], np.int8)
    ratio, strength = log_odds(columns, Y)
    # With and without, 1 added: column 0 has 3 : 1, column 1 has 2 : 3; sums 5 and 4.
    np.testing.assert_allclose(
        ratio[:, 0], np.abs(np.log([(3 / 5) / (1 / 4), (2 / 5) / (3 / 4)])), rtol=1e-6
    )
    # Half a job added to each of the four cells: 2.5 0.5 / 0.5 2.5 and 1.5 1.5 / 2.5 0.5.
    expected = [
        (np.log(2.5 / 0.5) - np.log(0.5 / 2.5)) / np.sqrt(2 / 2.5 + 2 / 0.5),
        abs(np.log(1.5 / 1.5) - np.log(2.5 / 0.5)) / np.sqrt(2 / 1.5 + 1 / 2.5 + 1 / 0.5),
    ]
    np.testing.assert_allclose(strength[:, 0], expected, rtol=1e-6)


def test_what_many_tags_take_is_not_much_more_than_what_is_found() -> None:
    rng = np.random.default_rng(0)
    columns = sparse.random_array((50, 4000), density=0.05, format="csr", rng=rng, dtype=np.float32)
    Y = (rng.random((50, 300)) < 0.3).astype(np.int8)
    tracemalloc.start()
    found = log_odds(columns, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * sum(part.nbytes for part in found) + 10e6
    for part, whole in zip(log_odds(columns, Y[:, 200:210]), found, strict=True):
        np.testing.assert_allclose(part, whole[:, 200:210], rtol=1e-6)


def test_unknown_labels_tell_nothing_and_rows_stay_as_they_are() -> None:
    columns = sparse.csr_array(np.array([[2, 0], [1, 1], [0, 1], [5, 5]], np.float32))
    Y = np.array([[1], [0], [0], [-1]], np.int8)
    before = columns.copy()
    for all_, known in zip(log_odds(columns, Y), log_odds(columns[:3], Y[:3]), strict=True):
        np.testing.assert_array_equal(all_, known)
    assert (columns != before).nnz == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-1, 1)), min_size=1, max_size=8
    )
)
def test_log_odds_are_finite_and_at_least_nothing(cells: list[tuple[int, int, int]]) -> None:
    table = np.array(cells)
    found = log_odds(
        sparse.csr_array(table[:, :2].astype(np.float32)), table[:, 2:].astype(np.int8)
    )
    for part in found:
        assert part.shape == (2, 1)
        assert np.isfinite(part).all()
        assert (part >= 0).all()
