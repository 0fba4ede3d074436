"""Models side by side, on one split in one run: `evaluate`.

Each model is fitted on what the split lets it learn from, then asked which of all live jobs comes
next for a candidate, and whether given pairs come to the target action: pairs that had not met yet,
and pairs under way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from matcher.base import Matcher, says_what
from matcher.data import FloatArray, MatchData
from matcher.evaluation import Evaluation, ModelScores
from matcher.held_out import AskedPairs, held_out_pairs, pairs_under_way
from matcher.measured import Measured, fingerprint, kept_at
from matcher.measuring import measure
from matcher.metrics import gini
from matcher.scoring import (
    Score,
    by_percentile,
    calibration_rows,
    curves,
    interval,
    mean_scores,
    pair_scores,
    question_values,
    resampled_means,
)
from matcher.splits import Split
from tagger.errors import DataError

FEW = 30
"""Questions; with fewer it is said how little they tell."""
PREFERRED_K = 10
"""Of the numbers of jobs shown, the one that decides who is best, if it is among them."""


def evaluate(
    models: Mapping[str, Matcher],
    data: MatchData,
    split: Split,
    *,
    ks: Sequence[int] = (1, 5, 10, 20),
    seed: int = 0,
    show_progress: bool = False,
    work: Path | None = None,
) -> Evaluation:
    """Fit and score models on one split.

    Parameters
    ----------
    models
        By the name to show; not fitted, and left as they are.
    data
        What the split was made from.
    ks
        How many jobs are shown, for the metrics at k.
    seed
        Of the pairs drawn at random and of the resamples; models have seeds of their own.
    work
        A folder that keeps what each finished model said: after an interruption only the rest runs,
        and a training that keeps its state goes on.
        The same data, split and configuration find it again.

    Returns
    -------
    Scores of every model; one that can't use the data is there with its reason.

    Raises
    ------
    DataError
        If there is no model, or `ks` holds no number from 1 on.
    """
    if not models:
        raise DataError("there is no model to evaluate: name at least one")
    ks = tuple(sorted({int(k) for k in ks}))
    if not ks or ks[0] < 1:
        raise DataError(f"numbers of jobs shown must be at least 1, got {list(ks)}")
    asked = held_out_pairs(data, split, seed=seed)
    under_way = pairs_under_way(data, split, seed=seed)
    said = {}
    marks = "" if work is None else fingerprint(split, asked, under_way, ks)
    for name, model in models.items():
        kept = None if work is None else kept_at(work, name, model, marks)
        found = None if kept is None else Measured.load(kept)
        if found is None:
            found = measure(
                name,
                model,
                split,
                asked,
                under_way,
                ks,
                show_progress=show_progress,
                checkpoint=kept and kept.with_suffix(".training"),
            )
            if kept is not None and not found.failure:
                found.save(kept)
        said[name] = found
    return summarise(models, said, data, split, asked, under_way, ks=ks, seed=seed)


def summarise(
    models: Mapping[str, Matcher],
    said: Mapping[str, Measured],
    data: MatchData,
    split: Split,
    asked: AskedPairs,
    under_way: AskedPairs,
    *,
    ks: tuple[int, ...],
    seed: int,
) -> Evaluation:
    """Scores from what the models said; order of the models as it came."""
    k = PREFERRED_K if PREFERRED_K in ks else ks[-1]
    reference = _reference(models, said, k)
    return Evaluation(
        target=str(data.target),
        how="by time" if split.by_time else "one job of each candidate held out",
        n_candidates=len(data.candidates),
        n_jobs=len(data.jobs),
        n_live=int(split.live.sum()),
        n_events=len(data.events),
        n_train=len(split.train.events),
        n_questions=len(split),
        n_new_jobs=int(split.is_new_job.sum()),
        n_new_candidates=int(split.is_new_candidate.sum()),
        n_pairs=len(asked.y),
        n_yes=int(asked.y.sum()),
        are_sampled=asked.are_sampled,
        n_under_way=len(under_way),
        n_under_way_yes=int(under_way.y.sum()),
        under_way_note=under_way.note if len(under_way) else "",
        ks=ks,
        k=k,
        reference=reference,
        seed=seed,
        notes=(
            *data.notes,
            *split.notes,
            *([f"only {len(split)} questions: chance decides"] if len(split) < FEW else []),
            asked.note,
            *([under_way.note] if under_way.note and not len(under_way) else []),
            *_oddities(models, said),
        ),
        models=tuple(
            _scores(
                name,
                models[name],
                found,
                said.get(reference),
                split,
                asked,
                under_way,
                ks=ks,
                k=k,
                seed=seed,
            )
            for name, found in said.items()
        ),
    )


def _reference(models: Mapping[str, Matcher], said: Mapping[str, Measured], k: int) -> str:
    """The best baseline; without one the best model; "" if none ranks jobs."""
    ndcg = {
        name: question_values(found.ranks, found.n_rivals, (k,))[f"ndcg@{k}"].mean()
        for name, found in said.items()
        if models[name].ranks_jobs and not found.failure
    }
    baselines = [name for name in ndcg if models[name].is_baseline]
    return max(baselines or ndcg, key=ndcg.__getitem__, default="")


def _oddities(models: Mapping[str, Matcher], said: Mapping[str, Measured]) -> list[str]:
    judging = [name for name in said if not (models[name].ranks_jobs or said[name].failure)]
    not_numbers = [
        f"{name}: {found.n_nan:,} scores were not numbers and counted as the lowest"
        for name, found in said.items()
        if found.n_nan
    ]
    told = [f"{name}: {note}" for name, found in said.items() for note in found.notes.tolist()]
    return [*([says_what(*judging)] if judging else []), *told, *not_numbers]


def _scores(
    name: str,
    model: Matcher,
    found: Measured,
    reference: Measured | None,
    split: Split,
    asked: AskedPairs,
    under_way: AskedPairs,
    *,
    ks: tuple[int, ...],
    k: int,
    seed: int,
) -> ModelScores:
    about = ModelScores(name=name, failure=found.failure, is_baseline=model.is_baseline)
    if found.failure:
        return about
    about = replace(
        about,
        gives_probability=model.gives_probability,
        under_way=_pair_scores(model, under_way, found.under_way_scores, seed),
        fit_s=found.fit_s,
        memory_mb=found.memory_mb,
    )
    if not model.ranks_jobs:
        return about
    values = question_values(found.ranks, found.n_rivals, ks)
    shown = {f"coverage@{n}": found.shown[place] for place, n in enumerate(ks)}
    live, lines = split.live, curves(asked.y, found.pair_scores)
    return replace(
        about,
        ranking=mean_scores(values, seed=seed),
        frozen=_frozen(found, ks, k, seed),
        ahead={}
        if reference is None or reference is found
        else _ahead(found, reference, ks, k, seed),
        slices=_slices(values, split, k, seed),
        percentiles=by_percentile(found.ranks, found.n_rivals),
        coverage={
            **{of: float((counts[live] > 0).mean()) for of, counts in shown.items()},
            "gini": gini(shown[f"coverage@{k}"][live].astype(np.float64)),
        },
        pairs=_pair_scores(model, asked, found.pair_scores, seed),
        roc=lines["roc"],
        pr=lines["pr"],
        calibration=calibration_rows(asked.y, found.pair_scores) if model.gives_probability else [],
        score_s_per_1000=found.score_s / len(split) * 1000,
    )


def _pair_scores(
    model: Matcher, asked: AskedPairs, scores: FloatArray, seed: int
) -> dict[str, Score]:
    people, sure = asked.pairs.candidates, model.gives_probability
    return pair_scores(asked.y, scores, people, are_probabilities=sure, seed=seed)


def _frozen(found: Measured, ks: tuple[int, ...], k: int, seed: int) -> dict[str, Score]:
    if not len(found.frozen_ranks):
        return {}
    values = question_values(found.frozen_ranks, found.n_rivals, ks)
    return mean_scores({name: values[name] for name in _compared(k)}, seed=seed)


def _compared(k: int) -> tuple[str, ...]:
    """The metrics of which more is told than their mean."""
    return f"hit_rate@{k}", f"ndcg@{k}", "mrr"


def _ahead(
    found: Measured, reference: Measured, ks: tuple[int, ...], k: int, seed: int
) -> dict[str, Score]:
    """How far a model is ahead of another on the same questions."""
    names = _compared(k)
    ours, theirs = (
        np.column_stack([question_values(one.ranks, one.n_rivals, ks)[name] for name in names])
        for one in (found, reference)
    )
    samples = resampled_means(ours - theirs, seed=seed)
    points = (ours - theirs).mean(axis=0)
    return {name: interval(points[m], samples[:, m]) for m, name in enumerate(names)}


def _slices(
    values: Mapping[str, np.ndarray], split: Split, k: int, seed: int
) -> dict[str, dict[str, Score]]:
    """New and known jobs, new and known candidates; those that nobody was asked about left out."""
    chosen = {name: values[name] for name in _compared(k)}
    parts = {
        "new jobs": split.is_new_job,
        "known jobs": ~split.is_new_job,
        "new candidates": split.is_new_candidate,
        "known candidates": ~split.is_new_candidate,
    }
    return {
        part: mean_scores({name: of[rows] for name, of in chosen.items()}, seed=seed)
        for part, rows in parts.items()
        if rows.any()
    }
