"""Structured fields of jobs and candidates, of any names and kinds, as numbers.

What a field holds is inferred once, from the profiles learned from; words, categories, means and
scales are frozen then. Letters for axes: N rows, F features.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

import numpy as np
from scipy import sparse

from matcher.base import Arrays
from matcher.data import DAY, BoolArray, Profiles, seconds
from tagger.errors import DataError

T = TypeVar("T")
MOST = 0.95
"""A field of numbers may hold so many others, which count as missing: `on request`, `n/a`."""
MAX_AMOUNT = 1e30
"""A larger number is no amount of anything and counts as missing: its square would be infinite."""
MAX_KEPT = 10_000
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]|$)")
NO_VALUE = ""
"""In `Column.value`: the column stands for no value of its own."""


class Kind(StrEnum):
    """What a field holds."""

    NUMBER = "number"
    """Amounts and strings that are numbers, nearly all of them; also as categories where few values
    differ, because a code written as a number can't be told from an amount."""
    DATE = "date"
    """The same for dates, moments and strings that are such as of ISO 8601: days since 1970."""
    CATEGORY = "category"
    LIST = "list"
    """Lists, JSON lists and strings with semicolons."""
    WORDS = "words"
    """Strings of several words that hardly repeat, a semicolon here and there or not: each counts
    as the list of its words."""


class Role(StrEnum):
    """What a column says of a field."""

    AMOUNT = "amount"
    """The standardised number, 0 where it is missing."""
    VALUE = "value"
    """1 where the field has (or its list holds) this value."""
    OTHER = "other"
    """1 where the field has (or its list holds) a value without a column of its own."""
    MISSING = "missing"
    """1 where the field is empty, or holds no number (or date) where it should."""


