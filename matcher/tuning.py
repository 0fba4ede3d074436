"""Searching for hyper-parameters with Optuna: how a trial is judged.

A trial fits its configuration on several splits of the events that an evaluation learns from, never
on those it asks about, and is given up when it falls behind the median of the others. What a trial
says is kept in the study: several processes may search together, and a search may go on later.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matcher import metrics
from matcher.base import Matcher, blocks, candidates_at_once, says_what
from matcher.configs import make, plain
from matcher.data import FloatArray, MatchData
from matcher.held_out import AskedPairs, Rivals, pairs_under_way
from matcher.registry import MODELS, find
from matcher.spaces import SPACES, Space
from matcher.splits import Split, rolling, split
from matcher.trials import run_trials
from tagger.errors import DataError, JobtoolError

if TYPE_CHECKING:
    from optuna import Study, Trial

logger = logging.getLogger(__name__)

N_STARTUP = 5
"""Trials before any is given up or the search looks at what came before."""


def space_of(name: str) -> Space:
    """What of a model may vary; DataError if nothing may."""
    find(name)
    if name not in SPACES:
        known = [one for one in SPACES if one in MODELS]
        raise DataError(f"{name} has nothing to tune; what can be tuned: {', '.join(known)}")
    return SPACES[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How to search."""

    n_trials: int | None = 50
    """Finished trials of the study, by whichever process, after which to stop; never more."""
    timeout_s: float | None = None
    """Seconds after which this process begins no other trial."""
    metric: str | None = None
    """What is to be high: ndcg (if None), hit_rate or reciprocal_rank. Of a model that does not
    rank jobs it is always the AUC of pairs under way."""
    k: int = 10
    n_splits: int = 3
    """Windows of time, or draws of leave-one-out, of which each trial is judged by the mean."""
    max_questions: int = 2000
    """Questions of each split, drawn at random where there are more."""

    def __post_init__(self) -> None:
        if self.metric not in (None, *METRICS):
            raise DataError(f"unknown metric {self.metric!r:.40}; known: {', '.join(METRICS)}")
        for name in ("k", "n_splits", "max_questions"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, got {getattr(self, name)}")


METRICS: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "ndcg": metrics.ndcg,
    "hit_rate": metrics.hit_rate,
    "reciprocal_rank": metrics.reciprocal_rank,
}
UNDER_WAY = "AUC of pairs under way"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search has found so far."""

    model: str
    config: dict[str, Any]
    """The best one; as `jobtool match train --config` takes it."""
    value: float
    """Mean of the metric over the splits."""
    metric: str
    study: str
    n_finished: int
    n_pruned: int
    n_failed: int
    """Those with a reason, not those that were stopped."""
    reason: str | None
    """Why the latest of these failed."""
    trials: list[dict[str, Any]] = field(default_factory=list)
    """The best ten: number, value and what was varied."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        others = [f"{self.n_pruned} more were given up"] if self.n_pruned else []
        others += [f"{self.n_failed} failed ({self.reason})"] if self.n_failed else []
        n = f"{self.n_finished} trial{'' if self.n_finished == 1 else 's'}"
        varied = {k: v for k, v in self.trials[0].items() if k not in ("number", "value")}
        told = ", ".join(f"{name} {_short(value)}" for name, value in varied.items())
        return f"{self.metric} {self.value:.4f} is the best of {', '.join([n, *others])}: {told}"


