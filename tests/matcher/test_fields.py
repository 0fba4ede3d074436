import time
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import pytest

from matcher.data import Profiles
from matcher.fields import FieldConfig, FieldEncoder, Kind
from tagger.errors import DataError


def profiles(**fields: Sequence[object]) -> Profiles:
    n = len(next(iter(fields.values())))
    return Profiles(ids=tuple(str(row) for row in range(n)), fields=fields)


def encoded(learned: Profiles, asked: Profiles, **limits: float) -> dict[str, list[float]]:
    """Column name -> its values in the rows asked for."""
    encoder = FieldEncoder(FieldConfig(**limits)).fit(learned)  # type: ignore[arg-type]
    return dict(zip(encoder.names_, encoder.transform(asked).toarray().T.tolist(), strict=True))


def test_a_number_is_standardised_and_a_missing_one_is_flagged() -> None:
    pay = profiles(pay=[1.0, 3.0, None, float("nan"), float("inf")])
    assert encoded(pay, pay) == {"pay": [-1, 1, 0, 0, 0], "pay: missing": [0, 0, 1, 1, 1]}


def test_a_number_far_outside_is_cut_off() -> None:
    columns = encoded(profiles(pay=[1, 3]), profiles(pay=[1e20]), max_deviations=2)
    assert columns["pay"] == [2]


def test_a_number_too_large_for_any_amount_is_missing() -> None:
    usual = list(range(40))
    columns = encoded(profiles(pay=[*usual, 1e300, -1e300]), profiles(pay=[39, 1e300, "-1e300"]))
    assert columns["pay"] == pytest.approx([encoded_alone(usual, 39), 0, 0])
    assert columns["pay: missing"] == [0, 1, 1]


def encoded_alone(learned: Sequence[object], value: object) -> float:
    return encoded(profiles(pay=learned), profiles(pay=[value]))["pay"][0]


def test_a_constant_number_does_not_divide_by_zero() -> None:
    columns = encoded(profiles(pay=[0.1, 0.1, 0.1]), profiles(pay=[0.1, 1.1]))
    assert columns["pay"] == pytest.approx([0, 1])  # the mean of three tenths is not a tenth


def test_a_number_with_few_values_is_also_a_category() -> None:
    columns = encoded(profiles(level=[1, 1, 2, 2, 2, "1"]), profiles(level=["2", 2.0, 9]))
    assert columns["level=2"] == [1, 1, 0]
    assert columns["level: other"] == [0, 0, 1]


def test_a_date_counts_in_days() -> None:
    columns = encoded(profiles(since=[date(2020, 1, 1), date(2020, 1, 3)]), profiles(since=[None]))
    assert columns["since: missing"] == [1]
    assert "since" in columns


@pytest.mark.parametrize("cell", ["2020-01-03", " 2020-01-03 ", "2020-01-03T00:00:00Z"])
def test_strings_that_are_dates_count_in_days_as_dates_do(cell: str) -> None:
    learned = profiles(since=["2020-01-01", "2020-01-03 00:00"])
    columns = encoded(learned, profiles(since=[cell, date(2020, 1, 3), None, "2020-13-01"]))
    assert columns["since"] == [1, 1, 0, 0]
    assert columns["since: missing"] == [0, 0, 1, 1]


def test_dates_and_numbers_are_not_amounts_of_one_scale() -> None:
    mixed = profiles(start=["2020-01-01", "2020", "2020-01-03", "2021"])
    encoder = FieldEncoder().fit(mixed)
    assert {column.kind for column in encoder.columns_} == {Kind.CATEGORY}


def test_few_dates_are_categories_too_by_their_text() -> None:
    columns = encoded(profiles(day=[date(2020, 1, 1), "2020-01-01"] * 2), profiles(day=[None]))
    assert "day=2020-01-01" in columns


def test_a_moment_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        days = profiles(since=[date(2020, 1, 1), date(2020, 1, 3)])
        assert encoded(days, profiles(since=[datetime(2020, 1, 3)]))["since"] == [1]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_few_cells_that_are_no_number_are_missing_and_the_others_stay_numbers() -> None:
    pay = profiles(pay=[*range(1000, 1040), "on request"])
    columns = encoded(pay, profiles(pay=["on request", 1039, None]))
    assert columns["pay"][0] == columns["pay"][2] == 0
    assert columns["pay"][1] > 1.5
    assert columns["pay: missing"] == [1, 0, 1]


