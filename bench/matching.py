"""Who applies to what: the hybrid beside each baseline and a kept library's ALS, old and new jobs.

dacon, one held-out apply of each candidate among all jobs, once with jobs that all have events and
once asking only for jobs that have none; kandij, the next view of each candidate in windows of
time, among the jobs known by then, every model fitted again for each window. The library's ALS is
given the regularisation and the weight of events that do best on an inner split; it comes with
pip install '.[bench]', and is left out where it isn't there. Scoring is timed beside the library's
own, on one processor.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
from common import Check, Result, Row, run, say
from match_data import DACON, KANDIJ, dacon, kandij
from scipy import sparse
from threadpoolctl import threadpool_limits

from matcher import registry
from matcher.base import blocks
from matcher.data import FloatArray, IntArray, MatchData, Profiles
from matcher.held_out import Rivals
from matcher.hybrid import Hybrid, HybridConfig
from matcher.metrics import bootstrap, hit_rate, ndcg, ranking_auc, ranks, reciprocal_rank
from matcher.splits import Split, rolling, split

PEER = "implicit ALS-128"
NEW_FIRST = "code-similarity, jobs without events first"
"""For kandij: its jobs have no date of posting, so those that were first viewed in a window are few
and hold most answers. What a model gains by preferring them alone, shows here."""
BASELINES = ("popularity", "item-knn", "bm25-knn", "user-knn", "ease", "als", "code-similarity")
HYBRIDS = ("fields-als", "hybrid")
K = 10
AT_ONCE = 512
COLD_SHARE = 0.1
GAIN, COLD_GAIN = 1.15, 10.0
MANY_JOBS, ONE_LIMIT_S, ALL_LIMIT_S = 100_000, 0.2, 60.0

Scorer = Callable[[IntArray, FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Ranks of the held-out jobs, how many jobs competed, and how long it took. Q questions."""

    ranks: FloatArray
    n_jobs: FloatArray
    fit_s: float
    score_s: float


def measure(args: argparse.Namespace) -> Result:
    tables: dict[str, list[Row]] = {}
    checks: list[Check] = []
    applies = dacon(args)
    warm = split(applies)
    found = ask_all([warm], names(warm), args)
    tables["dacon, leave-one-out, all jobs"] = [row(name, found[name]) for name in found]
    checks += gains("dacon", found, [*BASELINES, PEER])
    checks += speed(args, warm, tables)
    cold = split(applies, cold_share=COLD_SHARE)
    found = ask_all([cold], [n for n in names(cold) if n in COLD_NAMES], args)
    tables["dacon, jobs without events, all jobs"] = [row(name, found[name]) for name in found]
    floor = hit_rate(found["popularity"].ranks, K).mean()
    asked = hit_rate(found["hybrid"].ranks, K).mean()
    checks.append(Check("HR@10 of the hybrid for jobs without events", asked, COLD_GAIN * floor))
    checks.append(Check("the same, above 0", asked, 1e-9))
    windows = rolling(kandij(args), 2 if args.quick else 10)
    found = ask_all(windows, [NEW_FIRST, *names(windows[0])], args)
    tables["kandij, next view, live jobs, windows of time"] = [row(n, found[n]) for n in found]
    checks += gains("kandij", found, ["item-knn", "als", "code-similarity"])
    checks += gains("kandij", found, [NEW_FIRST])
    return Result(tables, checks)


COLD_NAMES = ("popularity", "als", "code-similarity", "fields-als", "hybrid")


def names(asked: Split) -> list[str]:
    """Models that these data allow."""
    has_codes = asked.train.jobs.codes is not None and bool(asked.train.jobs.codes.any())
    models = [name for name in (*BASELINES, *HYBRIDS) if has_codes or name != "code-similarity"]
    return [*models[: -len(HYBRIDS)], *([PEER] if has_peer() else []), *HYBRIDS]


def has_peer() -> bool:
    return find_spec("implicit") is not None


