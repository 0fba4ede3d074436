"""`jobtool drift`: whether postings have changed since the live model was trained."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.commands import AsJson, Database, opened, print_json
from tagger.harmless import shown

if TYPE_CHECKING:
    from db.drift import Drift, Week

app = typer.Typer(rich_markup_mode=None)
_BARS = "▁▂▃▄▅▆▇█"
_N_SOURCES = 10


@app.command()
def drift(
    db: Database = None,
    weeks: Annotated[
        int, typer.Option(min=1, max=520, metavar="N", help="Show the last N weeks.")
    ] = 8,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with plots, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show whether new postings are unlike those that the live model was trained on.

    Each week's postings are compared with a sample of those: sources, how often each tag is given,
    scores, unknown words, codes. Each alarm says what changed, what it may mean and what to do. A
    board on which nothing changes gives an alarm in less than 1 week of 20.

    `jobtool retrain --when-drifted` retrains when there is an alarm that no retrain has answered.
    """
    from db.drift import find_drift
    from db.engine import reading

    with opened(db) as engine, reading(engine) as session:
        found = find_drift(session, n_weeks=weeks)
    if html:
        from db.drift_page import write_drift_page

        write_drift_page(html, found)
    if as_json:
        return print_json(to_json(found))
    for line in _lines(found):
        typer.echo(line)
    if html:
        typer.echo(f"\nPage: {html}")


def to_json(found: "Drift") -> dict[str, Any]:
    """All that was found, as plain values."""
    from db.drift_advice import alarms_of

    weeks = [
        {**asdict(week), "alarms": [asdict(alarm) for alarm in alarms_of(week)]}
        for week in found.weeks
    ]
    return {**asdict(found), "weeks": weeks}


def _lines(found: "Drift") -> "Iterator[str]":
    from db.drift_advice import alarms_of

    yield (
        f"Model {found.model_id} was trained on {found.n_known:,} postings; "
        f"{found.n_reference:,} of them are compared with later ones"
    )
    if found.note:
        yield found.note[:1].upper() + found.note[1:]
    yield f"{'week of':<12}{'postings':>9}{'compared':>10}{'unknown words':>15}{'alarms':>8}"
    for week in found.weeks:
        yield _week_line(week)
    yield from _source_lines(found)
    for week in found.weeks:
        for alarm in alarms_of(week):
            so_far = "" if week.is_over else " (so far)"
            yield ""
            yield shown(f"Week of {week.begins}{so_far}: {alarm.title}")
            yield shown(f"  {alarm.changed}")
            yield f"  {alarm.meaning}"
            yield from (shown(f"  - {step}") for step in alarm.steps)
    if not any(week.n_compared for week in found.weeks):
        yield ""
        yield _why_nothing(found)
    elif not any(week.alarms for week in found.weeks):
        yield ""
        yield "No alarm: nothing that is more than chance"


def _week_line(week: "Week") -> str:
    words = next((figure.after for figure in week.figures if figure.kind == "words"), None)
    unknown = "-" if words is None else f"{1 - words:.1%}"
    compared = f"{week.n_compared:,}" if week.n_compared else "-"
    alarms = "-" if not week.figures else f"{len(week.alarms):,}"
    notes = [] if week.is_over else ["not over yet"]
    if week.n_untagged:
        notes.append(f"{week.n_untagged:,} wait for jobtool tag --db")
    line = f"{week.begins!s:<12}{week.n_postings:>9,}{compared:>10}{unknown:>15}{alarms:>8}"
    return f"{line}  {', '.join(notes)}".rstrip()


def _source_lines(found: "Drift") -> "Iterator[str]":
    """Postings of each source by week, as bars; the newest week's number behind."""
    if found.source_field is None or not found.weeks:
        return
    totals: dict[str, int] = {}
    for week in found.weeks:
        for name, n in week.sources.items():
            totals[name] = totals.get(name, 0) + n
    names = sorted(totals, key=lambda name: -totals[name])
    yield ""
    yield f"Sources ({found.source_field}), postings by week; in the newest week"
    for name in names[:_N_SOURCES]:
        counts = [week.sources.get(name, 0) for week in found.weeks]
        yield f"  {bars(counts)}  {counts[-1]:>6,}  {shown(name):.60}"
    if len(names) > _N_SOURCES:
        yield f"  and {len(names) - _N_SOURCES:,} more"


def bars(values: Sequence[float]) -> str:
    """A bar for each value, in characters; none for 0.

    Examples
    --------
    >>> bars([0, 1, 4, 8])
    ' ▁▄█'
    """
    top = max(values, default=0)
    return "".join(
        _BARS[max(round(value / top * len(_BARS)), 1) - 1] if value > 0 else " " for value in values
    )


def _why_nothing(found: "Drift") -> str:
    from db.drift import MIN_POSTINGS

    if found.n_reference < MIN_POSTINGS:
        return (
            f"Nothing is compared: it takes {MIN_POSTINGS} postings that the live model was "
            f"trained on, and there are {found.n_reference}"
        )
    most = max((week.n_new for week in found.weeks), default=0)
    waiting = sum(week.n_untagged for week in found.weeks)
    told = f"; {waiting:,} wait for jobtool tag --db" if waiting else ""
    return (
        f"Nothing is compared: it takes {MIN_POSTINGS} postings in a week that came after the "
        f"live model, and no week has more than {most}{told}"
    )
