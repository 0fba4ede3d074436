"""Figures of an evaluation of models, each ready to stand in the report's page.

In the page's colours and without any text of users: see `tagger.figures`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tagger.figures import ACCENT, MUTED, WARM, inline, name_axes, new_plot

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

Points = Sequence[Sequence[float]]
Row = Mapping[str, Any]

DASHES: Any = (0, (4, 3))
SIZE = (2.6, 2.2)  # inches


def roc(model: Row, prefixes: Iterator[str]) -> "Markup":
    """True over false positive rate; the dashes are guessing."""
    figure, axes = new_plot(*SIZE)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=DASHES, linewidth=0.8)
    _curve(axes, model["roc"])
    name_axes(axes, "share of no that got in", "share of yes found")
    return inline(figure, f"ROC curve: {model['name']}", next(prefixes))


def precision_recall(model: Row, share: float, prefixes: Iterator[str]) -> "Markup":
    """Precision over recall; the dashes are guessing, the share of yes."""
    figure, axes = new_plot(*SIZE)
    axes.axhline(share, color=MUTED, linestyle=DASHES, linewidth=0.8)
    _curve(axes, model["pr"])
    name_axes(axes, "recall", "precision")
    return inline(figure, f"Precision against recall: {model['name']}", next(prefixes))


def calibration(model: Row, prefixes: Iterator[str]) -> "Markup":
    """Share of yes over promised probability, bins of about equally many pairs."""
    rows = model["calibration"]
    figure, axes = new_plot(*SIZE)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=DASHES, linewidth=0.8)
    points = [(row["promised"], row["came"]) for row in rows]
    axes.plot(*zip(*points, strict=True), color=ACCENT, marker="o", markersize=3.5, linewidth=1.2)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    name_axes(axes, "promised probability", "share of yes")
    alt = f"Share of yes against promised probability in {len(rows)} bins: {model['name']}"
    return inline(figure, alt, next(prefixes))


def percentile(model: Row, reference: Row | None, metric: str, prefixes: Iterator[str]) -> "Markup":
    """A metric over the share of jobs shown, in percent; the reference in the other colour."""
    figure, axes = new_plot(*SIZE)
    for shown, colour, dashes in ((reference, WARM, DASHES), (model, ACCENT, "-")):
        if shown is not None:
            rows = shown["percentiles"]
            x, y = [row["percent"] for row in rows], [row[metric] for row in rows]
            axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.4)
    axes.set_xscale("log")
    axes.set_xticks((1, 10, 100), ("1", "10", "100"))
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    name_axes(axes, "% of jobs shown", "MRR" if metric == "mrr" else metric)
    alt = f"{metric} by percentage of jobs shown: {model['name']}"
    return inline(figure, alt, next(prefixes))


def _curve(axes: "Axes", points: Points) -> None:
    axes.plot(*zip(*points, strict=True), color=ACCENT, linewidth=1.4)
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
