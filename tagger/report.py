"""What an evaluation found, and the HTML page that shows it.

The page is one file: style, vector plots and heat maps are inside it, nothing is loaded and
nothing runs. Text that users can choose (tags, names, remarks) is written by the template,
which escapes it; matplotlib draws only numbers and words of our own.

Axes: N jobs, T tags, C code.
"""

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tagger import metrics
from tagger.bootstrap import Intervals, Resampled, paired_bootstrap, resample
from tagger.errors import DataError
from tagger.metrics import BoolArray, FloatArray, LabelArray

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]

MAX_CONFUSION_COLUMNS = 30  # a wider table can't be read; the list of pairs still shows
JOBS_PER_STRIP = 16  # heat map rows per tag
CURVE_POINTS = 150  # more of them don't show at this size
NOTHING = "\N{EN DASH}"  # stands where a score is not defined

# Stand-ins that matplotlib writes and `_inline` turns into the page's colours, so that the
# plots follow its light and dark themes.
INK, MUTED, LINE, ACCENT, WARM = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", WARM: "warm"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Labels, predictions and everything else the report shows. N jobs, T tags.

    Raises
    ------
    DataError
        If the arrays do not fit together.
    """

    tags: Sequence[str]
    """In column order."""
    Y: LabelArray
    """Shape (N, T): 1 yes, 0 no, -1 unknown."""
    proba: FloatArray
    """Shape (N, T), in [0, 1]; of jobs the model was not trained on."""
    decisions: BoolArray
    """Shape (N, T): True where the tag is given."""
    thresholds: FloatArray
    """Shape (T,): a tag is given from here on; nan where none was chosen."""
    name: str = "jobtool"
    """How the tables call the evaluated tagger."""
    review: BoolArray | None = None
    """Shape (N, T): True where the probability lies in the band left to a person."""
    bands: FloatArray | None = None
    """Shape (T, 2): lowest and highest probability left to a person; nan for no band."""
    groups: npt.NDArray[np.generic] | None = None
    """Shape (N,): equal for jobs that repeat each other; None where every job is alone."""
    baselines: Mapping[str, tuple[FloatArray, BoolArray]] = field(default_factory=dict)
    """Name -> (proba, decisions) on the same jobs, in the order to show."""
    codes: FloatArray | None = None
    """Shape (N, C): output of the encoder."""
    histories: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    """Name of a network -> one row per epoch with `epoch`, `loss` and perhaps `val_loss`."""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """Tag -> what a reader has to know about it."""
    info: Mapping[str, str] = field(default_factory=dict)
    """What was evaluated, how, when, by which version: shown as it is, in this order."""
    n_samples: int = 500
    """Bootstrap resamples."""
    seed: int = 0
    """Decides the resamples."""

    def __post_init__(self) -> None:
        metrics.check_scores(self.Y, self.proba, self.decisions)
        for proba, decisions in self.baselines.values():
            metrics.check_scores(self.Y, proba, decisions)
        n_jobs, n_tags = self.Y.shape
        _check_shape("tags", np.empty(len(self.tags)), (n_tags,))
        _check_shape("thresholds", self.thresholds, (n_tags,))
        _check_shape("review", self.review, (n_jobs, n_tags))
        _check_shape("bands", self.bands, (n_tags, 2))
        _check_shape("groups", self.groups, (n_jobs,))
        if self.codes is not None:
            _check_shape("codes", self.codes, (n_jobs, self.codes.shape[-1]))

    @cached_property
    def summary(self) -> metrics.Summary:
        """Scores over all tags."""
        return metrics.summary(self.Y, self.proba, self.decisions, review=self.review)

    @cached_property
    def tag_scores(self) -> list[metrics.TagScores]:
        """Scores of each tag, in column order."""
        return metrics.tag_scores(self.Y, self.proba, self.decisions)

    @cached_property
    def intervals(self) -> Intervals:
        """95% intervals of our own scores."""
        return self._resampled.intervals()

    @cached_property
    def score_rows(self) -> list[Row]:
        """Ours first, then the baselines: scores, bounds, and how far ours is ahead.

        `ahead` is the difference in mean average precision on the same resamples; None for ours.
        """
        rows = [{"method": self.name, **_bounds(self.intervals), **_ahead(None)}]
        for name, (proba, decisions) in self.baselines.items():
            other = self._resample(proba, decisions)
            ahead = paired_bootstrap(other, self._resampled)
            rows.append({"method": name, **_bounds(other.intervals()), **_ahead(ahead)})
        return rows

    @cached_property
    def tag_rows(self) -> list[Row]:
        """One row per tag: counts, threshold, scores and remark."""
        return [
            {
                "tag": tag,
                "support": s.support,
                "known": s.known,
                "predicted": s.predicted,
                "threshold": _plain(self.thresholds[t]),
                "precision": _plain(s.precision),
                "recall": _plain(s.recall),
                "f1": _plain(s.f1),
                "average_precision": _plain(s.average_precision),
                "average_precision_low": _plain(self.intervals.average_precision[t].low),
                "average_precision_high": _plain(self.intervals.average_precision[t].high),
                "prior": s.support / s.known if s.known else None,
                "remark": self.remarks.get(tag) or _remark(s),
            }
            for t, (tag, s) in enumerate(zip(self.tags, self.tag_scores, strict=True))
        ]

    @cached_property
    def threshold_rows(self) -> list[Row]:
        """One row per tag: threshold, review band, how many jobs fall in it, calibration."""
        bands = np.full((len(self.tags), 2), np.nan) if self.bands is None else self.bands
        return [
            {
                "tag": tag,
                "threshold": _plain(self.thresholds[t]),
                "low": _plain(bands[t, 0]),
                "high": _plain(bands[t, 1]),
                "review": None if self.review is None else int(self.review[:, t].sum()),
                "review_share": None if self.review is None else float(self.review[:, t].mean()),
                "calibration_error": _plain(
                    metrics.expected_calibration_error(self.Y[:, t], self.proba[:, t])
                ),
            }
            for t, tag in enumerate(self.tags)
        ]

    @cached_property
    def confusion_counts(self) -> npt.NDArray[np.intp]:
        """Shape (T, T): jobs where the row's tag was missed and the column's wrongly given."""
        return metrics.confusions(self.Y, self.decisions)

    def confusion_rows(self, limit: int = 15) -> list[Row]:
        """The most frequent pairs of a missed and a wrongly given tag, at most `limit`."""
        counts = self.confusion_counts
        order = np.argsort(-counts, axis=None, kind="stable")[:limit]
        pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
        return [
            {"missed": self.tags[a], "given": self.tags[b], "jobs": int(counts[a, b])}
            for a, b in pairs
            if counts[a, b]
        ]

    def to_json(self) -> Row:
        """Everything counted, as plain values; a score that is not defined is None."""
        return {
            "info": dict(self.info),
            "seed": self.seed,
            "n_samples": self.n_samples,
            "summary": {
                name: _plain(getattr(self.summary, name)) for name in self.summary.__slots__
            },
            "scores": self.score_rows,
            "tags": self.tag_rows,
            "thresholds": self.threshold_rows,
            "calibration_error": _plain(
                metrics.expected_calibration_error(self.Y, self.proba, _n_bins(self.Y))
            ),
            "confusions": self.confusion_rows(),
            "histories": {
                name: [{key: _plain(value) for key, value in row.items()} for row in rows]
                for name, rows in self.histories.items()
            },
        }

    @cached_property
    def _resampled(self) -> Resampled:
        return self._resample(self.proba, self.decisions)

    def _resample(self, P: FloatArray, D: BoolArray) -> Resampled:
        """On resamples that are the same for every method."""
        return resample(self.Y, P, D, groups=self.groups, n_samples=self.n_samples, seed=self.seed)


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report as one HTML file, replacing what was there.

    Raises
    ------
    DataError
        If the file can't be written.
    """
    page = render_report(evaluation)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_text(page, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise DataError(f"can't write the report to {path}: {error.strerror}") from error


def render_report(evaluation: Evaluation) -> str:
    """Return the report as one HTML page that loads nothing."""
    import jinja2

    source = resources.files("tagger").joinpath("data/report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "score": _score,
        "signed": _signed,
        "percent": _percent,
        "counted": _counted,
        "width": _width,
    }
    return environment.from_string(source).render(_context(evaluation))


def _context(e: Evaluation) -> Row:
    """All that the template shows; None or empty for the sections to leave out."""
    prefixes = (f"f{i}-" for i in count())
    wide = len(e.tags) > MAX_CONFUSION_COLUMNS or not e.confusion_counts.any()
    return {
        "info": e.info,
        "summary": e.summary,
        "scores": e.score_rows,
        "tags": e.tag_rows,
        "thresholds": e.threshold_rows,
        "has_bands": e.bands is not None,
        "has_review": e.review is not None,
        "has_groups": e.groups is not None,
        "n_samples": e.n_samples,
        "confusions": e.confusion_rows(),
        "confusion_table": None if wide else e.confusion_counts.tolist(),
        "confusion_max": int(e.confusion_counts.max()),
        "curves": list(_tag_curves(e, prefixes)),
        "calibration": _calibration(e, prefixes),
        "calibration_error": _plain(metrics.expected_calibration_error(e.Y, e.proba, _n_bins(e.Y))),
        "histories": [
            (name, _learning_curve(name, rows, prefixes))
            for name, rows in e.histories.items()
            if rows
        ],
        "strips": [] if e.codes is None else list(_code_strips(e, e.codes)),
        "code_dim": 0 if e.codes is None else e.codes.shape[1],
    }


def _tag_curves(e: Evaluation, prefixes: Iterator[str]) -> Iterator[tuple[Row, "Markup"]]:
    """Yield row and precision-recall plot of each scored tag."""
    for t, row in enumerate(e.tag_rows):
        if row["average_precision"] is None:
            continue
        precision, recall = metrics.precision_recall_steps(e.Y[:, t], e.proba[:, t])
        figure, axes = _figure(2.3, 1.9)
        axes.axhline(row["prior"], color=MUTED, linestyle=(0, (4, 3)), linewidth=0.8)
        axes.plot(*_thinned(recall, precision), drawstyle="steps-pre", color=ACCENT, linewidth=1.4)
        if row["predicted"]:
            axes.plot(row["recall"], row["precision"], "o", color=WARM, markersize=5, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        _name_axes(axes, "recall", "precision")
        alt = f"Precision against recall: {row['tag']}, {_score(row['average_precision'])}"
        yield row, _inline(figure, alt, next(prefixes))


def _calibration(e: Evaluation, prefixes: Iterator[str]) -> "Markup | None":
    """Plot the share of yes against the promised probability, all known cells together."""
    curve = metrics.calibration_curve(e.Y, e.proba, _n_bins(e.Y))
    if not curve.count.size:
        return None
    error = 1.96 * np.sqrt(curve.share_yes * (1 - curve.share_yes) / curve.count)
    figure, axes = _figure(4.0, 3.6)
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
    _name_axes(axes, "promised probability", "share of yes")
    alt = f"Share of yes against promised probability in {curve.count.size} bins of cells"
    return _inline(figure, alt, next(prefixes))


def _learning_curve(
    name: str, rows: Sequence[Mapping[str, float]], prefixes: Iterator[str]
) -> "Markup":
    """Plot the loss per epoch, training and validation."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(3.6, 2.4)
    epochs = [row["epoch"] for row in rows]
    for key, colour in (("loss", ACCENT), ("val_loss", WARM)):
        losses = [row.get(key, float("nan")) for row in rows]
        # A line of one epoch is invisible, so short histories get markers.
        marker = "o" if len(rows) < 8 else None
        axes.plot(epochs, losses, color=colour, linewidth=1.4, marker=marker, markersize=3.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _name_axes(axes, "epoch", "loss")
    return _inline(figure, f"Loss of {name} over {len(rows)} epochs", next(prefixes))


def _code_strips(e: Evaluation, codes: FloatArray) -> Iterator[Row]:
    """Yield one heat map per tag: a row per job, a column per number of the code."""
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


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
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


def _name_axes(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)


def _inline(figure: "Figure", alt: str, prefix: str) -> "Markup":
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


def _n_bins(Y: LabelArray) -> int:
    """Calibration bins: fine ones only where each still holds about a hundred cells."""
    return 20 if (Y >= 0).sum() >= 2000 else 10


def _remark(s: metrics.TagScores) -> str:
    if not s.known:
        return "no known labels"
    if not s.support:
        return "no job is known to carry it"
    return "every known job carries it" if s.support == s.known else ""


def _bounds(i: Intervals) -> Row:
    row: Row = {}
    for name in ("mean_average_precision", "macro_f1", "micro_f1"):
        interval = getattr(i, name)
        row[name] = _plain(interval.value)
        row[f"{name}_low"], row[f"{name}_high"] = _plain(interval.low), _plain(interval.high)
    return row


def _ahead(i: Intervals | None) -> Row:
    if i is None:
        return {"ahead": None, "ahead_low": None, "ahead_high": None}
    gain = i.mean_average_precision
    return {
        "ahead": _plain(gain.value),
        "ahead_low": _plain(gain.low),
        "ahead_high": _plain(gain.high),
    }


def _check_shape(name: str, values: npt.NDArray[Any] | None, shape: tuple[int, ...]) -> None:
    if values is not None and values.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {values.shape}")


def _plain(value: Any) -> Any:
    """A Python number for a NumPy one; None for nan, which JSON does not know."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def _score(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}"


def _counted(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _width(value: float | None) -> str:
    """A share as a CSS length."""
    return f"{value or 0:.1%}"
