"""Made-up labels and predictions, shared by the tests of scores and reports."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tagger.evaluation import Evaluation


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


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., Evaluation]:
    """Makes an evaluation with every part present; the last tag is carried by no job."""

    def make(n_jobs: int = 60, n_tags: int = 3, **changes: Any) -> Evaluation:
        rng = np.random.default_rng(0)
        Y = (rng.random((n_jobs, n_tags)) < 0.4).astype(np.int8)
        Y[:, -1] = 0
        P = np.clip(0.3 + 0.3 * Y + 0.3 * rng.normal(size=Y.shape), 0, 1)
        epochs = [{"epoch": i, "loss": 1 / i, "val_loss": 1.2 / i} for i in range(1, 5)]
        parts = {
            "tags": [f"tag-{t}" for t in range(n_tags)],
            "Y": Y,
            "proba": P,
            "decisions": P >= 0.5,
            "thresholds": np.array([0.5] * (n_tags - 1) + [np.nan]),
            "review": abs(P - 0.5) < 0.1,
            "bands": np.tile([0.4, 0.6], (n_tags, 1)),
            "groups": np.arange(n_jobs) // 2,
            "baselines": {"all negative": (np.zeros_like(P), np.zeros_like(P, dtype=bool))},
            "codes": rng.normal(size=(n_jobs, 8)),
            "histories": {"autoencoder": epochs, "classifier": epochs},
            "remarks": {"tag-0": "a remark"},
            "info": {"Data": "made up"},
            "n_samples": 20,
        }
        return Evaluation(**parts | changes)

    return make
