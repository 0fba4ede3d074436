"""The HTML page that shows models side by side: one file, see `tagger.pages`."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from matcher import figures
from matcher.evaluation import Evaluation
from tagger.pages import render_page, write_page

Row = dict[str, Any]

AT_K = {
    "hit_rate": "Hit rate, also recall",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "precision": "Precision",
}
BY_PERCENT = {"precision": "Precision", "mrr": "MRR", "recall": "Recall"}
PAIRS = {
    "accuracy": "Accuracy",
    "auc": "AUC",
    "average_precision": "PR-AUC",
    "gauc": "GAUC",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
}
COSTS = {
    "fit_s": "Learning, s",
    "score_s_per_1000": "Scoring all jobs for 1,000 candidates, s",
    "memory_mb": "Memory, MB",
}


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report as one HTML file, replacing what was there.

    Raises
    ------
    DataError
        If the file can't be written.
    """
    write_page(path, render_report(evaluation))


def render_report(evaluation: Evaluation) -> str:
    """Return the report as one HTML page that loads nothing."""
    return render_page("matcher/report.html.j2", _context(evaluation))


def _context(evaluation: Evaluation) -> Row:
    """All that the template shows; empty for the sections to leave out."""
    e = evaluation.to_json()
    by_name = {model["name"]: model for model in e["models"]}
    models = [by_name[model.name] for model in evaluation.ranked]
    reference = by_name.get(e["reference"])
    prefixes = (f"f{i}-" for i in count())
    k = e["k"]
    return {
        "e": e,
        "k": k,
        "models": models,
        "failed": [by_name[model.name] for model in evaluation.failed],
        "reference": e["reference"],
        "top": _top([model["ranking"][f"ndcg@{k}"]["high"] for model in models]),
        "at_k": _at_k(e, models),
        "by_percent": _by_percent(models),
        "percent_plots": [
            (
                model["name"],
                [
                    figures.percentile(
                        model, None if model is reference else reference, metric, prefixes
                    )
                    for metric in ("precision", "mrr")
                ],
            )
            for model in models
        ],
        "slices": _slices(e, models),
        "used": [by_name[model.name] for model in evaluation.used],
        "under_way": [by_name[model.name] for model in evaluation.by_under_way],
        "pair_metrics": PAIRS,
        "curves": [
            (
                model["name"],
                figures.roc(model, prefixes),
                figures.precision_recall(model, e["n_yes"] / e["n_pairs"], prefixes),
            )
            for model in models
            if model["roc"]
        ],
        "calibrations": [
            (model["name"], figures.calibration(model, prefixes))
            for model in models
            if model["calibration"]
        ],
        "costs": [
            (label, key, _top([model[key] for model in e["models"]]))
            for key, label in COSTS.items()
        ],
    }


def _top(values: Sequence[float | None]) -> float:
    """What a full bar stands for."""
    return max((value for value in values if value), default=1.0)


def _at_k(e: Row, models: Sequence[Row]) -> list[Row]:
    """A table for each metric: a row for each model, a column for each number of jobs shown."""
    return [
        {
            "name": label,
            "heads": [f"first {k:,}" for k in e["ks"]],
            "rows": [
                (m["name"], [m["ranking"][f"{metric}@{k}"]["value"] for k in e["ks"]])
                for m in models
            ],
        }
        for metric, label in AT_K.items()
    ]


def _by_percent(models: Sequence[Row]) -> list[Row]:
    """The same, with a column for each percentage."""
    if not models:
        return []
    return [
        {
            "name": label,
            "heads": [f"{row['percent']:g}%" for row in models[0]["percentiles"]],
            "rows": [(m["name"], [row[metric] for row in m["percentiles"]]) for m in models],
        }
        for metric, label in BY_PERCENT.items()
    ]


def _slices(e: Row, models: Sequence[Row]) -> list[Row]:
    """The parts of the questions that have any, with how many."""
    n = e["n_questions"]
    counts = {
        "new jobs": e["n_new_jobs"],
        "known jobs": n - e["n_new_jobs"],
        "new candidates": e["n_new_candidates"],
        "known candidates": n - e["n_new_candidates"],
    }
    metric = f"ndcg@{e['k']}"
    return [
        {
            "name": name,
            "count": counts[name],
            "top": _top([model["slices"][name][metric]["high"] for model in models]),
            "rows": [(model["name"], model["slices"][name][metric]) for model in models],
        }
        for name in (models[0]["slices"] if models else ())
    ]
