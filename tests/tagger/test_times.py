"""Instants in files."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tagger.columns import CellError
from tagger.times import read_time

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-31T12:00:00Z",
        " 2024-01-31 12:00 ",
        "2024-01-31T14:00+02:00",
        "2024-01-31 12:00:00+00",
        1706702400,
        1706702400.0,
        1706702400000,
        "1706702400",
        "1.7067024e+12",
        1706702400 * 10**9,
        Decimal("1706702400"),
        "2024-01-31 12:00:00 UTC",
        "2024-01-31 12:00:00.000000 +0000 UTC",
        "Wed, 31 Jan 2024 12:00:00 GMT",
        "31 Jan 2024 07:00 EST",
        "Wed Jan 31 2024 13:00:00 GMT+0100 (CET)",
        datetime(2024, 1, 31, 12),
        datetime(2024, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_an_instant_is_read_as_utc(value):
    assert read_time(value) == NOON


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-31",
        "20240131",
        date(2024, 1, 31),
        "31 January 2024",
        "Jan 31st, 2024",
        "31/01/2024",
        "1/31/2024",
        "2024/01/31",
        "31.01.2024",
    ],
)
def test_a_date_is_its_first_moment(value):
    assert read_time(value) == datetime(2024, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_an_empty_cell_is_no_time(value):
    assert read_time(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "03/01/2024",
        "2024-13-01",
        "2 days ago",
        "May 2024",
        "12:30",
        "1/2/03",
        "noon IST",
        True,
        [1],
        1e300,
        10**30,
    ],
)
def test_what_is_no_time_is_named(value):
    with pytest.raises(CellError, match="can't be read; write 2024-01-31"):
        read_time(value)


@pytest.mark.parametrize("value", ["2999-01-01", "0001-01-01", "1899-12-31", -1e13])
def test_a_time_out_of_range_is_told_from_one_that_is_none(value):
    with pytest.raises(CellError, match="lies outside the years 1900 to 2199"):
        read_time(value)
