"""One model, fitted and asked on a split: ranks, scores of pairs, time and memory.

Letters for axes: B questions of a block, J jobs, P pairs, K numbers of jobs shown.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from matcher.base import PAIRS_AT_ONCE, Matcher, blocks, candidates_at_once, top_jobs
from matcher.checkpoint import fit
from matcher.data import BoolArray, FloatArray, IntArray, MatchData
from matcher.held_out import AskedPairs, Rivals
from matcher.measured import Measured
from matcher.memory import peak_memory
from matcher.metrics import ranks
from matcher.splits import Split
from tagger.errors import JobtoolError, ModelError

ROUNDING = 1e-5
NONE_UNDER_WAY = (
    "it tells only what becomes of pairs with several steps, at known times, and too few were "
    "under way when the training ended"
)


def measure(
    name: str,
    model: Matcher,
    split: Split,
    asked: AskedPairs,
    under_way: AskedPairs,
    ks: Sequence[int],
    *,
    show_progress: bool = False,
    checkpoint: Path | None = None,
) -> Measured:
    """Fit a copy of the model and ask it; data that it can't use are a result, not an error.

    A training that was stopped goes on from its `checkpoint`, a folder, if the model can. Who does
    not rank jobs is asked about the pairs under way alone.
    """
    if not model.ranks_jobs and not len(under_way):
        return Measured(failure=NONE_UNDER_WAY)
    model = copy.deepcopy(model)  # the caller's stays unfitted, this one is freed
    try:
        with peak_memory() as memory:
            start = perf_counter()
            fit(model, split.train, checkpoint, show_progress=show_progress)
            fit_s = perf_counter() - start
            with tqdm(
                total=(len(split) * (1 + split.by_time) + len(asked)) * model.ranks_jobs
                + len(under_way),
                desc=name,
                unit="question",
                leave=False,
                disable=None if show_progress else True,
            ) as bar:
                found = _asked(model, split, asked, ks, bar) if model.ranks_jobs else {}
                under_way_scores = _pair_scores(model, under_way, bar)
    except JobtoolError as error:
        return Measured(failure=str(error))
    n_nan = found.pop("n_nan", 0) + int(np.isnan(under_way_scores).sum())
    return Measured(
        **found,
        under_way_scores=under_way_scores,
        fit_s=fit_s,
        memory_mb=memory.grown_mb,
        n_nan=n_nan,
        notes=np.array(getattr(model, "notes_", ()), np.str_),
    )


def _asked(
    model: Matcher, split: Split, asked: AskedPairs, ks: Sequence[int], bar: Any
) -> dict[str, Any]:
    """What a model that ranks jobs says of those that a candidate has not met."""
    found = _ranked(model, split, ks, bar)
    if split.by_time:
        found["frozen_ranks"] = _ranked(model, split, ks, bar, split.frozen)["ranks"]
    scores = _pair_scores(model, asked, bar)
    n_nan = found["n_nan"] + int(np.isnan(scores).sum())
    return {**found, "pair_scores": scores, "n_nan": n_nan}


def _ranked(
    model: Matcher, split: Split, ks: Sequence[int], bar: Any, known: MatchData | None = None
) -> dict[str, Any]:
    """Block by block, so that memory stays flat: ranks are kept, scores are not."""
    known = split.known if known is None else known
    rivals, n_jobs = Rivals(split), len(split.live)
    shown = np.zeros((len(ks), n_jobs), np.int64)
    found, n_rivals = np.empty(len(split)), np.empty(len(split))
    score_s, n_nan = 0.0, 0
    for rows in blocks(np.arange(len(split)), candidates_at_once(known)):
        start = perf_counter()
        scores = model.score_jobs(known, split.candidates[rows], split.times[rows])
        score_s += perf_counter() - start
        if scores.shape != (len(rows), n_jobs):
            raise ModelError(
                f"{model.name} gave scores of shape {scores.shape} for {(len(rows), n_jobs)}"
            )
        allowed = rivals.of(rows)
        found[rows] = ranks(scores, split.jobs[rows], allowed)
        n_rivals[rows] = allowed.sum(axis=1)
        n_nan += int(np.isnan(scores).sum())
        _count_shown(scores, allowed, ks, shown)
        bar.update(len(rows))
    return {
        "ranks": found,
        "n_rivals": n_rivals,
        "shown": shown,
        "score_s": score_s,
        "n_nan": n_nan,
    }


def _count_shown(
    scores: FloatArray, allowed: BoolArray, ks: Sequence[int], shown: IntArray
) -> None:
    lowest = np.finfo(scores.dtype).min if scores.dtype.kind == "f" else -np.inf
    usable = np.where(np.isnan(scores), lowest, np.maximum(scores, lowest))
    usable = np.where(allowed, usable, -np.inf)
    best = top_jobs(usable, max(ks))
    counts = np.take_along_axis(allowed, best, axis=1)
    for place, k in enumerate(ks):
        jobs = best[:, :k][counts[:, :k]]
        shown[place] += np.bincount(jobs, minlength=shown.shape[1])


def _pair_scores(model: Matcher, asked: AskedPairs, bar: Any) -> FloatArray:
    """Shape (P,). Pairs of one candidate go together: many models score all jobs at once."""
    order = np.argsort(asked.pairs.candidates, kind="stable")
    scores = np.empty(len(order))
    for rows in blocks(order, PAIRS_AT_ONCE):
        scores[rows] = model.score_pairs(asked.known, asked.pairs.take(rows))
        bar.update(len(rows))
    if model.gives_probability and ((scores < -ROUNDING) | (scores > 1 + ROUNDING)).any():
        raise ModelError(
            f"{model.name} promises probabilities, but gave {np.nanmin(scores):.3g} to "
            f"{np.nanmax(scores):.3g}"
        )
    return scores
