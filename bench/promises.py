"""Promises and narrower intervals: how often they are broken, and how much narrower they are.

Simulated scores, and real out-of-fold probabilities resampled; each draw makes promises from a few
hundred judged postings, or intervals, and is held against all of them.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from common import SETS, Check, Result, Row, labelled_jobs, run, tagger_config
from scipy.special import expit

from tagger.bootstrap import bootstrap
from tagger.labels import YES, encode_labels, tag_list
from tagger.metrics import Summary, summary
from tagger.ppi import linear_scores, ppi_interval
from tagger.promises import Judged, make_promises
from tagger.tagger import JobTagger, count_all

RISK, CONFIDENCE = 0.05, 0.95
GIVEN_FROM = 0.35
SCORES = ("mean_average_precision", "macro_f1", "micro_f1")
Array = npt.NDArray[Any]


class Population(NamedTuple):
    """Jobs to draw from; those of a group are drawn together. N jobs, T tags."""

    proba: Array
    """Shape (N, T)."""
    labels: Array
    """Shape (N, T)."""
    groups: Array
    """Shape (N,), sorted, from 0."""

    def draw(self, rng: np.random.Generator, n_groups: int) -> "Population":
        """So many groups with replacement."""
        first = np.searchsorted(self.groups, np.arange(self.groups[-1] + 2))
        chosen = rng.integers(self.groups[-1] + 1, size=n_groups)
        sizes = (first[1:] - first[:-1])[chosen]
        starts = np.repeat(first[chosen] - np.cumsum(sizes) + sizes, sizes)
        rows = starts + np.arange(sizes.sum())
        return Population(
            self.proba[rows], self.labels[rows], np.repeat(np.arange(n_groups), sizes)
        )


def simulated(
    rng: np.random.Generator, n_groups: int, distort: Callable[[Array], Array]
) -> Population:
    """Six tags of 5 to 40 %, one group in five with one to three reposts that differ slightly."""
    repeats = np.where(rng.random(n_groups) < 0.2, rng.integers(2, 5, n_groups), 1)
    groups = np.repeat(np.arange(n_groups), repeats)
    share = np.linspace(0.05, 0.4, 6)
    logits = np.log(share / (1 - share)) + 3 * (
        rng.normal(size=(n_groups, 6)) + 0.5 * rng.normal(size=(n_groups, 1))
    )
    logits = logits[groups] + rng.normal(0, 0.3, (len(groups), 6))
    yes = rng.random((n_groups, 6))[groups] < expit(logits)
    return Population(expit(distort(logits)), yes.astype(np.int8), groups)


SIMULATED: dict[str, Callable[[Array], Array]] = {
    "calibrated": lambda logits: logits,
    "overconfident": lambda logits: 2 * logits + 1,
    "timid": lambda logits: 0.4 * logits - 0.5,
}


def real(args: Namespace, name: str) -> Population:
    """Out-of-fold probabilities of a set, as `jobtool train` saves them with the model."""
    jobs = labelled_jobs(args, name)
    tags = tag_list(jobs)
    tagger = JobTagger(tagger_config(args))
    tagger.fit_counted(count_all(jobs), encode_labels(jobs, tags), tags, count_all([]))
    judged = tagger.model_.held_out
    order = np.argsort(judged.group, kind="stable")
    return Population(judged.probability[order], judged.label[order], judged.group[order])


# ---- promises


def naive(found: Population, given_from: Array) -> Iterator[float]:
    """The lowest threshold at which 95 % of the judged jobs given the tag carry it."""
    for t, least in enumerate(given_from):
        order = np.argsort(-found.proba[:, t], kind="stable")
        ranked = found.proba[order, t]
        right = np.cumsum(found.labels[order, t] == 1) / np.arange(1, len(order) + 1)
        good = np.flatnonzero((right >= 1 - RISK) & (ranked >= least))
        yield ranked[good[-1]] if len(good) else np.nan


class Truth:
    """What thresholds do to all jobs of a population."""

    def __init__(self, whole: Population) -> None:
        first = np.searchsorted(whole.groups, np.arange(whole.groups[-1] + 1))
        wrong = np.where(whole.labels == 1, -1.0, whole.proba)
        self.best = np.sort(np.maximum.reduceat(whole.proba, first), axis=0)
        self.worst = np.sort(np.maximum.reduceat(wrong, first), axis=0)

    def __call__(self, thresholds: Array) -> tuple[Array, Array]:
        """Share of the groups given each tag that are wrong, and of all groups that get it."""
        limits = np.nan_to_num(thresholds, nan=2.0)
        given, wrong = (
            np.array([len(x) - np.searchsorted(x, t) for x, t in zip(kind.T, limits, strict=True)])
            for kind in (self.best, self.worst)
        )
        return wrong / np.maximum(given, 1), given / len(self.best)


def promises(whole: Population, n_judged: int, n_draws: int, seed: int) -> dict[str, Row]:
    """How often a tag's promise is broken, and how often and how far tags are given."""
    rng, truth = np.random.default_rng(seed), Truth(whole)
    n_tags = whole.proba.shape[1]
    given_from = np.full(n_tags, 0.3)
    tags = [str(t) for t in range(n_tags)]
    told: dict[str, list[Array]] = {"jobtool": [], "empirical precision": []}
    for _ in range(n_draws):
        drawn = whole.draw(rng, n_judged)
        made = make_promises(
            Judged(*drawn), tags, given_from, wrong_at_most=RISK, confidence=CONFIDENCE
        )
        told["jobtool"].append(made.thresholds())
        told["empirical precision"].append(np.array(list(naive(drawn, given_from))))
    rows = {}
    for method, thresholds in told.items():
        found = [truth(limits) for limits in thresholds]
        broken = np.array([wrong > RISK for wrong, _ in found])
        made_any = ~np.isnan(thresholds)
        rows[method] = {
            "broken, mean tag": float(broken.mean()),
            "broken, worst tag": float(broken.mean(axis=0).max()),
            "promised": float(made_any.mean()),
            "given, of all jobs": float(np.mean([share for _, share in found])),
        }
    return rows


