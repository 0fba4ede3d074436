"""Made-up labels and predictions, shared by the tests of scores and reports."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def random_scores() -> Callable[..., Any]:
    """Makes labels, probabilities that know something of them, and decisions."""

    def make(n_jobs: int, n_tags: int, *, noise: float = 0.3, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        Y = (rng.random((n_jobs, n_tags)) < 0.25).astype(np.int8)
        P = np.clip(0.3 + 0.4 * Y + noise * rng.normal(size=Y.shape), 0, 1)
        Y[rng.random(Y.shape) < 0.1] = -1
        return Y, P, P >= 0.5

    return make
