"""The team's own postings among those of others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tagger.demo import read_sample
from tagger.domain import in_domain
from tagger.features import Rows, RowStatistics, count_all
from tagger.jobs import Job


def rows_of(*groups: list[Job]) -> list[Rows]:
    counted = [count_all(group) for group in groups]
    statistics = RowStatistics()
    for part in counted:
        statistics.add(part)
    return [statistics.weights().weigh(part) for part in counted]


def clinic(n: int, start: int = 0) -> list[Job]:
    """Postings of one house: the same few phrases each time."""
    words = "ward night shift patients surgery theatre recovery dialysis elderly outpatient".split()
    rng = np.random.default_rng(start)
    return [
        Job(
            f"c{start + i}",
            f"Nurse {rng.choice(words)}",
            f"St. Mary's clinic: {' '.join(rng.choice(words, 5))}. We pay by the tariff.",
        )
        for i in range(n)
    ]


def others(n: int) -> list[Job]:
    words = "python cloud sales retail forklift cook kitchen teacher account audit crane".split()
    rng = np.random.default_rng(1)
    return [
        Job(f"o{i}", str(rng.choice(words)), f"Apply now! {' '.join(rng.choice(words, 6))}")
        for i in range(n)
    ]


def test_own_postings_are_found_among_those_of_others() -> None:
    labelled, unlabelled = rows_of(clinic(40), [*clinic(30, start=40), *others(100)])
    own = in_domain(labelled, unlabelled)
    assert own[:30].mean() > 0.6
    assert own[30:].mean() < 0.05


def test_where_all_postings_are_alike_most_are_own() -> None:
    labelled, unlabelled = rows_of(clinic(40), clinic(40, start=40))
    assert in_domain(labelled, unlabelled).mean() > 0.5


def test_most_unlabelled_postings_of_the_sample_are_own_and_those_of_a_clinic_are_not() -> None:
    labelled, unlabelled, _ = read_sample()
    rows, more = rows_of(list(labelled), [*unlabelled, *clinic(100)])
    own = in_domain(rows, more)
    assert own[: len(unlabelled)].mean() > 0.5
    assert not own[len(unlabelled) :].any()


def test_without_labelled_postings_every_one_is_own() -> None:
    labelled, unlabelled = rows_of([], others(5))
    assert in_domain(labelled, unlabelled).tolist() == [True] * 5


def test_without_unlabelled_postings_none_is() -> None:
    labelled, unlabelled = rows_of(clinic(3), [])
    assert in_domain(labelled, unlabelled).shape == (0,)


def test_one_labelled_posting_is_enough_to_leave_out_what_is_not_like_it() -> None:
    job = clinic(1)
    labelled, unlabelled = rows_of(job, [*job, *others(20)])
    own = in_domain(labelled, unlabelled)
    assert own[0]
    assert not own[1:].any()


def test_rows_are_left_as_they_are() -> None:
    labelled, unlabelled = rows_of(clinic(5), others(5))
    before = labelled.copy(), unlabelled.copy()
    in_domain(labelled, unlabelled)
    assert (labelled != before[0]).nnz == 0
    assert (unlabelled != before[1]).nnz == 0


cells = st.lists(
    st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0]), min_size=4, max_size=4), max_size=5
)


@given(cells, cells)
def test_each_unlabelled_posting_gets_an_answer(
    labelled: list[list[float]], unlabelled: list[list[float]]
) -> None:
    rows = [
        sparse.csr_array(np.array(part, np.float32).reshape(-1, 4))
        for part in (labelled, unlabelled)
    ]
    own = in_domain(*rows)
    assert own.shape == (len(unlabelled),)
    assert own.dtype == bool
