"""The simple methods that every evaluation shows beside the tagger.

Each learned one is fitted with `fit(sample, Y, unlabelled)` and asked with `predict_proba(sample)`.
Letters for axes: N jobs, H columns of a row, T tags.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tagger.errors import DataError
from tagger.features import N_TERMS, Counted, Rows, small_indices
from tagger.jobs import Job
from tagger.labels import UNKNOWN, YES
from tagger.names import NameEvidence

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
LabelArray = npt.NDArray[np.int8]

SPARSE_STRENGTH, DENSE_STRENGTH = 10.0, 30.0
"""Inverse L2 penalties that do these methods justice; the tables of bench/ rest on them."""


class Sample(NamedTuple):
    """The same N jobs as plain strings and counted."""

    texts: Sequence[str]
    counted: Counted

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Sample":
        """Those of the jobs where `chosen`, shape (N,), is True."""
        texts = [self.texts[i] for i in np.flatnonzero(chosen).tolist()]
        return Sample(texts, self.counted.take(chosen))


def plain_texts(jobs: Iterable[Job]) -> list[str]:
    """Title and text of each job as one string."""
    return [f"{job.title}\n{job.text}" for job in jobs]


class MaskedLogistic:
    """Logistic regression per tag on its known labels; one kind of label gives its prior."""

    def __init__(self, strength: float, *, seed: int = 0) -> None:
        self.strength = strength
        self.seed = seed

    def fit(self, X: Rows | FloatArray, Y: LabelArray) -> Self:
        """Fit a model per tag.

        Parameters
        ----------
        X : shape (N, H)
            Sparse rows go to liblinear, dense ones to L-BFGS.
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        """
        X = small_indices(X) if sparse.issparse(X) else X
        self.models_: list[LogisticRegression | float] = []
        for labels in Y.T:
            known = np.flatnonzero(labels != UNKNOWN)
            yes = labels[known] == YES
            if not yes.any() or yes.all():
                self.models_.append(float(prior(yes.sum(), (~yes).sum())))
                continue
            model = LogisticRegression(
                C=self.strength,
                solver="liblinear" if sparse.issparse(X) else "lbfgs",
                random_state=self.seed,
                max_iter=2000,
            )
            self.models_.append(model.fit(X[known], yes))
        return self

    def predict_proba(self, X: Rows | FloatArray) -> FloatArray:
        """Shape (N, T), in [0, 1]."""
        X = small_indices(X) if sparse.issparse(X) else X
        proba = np.empty((X.shape[0], len(self.models_)))
        for tag, model in enumerate(self.models_):
            proba[:, tag] = model if isinstance(model, float) else model.predict_proba(X)[:, 1]
        return proba


class TfidfBaseline:
    """scikit-learn's TF-IDF of words and pairs of words, with logistic regression."""

    name = "TF-IDF + logistic regression"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, sample: Sample, Y: LabelArray, unlabelled: Counted) -> Self:
        self.vectorizer_ = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
        try:
            X = self.vectorizer_.fit_transform(sample.texts)
        except ValueError as error:  # no vocabulary
            raise DataError(f"no two of {len(sample.texts)} jobs share a word") from error
        self.head_ = MaskedLogistic(SPARSE_STRENGTH, seed=self.seed).fit(X, Y)
        return self

    def predict_proba(self, sample: Sample) -> FloatArray:
        return self.head_.predict_proba(self.vectorizer_.transform(sample.texts))


class HashedBaseline:
    """Our stems, pairs and title terms in hash buckets, plain TF-IDF, logistic regression."""

    name = "hashed terms + logistic regression"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, sample: Sample, Y: LabelArray, unlabelled: Counted) -> Self:
        self.idf_ = _plain_idf(sample.counted, unlabelled)
        rows = _tfidf_rows(sample.counted, self.idf_)
        self.head_ = MaskedLogistic(SPARSE_STRENGTH, seed=self.seed).fit(rows, Y)
        return self

    def predict_proba(self, sample: Sample) -> FloatArray:
        return self.head_.predict_proba(_tfidf_rows(sample.counted, self.idf_))


