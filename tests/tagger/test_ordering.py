"""Bucket order: a permutation with related buckets side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.ordering import bisect_order


@given(st.integers(0, 1000), st.sampled_from([1, 2, 4]))
def test_the_order_is_a_permutation(seed: int, group: int) -> None:
    points = np.random.default_rng(seed).normal(size=(32, 3)).astype(np.float32)
    assert sorted(bisect_order(points, group=group).tolist()) == list(range(32))


def test_points_of_one_cluster_share_a_block() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.permutation(np.repeat(np.arange(4), 8))
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    points = (centres[cluster] + rng.normal(0, 0.1, (32, 2))).astype(np.float32)
    blocks = cluster[bisect_order(points, group=8)].reshape(4, 8)
    assert (blocks == blocks[:, :1]).all()


@pytest.mark.parametrize("value", [0, 1])
def test_equal_points_stay_in_their_order(value: int) -> None:
    points = np.full((16, 3), value, np.float32)
    assert bisect_order(points, group=2).tolist() == list(range(16))