def test_a_frequent_cell_that_is_no_number_has_a_column_beside_missing() -> None:
    level = profiles(level=[*([1, 2] * 30), "none", "none"])
    columns = encoded(level, profiles(level=["none", 2]))
    assert columns["level=none"] == [1, 0]
    assert columns["level: missing"] == [1, 0]


def test_an_unseen_category_is_other_and_an_empty_one_missing() -> None:
    columns = encoded(profiles(city=["Oslo", "Oslo"]), profiles(city=["Oslo", "Bodø", " "]))
    assert columns == {"city=Oslo": [1, 0, 0], "city: other": [0, 1, 0], "city: missing": [0, 0, 1]}


@pytest.mark.parametrize("cell", ["a;b", '["a", "b"]', ["a", "b"], ("b", "a", "a")])
def test_lists_come_in_every_form(cell: object) -> None:
    columns = encoded(profiles(skills=["a;b", "b;a"]), profiles(skills=[cell]))
    assert columns["skills=a"] == columns["skills=b"] == [1]
    assert columns["skills: other"] == [0]


def test_long_strings_that_do_not_repeat_are_cut_into_words() -> None:
    titles = [f"Night nurse {n}" for n in range(9)]
    encoder = FieldEncoder(FieldConfig(max_values=3)).fit(profiles(title=titles))
    assert encoder.columns_[0].kind == Kind.WORDS
    row = encoder.transform(profiles(title=["Day nurse"])).toarray()[0]
    assert dict(zip(encoder.names_, row, strict=True))["title=nurse"] == 1


def test_a_semicolon_in_a_title_does_not_make_titles_a_list() -> None:
    titles = [f"Night nurse {n}" for n in range(9)]
    columns = encoded(
        profiles(title=[*titles, "Day nurse; driver"]),
        profiles(title=["nurse;driver of a bus"]),
        max_values=3,
    )
    assert columns["title=nurse"] == [1]


def test_the_cap_keeps_the_most_frequent_values() -> None:
    cities = profiles(city=["a", "b", "b", "c", "c", "c"])
    assert [name for name in encoded(cities, cities, max_values=2) if "=" in name] == [
        "city=b",
        "city=c",
    ]


def test_a_field_that_is_not_there_is_missing_and_a_new_one_is_ignored() -> None:
    columns = encoded(profiles(city=["Oslo", "Oslo"]), profiles(pay=[3]))
    assert columns == {"city=Oslo": [0], "city: other": [0], "city: missing": [1]}


def test_profiles_without_fields_give_rows_without_columns() -> None:
    empty = Profiles(ids=("a", "b"))
    assert FieldEncoder().fit(empty).transform(empty).shape == (2, 0)
    nothing = profiles(city=[None, None])
    assert FieldEncoder().fit(nothing).transform(nothing).shape == (2, 0)


def test_a_mean_amount_tells_something_and_missing_fields_do_not() -> None:
    learned = profiles(pay=[3, 3, None, None], city=[None, "Oslo", "Oslo", " "])
    encoder = FieldEncoder().fit(learned)
    assert encoder.tells(encoder.transform(learned)).tolist() == [True, True, True, False]


def test_the_order_of_rows_does_not_change_the_columns() -> None:
    cells = ["a;b", "b", "c;a", None, "c"]
    there = FieldEncoder().fit(profiles(skills=cells)).columns_
    assert FieldEncoder().fit(profiles(skills=cells[::-1])).columns_ == there


def test_what_was_learned_comes_back_from_arrays() -> None:
    known = profiles(pay=[1, 3, None, 1], city=["Oslo", "Oslo", "Bodø", None], skills=["a;b"] * 4)
    encoder = FieldEncoder(FieldConfig(max_deviations=2)).fit(known)
    again = FieldEncoder.from_arrays(encoder.to_arrays())
    assert again.columns_ == encoder.columns_
    np.testing.assert_array_equal(
        again.transform(known).toarray(), encoder.transform(known).toarray()
    )


@pytest.mark.parametrize("limits", [{"max_values": 0}, {"min_count": 0}, {"max_deviations": 0}])
def test_limits_are_checked(limits: dict[str, int]) -> None:
    with pytest.raises(DataError, match=next(iter(limits))):
        FieldConfig(**limits)
