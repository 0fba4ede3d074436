"""Instants as files and databases write them: ISO 8601, seconds since 1970, dates in words."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache

from dateutil.parser import parse

from tagger.columns import CellError, is_null

_IN_SECONDS = 10**11  # larger numbers are milli-, micro- or nanoseconds; as seconds the year 5138
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})\b")
_FROM_GMT = re.compile(r"\b(GMT|UTC)(?=[+-]\d)")  # "GMT+0100" is an hour ahead
_OFFSET_AND_NAME = re.compile(r"([+-]\d\d:?\d\d)\s+\(?[A-Za-z]{3,5}\)?$")  # "+0000 UTC"
_YEARS = range(1900, 2200)
_ZONES = {"UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5}
_ZONES |= {"MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
"""Names of zones in dates of mails and feeds (RFC 5322), in hours; others have several meanings."""
_DEFAULTS = (
    datetime(2000, 1, 1),
    datetime(2001, 2, 2),
)  # what a text leaves out is taken from here


def read_time(value: object) -> datetime | None:
    """An instant in UTC; None for an empty cell.

    Parameters
    ----------
    value
        A date or time, or a string of one that can be read in one way only: in ISO 8601
        (``2024-01-31``, ``2024-01-31 08:15+01:00``), in words (``31 January 2024``), or with a day
        that can't be a month (``31/01/2024``). Without a time zone it is UTC. Or a number of
        seconds, milli-, micro- or nanoseconds since 1970.

    Raises
    ------
    CellError
        If it is none of these, could be two days, or lies outside the years 1900 to 2199.

    References
    ----------
    RFC 5322, section 4.3, for the names of zones.

    Examples
    --------
    >>> read_time("2024-01-31T08:15+01:00").isoformat()
    '2024-01-31T07:15:00+00:00'
    >>> read_time("1706685300") == read_time(1706685300000.0)
    True
    >>> read_time("31 January 2024") == read_time("2024-01-31")
    True
    """
    if is_null(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        found = _read_text(value.strip()) if isinstance(value, str) else _read_value(value)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        raise CellError(
            f"the time {value!r:.40} can't be read; write 2024-01-31, 2024-01-31T08:15:00Z "
            "or seconds since 1970"
        )
    if found.year not in _YEARS:
        raise CellError(
            f"the time {value!r:.40} lies outside the years {_YEARS[0]} to {_YEARS[-1]}"
        )
    return found


def _read_value(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError
    seconds = float(value)
    while 10**20 > abs(seconds) >= _IN_SECONDS:
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=4096)  # many rows have the same day, and a text takes long to read
def _read_text(text: str) -> datetime:
    if len(text) > 8 and _NUMBER.fullmatch(text):  # 20240131 is a date
        return _read_value(float(text))
    if len(text) > 100:
        raise ValueError
    text = _FROM_GMT.sub("", _YEAR_FIRST.sub(r"\1-\2-\3", text, count=1))
    text = _OFFSET_AND_NAME.sub(r"\1", text)
    try:
        return datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return _read_in_words(text)


def _read_in_words(text: str) -> datetime:
    """What every way of reading a date makes of it; ValueError if they differ."""
    is_year_first = text[:4].isdigit()
    readings = {
        parse(text, default=default, tzinfos=_zone, dayfirst=day_first, yearfirst=year_first)
        for default in _DEFAULTS
        for day_first, year_first in ((False, False), (not is_year_first, False), (False, True))
    }
    found, *others = readings
    if others:
        raise ValueError("it could be two days")
    return found


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None:
        return None
    if name.upper() not in _ZONES:
        raise ValueError(f"{name} stands for several time zones")
    return timezone(timedelta(hours=_ZONES[name.upper()]))
