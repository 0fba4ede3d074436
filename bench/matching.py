"""Who applies to what: the hybrid beside baselines and peers, old and new jobs, live and frozen.

xing, kandij and prospects: the latest fifth of the events by time, one question for each candidate,
among the jobs that there are. Live, everything that happened before a question is known; frozen,
what was known when the training ended. dacon has no times: one held-out apply of each candidate.
Then jobs held out whole, as if new. The library's ALS is given the regularisation and the weight
of events that do best on an inner split; it comes with pip install '.[bench]', and is left out
where it isn't there. Models that draw at random, and all on draws of questions, run with several
seeds. Scoring is timed beside the library's own, on one processor.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from common import Check, Result, Row, run, say
from match_data import DACON, KANDIJ, PROSPECTS, XING, dacon, kandij, prospects, xing
from match_peers import (
    LIBRARY_ALS,
    TFIDF,
    Fitted,
    K,
    als_model,
    answer,
    fitted_tfidf,
    has_library,
    job_texts,
    tuned_als,
)
from scipy import sparse
from threadpoolctl import threadpool_limits

from matcher.configs import make
from matcher.data import DAY, Events, FloatArray, IntArray, MatchData, Profiles
from matcher.hybrid import Hybrid, HybridConfig
from matcher.metrics import bootstrap, hit_rate, ndcg, ranking_auc, reciprocal_rank
from matcher.splits import Split, split
from matcher.wanted import Wanted

SETS: dict[str, Callable[[argparse.Namespace], MatchData]] = {
    "kandij": kandij,
    "prospects": prospects,
    "xing": xing,
    "dacon": dacon,
}
RECENT, DAY_RULE = "recent-popularity", "recent-popularity, half-life 1 day"
BASELINES = (
    "popularity",
    RECENT,
    DAY_RULE,
    "item-knn",
    "bm25-knn",
    "rp3beta",
    "user-knn",
    "ease",
    "als",
    "code-similarity",
)
DRAWN = ("als", "hybrid")
"""Those in which chance takes part."""
COLD = ("popularity", "als", "code-similarity", TFIDF, "hybrid")
GAIN, TIMELESS_GAIN, COLD_LEAST, COLD_GAIN = 1.15, 1.12, 0.5, 1.2
TIMELESS_PEERS = ("als", LIBRARY_ALS, "ease", "rp3beta", "bm25-knn")
COLD_SHARE = 0.1
MANY_JOBS, ONE_LIMIT_S, ALL_LIMIT_S = 100_000, 0.2, 60.0
LIVE_LIMIT, FOLD_IN_LIMIT_MS, N_NEW_EVENTS = 1.5, 1.0, 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Ranks of the held-out jobs, how many jobs competed, and how long it took. Q questions."""

    ranks: FloatArray
    frozen: FloatArray
    """The ranks by the frozen protocol; the same without times."""
    n_jobs: FloatArray
    fit_s: float
    score_s: float
    frozen_s: float


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which data")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds")


def measure(args: argparse.Namespace) -> Result:
    tables: dict[str, list[Row]] = {}
    checks: list[Check] = []
    cold: list[float] = []
    for name in args.sets:
        data = SETS[name](args)
        found = ask_all(data, names(data), args)
        how = "live" if data.has_times else "leave-one-out"
        tables[f"{name}, {how}"] = [row(model, parts) for model, parts in found.items()]
        checks += gains(name, found, timed=data.has_times)
        if job_texts(data):
            found = ask_all(data, COLD, args, cold_share=COLD_SHARE)
            tables[f"{name}, jobs held out whole"] = [row(m, parts) for m, parts in found.items()]
            cold.append(mean(found["hybrid"], hit_rate) / max(mean(found[TFIDF], hit_rate), 1e-9))
            checks.append(Check(f"{name}: HR@10 for new jobs / {TFIDF}'s", cold[-1], COLD_LEAST))
        if name == "dacon":
            checks += speed(args, split(data), tables)
        if data.has_times:
            checks.append(
                Check(f"{name}: ms to fold in an event", fold_in_ms(data), high=FOLD_IN_LIMIT_MS)
            )
    if cold:
        checks.append(Check("the same, mean of sets", float(np.mean(cold)), COLD_GAIN))
    return Result(tables, checks)


def names(data: MatchData) -> list[str]:
    """Models that these data allow."""
    has_codes = data.jobs.codes is not None and bool(data.jobs.codes.any())
    lacking = (() if data.has_times else (RECENT, DAY_RULE)) + (
        () if has_codes else ("code-similarity",)
    )
    models = [name for name in BASELINES if name not in lacking]
    models += [TFIDF] if job_texts(data) else []
    return [*models, *([LIBRARY_ALS] if has_library() else []), "hybrid"]


def ask_all(
    data: MatchData, models: Sequence[str], args: argparse.Namespace, cold_share: float = 0.0
) -> dict[str, list[Answers]]:
    """Every model on the same questions, once for each seed that makes a difference."""
    found: dict[str, list[Answers]] = {name: [] for name in models}
    for seed in range(1 if args.quick else args.seeds):
        draws = not data.has_times or cold_share > 0
        asked = split(data, cold_share=cold_share, seed=seed if draws else 0)
        for name in models:
            if seed == 0 or draws or name in DRAWN:
                found[name].append(ask(name, asked, args, seed))
                said = f"HR@10 {hit_rate(found[name][-1].ranks, K).mean():.4f}"
                say(f"{name}, seed {seed}: {said}, {found[name][-1].fit_s:.0f} s")
    return found