@dataclass(frozen=True, slots=True)
class Column:
    """One feature."""

    field: str
    kind: Kind
    role: Role
    value: str = NO_VALUE
    mean: float = 0.0
    scale: float = 1.0
    """Standard deviation; 1 for a constant."""

    @property
    def name(self) -> str:
        """For people: `city=Oslo`, `salary`, `salary: missing`."""
        if self.role == Role.VALUE:
            return f"{self.field}={self.value}"
        return self.field if self.role == Role.AMOUNT else f"{self.field}: {self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConfig:
    """Limits of what is learned of a field."""

    max_values: int = 500
    """Columns of the most frequent values of a field; the rest shares the column `other`."""
    min_count: int = 2
    """Rows that must have a value for a column of its own."""
    max_deviations: float = 5.0
    """Standardised numbers are cut off here."""

    def __post_init__(self) -> None:
        for name in ("max_values", "min_count"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.max_deviations > 0:
            raise DataError(f"max_deviations must be above 0, got {self.max_deviations}")


class FieldEncoder:
    """Fields to sparse rows of declared features.

    Attributes
    ----------
    columns_ : tuple of Column, length F
    names_ : tuple of str, length F

    Examples
    --------
    >>> fields = {"pay": [10, 30, None], "city": ["Oslo", "Oslo", "Bergen"]}
    >>> encoder = FieldEncoder().fit(Profiles(ids=("a", "b", "c"), fields=fields))
    >>> encoder.names_
    ('pay', 'pay: missing', 'city=Oslo', 'city: other', 'city: missing')
    >>> encoder.transform(Profiles(ids=("d",), fields={"city": ["Bodø"]})).toarray()
    array([[0., 1., 0., 1., 0.]], dtype=float32)
    """

    def __init__(self, config: FieldConfig | None = None) -> None:
        self.config = config or FieldConfig()
        # Profiles encoded last: several models of a hybrid ask for the same ones.
        self._latest: list[tuple[Profiles, sparse.csr_array]] = []

    def fit(self, profiles: Profiles) -> Self:
        """Learn kinds, values, means and scales; a field without any value gives no column."""
        self.columns_: tuple[Column, ...] = tuple(
            column
            for field, values in profiles.fields.items()
            for column in _columns_of(field, values, self.config)
        )
        self._latest = []
        return self

    @property
    def names_(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns_)

    def transform(self, profiles: Profiles) -> sparse.csr_array:
        """Shape (N, F), float32. A field that isn't there is missing in every row."""
        for known, rows in self._latest:
            if known is profiles:
                return rows
        n = len(profiles)
        parts: list[Any] = [sparse.csr_array((n, 0), dtype=np.float32)]
        for columns in _by_field(self.columns_):
            values = profiles.fields.get(columns[0].field, [None] * n)
            parts.append(self._encode(columns, values))
        found = sparse.csr_array(sparse.hstack(parts, "csr", dtype=np.float32))
        self._latest = [(profiles, found), *self._latest[:1]]
        return found

    def tells(self, rows: sparse.csr_array) -> BoolArray:
        """Which rows of `transform` hold anything but missing fields; shape (N,)."""
        known = np.array([column.role != Role.MISSING for column in self.columns_], bool)
        return np.asarray(np.diff(rows[:, known].indptr) > 0)  # amounts of 0 are cells, too

    def _encode(self, columns: Sequence[Column], values: Sequence[Any]) -> sparse.csr_array:
        """The columns of one field."""
        place = {column.value: at for at, column in enumerate(columns) if column.value}
        role = {column.role: at for at, column in enumerate(columns) if not column.value}
        rows: list[int] = []
        at: list[int] = []
        found: list[float] = []

        @_kept
        def cells_of(value: Any) -> dict[int, float]:
            pieces = values_of(value, columns[0].kind)
            cells = {place.get(piece, role.get(Role.OTHER, -1)): 1.0 for piece in pieces}
            cells.pop(-1, None)
            amount = math.nan
            if Role.AMOUNT in role:
                amount = self._standard(
                    AMOUNT_OF[columns[0].kind](value), columns[role[Role.AMOUNT]]
                )
                if not math.isnan(amount):
                    cells[role[Role.AMOUNT]] = amount
            if not cells or (Role.AMOUNT in role and math.isnan(amount)):
                cells[role[Role.MISSING]] = 1.0
            return cells

        for row, value in enumerate(values):
            cells = cells_of(value)
            rows += [row] * len(cells)
            at += cells
            found += cells.values()
        shape = (len(values), len(columns))
        return sparse.csr_array((np.array(found, np.float32), (rows, at)), shape=shape)

    def _standard(self, number: float, column: Column) -> float:
        """nan for a missing number."""
        if not math.isfinite(number):
            return math.nan
        limit = self.config.max_deviations
        return min(max((number - column.mean) / column.scale, -limit), limit)

    def to_arrays(self) -> Arrays:
        """The columns as a table."""
        texts = {
            name: np.array([str(getattr(column, name)) for column in self.columns_], np.str_)
            for name in ("field", "kind", "role", "value")
        }
        numbers = {
            name: np.array([getattr(column, name) for column in self.columns_], np.float64)
            for name in ("mean", "scale")
        }
        limit = np.array(self.config.max_deviations)
        return {**texts, **numbers, "max_deviations": limit}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        encoder = cls(FieldConfig(max_deviations=float(arrays["max_deviations"])))
        table = [
            arrays[name].tolist() for name in ("field", "kind", "role", "value", "mean", "scale")
        ]
        encoder.columns_ = tuple(
            Column(field, Kind(kind), Role(role), value, mean, scale)
            for field, kind, role, value, mean, scale in zip(*table, strict=True)
        )
        return encoder


def _columns_of(field: str, values: Sequence[Any], config: FieldConfig) -> list[Column]:
    """What is learned of one field."""
    kind = _kind(values, config)
    if kind is None:
        return []
    columns = []
    if kind in AMOUNT_OF:
        numbers = np.array([AMOUNT_OF[kind](value) for value in values])
        numbers = numbers[np.isfinite(numbers)]
        scale = float(numbers.std()) if np.ptp(numbers) else 1.0
        columns.append(Column(field, kind, Role.AMOUNT, mean=float(numbers.mean()), scale=scale))
    pieces = _kept(lambda value: values_of(value, kind))
    counts = Counter(piece for value in values for piece in pieces(value))
    n_known = sum(not _is_missing(value) for value in values)
    if kind not in AMOUNT_OF or len(counts) <= min(config.max_values, n_known // 2):
        # by count, then by value: the same columns whatever the order of the rows
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [value for value, n in frequent if n >= config.min_count][: config.max_values]
        columns += [Column(field, kind, Role.VALUE, value) for value in sorted(kept)]
        columns.append(Column(field, kind, Role.OTHER))
    return [*columns, Column(field, kind, Role.MISSING)]


def _kind(values: Sequence[Any], config: FieldConfig) -> Kind | None:
    """None for a field without any value."""
    known = [value for value in values if not _is_missing(value)]
    if not known:
        return None
    is_list = any(map(_kept(_is_list), known))
    for kind, amount_of in () if is_list else AMOUNT_OF.items():
        if sum(map(math.isfinite, map(_kept(amount_of), known))) >= MOST * len(known):
            return kind
    if all(isinstance(value, str) or not isinstance(value, Iterable) for value in known):
        pieces = _kept(values_of)
        texts = [text for value in known for text in pieces(value)]
        n_words = sum(len(text.split()) for text in texts)
        if len(set(texts)) > max(len(texts) / 2, config.max_values) and n_words > 1.5 * len(texts):
            return Kind.WORDS
    return Kind.LIST if is_list else Kind.CATEGORY


def _kept(of: Callable[[Any], T]) -> Callable[[Any], T]:
    """The same function, asked once for each string: most fields hold few different ones."""
    kept: dict[str, T] = {}

    def found(value: Any) -> T:
        if not isinstance(value, str):
            return of(value)
        if value in kept:
            return kept[value]
        answer = of(value)
        if len(kept) < MAX_KEPT:
            kept[value] = answer
        return answer

    return found


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return isinstance(value, float | np.floating) and not math.isfinite(value)


def _is_list(value: Any) -> bool:
    if isinstance(value, str):
        return ";" in value or _json_list(value) is not None
    return isinstance(value, Iterable)


def _json_list(text: str) -> list[Any] | None:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _number(value: Any) -> float:
    """nan for what is no number."""
    if isinstance(value, str) and "_" in value:  # float() would read 1_000
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if abs(number) <= MAX_AMOUNT else math.nan


def _days(value: Any) -> float:
    """A date or moment in days since 1970; nan for what is none."""
    if isinstance(value, str) and ISO_DATE.match(value.strip()):
        with suppress(ValueError):
            value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return seconds(value) / DAY
    return float((value - date(1970, 1, 1)).days) if isinstance(value, date) else math.nan


AMOUNT_OF: Mapping[Kind, Callable[[Any], float]] = {Kind.NUMBER: _number, Kind.DATE: _days}
"""Kinds with an amount, and how it is read."""


def values_of(value: Any, kind: Kind = Kind.LIST) -> list[str]:
    """The values that a cell holds, each once: one, or several in a list or between semicolons.

    Examples
    --------
    >>> values_of("en; de"), values_of(["en", None]), values_of(3.0), values_of(float("nan"))
    (['en', 'de'], ['en'], ['3'], [])
    """
    if _is_missing(value):
        return []
    return list(
        dict.fromkeys(_text(piece) for piece in _cut(value, kind) if not _is_missing(piece))
    )


def _cut(value: Any, kind: Kind) -> Iterable[Any]:
    if kind == Kind.WORDS:
        return [word for piece in _cut(value, Kind.LIST) for word in str(piece).lower().split()]
    if kind == Kind.LIST and isinstance(value, str):
        listed = _json_list(value)
        return value.split(";") if listed is None else listed
    return value if kind == Kind.LIST and isinstance(value, Iterable) else [value]


def _text(piece: Any) -> str:
    """3, 3.0 and "3" are the same value."""
    number = math.nan if isinstance(piece, bool) else _number(piece)
    return f"{number:.15g}" if math.isfinite(number) else str(piece).strip()


def _by_field(columns: Sequence[Column]) -> Iterable[list[Column]]:
    found: dict[str, list[Column]] = {}
    for column in columns:
        found.setdefault(column.field, []).append(column)
    return found.values()
