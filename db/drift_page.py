"""The HTML page of `jobtool drift`: alarms, weeks and plots in one file; see `tagger.pages`."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from db.drift import Drift
from db.drift_advice import alarms_of
from db.drift_figures import Figure
from tagger.figures import ACCENT, MUTED, WARM, inline, name_axes, new_plot
from tagger.pages import render_page, write_page

if TYPE_CHECKING:
    from markupsafe import Markup

N_SOURCES = 4
"""Sources that are plotted: the most frequent ones."""
_SCALES = {
    "source": "share of postings",
    "tag": "share given",
    "score": "mean score (logit)",
    "words": "share of known words",
    "codes": "deviations",
    "spread": "deviations",
}


def write_drift_page(path: Path, drift: Drift) -> None:
    """Write the page as one file, replacing what was there.

    Raises
    ------
    DataError
        If the file can't be written.
    """
    write_page(path, render_drift_page(drift))


def render_drift_page(drift: Drift) -> str:
    """The page, which loads nothing."""
    weeks = [
        {
            "week": week,
            "alarms": alarms_of(week),
            "unknown": next((1 - one.after for one in week.figures if one.kind == "words"), None),
        }
        for week in drift.weeks
    ]
    context = {"drift": drift, "weeks": weeks, "plots": list(_plots(drift))}
    return render_page("db/drift.html.j2", context)


def _plots(drift: Drift) -> Iterator[tuple[str, "Markup"]]:
    """A name and a plot: of each figure that gave an alarm, of words, and of frequent sources."""
    prefixes = (f"d{i}-" for i in count())
    alarmed = [(one.kind, one.name) for week in drift.weeks for one in week.alarms]
    totals: dict[str, int] = {}
    for week in drift.weeks:
        for name, n in week.sources.items():
            totals[name] = totals.get(name, 0) + n
    frequent = sorted(totals, key=lambda name: -totals[name])[:N_SOURCES]
    shown = [*alarmed, ("words", ""), *(("source", name) for name in frequent)]
    for kind, name in dict.fromkeys(shown):
        series = [
            (str(week.begins), one)
            for week in drift.weeks
            for one in week.figures
            if (one.kind, one.name) == (kind, name)
        ]
        if series:
            yield f"{kind} {name}".strip(), _plot(kind, series, next(prefixes))


def _plot(kind: str, series: Sequence[tuple[str, Figure]], prefix: str) -> "Markup":
    figure, axes = new_plot(3.4, 2.0)
    places = range(len(series))
    values = [one.after for _, one in series]
    axes.axhline(series[-1][1].before, color=MUTED, linestyle=(0, (4, 3)), linewidth=0.8)
    axes.plot(places, values, color=ACCENT, marker="o", markersize=3.5, linewidth=1.4)
    for place, (_, one) in zip(places, series, strict=True):
        if one.is_alarm:
            axes.plot(place, one.after, "o", color=WARM, markersize=6)
    labelled = sorted({0, len(series) - 1})
    axes.set_xticks(labelled, [series[place][0] for place in labelled])
    name_axes(axes, "week", _SCALES[kind])
    n_alarms = sum(one.is_alarm for _, one in series)
    alt = f"{_SCALES[kind]} in {len(series)} weeks, {n_alarms} of them with an alarm"
    return inline(figure, alt, prefix)