def ask_all(
    windows: Sequence[Split], models: Sequence[str], args: argparse.Namespace
) -> dict[str, Answers]:
    """Every model on the same questions."""
    found = {}
    for name in models:
        parts = [ask(name, window, args) for window in windows]
        found[name] = Answers(
            np.concatenate([part.ranks for part in parts]),
            np.concatenate([part.n_jobs for part in parts]),
            sum(part.fit_s for part in parts),
            sum(part.score_s for part in parts),
        )
        say(f"{name}: HR@10 {hit_rate(found[name].ranks, K).mean():.4f}, {found[name].fit_s:.0f} s")
    return found


def ask(name: str, asked: Split, args: argparse.Namespace) -> Answers:
    start = perf_counter()
    scorer = peer(asked) if name == PEER else ours(name, asked, args)
    fitted = perf_counter()
    return Answers(*answer(asked, scorer), fitted - start, perf_counter() - fitted)


def ours(name: str, asked: Split, args: argparse.Namespace) -> Scorer:
    if name == NEW_FIRST:
        return new_first(ours("code-similarity", asked, args), asked)
    model: Any = registry.find(name)()
    if name == "hybrid":
        model = Hybrid(hybrid_config(args))
    model.fit(asked.train)
    return lambda people, times: model.score_jobs(asked.known, people, times)


def new_first(scorer: Scorer, asked: Split) -> Scorer:
    is_new = np.bincount(asked.known.events.jobs, minlength=len(asked.live)) == 0
    return lambda people, times: np.asarray(scorer(people, times) + 10.0 * is_new)


def hybrid_config(args: argparse.Namespace) -> HybridConfig:
    if not args.quick:
        return HybridConfig()
    return HybridConfig(n_factors=8, n_seeds=1, n_inner=1, n_rounds=4, n_trees=10)


def answer(asked: Split, scorer: Scorer) -> tuple[FloatArray, FloatArray]:
    """Ranks of the held-out jobs among their rivals, and how many these are."""
    rivals, found, competing = Rivals(asked), [], []
    for here in blocks(np.arange(len(asked)), AT_ONCE):
        allowed = rivals.of(here)
        scores = scorer(asked.candidates[here], asked.times[here])
        found.append(ranks(scores, asked.jobs[here], allowed))
        competing.append(allowed.sum(axis=1))
    return np.concatenate(found), np.concatenate(competing)


# ---- the peer


def peer(asked: Split) -> Scorer:
    """ALS of the library `implicit`, with the best of a few settings on an inner split."""
    try:
        inner = split(asked.train, max_questions=1500, seed=1)
    except ValueError:  # too few events to hold some out
        return peer_scorer(asked, 1.0, 10.0)
    tried = {
        (alpha, penalty): hit_rate(answer(inner, peer_scorer(inner, alpha, penalty))[0], K).mean()
        for alpha in (1.0, 10.0, 100.0)
        for penalty in (0.1, 1.0, 10.0, 50.0)
    }
    return peer_scorer(asked, *max(tried, key=lambda key: tried[key]))


def peer_model(wanted: sparse.csr_array, alpha: float, penalty: float) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for one thread of the linear algebra
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=128, alpha=alpha, regularization=penalty, random_state=0, num_threads=1
        )
        with threadpool_limits(1):
            model.fit(sparse.csr_matrix(wanted), show_progress=False)
    return model


def peer_scorer(asked: Split, alpha: float, penalty: float) -> Scorer:
    model = peer_model(asked.train.matrix(), alpha, penalty)
    known = sparse.csr_matrix(asked.known.matrix())

    def score(people: IntArray, _: FloatArray) -> FloatArray:
        factors = model.recalculate_user(people, known[people])
        return np.asarray(factors @ model.item_factors.T)

    return score


# ---- speed


