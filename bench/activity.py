"""Ways to aggregate activity: learned against decaying against plain means, popularity beside.

Every window of time is asked after all that came before it; every model is fitted again for each.
Only candidates who did something in the 28 days before count. Ranked are all live jobs that the
candidate has not met. Each r and number of epochs is chosen inside the training data.
"""

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from common import Check, Result, Row, run, say
from match_data import KANDIJ, XING, kandij, xing

from matcher import registry
from matcher.activity import ActivityConfig, sequences
from matcher.activity_learned import LearnedConfig
from matcher.base import Matcher, candidates_at_once
from matcher.data import MatchData
from matcher.held_out import Rivals
from matcher.metrics import bootstrap, hit_rate, ndcg, ranking_auc, ranks, reciprocal_rank
from matcher.splits import Split, rolling

LEARNED = ("activity-cnn", "activity-lstm", "activity-transformer")
PEERS = ("popularity", "recent-popularity", "item-knn")
NAMES = (*PEERS, "activity-mean", "activity-decay", *LEARNED)
ORDER = (("activity-decay", "activity-mean"), ("activity-cnn", "activity-decay"))
"""The first is to be no worse than the second."""
ALONE = "activity-cnn without the decaying mean"
"""As the source has it."""
Values = dict[str, npt.NDArray[np.float64]]


def measure(args: argparse.Namespace) -> Result:
    tables: dict[str, list[Row]] = {}
    checks: list[Check] = []
    for name, data in (("xing", xing(args)), ("kandij", kandij(args))):
        found, seconds, about = measured(data, 1 if args.quick else args.windows, args.quick)
        title = f"{name}: {about}"
        tables[title] = [table_row(way, found[way], seconds[way]) for way in found]
        differences = [difference(found, *pair) for pair in ORDER]
        tables[f"{name}, differences in NDCG@10 and AUC, with 95 % intervals"] = differences
        checks += [
            Check(f"{name}: {row['difference']}, upper end of NDCG@10", row["NDCG@10 high"], low=0)
            for row in differences
        ]
    return Result(tables, checks)


def measured(
    data: MatchData, n_windows: int, quick: bool
) -> tuple[dict[str, Values], dict[str, float], str]:
    """Values of each way by measure, shape (Q,), seconds to fit, and what was asked."""
    parts: dict[str, list[Values]] = {way: [] for way in (*NAMES, ALONE)}
    seconds = dict.fromkeys(parts, 0.0)
    n_asked = n_counted = n_known = 0
    for number, held in enumerate(rolling(data, n_windows)):
        recent = sequences(held.known, held.candidates, held.times, config=ActivityConfig()).lengths
        which = np.flatnonzero(recent)
        n_asked, n_counted = n_asked + len(held), n_counted + len(which)
        n_known += int((~held.is_new_job[which]).sum())
        for way in parts:
            start = time.perf_counter()
            model = build(way, quick).fit(held.train)
            seconds[way] += time.perf_counter() - start
            parts[way].append(values(model, held, which))
        say(f"window {number + 1} of {n_windows}: {len(which):,} questions")
    found = {
        way: {name: np.concatenate([part[name] for part in all_]) for name in all_[0]}
        for way, all_ in parts.items()
    }
    about = (
        f"{n_asked:,} questions, {n_counted:,} with activity in the 28 days before, {n_known:,} of "
        "them about a job that had events before"
    )
    return found, seconds, about


def build(way: str, quick: bool) -> Matcher:
    small = {"epochs": 1, "max_rows": 200, "n_numbers": 8, "decays": (0.5, 1.0)} if quick else {}
    name = way.split(" ")[0]
    kind = registry.find(name)
    if name in LEARNED:
        return kind(LearnedConfig(with_means=way != ALONE, **small))
    if name.startswith("activity-") and quick:
        return kind(ActivityConfig(n_numbers=8, decays=(0.5, 1.0)))
    return kind()


def values(model: Matcher, held: Split, which: npt.NDArray[np.intp]) -> Values:
    """Of each question, shape (Q,)."""
    rivals, found, n_rivals = Rivals(held), [], []
    for first in range(0, len(which), candidates_at_once(held.known)):
        part = which[first : first + candidates_at_once(held.known)]
        people = held.candidates[part]
        allowed = rivals.of(part)
        scores = model.score_jobs(held.known, people, held.times[part])
        found.append(ranks(scores, held.jobs[part], allowed))
        n_rivals.append(allowed.sum(axis=1))
    rank = np.concatenate(found)
    return {
        "HR@10": hit_rate(rank, 10),
        "NDCG@10": ndcg(rank, 10),
        "MRR": reciprocal_rank(rank),
        "AUC": ranking_auc(rank, np.concatenate(n_rivals)),
    }


def table_row(way: str, found: Values, seconds: float) -> Row:
    low, high = bootstrap(found["NDCG@10"])
    means = {name: float(part.mean()) for name, part in found.items()}
    return {"way": way, **means, "NDCG@10 low": low, "NDCG@10 high": high, "fit s": seconds}


def difference(found: dict[str, Values], better: str, worse: str) -> Row:
    """Paired, over the same questions."""
    row: Row = {"difference": f"{better} - {worse}"}
    for name in ("NDCG@10", "AUC"):
        gaps = found[better][name] - found[worse][name]
        low, high = bootstrap(gaps)
        row |= {name: float(gaps.mean()), f"{name} low": low, f"{name} high": high}
    return row


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--windows", type=int, default=4, metavar="N", help="windows of time")


def main(needs: Sequence[str] = (*XING, *KANDIJ)) -> int:
    return run(__doc__ or "", measure, needs=needs, options=add_options)


if __name__ == "__main__":
    sys.exit(main())
