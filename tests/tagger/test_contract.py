"""One contract for every estimator: scikit-learn's, and ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, clone

from tagger.autoencoder import AutoencoderConfig, JobAutoencoder
from tagger.classifier import TagClassifier, TagConfig
from tagger.deep import DeepClassifier, DeepConfig
from tagger.job_features import JobFeatures
from tagger.jobs import Job
from tagger.tagger import JobTagger, TaggerConfig
from tagger.vectorizer import JobVectorizer
from tagger.wide import WideClassifier, WideConfig

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eag"),
]

N = 30
_rng = np.random.default_rng(0)
_X = np.where(_rng.random((N, 64)) < 0.3, 1, 0).astype(np.float32)
X = sparse.csr_array(_X)
CODES = _rng.normal(size=(N, 4)).astype(np.float32)
Y = np.stack([_X[:, 0], _X[:, 1]], axis=1).astype(np.int8)
Y[::7] = -1
TERMS = sparse.csr_array(_X[:, :9])
FEATURES = JobFeatures(X, TERMS, _rng.normal(size=(N, 2)).astype(np.float32), CODES)
JOBS = [
    Job(str(i), "Nurse" if i % 2 else "Cook", f"site {i} " * (i % 5), tags=("care",) * (i % 2))
    for i in range(N)
]

AUTOENCODER = AutoencoderConfig(code=4, channels=4, filters=(2, 2), hidden=(8,), epochs=1)
DEEP = DeepConfig(hidden=(8,), epochs=1)
TAGS = TagConfig(n_folds=2, deep_config=DEEP)
WHOLE = TaggerConfig(
    autoencoder=AutoencoderConfig(code=4, filters=(2, 2, 2, 2), hidden=(8,), epochs=1), tags=TAGS
)


@dataclass(frozen=True)
class Case:
    """An estimator, what it is fitted on, and its answer to that."""

    make: Callable[[], Any]
    inputs: tuple[Any, ...]
    answer: Callable[[Any], Any]
    shape: tuple[int, ...]
    low: float = -np.inf
    high: float = np.inf


CASES = {
    "JobVectorizer": Case(JobVectorizer, (JOBS,), lambda it: it.transform(JOBS), (N, 32_768)),
    "JobAutoencoder": Case(
        lambda: JobAutoencoder(AUTOENCODER, seed=1), (X,), lambda it: it.encode(X), (N, 4)
    ),
    "WideClassifier": Case(
        lambda: WideClassifier(WideConfig(inverse_l2=3)),
        (X, TERMS, Y),
        lambda it: it.logits(X, TERMS),
        (N, 2, 3),
    ),
    "DeepClassifier": Case(
        lambda: DeepClassifier(DEEP, seed=1),
        (CODES, Y),
        lambda it: it.decision_function(CODES),
        (N, 2),
    ),
    "TagClassifier": Case(
        lambda: TagClassifier(TAGS, seed=1),
        (FEATURES, Y),
        lambda it: it.predict_proba(FEATURES),
        (N, 2),
        0,
        1,
    ),
    "JobTagger": Case(
        lambda: JobTagger(WHOLE, seed=1), (JOBS,), lambda it: it.predict_proba(JOBS), (N, 1), 0, 1
    ),
}


def dense(answer: Any) -> np.ndarray:
    return answer.toarray() if sparse.issparse(answer) else np.asarray(answer)


def frozen(inputs: Sequence[Any]) -> list[Any]:
    """A copy of inputs that can be compared with ==."""
    flat = [one for part in inputs for one in (part if isinstance(part, JobFeatures) else [part])]
    return [list(part) if isinstance(part, list) else dense(part).tolist() for part in flat]


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def fitted(case: Case) -> Any:
    """The estimator after `fit`, which must return it and leave what it was given alone."""
    estimator, before = case.make(), frozen(case.inputs)
    assert estimator.fit(*case.inputs) is estimator
    assert frozen(case.inputs) == before
    return estimator


def test_fit_returns_the_estimator_and_leaves_its_input_alone(fitted: BaseEstimator) -> None:
    assert [name for name in vars(fitted) if name.endswith("_")]


def test_the_constructor_only_stores(case: Case) -> None:
    estimator = case.make()
    assert vars(estimator) == estimator.get_params(deep=False)


def test_a_clone_is_unfitted_and_configured_alike(case: Case, fitted: BaseEstimator) -> None:
    copy = clone(fitted)
    assert copy.get_params(deep=False) == case.make().get_params(deep=False)
    assert not [name for name in vars(copy) if name.endswith("_")]


def test_fitting_changes_no_parameter(case: Case, fitted: BaseEstimator) -> None:
    assert fitted.get_params(deep=False) == case.make().get_params(deep=False)


def test_answers_have_their_shape_and_range(case: Case, fitted: BaseEstimator) -> None:
    answer = dense(case.answer(fitted))
    assert answer.shape == case.shape
    assert np.isfinite(answer).all()
    assert case.low <= answer.min() <= answer.max() <= case.high


def test_asking_changes_nothing(case: Case, fitted: BaseEstimator) -> None:
    before = frozen(case.inputs)
    first = dense(case.answer(fitted))
    assert (dense(case.answer(fitted)) == first).all()
    assert frozen(case.inputs) == before


def test_same_seed_same_answer(case: Case, fitted: BaseEstimator) -> None:
    again = clone(fitted).fit(*case.inputs)
    assert (dense(case.answer(again)) == dense(case.answer(fitted))).all()