def ask(name: str, asked: Split, args: argparse.Namespace, seed: int) -> Answers:
    start = perf_counter()
    model = fitted(name, asked, args, seed)
    done = perf_counter()
    ranks, n_jobs = answer(asked, model(asked.known))
    live = perf_counter()
    frozen = answer(asked, model(asked.frozen))[0] if asked.by_time else ranks
    return Answers(ranks, frozen, n_jobs, done - start, live - done, perf_counter() - live)


def fitted(name: str, asked: Split, args: argparse.Namespace, seed: int) -> Fitted:
    if name == LIBRARY_ALS:
        return tuned_als(asked)
    if name == TFIDF:
        return fitted_tfidf(asked.train)
    if name == DAY_RULE:
        model = make(RECENT, {"half_life": 1.0})
    elif name == "hybrid":
        model = Hybrid(hybrid_config(args), seed=seed)
    else:
        model = make(name, seed=seed)
    model.fit(asked.train)
    return lambda data: lambda people, times: model.score_jobs(data, people, times)


def hybrid_config(args: argparse.Namespace) -> HybridConfig:
    if not args.quick:
        return HybridConfig()
    return HybridConfig(n_factors=8, n_seeds=1, n_inner=1, n_rounds=4, n_trees=10)


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
    if not has_library():
        return found
    library, wanted = als_model(data.matrix(), 10.0, 1.0), sparse.csr_matrix(data.matrix())[people]
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


def fold_in_ms(data: MatchData) -> float:
    """For each event of a busy day after the data, until it counts in what is wanted now."""
    rng, events = np.random.default_rng(0), data.events
    drawn = rng.integers(len(events), size=N_NEW_EVENTS)
    times = events.times[-1] + np.sort(rng.uniform(1, DAY, N_NEW_EVENTS))
    fresh = Events(
        rng.permutation(events.candidates[drawn]), events.jobs[drawn], events.actions[drawn], times
    )
    columns = ("candidates", "jobs", "actions", "times")
    both = {of: np.concatenate([getattr(events, of), getattr(fresh, of)]) for of in columns}
    longer = data.with_events(Events(**both))
    return 1000 * timed(lambda: Wanted(longer).at(np.array([np.nan]))) / N_NEW_EVENTS


# ---- output


def mean(parts: Sequence[Answers], measure_of: Callable[..., FloatArray]) -> float:
    """Over all questions, and so over seeds."""
    return float(measure_of(np.concatenate([part.ranks for part in parts]), K).mean())


def row(name: str, parts: Sequence[Answers]) -> Row:
    ranks, frozen, n_jobs = (
        np.concatenate([getattr(part, of) for part in parts])
        for of in ("ranks", "frozen", "n_jobs")
    )
    n = len(parts)
    hits, gained = hit_rate(ranks, K), ndcg(ranks, K)
    low, high = bootstrap(hits[: len(parts[0].ranks)])  # of the first seed: others ask the same
    return {
        "model": name,
        "HR@10": hits.mean(),
        "low": low,
        "high": high,
        "NDCG@10": gained.mean(),
        "MRR": reciprocal_rank(ranks).mean(),
        "AUC": ranking_auc(ranks, n_jobs).mean(),
        "HR@10 frozen": hit_rate(frozen, K).mean(),
        "NDCG@10 frozen": ndcg(frozen, K).mean(),
        "fit s": sum(part.fit_s for part in parts) / n,
        "score s": sum(part.score_s for part in parts) / n,
    }


def gains(data: str, found: dict[str, list[Answers]], *, timed: bool) -> list[Check]:
    """The hybrid against the rule and the best of the other peers, for each measure."""
    rules, gain = (RECENT, DAY_RULE), GAIN if timed else TIMELESS_GAIN
    others = [name for name in found if name not in (*rules, "hybrid")]
    others = others if timed else [name for name in TIMELESS_PEERS if name in found]
    checks = []
    for name, measure_of in (("HR@10", hit_rate), ("NDCG@10", ndcg)):
        value = {model: mean(parts, measure_of) for model, parts in found.items()}
        for peers in (rules, others) if timed else (others,):
            best = max(peers, key=lambda model: value[model])
            ratio = value["hybrid"] / max(value[best], 1e-9)
            checks.append(Check(f"{data}: {name} of the hybrid / {best}'s", ratio, gain))
    if timed:
        ratio = mean_time(found["hybrid"], "score_s") / mean_time(found["hybrid"], "frozen_s")
        checks.append(Check(f"{data}: time of live questions / frozen", ratio, high=LIVE_LIMIT))
    return checks


def mean_time(parts: Sequence[Answers], of: str) -> float:
    return float(np.mean([getattr(part, of) for part in parts]))


if __name__ == "__main__":
    sys.exit(run(__doc__, measure, needs=(*DACON, *KANDIJ, *PROSPECTS, *XING), options=options))
