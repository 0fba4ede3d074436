"""Ranking models: FTRL on a stream beside SGDClassifier; all models of 58's talk, SIMULATED data.

The talk's data are not public and it tells gains only: they stand beside ours to compare the
order, not the numbers.
"""

import argparse
import resource
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from common import Check, Result, Row, run, say
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score

from matcher import registry
from matcher.data import MatchData
from matcher.examples import ExampleConfig, Examples, Stage, make_examples
from matcher.ftrl import Ftrl, FtrlConfig
from matcher.linear import Lbfgs, Sgd
from matcher.metrics import group_auc
from matcher.ranking import RankingModel
from matcher.simulation import SimulationConfig, simulate
from matcher.splits import as_of

Stream = Iterator[tuple[sparse.csr_array, npt.NDArray[np.bool_]]]
N_FIELDS = 20
TALK = {
    "rules": "the start",
    "lr-ftrl": "clicks and applies +20 % over rules",
    "fm": "AUC +.01 to .02 over LR",
    "xgboost-lr": "clicks +3 %, applies +5 % over LR",
    "deepfm": "AUC +.01 over XGBoost and LR",
}
"""What system 58 tells of each model."""
MODELS = ("rules", "lr-ftrl", "lr-sgd", "lr-lbfgs", "fm", "xgboost", "xgboost-lr", "deepfm")


# ---- FTRL on a stream


class Board:
    """Rows of 20 fields, each one of many values, a few of them frequent; a true logistic model."""

    def __init__(self, n_columns: int, rng: np.random.Generator) -> None:
        sizes = np.geomspace(4, n_columns / 3, N_FIELDS).astype(int)
        self.sizes, self.first = sizes, np.r_[0, np.cumsum(sizes)[:-1]]
        self.n_columns = int(sizes.sum())
        kept = rng.random(self.n_columns) < 0.3
        self.weights = rng.normal(0, 0.6, self.n_columns) * kept

    def rows(self, n: int, seed: int) -> tuple[sparse.csr_array, npt.NDArray[np.bool_]]:
        rng = np.random.default_rng(seed)
        places = self.first + (self.sizes * rng.random((n, N_FIELDS)) ** 2).astype(int)
        y = rng.random(n) < expit(self.weights[places].sum(axis=1) - 1.5)
        starts = np.arange(0, n * N_FIELDS + 1, N_FIELDS, dtype=np.int32)
        cells: Any = (np.ones(n * N_FIELDS), places.ravel().astype(np.int32), starts)
        return sparse.csr_array(cells, shape=(n, self.n_columns)), y