def _short(value: Any) -> str:
    """A drawn value; those of a `OneOf` are JSON."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def search(
    name: str,
    data: MatchData,
    storage: Any,
    config: SearchConfig | None = None,
    *,
    study_name: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    space: Space | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> Tuned:
    """Search until the study has enough trials; it goes on where it was left.

    Parameters
    ----------
    storage
        Of Optuna: where the study is kept.
    study_name
        By default of the model and the metric.
    fixed
        Configuration that all trials share.
    space
        What may vary; by default that of `SPACES`.

    Raises
    ------
    DataError
        If nothing may vary, nothing can be asked, or no trial could be finished.
    """
    import optuna
    from optuna.trial import TrialState

    config, space = config or SearchConfig(), space_of(name) if space is None else space
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    label, rounds = _rounds(name, data, config, seed=seed)
    study = optuna.create_study(
        storage=storage,
        study_name=study_name or f"{name} {label}",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(n_startup_trials=N_STARTUP),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=N_STARTUP),
    )
    about = {
        "model": name,
        "options": sorted(space),
        "fixed": json.loads(json.dumps(dict(fixed or {}))),  # as the study gives it back
        "splits": config.n_splits,
        "questions": config.max_questions,
        "metric": label,
        "seed": seed,
    }
    _check_same(study, about, data)

    def judge(trial: "Trial") -> float:
        drawn = {option: choice.suggest(trial, option) for option, choice in space.items()}
        options = nested({**(fixed or {}), **drawn})
        try:
            trial.set_user_attr("config", plain(make(name, options, seed=seed)))
            return _judge(trial, name, options, rounds, seed=seed)
        except JobtoolError as error:
            trial.set_user_attr("error", str(error))
            raise

    run_trials(
        study,
        judge,
        n_trials=config.n_trials,
        timeout_s=config.timeout_s,
        show_progress=show_progress,
    )
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    reasons = [t.user_attrs["error"] for t in study.get_trials(False) if "error" in t.user_attrs]
    reason = reasons[-1] if reasons else None
    if not done:
        why = reason or "there was no time"
        raise DataError(f"no trial of {study.study_name!r} could be finished: {why}")
    best = sorted(done, key=lambda trial: -(trial.value or 0))
    return Tuned(
        name,
        best[0].user_attrs["config"],
        float(best[0].value or 0),
        label,
        study.study_name,
        len(done),
        states.count(TrialState.PRUNED),
        len(reasons),
        reason,
        [{"number": t.number, "value": t.value, **t.params} for t in best[:10]],
    )


def _check_same(study: "Study", about: Mapping[str, Any], data: MatchData) -> None:
    """A study of another model or question would mix what can't be compared; data may grow."""
    events = (
        f"{len(data.events):,} events of {len(data.candidates):,} candidates with "
        f"{len(data.jobs):,} jobs"
    )
    found = study.user_attrs.get("about")
    if found is None:
        study.set_user_attr("about", about)
        study.set_user_attr("data", events)
        return
    for what, value in about.items():
        if found.get(what) != value:
            raise DataError(
                f"the search {study.study_name!r} has {what} {found.get(what)}, not {value}: name "
                "another one with --name"
            )
    if study.user_attrs.get("data") != events:
        logger.warning(
            "the search %r began with %s, now there are %s: if these are other data, name another "
            "one with --name",
            study.study_name,
            study.user_attrs.get("data"),
            events,
        )


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Names with dots as objects within objects.

    Examples
    --------
    >>> nested({"epochs": 3, "code.size": 8})
    {'epochs': 3, 'code': {'size': 8}}
    """
    found: dict[str, Any] = {}
    for name, value in options.items():
        outer, _, inner = name.partition(".")
        if inner:
            found[outer] = nested({**found.get(outer, {}), inner: value})
        else:
            found[outer] = value
    return found


def judging_splits(data: MatchData, config: SearchConfig, *, seed: int) -> list[Split]:
    """Splits within what `jobtool match evaluate` learns from, so that it stays a test."""
    inner = split(data, seed=seed).train
    if inner.has_times:
        return rolling(inner, config.n_splits, seed=seed)
    return [
        split(inner, max_questions=config.max_questions, seed=seed + 1 + number)
        for number in range(config.n_splits)
    ]


_Round = tuple[MatchData, Callable[[Matcher], float]]
"""What to learn from, and how good a fitted model is."""


def _rounds(
    name: str, data: MatchData, config: SearchConfig, *, seed: int
) -> tuple[str, list[_Round]]:
    """What is to be high, in words, and the rounds of each trial."""
    splits = judging_splits(data, config, seed=seed)
    if find(name).ranks_jobs:
        label = f"{config.metric or 'ndcg'}@{config.k}"
        return label, [(one.train, _by_questions(one, config)) for one in splits]
    if config.metric:
        raise DataError(f"{says_what(name)}: it is judged by the {UNDER_WAY}, leave the metric out")
    inner, most = split(data, seed=seed).train, config.max_questions
    asked = [pairs_under_way(inner, one, max_candidates=most, seed=seed) for one in splits]
    rounds = [
        (one.train, _by_pairs(pairs))
        for one, pairs in zip(splits, asked, strict=True)
        if pairs.y.any()
    ]
    if not rounds:
        why = asked[-1].note or "events with times and several actions are needed"
        raise DataError(f"{name} is judged by the {UNDER_WAY}: {why}; the fewer splits, the more")
    return UNDER_WAY, rounds


def _by_questions(one: Split, config: SearchConfig) -> Callable[[Matcher], float]:
    return lambda model: _value(model, one, config)


def _by_pairs(asked: AskedPairs) -> Callable[[Matcher], float]:
    def auc(model: Matcher) -> float:
        scores = model.score_pairs(asked.known, asked.pairs)
        return metrics.group_auc(asked.y, scores, np.zeros(len(asked)))  # all as one group

    return auc


def _judge(
    trial: "Trial",
    name: str,
    options: Mapping[str, Any],
    rounds: Sequence[_Round],
    *,
    seed: int,
) -> float:
    """Mean over the rounds; after each the trial may be given up."""
    import optuna

    values: list[float] = []
    for step, (known, value) in enumerate(rounds):
        values.append(value(make(name, options, seed=seed).fit(known)))
        trial.report(float(np.mean(values)), step)
        if step + 1 < len(rounds) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(values))


def _value(model: Any, one: Split, config: SearchConfig) -> float:
    """The metric over the questions of a split, all or some, among the jobs of an evaluation."""
    drawn = np.random.default_rng(0).permutation(len(one))  # the same for each trial
    rows = np.sort(drawn[: config.max_questions])
    found = []
    rivals = Rivals(one)
    for block in blocks(rows, candidates_at_once(one.known)):
        scores = model.score_jobs(one.known, one.candidates[block], one.times[block])
        found.append(metrics.ranks(scores, one.jobs[block], rivals.of(block)))
    return float(METRICS[config.metric or "ndcg"](np.concatenate(found), config.k).mean())
