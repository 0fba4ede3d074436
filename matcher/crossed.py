"""What the fields of both sides say of a pair: numbers as they are, and compared with each other.

After 58's crossed features (position, salary, distance). Letters for axes: P pairs.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from matcher.data import DAY, FloatArray
from matcher.fields import Kind, Role
from matcher.known import SIDES, Known, Numbers, Question
from tagger.errors import DataError

EARTH_KM = 6371.0


def plain(known: Known, asked: Question) -> Numbers:
    """Numbers that fields hold, and the age of the job."""
    found = {
        f"number: {side} {name}": known.amount(side, name)[asked.rows(side)]
        for side in SIDES
        for name in known.amounts(side)
    }
    posted = known.data.jobs.known_from
    if posted is not None and known.learned.has_times:
        moment = np.where(np.isnan(asked.times), known.now, asked.times)
        found["age: job"] = np.log1p(np.maximum(moment - posted[asked.jobs], 0) / DAY)
    return found


def crossed(known: Known, asked: Question, more: Sequence[tuple[str, str]] = ()) -> Numbers:
    """Fields of the same name on both sides, and `more` pairs of fields (candidate's, job's)."""
    theirs = {column.field for column in known.learned.fields["job"].columns_}
    mine = dict.fromkeys(column.field for column in known.learned.fields["candidate"].columns_)
    found: Numbers = {}
    for pair in (*((name, name) for name in mine if name in theirs), *more):
        found |= _difference(known, asked, *pair)
        found |= _overlap(known, asked, *pair)
    return found


def distance(known: Known, asked: Question, latitude: str, longitude: str) -> FloatArray:
    """Great circle between two places, log(1 + km)."""
    for side in SIDES:
        if not {latitude, longitude} <= set(known.amounts(side)):
            raise DataError(f"{side}s have no fields {latitude!r} and {longitude!r} with numbers")
    (a, b), (c, d) = (
        [np.radians(known.amount(side, name))[asked.rows(side)] for name in (latitude, longitude)]
        for side in SIDES
    )
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return np.asarray(np.log1p(2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1)))))


def _difference(known: Known, asked: Question, mine: str, theirs: str) -> Numbers:
    """The job's number less the candidate's, in standard deviations of jobs."""
    if mine not in known.amounts("candidate") or theirs not in known.amounts("job"):
        return {}
    columns = known.learned.fields["job"].columns_
    scale = next(c.scale for c in columns if c.field == theirs and c.role == Role.AMOUNT)
    wanted = known.amount("candidate", mine)[asked.candidates]
    return {
        f"difference: {_name(mine, theirs)}": (known.amount("job", theirs)[asked.jobs] - wanted)
        / scale
    }


def _overlap(known: Known, asked: Question, mine: str, theirs: str) -> Numbers:
    """Jaccard index of the values; of single values: whether they are the same."""
    places, kinds = [], []
    for side, name in (("candidate", mine), ("job", theirs)):
        own = [c for c in enumerate(known.learned.fields[side].columns_) if c[1].field == name]
        places.append({column.value: at for at, column in own if column.role == Role.VALUE})
        kinds += [column.kind for _, column in own]
    values = sorted(set(places[0]) | set(places[1]))
    if not (places[0] and places[1]):
        return {}
    people, jobs = (
        _spread(known.fields[side], [own.get(value, -1) for value in values])
        for side, own in zip(("candidate", "job"), places, strict=True)
    )
    n_mine, n_theirs = (
        side.sum(axis=1)[asked.rows(name)] for side, name in ((people, "candidate"), (jobs, "job"))
    )
    both = people[asked.candidates].multiply(jobs[asked.jobs]).sum(axis=1)
    is_known = (n_mine > 0) & (n_theirs > 0)
    share = np.where(is_known, both / np.maximum(n_mine + n_theirs - both, 1), np.nan)
    is_list = any(kind in (Kind.LIST, Kind.WORDS) for kind in kinds)
    return {f"{'overlap' if is_list else 'same'}: {_name(mine, theirs)}": share}


def _name(mine: str, theirs: str) -> str:
    return mine if mine == theirs else f"{mine} and {theirs}"


def _spread(matrix: sparse.csr_array, places: Sequence[int]) -> sparse.csr_array:
    """Columns at the places, an empty one for -1."""
    at = np.array(places)
    here = np.flatnonzero(at >= 0)
    shape = (matrix.shape[1], len(at))
    chosen = sparse.csr_array((np.ones(len(here), np.float32), (at[here], here)), shape=shape)
    return sparse.csr_array(matrix @ chosen)
