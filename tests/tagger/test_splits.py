"""Repeated postings are found and never split."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tagger.splits import duplicate_groups, group_folds


def rows_of(*rows: list[float]) -> sparse.csr_array:
    return sparse.csr_array(np.array(rows, np.float32))


def test_near_rows_share_a_group_and_others_don_t() -> None:
    groups = duplicate_groups(rows_of([1, 0, 0], [0, 1, 0], [1, 0.1, 0], [0, 0, 1], [9, 0, 0]))
    assert groups[0] == groups[2] == groups[4]
    assert len({groups[0], groups[1], groups[3]}) == 3


def test_a_chain_of_repeats_is_one_group() -> None:
    angles = np.arange(8) * 0.5  # neighbours have cosine 0.88, the ends point apart
    groups = duplicate_groups(rows_of(*np.column_stack([np.cos(angles), np.sin(angles)])))
    assert len(set(groups.tolist())) == 1


def test_empty_rows_are_repeats_of_nothing() -> None:
    assert len(set(duplicate_groups(rows_of([0, 0], [0, 0], [1, 0])).tolist())) == 3


def test_repeats_are_found_across_blocks() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 60)) * (rng.random((1500, 60)) < 0.2)
    rows[1400:] = rows[:100]
    groups = duplicate_groups(sparse.csr_array(rows.astype(np.float32)))
    found = rows[:100].any(axis=1)
    assert (groups[1400:] == groups[:100])[found].all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(2, 5), st.integers(0, 9))
def test_a_group_is_in_one_fold_and_folds_are_even(
    names: list[int], n_folds: int, seed: int
) -> None:
    groups = np.array(names)
    folds = group_folds(groups, n_folds, seed=seed)
    fold_of = dict(zip(names, folds.tolist(), strict=True))
    assert folds.tolist() == [fold_of[name] for name in names]
    sizes = np.bincount(list(fold_of.values()), minlength=n_folds)
    assert np.ptp(sizes) <= 1
    assert (folds == group_folds(groups, n_folds, seed=seed)).all()
