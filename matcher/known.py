"""Tables of some data, from which the features of any pair at any moment are read.

Letters for axes: C candidates, J jobs, P pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from matcher.base import Pairs
from matcher.counts import Counts
from matcher.data import DAY, BoolArray, FloatArray, IntArray, MatchData, rows_of
from matcher.fields import FieldEncoder, Kind, Role
from matcher.splits import first_of
from tagger.errors import ModelError

Numbers = dict[str, FloatArray]
"""Name of a feature -> shape (P,), nan for unknown."""
SIDES = ("job", "candidate")
First = tuple[IntArray, IntArray, FloatArray]
"""Candidate, job and time of the first event of each pair."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """What `PairFeatures` keeps of its training data."""

    shown: int
    """Number of the least action that counts as shown."""
    yes: int
    """Number of the least action that counts as yes."""
    fields: dict[str, FieldEncoder]
    """Side -> its encoder."""
    ids: dict[str, tuple[str, ...]]
    """Side -> ids with a column of their own."""
    code_dim: int
    """0 where jobs had no codes."""
    has_times: bool
    has_no: bool
    """Whether some were shown a job and did not say yes; else counting the shown says nothing."""
    prior: float
    """Share of yes among all that were shown."""

    @property
    def levels(self) -> dict[str, int]:
        return {"shown": self.shown, "yes": self.yes}


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Pairs with what must not be known of them: without a time, what happened in the pair."""

    candidates: IntArray
    jobs: IntArray
    times: FloatArray
    hidden: dict[str, IntArray]
    """`shown`, `yes` -> place in `Known.first` of such an event of the pair, if it is among those
    counted; else -1."""

    def hides(self, level: str) -> FloatArray:
        """1 where there is such an event; shape (P,)."""
        return np.asarray(self.hidden[level] >= 0, np.float64)

    def rows(self, side: str) -> IntArray:
        return self.jobs if side == "job" else self.candidates


class Known:
    """Events, fields and codes of some data, ready to be read by pairs."""

    def __init__(self, learned: Learned, data: MatchData, like: "Known | None" = None) -> None:
        """`like`: tables of data with the same jobs and candidates, to save encoding them again."""
        self.learned, self.data = learned, data
        codes = data.jobs.codes
        self.codes = None
        if codes is not None and learned.code_dim:
            _check_codes(codes.shape[1], learned.code_dim)
            self.codes = unit(codes)
        self.group = data.groups
        profiles = {"job": data.jobs, "candidate": data.candidates}
        self.fields: dict[str, sparse.csr_array] = (
            {side: learned.fields[side].transform(profiles[side]) for side in SIDES}
            if like is None
            else like.fields
        )
        self.columns = {
            side: _with_ids(
                self.fields[side][:, yes_or_no(learned.fields[side])],
                profiles[side].ids,
                learned.ids[side],
            )
            for side in SIDES
        }
        self.first = {name: first_events(data, level) for name, level in learned.levels.items()}
        keys = {
            name: data.pair_keys(people, jobs) for name, (people, jobs, _) in self.first.items()
        }
        self.order = {name: np.argsort(of) for name, of in keys.items()}
        self.sorted_pairs = {name: of[self.order[name]] for name, of in keys.items()}
        self.now = float(np.fmax.reduce(data.events.times, initial=-np.inf))
        """The time of the latest event; -inf without times."""
        self.by_job = {
            name: Counts(self.group[jobs], times, len(data.jobs), now=self.now)
            for name, (_, jobs, times) in self.first.items()
        }
        self.by_candidate = {
            name: Counts(people, times, len(data.candidates), now=self.now)
            for name, (people, _, times) in self.first.items()
        }
        self.places = np.argsort(self.by_candidate["yes"].order_)
        """Of each first yes, in `by_candidate["yes"].order_`."""
        self.everyone = Counts(np.zeros_like(self.first["yes"][1]), self.first["yes"][2], 1)

    def question(self, pairs: Pairs) -> Question:
        keys = self.data.pair_keys(pairs.candidates, pairs.jobs)
        hidden = {name: np.full(len(pairs), -1) for name in self.first}
        for name, met in self.sorted_pairs.items():
            is_hidden = is_in(keys, met) & np.isnan(pairs.times)
            hidden[name][is_hidden] = self.order[name][np.searchsorted(met, keys[is_hidden])]
        return Question(pairs.candidates, pairs.jobs, pairs.times, hidden)

    def hides(self, asked: Question, level: str, days: float | None) -> FloatArray:
        """1 where an event to hide is counted in the last so many days; shape (P,)."""
        hides = asked.hides(level)
        if days is not None:
            at = np.flatnonzero(hides)
            times = self.first[level][2][asked.hidden[level][at]]
            hides[at] = times >= self.now - days * DAY  # not for nan
        return hides

    def amounts(self, side: str) -> list[str]:
        """Fields that hold numbers."""
        columns = self.learned.fields[side].columns_
        return [column.field for column in columns if column.role == Role.AMOUNT]

    def amount(self, side: str, name: str) -> FloatArray:
        """The number that a field holds, nan where it is missing; shape (C,) or (J,)."""
        columns = self.learned.fields[side].columns_
        place = {column.role: at for at, column in enumerate(columns) if column.field == name}
        found = columns[place[Role.AMOUNT]]
        amount = _dense(self.fields[side], place[Role.AMOUNT]) * found.scale + found.mean
        return np.where(_dense(self.fields[side], place[Role.MISSING]) > 0, np.nan, amount)

    def hidden_history(self, asked: Question) -> IntArray:
        """Place of each hidden yes in `by_candidate["yes"].order_`, -1 for none."""
        hidden = asked.hidden["yes"]
        found: IntArray = np.full(len(hidden), -1)
        found[hidden >= 0] = self.places[hidden[hidden >= 0]]
        return found


