"""Numbers as bins and in standard units; columns as slots."""

import numpy as np
from scipy import sparse

from matcher.features import Rows
from matcher.scaling import Discretiser, Standardiser
from matcher.slots import MAX_VALUES, Slots


def rows_of(*numbers: float) -> Rows:
    """One number per pair, no other column but one of the job."""
    n = len(numbers)
    jobs = sparse.csr_array(np.ones((n, 1), np.float32))
    people = sparse.csr_array((1, 0), dtype=np.float32)
    column = np.array(numbers, np.float32)[:, None]
    return Rows(column, np.arange(n), np.zeros(n, int), jobs, people)


def test_bins_hold_equally_many_and_unknown_is_one_of_its_own() -> None:
    train = rows_of(*range(12), np.nan)
    bins = Discretiser(4).fit(train)
    X = bins.transform(train).toarray()
    assert X.shape == (13, 6)
    assert X[:, :5].sum(axis=0).tolist() == [1, 3, 3, 3, 3]
    assert (X[:, :5].sum(axis=1) == 1).all()
    assert X[12, 0] == 1
    assert (X[:, 5] == 1).all()


def test_later_values_fall_into_the_outer_bins() -> None:
    bins = Discretiser(4).fit(rows_of(*range(12)))
    X = bins.transform(rows_of(-1e9, 1e9, np.inf, -np.inf)).toarray()
    assert X[:, :5].argmax(axis=1).tolist() == [1, 4, 4, 1]
    names = bins.names(["pay"], ["job city=Oslo"])
    assert names == [
        "pay unknown",
        *("pay from -inf", "pay from 3", "pay from 6", "pay from 9"),
        "job city=Oslo",
    ]


def test_a_constant_number_has_one_bin() -> None:
    same = rows_of(*[2.0] * 5)
    X = Discretiser(4).fit(same).transform(same).toarray()
    assert (X[:, 1] == 1).all()


def test_standard_units_take_the_mean_for_unknown_and_cut_off_outliers() -> None:
    scale = Standardiser().fit(rows_of(1.0, 3.0, np.nan, np.inf))
    values = scale.transform(rows_of(3.0, np.nan, 1e9, np.inf)).ravel()
    assert values.tolist() == [1, 0, 5, 5]


def test_a_long_list_keeps_its_first_values() -> None:
    columns = sparse.csr_array(np.ones((1, MAX_VALUES + 3), np.float32))
    places = Slots().fit(columns, np.zeros(MAX_VALUES + 3, int)).transform(columns)
    assert places.tolist() == [list(range(1, MAX_VALUES + 1))]


def test_a_value_that_training_did_not_see_twice_needs_no_slot() -> None:
    field_of = np.array([0, 0, 1])
    slots = Slots().fit(sparse.csr_array(np.array([[1, 0, 1]])), field_of)
    places = slots.transform(sparse.csr_array(np.array([[1, 1, 0], [0, 0, 0]])))
    assert places.tolist() == [[1, 0], [0, 0]]
    assert slots.field_of_slot_.tolist() == [0, 1]
