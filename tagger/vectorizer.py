"""Postings to rows as a scikit-learn transformer, for pipelines and for the notebook.

`JobTagger` does not need it; it is the same `tagger.features` behind the usual interface.
Letters for axes: N jobs, H columns of a row.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import islice
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from tagger.errors import DataError
from tagger.features import BATCH, Rows, RowStatistics, RowWeights, count
from tagger.jobs import Job

Postings: TypeAlias = Iterable[Job] | Iterable[str] | npt.NDArray[np.object_]


class JobVectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # no types
    """Postings, labelled or not, to sparse rows of 32,768 numbers.

    `fit` learns how rare each hash bucket is and the scale of the text measures; there is no
    vocabulary, so memory does not grow with the number of jobs.

    Attributes
    ----------
    weights_ : RowWeights
        What was learned.

    Examples
    --------
    >>> jobs = ["Nurse for night shifts", "Nurse, day shifts", Job("3", "Cook", "Kitchen work")]
    >>> JobVectorizer().fit_transform(jobs).shape
    (3, 32768)
    """

    def fit(self, X: Postings, y: object = None) -> Self:
        """Learn the weights afresh.

        Parameters
        ----------
        X
            At least one job; a plain string is the text of a job without title. Read once, in
            batches, so it may be a generator.
        y
            Ignored; scikit-learn's pipelines pass it.

        Raises
        ------
        DataError
            If `X` is empty or holds anything but jobs and strings.
        """
        return self._learn(RowStatistics(), _iter_jobs(X))

    def partial_fit(self, X: Postings, y: object = None) -> Self:
        """Learn from more jobs on top of those seen; the weights are those of all together."""
        seen = self._statistics if hasattr(self, "weights_") else RowStatistics()
        return self._learn(deepcopy(seen), _iter_jobs(X))

    def transform(self, X: Postings) -> Rows:
        """Rows, shape (N, H), float32.

        Raises
        ------
        DataError
            If `X` holds anything but jobs and strings.
        """
        check_is_fitted(self)
        return self.weights_.rows(_iter_jobs(X))

    def iter_transform(self, X: Postings, *, batch: int = BATCH) -> Iterator[Rows]:
        """Rows in batches, as jobs come; memory stays flat however many there are."""
        check_is_fitted(self)
        return self.weights_.iter_rows(_iter_jobs(X), batch=batch)

    def _learn(self, statistics: RowStatistics, jobs: Iterator[Job]) -> Self:
        """Take over `statistics` with `jobs` added, all of them or (if one is bad) none."""
        while batch := list(islice(jobs, BATCH)):
            statistics.add(count(batch))
        if not statistics.n_jobs:
            raise DataError("X must hold at least one job, got none")
        self._statistics = statistics
        self.weights_: RowWeights = statistics.weights()
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.no_validation = True
        tags.transformer_tags.preserves_dtype = []  # text has no dtype to preserve
        return tags


def _iter_jobs(X: Any) -> Iterator[Job]:
    """Jobs of `X` one by one; what can be refused without reading it is refused at once."""
    wanted = "X must be a sequence of jobs or strings"
    if isinstance(X, str | bytes | Job):
        raise DataError(f"{wanted}, got one {type(X).__name__}: put it into a list")
    if sparse.issparse(X):
        raise DataError(f"{wanted}, got a sparse matrix, which is what comes out")
    if getattr(X, "ndim", 1) != 1:
        raise DataError(f"{wanted}, got an array of shape {X.shape}")
    if not isinstance(X, Iterable):
        raise DataError(f"{wanted}, got {type(X).__name__}")
    return (_job(place, posting) for place, posting in enumerate(X))


def _job(place: int, posting: object) -> Job:
    if isinstance(posting, Job):
        return posting
    if isinstance(posting, str):
        return Job(str(place), text=str(posting))
    raise DataError(f"X[{place}] must be a Job or a string, got {type(posting).__name__}")