def streamed(
    board: Board, name: str, learn: Callable[..., Any], n_blocks: int, n_rows: int
) -> tuple[Row, float]:
    """Rows per second of learning alone, and what the stream added to the memory, in MB."""
    seconds, after_first = 0.0, 0.0
    for block in range(n_blocks):
        X, y = board.rows(n_rows, seed=block)
        start = perf_counter()
        learn(X, y)
        seconds += perf_counter() - start
        if block == max(n_blocks // 10, 1) - 1:
            after_first = peak_mb()
    grown = peak_mb() - after_first
    say(f"{name}: {n_blocks * n_rows:,} rows in {seconds:.1f} s")
    return {
        "learner": name,
        "rows": n_blocks * n_rows,
        "rows/s": n_blocks * n_rows / seconds,
        "peak MB": peak_mb(),
        "MB more than after a tenth": grown,
    }, grown


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def judged(row: Row, model: Any, coef: Any, held_out: Any, n_seen: int) -> Row:
    X, y = held_out
    logits = np.asarray(model.decision_function(X)).ravel()
    coef = np.asarray(coef).ravel()
    return {
        **row,
        "AUC": float(roc_auc_score(y, logits)),
        "log loss": float(log_loss(y, expit(logits))),
        "zero weights": float(1 - np.count_nonzero(coef) / n_seen),
    }


def stream(args: argparse.Namespace) -> tuple[dict[str, list[Row]], list[Check]]:
    """FTRL and SGDClassifier on the same rows."""
    n_blocks, n_rows = (3, 2000) if args.quick else (args.rows // 100_000, 100_000)
    board = Board(3000 if args.quick else 1_000_000, np.random.default_rng(args.seed))
    held_out = board.rows(n_rows, seed=10**6)
    seen = np.zeros(board.n_columns, bool)
    ftrl = Ftrl(FtrlConfig(alpha=0.3, l1=3.0, batch=2048), board.n_columns)
    peer = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0)

    def learn_ftrl(X: sparse.csr_array, y: npt.NDArray[np.bool_]) -> None:
        ftrl.partial_fit(X, y)

    def learn_peer(X: sparse.csr_array, y: npt.NDArray[np.bool_]) -> None:
        peer.partial_fit(X, y, classes=[False, True])

    ours, grown = streamed(board, "FTRL", learn_ftrl, n_blocks, n_rows)
    theirs, _ = streamed(board, "SGDClassifier.partial_fit", learn_peer, n_blocks, n_rows)
    for block in range(n_blocks):
        seen[board.rows(n_rows, seed=block)[0].indices] = True
    n_seen = int(seen.sum())
    rows = [
        judged(ours, ftrl, ftrl.coef_, held_out, n_seen),
        judged(theirs, peer, peer.coef_, held_out, n_seen),
    ]
    best = float(roc_auc_score(held_out[1], held_out[0] @ board.weights))
    checks = [
        Check(
            "MB that FTRL needs more at the end of the stream than after a tenth", grown, high=32
        ),
        Check(
            "rows per second of FTRL over SGDClassifier's",
            rows[0]["rows/s"] / rows[1]["rows/s"],
            0.25,
        ),
        Check("AUC of FTRL less SGDClassifier's", rows[0]["AUC"] - rows[1]["AUC"], 0.0),
    ]
    title = (
        f"Made-up stream: {n_blocks * n_rows:,} rows of {N_FIELDS} of {board.n_columns:,} columns; "
        f"the true weights have AUC {best:.4f}"
    )
    solved, more = solvers(args, board, held_out)
    return {title: rows, **solved}, [*checks, *more]


def solvers(
    args: argparse.Namespace, board: Board, held_out: Any
) -> tuple[dict[str, list[Row]], list[Check]]:
    """The same logistic regression three ways, on so few rows that L-BFGS can hold them."""
    n_rows = 4000 if args.quick else 300_000
    X, y = board.rows(n_rows, seed=0)
    n_seen = len(np.unique(X.indices))
    learners: dict[str, Any] = {
        "FTRL": Ftrl(FtrlConfig(alpha=0.3, l1=1.0), board.n_columns),
        "plain SGD": Sgd(board.n_columns),
        "L-BFGS": Lbfgs(board.n_columns),
    }
    rows = []
    for name, learner in learners.items():
        start = perf_counter()
        if isinstance(learner, Lbfgs):
            learner.fit(X, y)
        else:
            learner.partial_fit(X, y)
        row = {"solver": name, "seconds": perf_counter() - start}
        rows.append(judged(row, learner, learner.coef_, held_out, n_seen))
    zeros = {row["solver"]: row["zero weights"] for row in rows}
    check = Check(
        "share of zero weights by FTRL less by plain SGD", zeros["FTRL"] - zeros["plain SGD"], 0.2
    )
    return {f"Three solvers, one pass over {n_rows:,} rows (L-BFGS: until done)": rows}, [check]


# ---- all models


def parts(data: MatchData, stage: Stage, share: float = 0.8) -> tuple[MatchData, Examples]:
    """Events before a moment to learn from, pairs shown after it to ask about."""
    examples = make_examples(data, ExampleConfig(stage=stage))
    cut = float(np.quantile(examples.pairs.times, share))
    return as_of(data, cut), examples.take(examples.pairs.times >= cut)


def new_model(name: str, stage: Stage, *, quick: bool) -> RankingModel:
    kind = registry.find(name)
    assert issubclass(kind, RankingModel)
    changes: dict[str, Any] = {"examples": ExampleConfig(stage=stage)}
    if quick and name == "deepfm":
        changes |= {"epochs": 1, "hidden": (8,)}
    return kind(kind.config_class(**changes))


def trained(
    name: str, stage: Stage, train: MatchData, data: MatchData, test: Examples, *, quick: bool
) -> tuple[Row, npt.NDArray[np.floating[Any]]]:
    start = perf_counter()
    model = new_model(name, stage, quick=quick).fit(train)
    fit_s, start = perf_counter() - start, perf_counter()
    scores = model.score_pairs(data, test.pairs)
    score_s = perf_counter() - start
    row: Row = {
        "model": name,
        "AUC": float(roc_auc_score(test.is_yes, scores)),
        "GAUC": group_auc(test.is_yes, scores, test.pairs.candidates),
        "log loss": float(log_loss(test.is_yes, scores)) if model.gives_probability else np.nan,
        "fit s": fit_s,
        "score s": score_s,
    }
    say(f"{name}: AUC {row['AUC']:.4f}, {fit_s:.1f} s")
    return row, scores


def gain(
    y: npt.NDArray[np.bool_], ours: Any, theirs: Any, people: Any, *, n: int = 200
) -> tuple[float, float]:
    """Bootstrap interval of the difference of two AUCs; candidates are drawn, with all pairs."""
    rng = np.random.default_rng(0)
    _, person = np.unique(people, return_inverse=True)
    found = []
    for _ in range(n):
        weight = rng.multinomial(
            person.max() + 1, np.full(person.max() + 1, 1 / (person.max() + 1))
        )
        weights = weight[person]
        if 0 < weights[y].sum() < weights.sum():
            a, b = (roc_auc_score(y, s, sample_weight=weights) for s in (ours, theirs))
            found.append(a - b)
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def models(args: argparse.Namespace) -> tuple[dict[str, list[Row]], list[Check]]:
    """All models on one simulated board."""
    data = simulate(SimulationConfig.sized(8000 if args.quick else args.events), seed=args.seed)
    stage = Stage.TARGET
    train, test = parts(data, stage)
    learned = make_examples(train, ExampleConfig(stage=stage))
    prior = np.full(len(test), learned.is_yes.mean())
    say(f"simulated: {len(data.events):,} events; {len(learned):,} pairs, {len(test):,} asked")
    rows: list[Row] = [
        {
            "model": "prior: the share of yes",
            "AUC": 0.5,
            "GAUC": 0.5,
            "log loss": float(log_loss(test.is_yes, prior)),
            "fit s": 0.0,
            "score s": 0.0,
            "over lr-ftrl, 95 %": "",
            "58 tells": "",
        }
    ]
    scores = {}
    for name in MODELS:
        row, scores[name] = trained(name, stage, train, data, test, quick=args.quick)
        ahead = ""
        if "lr-ftrl" in scores and name != "lr-ftrl":
            low, high = gain(
                test.is_yes,
                scores[name],
                scores["lr-ftrl"],
                test.pairs.candidates,
                n=20 if args.quick else 200,
            )
            ahead = f"{low:+.4f} to {high:+.4f}"
        rows.append({**row, "over lr-ftrl, 95 %": ahead, "58 tells": TALK.get(name, "")})
    by_name = {row["model"]: row for row in rows}
    order = [by_name[name]["AUC"] for name in ("lr-ftrl", "fm", "xgboost-lr", "deepfm")]
    checks = [
        Check(
            f"AUC of {better} less {worse}'s", by_name[better]["AUC"] - by_name[worse]["AUC"], 0.0
        )
        for worse, better in (("lr-ftrl", "fm"), ("lr-ftrl", "xgboost-lr"), ("lr-ftrl", "deepfm"))
    ]
    say(f"58's order of AUC, LR < FM < XGBoost and LR < DeepFM: {order == sorted(order)}")
    title = (
        f"SIMULATED board: {len(learned):,} pairs to learn from, {len(test):,} later ones, "
        f"{test.is_yes.mean():.1%} with an apply"
    )
    return {title: rows, **stages(args, data)}, checks


def stages(args: argparse.Namespace, data: MatchData) -> dict[str, list[Row]]:
    """Click, apply and reply rates, each by a model of its own."""
    rows = []
    for stage in (Stage.CLICK, Stage.APPLY, Stage.REPLY):
        train, test = parts(data, stage)
        if test.is_yes.all() or not test.is_yes.any():
            continue
        row, _ = trained("xgboost-lr", stage, train, data, test, quick=args.quick)
        share = make_examples(train, ExampleConfig(stage=stage)).is_yes.mean()
        floor = float(log_loss(test.is_yes, np.full(len(test), share)))
        rate = {"asked": str(stage), "pairs": len(test), "share of yes": float(test.is_yes.mean())}
        rows.append({**rate, **row, "log loss of the prior": floor})
    return {"SIMULATED board: click, apply after a view, reply after an apply": rows}


def measure(args: argparse.Namespace) -> Result:
    tables, checks = stream(args) if args.part != "models" else ({}, [])
    if args.part != "stream":
        more, others = models(args)
        tables, checks = {**tables, **more}, [*checks, *others]
    return Result(tables, checks)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N", help="of the stream")
    parser.add_argument("--events", type=int, default=500_000, metavar="N", help="simulated ones")
    parser.add_argument("--part", choices=("all", "stream", "models"), default="all")
    parser.add_argument("--seed", type=int, default=0)


if __name__ == "__main__":
    raise SystemExit(run(__doc__ or "", measure, needs=(), options=options))
