"""Instants as files and databases write them: ISO 8601 or seconds since 1970."""

import re
from datetime import UTC, date, datetime, time

from tagger.columns import CellError, is_null

_MILLISECONDS = 10**11  # as seconds this is the year 5138
_NUMBER = re.compile(r"-?\d+(\.\d*)?")
_YEARS = range(1900, 2200)


def read_time(value: object) -> datetime | None:
    """An instant in UTC; None for an empty cell.

    Parameters
    ----------
    value
        A date or time, or a string of one in ISO 8601 (``2024-01-31``, ``2024-01-31 08:15+01:00``;
        without a time zone it is UTC), or a number of seconds or milliseconds since 1970.

    Raises
    ------
    CellError
        If it is none of these, or lies outside the years 1900 to 2199.

    Examples
    --------
    >>> read_time("2024-01-31T08:15+01:00").isoformat()
    '2024-01-31T07:15:00+00:00'
    >>> read_time("1706685300") == read_time(1706685300000.0)
    True
    """
    if is_null(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        found = _parsed(value)
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


def _parsed(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, str):
        value = value.strip()
        if len(value) <= 8 or not _NUMBER.fullmatch(value):  # 20240131 is a date
            return datetime.fromisoformat(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    seconds = float(value)
    if abs(seconds) >= _MILLISECONDS:
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC)