def first_events(data: MatchData, level: int) -> First:
    """Of each pair, with an action of a level or above."""
    events = data.events.take(data.events.actions >= level)
    keys = data.pair_keys(events.candidates, events.jobs)
    rows = first_of(keys)
    return events.candidates[rows], events.jobs[rows], events.times[rows]


def category_fields(encoder: FieldEncoder) -> dict[str, IntArray]:
    """Fields of categories and lists, and the places of their values."""
    found: dict[str, list[int]] = {}
    for place, column in enumerate(encoder.columns_):
        if column.kind in (Kind.CATEGORY, Kind.LIST) and column.role == Role.VALUE:
            found.setdefault(column.field, []).append(place)
    return {name: np.array(places) for name, places in found.items()}


def yes_or_no(encoder: FieldEncoder) -> IntArray:
    """Places of the columns that hold 0 or 1: all but those of numbers."""
    return np.flatnonzero([column.role != Role.AMOUNT for column in encoder.columns_])


def expanded(matrix: sparse.csr_array, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Columns of some rows, one after the other: place in `rows`, and column."""
    length = np.diff(matrix.indptr)[rows]
    row = np.repeat(np.arange(len(rows)), length)
    return row, matrix.indices[ranges(matrix.indptr[rows], length)]


def ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """start, start + 1, ... of each, one after the other."""
    before = np.r_[0, np.cumsum(lengths)[:-1]]
    return np.repeat(starts.astype(np.int64) - before, lengths) + np.arange(lengths.sum())


def spans_matrix(starts: IntArray, lengths: IntArray, order: IntArray) -> sparse.csr_array:
    """A row for each span of `order`, with 1 where it points; float32."""
    at = order[ranges(starts, lengths)]
    cells = (np.ones(len(at), np.float32), at, np.r_[0, np.cumsum(lengths)])
    return sparse.csr_array(cells, shape=(len(starts), len(order)))


def is_in(keys: IntArray, sorted_keys: IntArray) -> BoolArray:
    if not len(sorted_keys):
        return np.zeros(len(keys), bool)
    place = np.searchsorted(sorted_keys, keys)
    return np.asarray(sorted_keys[np.minimum(place, len(sorted_keys) - 1)] == keys)


def dots(a: FloatArray, rows_a: IntArray, b: FloatArray, rows_b: IntArray) -> FloatArray:
    """Dot products of rows; in blocks, since a code is 100 times as long as its product."""
    found = np.empty(len(rows_a))
    for first in range(0, len(rows_a), 32_768):
        part = slice(first, first + 32_768)
        found[part] = np.einsum("pd,pd->p", a[rows_a[part]], b[rows_b[part]])
    return found


def unit(codes: FloatArray) -> FloatArray:
    """Of length 1; zeros stay zeros."""
    norm = np.linalg.norm(codes, axis=1, keepdims=True)
    return np.asarray(codes / np.where(norm > 0, norm, 1), np.float32)


def _dense(matrix: sparse.csr_array, place: int) -> FloatArray:
    return np.asarray(matrix[:, [place]].toarray(), np.float64).ravel()


def _with_ids(
    fields: sparse.csr_array, ids: Sequence[str], known: Sequence[str]
) -> sparse.csr_array:
    """A column for each known id behind the fields."""
    at = rows_of(ids, known)
    rows = np.flatnonzero(at >= 0)
    cells: Any = (np.ones(len(rows), np.float32), (rows, at[rows]))
    own = sparse.csr_array(cells, shape=(len(ids), len(known)))
    return sparse.csr_array(sparse.hstack([fields, own], "csr", dtype=np.float32))


def _check_codes(came: int, learned: int) -> None:
    if came != learned:
        raise ModelError(
            f"codes of jobs have {came} numbers, but the model learned from {learned}: "
            "make them with the same tagger, or train the model again"
        )
