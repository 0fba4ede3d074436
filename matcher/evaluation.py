"""What an evaluation found, as plain values."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from matcher.scoring import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScores:
    """One model. Metrics by name, in the order in which they are shown."""

    name: str
    failure: str = ""
    """Why it could not be used on these data; then nothing else is there."""
    is_baseline: bool = False
    gives_probability: bool = False
    ranking: dict[str, Score] = field(default_factory=dict)
    """`hit_rate@k` (with one held-out job also the recall), `precision@k`, `ndcg@k` and `mrr@k` for
    each k, `mrr`, and `rank_auc`, the share of other jobs that the held-out one is ahead of."""
    frozen: dict[str, Score] = field(default_factory=dict)
    """The main metrics by the frozen protocol: asked with what was known when the training ended
    (`matcher.splits`). All others are of the live protocol. Empty without times."""
    ahead: dict[str, Score] = field(default_factory=dict)
    """How far ahead of the reference, on the same resamples; empty for the reference itself."""
    slices: dict[str, dict[str, Score]] = field(default_factory=dict)
    """New jobs, known jobs, new candidates, known candidates, where there are any."""
    percentiles: list[dict[str, float]] = field(default_factory=list)
    """Precision, recall and MRR with the first so many percent of the live jobs shown."""
    coverage: dict[str, float] = field(default_factory=dict)
    """`coverage@k`: share of the live jobs among the first k of anybody; `gini`, of how often each
    is: 0 all alike, near 1 a few jobs for everybody."""
    pairs: dict[str, Score] = field(default_factory=dict)
    """`auc`, `average_precision`, `gauc`; of a model that gives probabilities also `accuracy`,
    `log_loss` and `calibration_error`."""
    roc: list[list[float]] = field(default_factory=list)
    pr: list[list[float]] = field(default_factory=list)
    calibration: list[dict[str, float]] = field(default_factory=list)
    fit_s: float = math.nan
    score_s_per_1000: float = math.nan
    """Seconds for the scores of all jobs for 1,000 candidates."""
    memory_mb: float = math.nan
    """How much the process grew at most."""
    under_way: dict[str, Score] = field(default_factory=dict)
    """As `pairs`, of the pairs under way; a model that does not rank jobs has these alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Models on one split."""

    target: str
    """The action that is predicted."""
    how: str
    """By what the questions were held out."""
    n_candidates: int
    n_jobs: int
    n_live: int
    """Jobs to choose from."""
    n_events: int
    n_train: int
    """Events that were learned from."""
    n_questions: int
    """Candidates, each asked about one held-out job."""
    n_new_jobs: int
    """Questions whose job has no event to learn from."""
    n_new_candidates: int
    """Questions of candidates of whom nothing was known."""
    n_pairs: int
    n_yes: int
    """Pairs that came to the target."""
    are_sampled: bool
    """Whether the other pairs were drawn at random."""
    n_under_way: int
    n_under_way_yes: int
    under_way_note: str
    """What pairs under way are, in a sentence; empty where nobody was asked about them."""
    ks: tuple[int, ...]
    k: int
    """The one by which models are compared."""
    reference: str
    """The best baseline (of any model, if none is one), that others are measured against."""
    seed: int
    notes: tuple[str, ...]
    models: tuple[ModelScores, ...]
    """In the order in which they were named."""

    @property
    def used(self) -> list[ModelScores]:
        """Those that could be used: who ranks jobs, best NDCG first, then the others."""
        used = [model for model in self.models if not model.failure]
        ndcg = f"ndcg@{self.k}"
        return sorted(used, key=lambda m: -m.ranking[ndcg].value if m.ranking else math.inf)

    @property
    def ranked(self) -> list[ModelScores]:
        """Of these, those that rank jobs."""
        return [model for model in self.used if model.ranking]

    @property
    def by_under_way(self) -> list[ModelScores]:
        """Those that were asked about pairs under way, best AUC first."""
        asked = [model for model in self.used if model.under_way]
        return sorted(asked, key=lambda model: -model.under_way["auc"].value)

    @property
    def failed(self) -> list[ModelScores]:
        return [model for model in self.models if model.failure]

    @property
    def majority(self) -> float:
        """Accuracy on the pairs of who always says what is more frequent; nan without a pair."""
        return self.always_the_same["pairs"]["accuracy"]

    @property
    def share_loss(self) -> float:
        """Log loss of who always says the share of yes; nan without a pair."""
        return self.always_the_same["pairs"]["log_loss"]

    @property
    def always_the_same(self) -> dict[str, dict[str, float]]:
        """Scores of who always says the share of yes: of `pairs`, and of those `under_way`."""
        return {
            "pairs": _always_the_same(self.n_yes, self.n_pairs),
            "under_way": _always_the_same(self.n_under_way_yes, self.n_under_way),
        }

    def to_json(self) -> dict[str, Any]:
        """Values for JSON; None for what is not defined."""
        plain: dict[str, Any] = _plain(asdict(self))
        same = ("majority", "share_loss", "always_the_same")
        return {**plain, **_plain({name: getattr(self, name) for name in same})}


def _always_the_same(n_yes: int, n_pairs: int) -> dict[str, float]:
    share = n_yes / n_pairs if n_pairs else math.nan
    return {
        "auc": 0.5,
        "gauc": 0.5,
        "average_precision": share,
        "log_loss": -sum(p * math.log(p) for p in (share, 1 - share) if p),
        "calibration_error": 0.0,
        "accuracy": max(share, 1 - share),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
