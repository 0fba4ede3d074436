import numpy as np
import pytest
from scipy import sparse

from matcher import neighbours, registry
from matcher.data import Profiles, RawEvent, build
from matcher.neighbours import nearest
from tests.matcher.made_up import made_up

LINES = ("x a", "x b", "y a", "y b", "z a", "w c")


def data_of(*lines, groups):
    raw = [RawEvent(*line.split(), "apply") for line in lines]
    return build(None, Profiles(ids=tuple("abcd"), groups=np.array(groups)), raw, until=None)


@pytest.mark.parametrize("name", ["popularity", "item-knn", "user-knn", "ease"])
def test_a_repost_without_events_is_the_job_that_it_repeats(name):
    data = data_of(*LINES, groups=[0, 1, 2, 1])  # d repeats b
    scores = registry.find(name)().fit(data).score_jobs(data, np.arange(4))
    np.testing.assert_array_equal(scores[:, 3], scores[:, 1])
    assert scores[:, 1].any()


def test_the_nearest_are_the_largest_products_with_other_rows(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.random((30, 6)).astype(np.float32) * (rng.random((30, 6)) < 0.6)
    products = rows @ rows.T
    np.fill_diagonal(products, 0)
    kept = np.sort(products, axis=1)[:, -5, None]
    for cells in (1, 100, 2**23):
        monkeypatch.setattr(neighbours, "SCORES_AT_ONCE", cells)
        found = nearest(sparse.csr_array(rows), 5).toarray()
        np.testing.assert_allclose(found, np.where(products >= kept, products, 0), rtol=1e-5)


def test_nobody_is_their_own_neighbour():
    data = data_of("x a", "x b", "y a", "y c", groups=range(4))
    scores = registry.find("user-knn")().fit(data).score_jobs(data, np.arange(2))
    np.testing.assert_allclose(scores, [[0.5, 0, 0.5, 0], [0.5, 0.5, 0, 0]])


def test_by_bm25_a_candidate_with_few_jobs_tells_more():
    data = made_up(200, 40)
    lengths = np.diff(data.matrix().indptr)
    weighed = neighbours._bm25(sparse.csr_array(data.matrix().T), neighbours.BM25Config())
    mean = weighed.sum(axis=0) / np.maximum(lengths, 1)
    assert mean[lengths == 1].mean() > mean[lengths >= 4].mean() > 0
