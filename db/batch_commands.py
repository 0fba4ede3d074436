"""`jobtool labels`: which batches of labels came in, and which of them hold."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.commands import AsJson, Database, n_of, opened, print_json
from db.errors import StoreError
from tagger.grid import print_grid, shorten

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.batches import BatchLine

app = typer.Typer(
    name="labels",
    help="Batches of labels: what came in, what is held back, hold and release.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Number = Annotated[int, typer.Argument(metavar="BATCH", min=1, help="Its number.")]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who you are; your login name unless told."),
]
HEAD = ("batch", "started", "file", "labeller", "labels", "jobs", "state", "why")


@app.command("batches")
def list_(
    batch: Annotated[
        int | None, typer.Argument(metavar="[BATCH]", min=1, help="Show only this one, in full.")
    ] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """List the batches of labels, oldest first, or show one of them.

    A batch is what one labeller gave in one import, or in one sitting with `jobtool label`. Each
    retrain compares new batches with older labels before it learns from them. A batch that does not
    look like these is held: its labels do not count until somebody releases it. With BATCH you see
    why, and the ten postings whose labels fit the live model least.
    """
    from db.batches import list_batches, suspects
    from db.engine import reading
    from db.schema import LabelBatch

    with opened(db) as engine, reading(engine) as session:
        lines = list_batches(session)
        if batch is None:
            return _print_all(lines, as_json)
        line = _line(lines, batch)
        found = suspects(session, session.get_one(LabelBatch, batch))
    if as_json:
        named = [dict(zip(("job", "title", "tags"), one, strict=True)) for one in found]
        return print_json({**asdict(line), "suspects": named})
    from tagger.harmless import shown

    decided = f", by {line.decided_by}" if line.decided_by else ""
    head = f"batch {line.id}: {line.name}, by {line.labeller}, {line.started_at} UTC"
    typer.echo(shown(head))
    typer.echo(f"{n_of(line.n_labels, 'label')} of {n_of(line.n_jobs, 'posting')}")
    typer.echo(shown(f"{line.state}{decided}" + (f": {line.reason}" if line.reason else "")))
    if found:
        typer.echo("the postings whose labels fit the live model least, worst first:")
    for name, title, tags in found:
        typer.echo(shown(f"  {name}  {title:.60}: {', '.join(tags) or 'no tag'}"))


def hold(
    batch: Number,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, to show.")] = "",
    by: By = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Hold a batch: its labels no longer count, as if they had never been given.

    Names the models that have learned from it. They stay as they are: retrain, or roll back.
    """
    _set_state(batch, hold=True, by=by, why=why, db=db, as_json=as_json)


app.command("hold")(hold)
app.command("quarantine", hidden=True)(hold)


@app.command()
def release(batch: Number, by: By = None, db: Database = None, as_json: AsJson = False) -> None:
    """Release a batch that is held: its labels count again, and no retrain holds it again."""
    _set_state(batch, hold=False, by=by, why="", db=db, as_json=as_json)


def _set_state(
    batch: int, *, hold: bool, by: str | None, why: str, db: str | None, as_json: bool
) -> None:
    from getpass import getuser

    from db.batches import list_batches, set_state
    from db.engine import take_turns, writing

    with opened(db) as engine, writing(engine) as session:
        take_turns(session)
        set_state(session, batch, hold=hold, by=by or getuser(), why=why)
        line = _line(list_batches(session), batch)
        told = _models(session, batch)
    if as_json:
        return print_json({**asdict(line), **told})
    many = f"{n_of(line.n_labels, 'label')} of {n_of(line.n_jobs, 'posting')}"
    if not hold:
        typer.echo(f"batch {batch} is released: its {many} count again")
        return typer.echo("Next: jobtool retrain")
    typer.echo(f"batch {batch} is held: its {many} no longer count")
    if not told["learned_from_it"]:
        return typer.echo("No model has learned from it")
    numbers = ", ".join(map(str, told["learned_from_it"]))
    typer.echo(f"Models that have learned from it: {numbers}")
    if not told["live_model_learned"]:
        return typer.echo("The live model is none of them")
    typer.echo(f"Model {told['live_model']} is live. Next: jobtool retrain")
    if told["previous_model"] is not None:
        typer.echo(
            f"Until then, jobtool models rollback brings back model {told['previous_model']}, "
            "which has not learned from it"
        )


def _models(session: "Session", batch: int) -> dict[str, Any]:
    """Which models have learned from a batch, and what could be live instead."""
    from db.batches import learned_from
    from db.registry import CHAMPION, aliased, previous_champion

    learned = [model.id for model in learned_from(session, batch)]
    live, previous = aliased(session, CHAMPION), previous_champion(session)
    is_clean = previous is not None and not previous.pruned_at and previous.id not in learned
    return {
        "learned_from_it": learned,
        "live_model": live.id if live else None,
        "live_model_learned": live is not None and live.id in learned,
        "previous_model": previous.id if previous is not None and is_clean else None,
    }


def _line(lines: "Sequence[BatchLine]", batch: int) -> "BatchLine":
    for line in lines:
        if line.id == batch:
            return line
    raise StoreError(f"there is no batch {batch}; see jobtool labels batches")


def _print_all(lines: "Sequence[BatchLine]", as_json: bool) -> None:
    if as_json:
        return print_json([asdict(line) for line in lines])
    if not lines:
        return typer.echo("no batches yet: jobtool import, or jobtool label")
    print_grid(HEAD, map(_cells, lines), right=(0, 1, 4, 5))


def _cells(line: "BatchLine") -> tuple[str, ...]:
    count = (f"{line.n_labels:,}", f"{line.n_jobs:,}")
    why = f"{line.reason or '':.80}"
    return (
        str(line.id),
        line.started_at,
        shorten(line.name, 40),
        shorten(line.labeller, 40),
        *count,
        line.state,
        why,
    )
