"""The scikit-learn transformer, held to scikit-learn's own checks."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from tagger.errors import DataError
from tagger.features import N_COLUMNS, RowStatistics, count
from tagger.jobs import Job
from tagger.vectorizer import JobVectorizer

TEXTS = ["Night nurse, 5+ years", "Cook in our kitchen", "Python developer (remote)"]
JOBS = [Job(str(i), text=text) for i, text in enumerate(TEXTS)]


class VectorizerOfNumbers(JobVectorizer):
    """scikit-learn's checks come with numbers: a row becomes a text, "1.5 2" for [1.5, 2].

    They also want rows of another width to be refused, which texts don't have.
    """

    def fit(self, X: Any, y: object = None) -> "VectorizerOfNumbers":
        self.width_ = np.shape(X)[1]
        return super().fit(_as_texts(X), y)

    def partial_fit(self, X: Any, y: object = None) -> "VectorizerOfNumbers":
        self.width_ = np.shape(X)[1]
        return super().partial_fit(_as_texts(X), y)

    def transform(self, X: Any) -> sparse.csr_array:
        if np.shape(X)[1] != getattr(self, "width_", np.shape(X)[1]):
            raise ValueError("another width")
        return super().transform(_as_texts(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        return tags


def _as_texts(X: Any) -> Any:
    if sparse.issparse(X):
        return X  # for the vectorizer to refuse
    return [" ".join(f"{number:.4g}" for number in row) for row in np.asarray(X)]


@parametrize_with_checks([VectorizerOfNumbers()])
def test_scikit_learn_is_content(estimator: JobVectorizer, check: Any) -> None:
    check(estimator)  # raises what it finds wrong


def test_scikit_learn_runs_no_numeric_check_on_text() -> None:
    with pytest.warns(SkipTestWarning, match="requires input"):
        checks = list(estimator_checks_generator(JobVectorizer()))
    for estimator, check in checks:
        check(estimator)
    assert len(checks) == 1  # that it can be cloned


def test_rows_are_those_of_the_features() -> None:
    statistics = RowStatistics()
    statistics.add(count(JOBS))
    rows = JobVectorizer().fit_transform(JOBS)
    assert sparse.issparse(rows)
    assert rows.format == "csr"
    assert (rows.toarray() == statistics.weights().rows(JOBS).toarray()).all()


@pytest.mark.parametrize(
    "same", [TEXTS, tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, object), iter(TEXTS)]
)
def test_strings_are_texts_of_jobs(same: Any) -> None:
    fitted = JobVectorizer().fit(JOBS)
    assert (fitted.transform(same) != fitted.transform(JOBS)).nnz == 0


def test_streaming_gives_the_same_rows() -> None:
    fitted = JobVectorizer().fit(iter(JOBS))
    batches = list(fitted.iter_transform(iter(JOBS), batch=2))
    assert [rows.shape for rows in batches] == [(2, N_COLUMNS), (1, N_COLUMNS)]
    assert (sparse.vstack(batches) != fitted.transform(JOBS)).nnz == 0


def test_partial_fit_goes_on_and_fit_forgets() -> None:
    whole = JobVectorizer().fit(JOBS)
    parts = JobVectorizer().partial_fit(JOBS[:1]).partial_fit(JOBS[1:])
    assert (parts.weights_.idf == whole.weights_.idf).all()
    assert (parts.fit(JOBS).weights_.idf == whole.weights_.idf).all()


def test_a_failed_fit_leaves_what_was_learned() -> None:
    fitted = JobVectorizer().fit(JOBS)
    before = fitted.transform(JOBS)
    with pytest.raises(DataError, match=r"X\[1\] must be a Job or a string, got int"):
        fitted.fit(["nurse", 3])
    assert (fitted.partial_fit([]).transform(JOBS) != before).nnz == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("one text", "got one str: put it into a list"),
        (JOBS[0], "got one Job: put it into a list"),
        ([b"bytes"], r"X\[0\] must be a Job or a string, got bytes"),
        ([None], "got NoneType"),
        (np.zeros((2, 3)), r"got an array of shape \(2, 3\)"),
        (np.array("text"), r"got an array of shape \(\)"),
        (sparse.csr_array((2, 3)), "got a sparse matrix"),
        (7, "got int"),
    ],
)
def test_anything_else_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        JobVectorizer().fit(wrong)
    with pytest.raises(ValueError, match=message):
        JobVectorizer().fit(JOBS).transform(wrong)


def test_no_jobs_are_refused_when_fitting_and_no_rows_when_transforming() -> None:
    with pytest.raises(DataError, match="at least one job"):
        JobVectorizer().fit([])
    assert JobVectorizer().fit(JOBS).transform([]).shape == (0, N_COLUMNS)


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(NotFittedError):
        JobVectorizer().transform(JOBS)
    with pytest.raises(NotFittedError):
        JobVectorizer().iter_transform(JOBS)  # at once, not when the first row is asked for


def test_it_works_in_a_pipeline() -> None:
    from sklearn.linear_model import LogisticRegression

    pipeline = make_pipeline(JobVectorizer(), LogisticRegression(C=100)).fit(TEXTS, [0, 1, 1])
    assert clone(pipeline).fit(JOBS, [0, 1, 1]).predict(TEXTS).tolist() == [0, 1, 1]