def speed(args: argparse.Namespace, asked: Split, tables: dict[str, list[Row]]) -> list[Check]:
    """All candidates of dacon, and one candidate among many jobs, on one processor."""
    many = many_jobs(asked.known, 2000 if args.quick else MANY_JOBS)
    rows: list[Row] = []
    with threadpool_limits(1):
        config = replace(hybrid_config(args), n_inner=1, max_questions=2000)
        model = Hybrid(config).fit(asked.known)
        for data, n_people, n_times in (
            (asked.known, len(asked.known.candidates), 1),
            (many, 1, 5),
        ):
            what = f"{n_people:,} candidates x {len(data.jobs):,} jobs"
            times = scoring_s(model, data, np.arange(n_people), n_times)
            rows.append({"what": what, **times})
    tables["scoring, seconds"] = rows
    return [
        Check(f"seconds for {row['what']}", row["hybrid"], high=limit)
        for row, limit in zip(rows, (ALL_LIMIT_S, ONE_LIMIT_S), strict=True)
    ]


def scoring_s(model: Hybrid, data: MatchData, people: IntArray, n_times: int) -> dict[str, float]:
    """Least of some times that ranking takes, ours (trees and all) and the library's."""
    model.score_jobs(data, people[:1])  # keys of the jobs are made once
    found = {"hybrid": min(timed(lambda: model.score_jobs(data, people)) for _ in range(n_times))}
    if not has_peer():
        return found
    library, wanted = peer_model(data.matrix(), 10.0, 1.0), sparse.csr_matrix(data.matrix())[people]
    theirs = min(timed(lambda: library.recommend(people, wanted, N=K)) for _ in range(n_times))
    return {**found, "implicit recommend": theirs, "ratio": found["hybrid"] / theirs}


def timed(do: Callable[[], object]) -> float:
    start = perf_counter()
    do()
    return perf_counter() - start


def many_jobs(data: MatchData, n_jobs: int) -> MatchData:
    """The jobs of `data`, and copies of them that are new, until there are so many."""
    rows = np.arange(n_jobs) % len(data.jobs)
    codes, old = data.jobs.codes, data.jobs.ids
    jobs = Profiles(
        ids=tuple(old[row] if at < len(old) else f"{old[row]}-{at}" for at, row in enumerate(rows)),
        codes=None if codes is None else codes[rows],
        fields={name: [values[row] for row in rows] for name, values in data.jobs.fields.items()},
    )
    events = data.events
    kept = events.take(events.jobs < n_jobs)
    return MatchData(candidates=data.candidates, jobs=jobs, events=kept)


# ---- output


def row(name: str, found: Answers) -> Row:
    hits = hit_rate(found.ranks, K)
    gained = ndcg(found.ranks, K)
    low, high = bootstrap(hits)
    ndcg_low, ndcg_high = bootstrap(gained)
    return {
        "model": name,
        "HR@10": hits.mean(),
        "low": low,
        "high": high,
        "NDCG@10": gained.mean(),
        "NDCG low": ndcg_low,
        "NDCG high": ndcg_high,
        "MRR": reciprocal_rank(found.ranks).mean(),
        "AUC": ranking_auc(found.ranks, found.n_jobs).mean(),
        "fit s": found.fit_s,
        "score s": found.score_s,
    }


def gains(data: str, found: dict[str, Answers], others: Sequence[str]) -> list[Check]:
    """The hybrid against the best of the others, for each measure."""
    checks = []
    for name, measure_of in (("HR@10", hit_rate), ("NDCG@10", ndcg)):
        value = {model: measure_of(found[model].ranks, K).mean() for model in found}
        best = max((model for model in others if model in value), key=lambda model: value[model])
        ratio = value["hybrid"] / max(value[best], 1e-9)
        checks.append(Check(f"{data}: {name} of the hybrid / {best}'s", ratio, GAIN))
    return checks


if __name__ == "__main__":
    sys.exit(run(__doc__, measure, needs=(*DACON, *KANDIJ)))
