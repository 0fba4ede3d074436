"""What the matching bench measures us against that is not a model of jobtool."""

import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from matcher.base import blocks
from matcher.data import FloatArray, IntArray, MatchData
from matcher.held_out import Rivals
from matcher.histories import histories
from matcher.metrics import hit_rate, ranks
from matcher.splits import Split, split

Scorer = Callable[[IntArray, FloatArray], FloatArray]
"""From candidates and moments, B of them, to scores of all jobs, shape (B, J)."""
Fitted = Callable[[MatchData], Scorer]
"""Asks a model with what is known."""
LIBRARY_ALS = "implicit ALS-128"
TFIDF = "TF-IDF of texts"
TEXTS = ("Position", "title", "text_keyword")
"""Fields of jobs that hold their text, in one set or another."""
AT_ONCE = 512
K = 10


def has_library() -> bool:
    return find_spec("implicit") is not None


def answer(asked: Split, scorer: Scorer) -> tuple[FloatArray, FloatArray]:
    """Ranks of the held-out jobs among their rivals, and how many these are."""
    rivals, found, competing = Rivals(asked), [], []
    for here in blocks(np.arange(len(asked)), AT_ONCE):
        allowed = rivals.of(here)
        scores = scorer(asked.candidates[here], asked.times[here])
        found.append(ranks(scores, asked.jobs[here], allowed))
        competing.append(allowed.sum(axis=1))
    return np.concatenate(found), np.concatenate(competing)


# ---- ALS of a library


def tuned_als(asked: Split) -> Fitted:
    """ALS of the library `implicit`, with the best of a few settings on an inner split."""
    try:
        inner = split(asked.train, max_questions=1500, seed=1)
    except ValueError:  # too few events to hold some out
        return fitted_als(asked.train, 1.0, 10.0)
    tried = {
        setting: hit_rate(
            answer(inner, fitted_als(inner.train, *setting)(inner.known))[0], K
        ).mean()
        for setting in product((1.0, 10.0, 100.0), (0.1, 1.0, 10.0, 50.0))
    }
    return fitted_als(asked.train, *max(tried, key=lambda key: tried[key]))


def als_model(wanted: sparse.csr_array, alpha: float, penalty: float) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for one thread of the linear algebra
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=128, alpha=alpha, regularization=penalty, random_state=0, num_threads=1
        )
        with threadpool_limits(1):
            model.fit(sparse.csr_matrix(wanted), show_progress=False)
    return model


def fitted_als(train: MatchData, alpha: float, penalty: float) -> Fitted:
    model = als_model(train.matrix(), alpha, penalty)

    def score(data: MatchData, people: IntArray, times: FloatArray) -> FloatArray:
        known = histories(data, people, train.target, times=times)
        factors = model.recalculate_user(people, sparse.csr_matrix(known))
        return np.asarray(factors @ model.item_factors.T)

    return lambda data: partial(score, data)


# ---- texts


def job_texts(data: MatchData) -> list[str] | None:
    """None where jobs have no text."""
    for name in TEXTS:
        if name in data.jobs.fields:
            return [str(text or "") for text in data.jobs.fields[name]]
    return None


def fitted_tfidf(train: MatchData) -> Fitted:
    """Cosine of a job's text with the mean of the history's, by words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    weigh.fit([text for text in job_texts(train) or [] if text])

    def ask(data: MatchData) -> Scorer:
        keys = sparse.csr_array(weigh.transform(job_texts(data)))

        def score(people: IntArray, times: FloatArray) -> FloatArray:
            known = histories(data, people, train.target, times=times)
            return np.asarray((known @ keys @ keys.T).toarray())

        return score

    return ask
