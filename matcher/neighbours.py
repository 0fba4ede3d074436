"""Item-kNN: jobs that the same candidates wanted are alike.

Letters for axes: C candidates, J jobs, B candidates asked for.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from matcher.base import SCORES_AT_ONCE, Arrays, blocks
from matcher.data import IntArray, MatchData
from matcher.histories import HistoryMatcher, Matrix, check_positive, columns_by_jobs, places
from matcher.saved_config import from_plain
from tagger.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourConfig:
    """What jobs are compared by."""

    n_neighbours: int = 200
    """Most similar jobs that are kept of each job, at least 1."""

    def __post_init__(self) -> None:
        check_positive(n_neighbours=self.n_neighbours)


@dataclass(frozen=True, slots=True, kw_only=True)
class BM25Config(NeighbourConfig):
    """The weights of BM25: candidates with few jobs tell more, jobs with many candidates less."""

    k1: float = 1.2
    """The larger, the later a weight saturates; above 0."""
    b: float = 0.75
    """How far the length of a row is made up for, in [0, 1]."""

    def __post_init__(self) -> None:
        NeighbourConfig.__post_init__(self)
        check_positive(k1=self.k1)
        if not 0 <= self.b <= 1:
            raise DataError(f"b must be in [0, 1], got {self.b}")


class ItemNeighbours(HistoryMatcher):
    """Scores a job by its likeness to the jobs of the history, added up.

    Likeness is the cosine of the candidates who wanted the two jobs.

    References
    ----------
    Sarwar et al., Item-based Collaborative Filtering Recommendation Algorithms, 2001.
    """

    name = "item-knn"
    config_class: ClassVar[type[NeighbourConfig]] = NeighbourConfig
    uses_codes = False
    is_baseline = True

    def __init__(self, config: NeighbourConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        wanted_by = sparse.csr_array(self._begin_with_wanted(data).T)  # (J, C)
        self.likeness_ = nearest(self._weigh(wanted_by), self.settings.n_neighbours)
        return self

    def _weigh(self, wanted_by: sparse.csr_array) -> sparse.csr_array:
        """Rows whose products are the likeness of jobs; both of shape (J, C)."""
        return unit_rows(wanted_by)

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        wanted = columns_by_jobs(known, self.known_rows(data), len(self.job_ids_))
        return sparse.csr_array(wanted @ self.likeness_)

    def keys(self, data: MatchData) -> Matrix:
        return places(self.known_rows(data), len(self.job_ids_))

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        return _parts(self.likeness_), {"config": asdict(self.settings), "seed": self.seed}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model._restore(files, meta)
        n = len(model.job_ids_)
        model.likeness_ = _whole(files["model"], (n, n))
        return model


class BM25Neighbours(ItemNeighbours):
    """Item-kNN with the weights of BM25.

    References
    ----------
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
    """

    name = "bm25-knn"
    config_class = BM25Config

    def _weigh(self, wanted_by: sparse.csr_array) -> sparse.csr_array:
        return _bm25(wanted_by, self.settings)


class UserNeighbours(HistoryMatcher):
    """Scores a job by the cosine of the history with those of others who wanted it, added up.

    A candidate who was learned from does not count as their own neighbour.

    References
    ----------
    Resnick et al., GroupLens: An Open Architecture for Collaborative Filtering of Netnews, 1994.
    """

    name = "user-knn"
    uses_codes = False
    is_baseline = True

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        wanted = self._begin_with_wanted(data)
        people = np.flatnonzero(np.diff(wanted.indptr))
        self.candidate_ids_ = np.array(data.candidates.ids, np.str_)[people]
        self._others(sparse.csr_array(wanted[people]))
        return self

    def _others(self, wanted: sparse.csr_array) -> None:
        self.wanted_, self._columns = wanted, sparse.csr_array(unit_rows(wanted).T)
        self._row = {id: number for number, id in enumerate(self.candidate_ids_.tolist())}

    def queries(self, data: MatchData, candidates: IntArray, known: sparse.csr_array) -> Matrix:
        wanted = columns_by_jobs(known, self.known_rows(data), len(self.job_ids_))
        likeness = (unit_rows(wanted) @ self._columns).tocoo()
        own = np.array([self._row.get(data.candidates.ids[c], -1) for c in candidates], np.intp)
        asked, other = likeness.coords
        keep = other != own[asked]
        cells = (likeness.data[keep], (asked[keep], other[keep]))
        return sparse.csr_array(sparse.csr_array(cells, shape=likeness.shape) @ self.wanted_)

    def keys(self, data: MatchData) -> Matrix:
        return places(self.known_rows(data), len(self.job_ids_))

    def _own(self) -> tuple[Arrays, dict[str, Any]]:
        return {**_parts(self.wanted_), "candidate_ids": self.candidate_ids_}, {"seed": self.seed}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(seed=meta["seed"])
        model._restore(files, meta)
        model.candidate_ids_ = files["model"]["candidate_ids"]
        shape = (len(model.candidate_ids_), len(model.job_ids_))
        model._others(_whole(files["model"], shape))
        return model


def nearest(
    rows: sparse.csr_array, n_neighbours: int, *, others: sparse.csr_array | None = None
) -> sparse.csr_array:
    """Products of each row with the most similar other ones, shape (N, N), sparse.

    `others` has the N rows to multiply with; None: the same.
    """
    n, found = rows.shape[0], []
    columns = sparse.csr_array((rows if others is None else others).T)
    for part in blocks(np.arange(n), max(SCORES_AT_ONCE // n, 1)):
        likeness = sparse.csr_array(rows[part] @ columns)
        found += [_best(likeness, row, int(own), n_neighbours) for row, own in enumerate(part)]
    bounds = np.r_[0, np.cumsum([len(columns) for columns, _ in found])]
    jobs, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return sparse.csr_array((values, jobs, bounds), shape=(n, n))


def _best(likeness: sparse.csr_array, place: int, own: int, n: int) -> tuple[Any, Any]:
    """Columns and values of the `n` largest cells of a row, its own left out."""
    bounds = slice(likeness.indptr[place], likeness.indptr[place + 1])
    columns, values = likeness.indices[bounds], likeness.data[bounds]
    columns, values = columns[columns != own], values[columns != own]
    if len(columns) > n:
        top = np.sort(np.argpartition(-values, n - 1)[:n])
        columns, values = columns[top], values[top]
    return columns, values


def _parts(matrix: sparse.csr_array) -> dict[str, Any]:
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}


def _whole(parts: Arrays, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((parts["data"], parts["indices"], parts["indptr"]), shape=shape)


def unit_rows(rows: sparse.csr_array) -> sparse.csr_array:
    """Each row divided by its length; zero rows stay."""
    length = np.sqrt(np.asarray((rows * rows).sum(axis=1)).ravel())
    return scaled(rows, 1 / np.maximum(length, 1e-12))


def scaled(rows: sparse.csr_array, by: Any) -> sparse.csr_array:
    """Each row times its number."""
    found = rows.copy()
    found.data = (found.data * np.repeat(by, np.diff(rows.indptr))).astype(np.float32)
    return found


def _bm25(rows: sparse.csr_array, config: BM25Config) -> sparse.csr_array:
    """Jobs as documents of the words `candidate`."""
    n_jobs = rows.shape[0]
    idf = np.log(n_jobs) - np.log1p(np.bincount(rows.indices, minlength=rows.shape[1]))
    length = np.diff(rows.indptr)
    norm = 1 - config.b + config.b * length / max(length.mean(), 1e-12)
    tf = rows.data * (config.k1 + 1) / (config.k1 * np.repeat(norm, length) + rows.data)
    found = rows.copy()
    found.data = (tf * np.maximum(idf, 0)[rows.indices]).astype(np.float32)
    return found