# ---- intervals


def intervals(
    whole: Population, n_labelled: int, n_others: int, n_draws: int, seed: int
) -> dict[str, Row]:
    """Coverage of the whole population's scores at 95 %, and widths beside the labels' alone.

    A mean over tags is one over those that the draw has examples of.
    """
    rng = np.random.default_rng(seed)
    truths: dict[bytes, Summary] = {}
    found: dict[str, list[list[float]]] = {score: [] for score in SCORES}
    for _ in range(n_draws):
        drawn, others = whole.draw(rng, n_labelled), whole.draw(rng, n_others)
        decided = drawn.proba >= GIVEN_FROM
        scores = linear_scores(drawn.labels, drawn.proba, decided, _asked(others))
        plain = bootstrap(drawn.labels, drawn.proba, decided, groups=drawn.groups, n_samples=200)
        tags = (drawn.labels == YES).any(axis=0)
        truth = truths.get(tags.tobytes()) or summary(
            whole.labels[:, tags], *(part[:, tags] for part in _asked(whole))
        )
        truths[tags.tobytes()] = truth
        for score in SCORES:
            right = getattr(truth, score)
            ours = ppi_interval(
                getattr(scores, score), groups=drawn.groups, unlabelled_groups=others.groups
            )
            theirs = getattr(plain, score)
            found[score].append(
                [
                    ours.low <= right <= ours.high,
                    theirs.low <= right <= theirs.high,
                    ours.high - ours.low,
                    ours.width_ratio,
                ]
            )
    return {
        score: dict(
            zip(
                ("coverage", "bootstrap's", "width", "of labels' alone"),
                np.array(values, float).mean(axis=0).tolist(),
                strict=True,
            )
        )
        for score, values in found.items()
    }


def _asked(found: Population) -> tuple[Array, Array]:
    return found.proba, found.proba >= GIVEN_FROM


# ---- all of it


def measure(args: Namespace) -> Result:
    n_draws, n_whole = (20, 5000) if args.quick else (1000, 200_000)
    rng = np.random.default_rng(0)
    wholes = {kind: simulated(rng, n_whole, distort) for kind, distort in SIMULATED.items()}
    wholes |= {name: real(args, name) for name in SETS}
    tables: dict[str, list[Row]] = {}
    checks = []
    for kind, whole in wholes.items():
        n_judged = min(1000, int(whole.groups[-1]) + 1)
        rows = promises(whole, n_judged, n_draws, seed=1)
        title = f"{kind}: at most 1 in 20 wrong, 95 % confidence, {n_judged:,} judged groups"
        tables[title] = [{"method": method, **row} for method, row in rows.items()]
        checks.append(
            Check(
                f"{kind}: share of draws with the worst tag's promise broken",
                rows["jobtool"]["broken, worst tag"],
                high=0.05,
            )
        )
        checks.append(
            Check(
                f"{kind}: how much oftener empirical precision breaks its own, mean tag",
                rows["empirical precision"]["broken, mean tag"]
                - rows["jobtool"]["broken, mean tag"],
                low=0.1,
            )
        )
    for kind, whole in wholes.items():
        n_labelled = min(600, (int(whole.groups[-1]) + 1) // 2)
        scores = intervals(whole, n_labelled, 4000, 20 if args.quick else 400, seed=2)
        title = f"{kind}: 95 % intervals, {n_labelled:,} labelled and 4,000 unlabelled groups"
        tables[title] = [{"score": score, **row} for score, row in scores.items()]
        for score, row in scores.items():
            checks.append(
                Check(f"{kind}: coverage of {score}", row["coverage"], low=0.93, high=0.97)
            )
            checks.append(Check(f"{kind}: width of {score}", row["of labels' alone"], high=0.98))
    return Result(tables, checks)


if __name__ == "__main__":
    raise SystemExit(run(__doc__, measure, needs=[f"tags/{name}.jsonl.gz" for name in SETS]))
