"""Figures of an evaluation, each ready to stand in the report's page.

Plots are SVG without addresses, style or ids of others, in the page's colours; heat maps are PNG in
a data URI. matplotlib draws only numbers and words of our own: text that users can choose (tags,
names) gets into a figure as its escaped description alone. Each plot takes one of `prefixes` and
begins its ids with it, so that no two plots of a page share one.

Axes: N jobs, C code.
"""

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tagger.evaluation import Evaluation, Row
from tagger.metrics import CalibrationCurve, FloatArray, precision_recall_steps

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

JOBS_PER_STRIP = 16  # heat map rows per tag
CURVE_POINTS = 150  # more of them don't show at this size

# Stand-ins that matplotlib writes and `inline` turns into the page's colours, so that the
# plots follow its light and dark themes.
INK, MUTED, LINE, ACCENT, WARM = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", WARM: "warm"}


def tag_curves(e: Evaluation, prefixes: Iterator[str]) -> Iterator[tuple[Row, "Markup"]]:
    """Yield row (of `Evaluation.tag_rows`) and precision-recall plot of each scored tag."""
    for t, row in enumerate(e.tag_rows):
        if row["average_precision"] is None:
            continue
        precision, recall = precision_recall_steps(e.Y[:, t], e.proba[:, t])
        figure, axes = new_plot(2.3, 1.9)
        axes.axhline(row["prior"], color=MUTED, linestyle=(0, (4, 3)), linewidth=0.8)
        axes.plot(*_thinned(recall, precision), drawstyle="steps-pre", color=ACCENT, linewidth=1.4)
        if row["predicted"]:
            axes.plot(row["recall"], row["precision"], "o", color=WARM, markersize=5, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        name_axes(axes, "recall", "precision")
        alt = f"Precision against recall: {row['tag']}, {row['average_precision']:.3f}"
        yield row, inline(figure, alt, next(prefixes))


def calibration(curve: CalibrationCurve, prefixes: Iterator[str]) -> "Markup | None":
    """Plot the share of yes against the promised probability; None for a curve without bins."""
    if not curve.count.size:
        return None
    error = 1.96 * np.sqrt(curve.share_yes * (1 - curve.share_yes) / curve.count)
    figure, axes = new_plot(4.0, 3.6)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=(0, (4, 3)), linewidth=0.8)
    axes.errorbar(
        curve.mean_predicted,
        curve.share_yes,
        yerr=np.clip(error, 0, [curve.share_yes, 1 - curve.share_yes]),
        color=ACCENT,
        marker="o",
        markersize=3.5,
        linewidth=1.2,
        elinewidth=0.9,
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    name_axes(axes, "promised probability", "share of yes")
    alt = f"Share of yes against promised probability in {curve.count.size} bins of cells"
    return inline(figure, alt, next(prefixes))


def learning_curve(
    name: str, rows: Sequence[Mapping[str, float]], prefixes: Iterator[str]
) -> "Markup":
    """Plot the loss per epoch, training and validation; `rows` as in `Evaluation.histories`."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_plot(3.6, 2.4)
    epochs = [row["epoch"] for row in rows]
    for key, colour in (("loss", ACCENT), ("val_loss", WARM)):
        losses = [row.get(key, float("nan")) for row in rows]
        # A line of one epoch is invisible, so short histories get markers.
        marker = "o" if len(rows) < 8 else None
        axes.plot(epochs, losses, color=colour, linewidth=1.4, marker=marker, markersize=3.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    name_axes(axes, "epoch", "loss")
    return inline(figure, f"Loss of {name} over {len(rows)} epochs", next(prefixes))


def code_strips(e: Evaluation, codes: FloatArray) -> Iterator[Row]:
    """Yield one heat map per tag: a row per job, a column per number of the code.

    Parameters
    ----------
    codes : shape (N, C)

    Returns
    -------
    `name` of the tag, `jobs` that have it, how many of them are `shown`, `png` as a data URI; tags
    without a job are left out, jobs without a tag come last.
    """
    spread = codes.std(axis=0)
    standard = (codes - codes.mean(axis=0)) / np.where(spread > 0, spread, 1)
    members = [(tag, e.Y[:, t] == 1) for t, tag in enumerate(e.tags)]
    for name, member in [*members, ("(no tag)", (e.Y == 0).all(axis=1))]:
        jobs = np.flatnonzero(member)
        if jobs.size:
            shown = jobs[_spaced(jobs.size, JOBS_PER_STRIP)]
            yield {
                "name": name,
                "jobs": jobs.size,
                "shown": shown.size,
                "png": _heat_png(standard[shown]),
            }


def _heat_png(values: FloatArray) -> str:
    """Draw standardised values, one pixel each, and return the picture as a data URI."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    pixels = colormaps["RdBu_r"](np.clip(values / 5 + 0.5, 0, 1), bytes=True)  # +-2.5 deviations
    stream = io.BytesIO()
    imsave(stream, pixels, format="png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def new_plot(width: float, height: float) -> "tuple[Figure, Axes]":
    """Return an empty plot, sizes in inches, in the page's colours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot(facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=8, width=0.6, length=3)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def name_axes(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)


def inline(figure: "Figure", alt: str, prefix: str) -> "Markup":
    """Return a plot as SVG to be part of the page: themed, described, with ids of its own."""
    import matplotlib
    from markupsafe import Markup, escape

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "jobtool"}):
        figure.savefig(stream, format="svg", transparent=True)
    text = stream.getvalue()
    # The prologue, the metadata and the name spaces hold addresses, and the style would leak
    # into the page; HTML needs none of them.
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"| id="[^"]*_\d+"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'( id="|url\(#| href="#)', rf"\g<1>{prefix}", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r'^<svg width="[^"]*" height="[^"]*"', "<svg", svg)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1))


def _thinned(recall: FloatArray, precision: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the steps where recall grows, at most `CURVE_POINTS`, from recall 0 on."""
    grows = np.flatnonzero(np.diff(recall, prepend=0.0) > 0)
    kept = grows[_spaced(grows.size, CURVE_POINTS)]
    return np.concatenate([[0.0], recall[kept]]), np.concatenate(
        [precision[kept[:1]], precision[kept]]
    )


def _spaced(n: int, limit: int) -> npt.NDArray[np.intp]:
    """At most `limit` positions out of n, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(np.intp))
