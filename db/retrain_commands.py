"""`jobtool retrain`; what trains is the context's object, put there by `cli`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from db.commands import AsJson, Database, Store, default_store, opened, print_json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def retrain(
    context: typer.Context,
    db: Database = None,
    store: Store = None,
    after_labels: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only if N labels or more are new (100 is usual)."),
    ] = None,
    after_jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only if N jobs or more are new.")
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="HOURS", help="Only if the last one began so long ago."),
    ] = None,
    when_drifted: Annotated[
        bool,
        typer.Option(
            "--when-drifted",
            help="Only if postings have drifted since the last one (see jobtool drift).",
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep looking whether one is due, until stopped.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Learn everything anew, codes included.")
    ] = False,
    refresh_codes: Annotated[
        bool | None,
        typer.Option(
            "--refresh-codes/--keep-codes",
            help="Whether the codes go on learning; by default when half as many jobs again have "
            "come.",
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Probability of being better that a new model needs to go live.",
        ),
    ] = 0.8,
    tag_margin: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Largest loss of average precision that is accepted on a tag."
        ),
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a new model from the database; it goes live if it is likely to be better.

    Without any label it learns what your tags are called and mean (jobtool tags import): a start
    for jobtool label, not calibrated.

    New batches of labels that do not look like older ones are held (jobtool labels). Where the live
    model has learned from exactly what there is, nothing is trained.

    With --after-labels, --after-jobs, --every or --when-drifted nothing happens until one of them
    is reached or your tags have changed, so the command can be run as often as you like, or with
    --watch be left to itself.
    """
    from db.gate import Bar
    from db.retrain import Settings
    from db.schedule import Schedule, retrain_when_due

    schedule = Schedule(
        after_labels=after_labels,
        after_jobs=after_jobs,
        every_hours=every,
        when_drifted=when_drifted,
    )
    if watch and not schedule.is_set:
        schedule = Schedule(after_labels=100)
    with opened(db) as engine:
        folder = store or Path(default_store(db or ""))
        settings = Settings(
            fresh=fresh,
            refresh=refresh_codes,
            bar=Bar(confidence, tag_margin),
            seed=seed,
        )
        report, missing = None, ""
        for report in retrain_when_due(
            engine,
            folder,
            context.obj.trainer(seed),
            settings,
            schedule=schedule,
            watch=watch,
            tell=partial(typer.echo, err=True),
        ):
            if as_json:
                print_json(report.to_json())
            else:
                typer.echo(report.page, nl=False)
        if report is None and not watch:
            missing = schedule.missing(engine)
    if missing:
        return print_json(None) if as_json else typer.echo(f"No retrain is due: {missing}")
