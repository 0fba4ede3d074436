"""What of each model's configuration `jobtool match tune` may vary, and how far.

One entry makes a model tunable. Limits are wide enough that the best value should lie within; what
trades time for accuracy without end (epochs with early stopping, numbers of rounds) is left alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True, slots=True)
class Span:
    """A number between two limits, both possible; a whole one if both are."""

    low: float
    high: float
    log: bool = False
    """Whether its order of magnitude is drawn evenly."""

    def suggest(self, trial: "Trial", name: str) -> float:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class OneOf:
    """One of some values, of any kind that JSON knows."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def suggest(self, trial: "Trial", name: str) -> Any:
        # As JSON: Optuna keeps numbers and strings, but no lists.
        chosen = trial.suggest_categorical(name, [json.dumps(value) for value in self.values])
        return json.loads(chosen)


Space = Mapping[str, Span | OneOf]
"""Field of the configuration -> what it may be; `outer.inner` for a field within a field."""

_RATE = Span(1e-4, 1e-2, log=True)
_LAYERS = OneOf([32], [64, 32], [128, 64])
_FTRL: Space = {
    "ftrl.alpha": Span(0.005, 0.5, log=True),
    "ftrl.l1": Span(0.01, 10.0, log=True),
    "ftrl.l2": Span(0.01, 10.0, log=True),
    "n_bins": Span(4, 30),
}
_ALS: Space = {
    "n_factors": Span(16, 256, log=True),
    "weight": Span(1.0, 200.0, log=True),
    "penalty": Span(0.1, 100.0, log=True),
}
_TREES: Space = {
    "n_trees": Span(30, 400, log=True),
    "depth": Span(3, 8),
    "rate": Span(0.01, 0.3, log=True),
}
_SEQUENCE: Space = {"dropout": Span(0.0, 0.5), "learning_rate": _RATE, "ratio": OneOf(1.0, 3.0)}
_ACTIVITY: Space = {
    "steps": OneOf(8, 16, 32, 64),
    "n_numbers": OneOf(32, 64, 128),
    "days": OneOf(7.0, 28.0, 90.0),
}
_LEARNED: Space = {
    **_ACTIVITY,
    "learning_rate": _RATE,
    "n_negatives": Span(2, 32, log=True),
    "negative_weight": Span(0.1, 1.0),
}

SPACES: dict[str, Space] = {
    "item-knn": {"n_neighbours": Span(10, 1000, log=True)},
    "bm25-knn": {
        "n_neighbours": Span(10, 1000, log=True),
        "k1": Span(0.1, 100.0, log=True),
        "b": Span(0.0, 1.0),
    },
    "rp3beta": {
        "n_neighbours": Span(10, 1000, log=True),
        "alpha": Span(0.2, 2.0),
        "beta": Span(0.0, 1.0),
    },
    "recent-popularity": {"half_life": Span(0.02, 60.0, log=True)},
    "ease": {"regularisation": Span(1.0, 3000.0, log=True)},
    "als": _ALS,
    "fields-als": {
        **_ALS,
        "candidate_ridge": Span(1.0, 1000.0, log=True),
        "job_ridge": Span(1.0, 1000.0, log=True),
    },
    "code-similarity": {"decay": Span(0.5, 1.0), "resume": Span(0.0, 2.0)},
    "hybrid": {
        "n_factors": Span(32, 256, log=True),
        "n_trees": Span(30, 300, log=True),
        "depth": Span(3, 8),
        "learning_rate": Span(0.02, 0.3, log=True),
    },
    "lr-ftrl": _FTRL,
    "lr-sgd": {"rate": Span(0.05, 2.0, log=True), "n_bins": _FTRL["n_bins"]},
    "lr-lbfgs": {"l2": Span(0.1, 1000.0, log=True), "n_bins": _FTRL["n_bins"]},
    "fm": {"n_factors": Span(2, 32, log=True), "rate": Span(0.001, 0.1, log=True), **_FTRL},
    "xgboost": {**_TREES, "min_child": Span(1.0, 100.0, log=True)},
    "xgboost-lr": {**_TREES, "tree_share": Span(0.2, 0.8), **_FTRL},
    "deepfm": {
        "n_factors": Span(2, 32, log=True),
        "hidden": _LAYERS,
        "dropout": Span(0.0, 0.6),
        "learning_rate": _RATE,
    },
    "activity-mean": _ACTIVITY,
    "activity-decay": _ACTIVITY,
    "activity-cnn": _LEARNED,
    "activity-lstm": _LEARNED,
    "activity-transformer": _LEARNED,
    "sequence-cnn": {
        **_SEQUENCE,
        "filters": OneOf([16, 16], [32, 32], [64, 64]),
        "kernel": OneOf(2, 3, 5),
    },
    "sequence-lstm": {**_SEQUENCE, "units": Span(8, 64, log=True)},
    "sequence-mlp": {**_SEQUENCE, "hidden": _LAYERS, "vae.size": Span(4, 64, log=True)},
    "sequence-all": {**_SEQUENCE, "hidden": _LAYERS},
    "ncf": {"n_clusters": Span(1, 16, log=True), "learning_rate": _RATE},
}
"""Model -> what may vary."""