class SvdBaseline:
    """The same hashed rows brought to 100 numbers by TruncatedSVD, with logistic regression."""

    name = "TruncatedSVD-100 + logistic regression"

    def __init__(self, *, seed: int = 0, n_components: int = 100) -> None:
        self.seed = seed
        self.n_components = n_components

    def fit(self, sample: Sample, Y: LabelArray, unlabelled: Counted) -> Self:
        self.idf_ = _plain_idf(sample.counted, unlabelled)
        rows = [_tfidf_rows(counted, self.idf_) for counted in (sample.counted, unlabelled)]
        seen = sparse.csr_array(sparse.vstack(rows, format="csr"))
        rank = min(self.n_components, *seen.shape)
        self.svd_ = TruncatedSVD(rank, random_state=self.seed).fit(seen)
        codes = self.svd_.transform(rows[0])
        self.scale_ = unit_scale(codes)
        self.head_ = MaskedLogistic(DENSE_STRENGTH, seed=self.seed).fit(codes * self.scale_, Y)
        return self

    def predict_proba(self, sample: Sample) -> FloatArray:
        codes = self.svd_.transform(_tfidf_rows(sample.counted, self.idf_))
        return self.head_.predict_proba(codes * self.scale_)


LEARNED: tuple[type[TfidfBaseline] | type[HashedBaseline] | type[SvdBaseline], ...] = (
    TfidfBaseline,
    HashedBaseline,
    SvdBaseline,
)
"""In the order to show; the tagger is measured against the best of them."""


NAMES_ALONE = "names alone"
"""How well a posting fits what each tag is called; no label is used."""


def names_alone(names: NameEvidence, counted: Counted) -> FloatArray:
    """Evidence of the names squeezed into [0, 1], shape (N, T): the ranking counts."""
    return np.asarray(expit(names.scores(counted)), np.float64)


def simple_baselines(
    n_yes: npt.NDArray[Any], n_no: npt.NDArray[Any], n_jobs: int
) -> dict[str, tuple[FloatArray, BoolArray]]:
    """Probabilities and decisions that need no text: never the tag, always its frequency.

    The same probability for every job: F1 is then highest where the tag is always given.
    """
    shape = (n_jobs, len(n_yes))
    frequent = np.broadcast_to(prior(n_yes, n_no), shape)
    return {
        "all negative": (np.zeros(shape), np.zeros(shape, bool)),
        "prior": (frequent, np.ones(shape, bool)),
    }


def prior(n_yes: Any, n_no: Any) -> Any:
    """How frequent a yes is; one half where nothing is known."""
    return (n_yes + 0.5) / (n_yes + n_no + 1)


def unit_scale(codes: FloatArray) -> float:
    """Factor that gives codes (N, C) a mean squared length of 1, so that penalties compare."""
    return float(1 / np.sqrt(max(np.mean(np.sum(codes.astype(float) ** 2, axis=1)), 1e-12)))


def _plain_idf(*parts: Counted) -> FloatArray:
    """As scikit-learn counts it, shape (N_TERMS,); title terms are in the same buckets."""
    n_jobs = sum(len(part.measures) for part in parts)
    with_bucket = np.zeros(N_TERMS, np.int64)
    for part in parts:
        with_bucket += np.bincount((part.text + part.title).indices, minlength=N_TERMS)
    return np.asarray(np.log((1 + n_jobs) / (1 + with_bucket)) + 1)


def _tfidf_rows(counted: Counted, idf: FloatArray) -> Rows:
    """(1 + ln count) * idf, each row of length 1, shape (N, N_TERMS)."""
    rows = sparse.csr_array(counted.text + counted.title)
    weighted = (1 + np.log(rows.data)) * idf[rows.indices]
    job = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    lengths = np.sqrt(np.bincount(job, weighted**2, minlength=rows.shape[0]))
    rows.data = (weighted / lengths[job]).astype(np.float32)
    return rows
