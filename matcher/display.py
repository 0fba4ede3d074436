"""An evaluation as a text for a terminal."""

import math
from collections.abc import Mapping, Sequence
from textwrap import fill

from matcher.evaluation import Evaluation
from matcher.scoring import NO_SCORE, Score
from tagger.grid import LEAST, line_width, shorten
from tagger.harmless import shown

NOTHING = "\N{EN DASH}"  # stands where a number is not defined
WIDTH = 80


def as_text(e: Evaluation) -> str:
    """Tables no wider than a terminal, best model first."""
    parts = [
        f"Next {e.target} of {e.n_questions:,} candidates among {e.n_live:,} jobs, held out "
        f"{e.how if e.how == 'by time' else 'at random'};\n{e.n_train:,} of {e.n_events:,} events "
        "learned from"
    ]
    if e.ranked:
        parts += [_ranking_text(e), _frozen_text(e), _slice_text(e), _pair_text(e)]
    if e.by_under_way:
        parts.append(_under_way_text(e))
    if e.used:
        parts.append(_cost_text(e))
    parts += [_lines([f"{model.name} was not used: {model.failure}"]) for model in e.failed]
    parts.append(_lines(e.notes))
    return "\n\n".join(part for part in parts if part)


def _ranking_text(e: Evaluation) -> str:
    k = e.k
    heads = ["model", f"HR@{k}", f"NDCG@{k}", "95%", "MRR", "AUC", f"cover@{k}", "ahead"]
    rows = [
        [
            model.name,
            number(model.ranking[f"hit_rate@{k}"].value),
            number(model.ranking[f"ndcg@{k}"].value),
            bounds(model.ranking[f"ndcg@{k}"]),
            number(model.ranking["mrr"].value),
            number(model.ranking["rank_auc"].value),
            number(model.coverage[f"coverage@{k}"]),
            _ahead_text(model.ahead.get(f"ndcg@{k}")),
        ]
        for model in e.ranked
    ]
    below = f"ahead: of {e.reference} in NDCG@{k}; * where the 95 % interval leaves out 0"
    return f"{table(heads, rows)}\n{below[:WIDTH]}"


def _frozen_text(e: Evaluation) -> str:
    """Both protocols side by side, where there are two."""
    if not e.ranked[0].frozen:
        return ""
    metrics = (f"hit_rate@{e.k}", f"ndcg@{e.k}")
    rows = [
        [m.name, *(number(of[metric].value) for metric in metrics for of in (m.ranking, m.frozen))]
        for m in e.ranked
    ]
    below = (
        "live, as above: asked with everything that happened before each question, whoever did it; "
        "frozen: with what was known when the training ended"
    )
    heads = [f"{name}@{e.k} {how}" for name in ("HR", "NDCG") for how in ("live", "frozen")]
    return f"{table(['protocol', *heads], rows)}\n{fill(below, WIDTH)}"


def _ahead_text(score: Score | None) -> str:
    if score is None:
        return NOTHING
    return f"{score.value:+.3f}{'*' if score.low > 0 or score.high < 0 else ' '}"


def _slice_text(e: Evaluation) -> str:
    names = list(e.ranked[0].slices)
    if len(names) < 3:
        return ""
    heads = [f"NDCG@{e.k}", *names]
    rows = [
        [model.name, *(number(model.slices[name][f"ndcg@{e.k}"].value) for name in names)]
        for model in e.ranked
    ]
    return table(heads, rows)


def _pair_text(e: Evaluation) -> str:
    found = {model.name: model.pairs for model in e.ranked}
    return _yes_or_no("yes or no", found, e.always_the_same["pairs"])


def _under_way_text(e: Evaluation) -> str:
    found = {model.name: model.under_way for model in e.by_under_way}
    same = e.always_the_same["under_way"]
    return f"{_yes_or_no('pairs under way', found, same)}\n{fill(e.under_way_note, WIDTH)}"


def _yes_or_no(
    title: str, found: Mapping[str, Mapping[str, Score]], same: Mapping[str, float]
) -> str:
    heads = ["AUC", "GAUC", "PR-AUC", "log loss", "calib.", "accuracy"]
    rows = [
        [name, *(number(scores.get(metric, NO_SCORE).value) for metric in same)]
        for name, scores in found.items()
    ]
    return table([title, *heads], [*rows, ["always the same", *map(number, same.values())]])


def _cost_text(e: Evaluation) -> str:
    heads = ["cost", "fit s", "s for 1,000 candidates", "memory MB"]
    rows = [
        [
            model.name,
            number(model.fit_s, 2),
            number(model.score_s_per_1000, 2),
            number(model.memory_mb, 0),
        ]
        for model in e.used
    ]
    return table(heads, rows)


def number(value: float, digits: int = 3) -> str:
    """With so many digits, or a dash."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else NOTHING


def bounds(score: Score, digits: int = 3) -> str:
    """An interval, or a dash."""
    if not math.isfinite(score.low):
        return NOTHING
    return f"{number(score.low, digits)}{NOTHING}{number(score.high, digits)}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Names to the left, shortened to fit a terminal, numbers to the right."""
    named = [[shown(line[0]), *line[1:]] for line in [heads, *rows]]
    widths = [max(map(len, column)) for column in zip(*named, strict=True)]
    if room := line_width():
        numbers = sum(width + 2 for width in widths[1:])
        widths[0] = min(widths[0], max(room - numbers, LEAST))
        named = [[shorten(line[0], widths[0]), *line[1:]] for line in named]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in named
    ]
    return "\n".join([lines[0], "-" * len(max(lines, key=len)), *lines[1:]])


def _lines(sentences: Sequence[str]) -> str:
    """Each as a paragraph that is no wider than the tables."""
    return "\n".join(
        fill(f"- {shown(sentence)}", WIDTH, subsequent_indent="  ") for sentence in sentences
    )
