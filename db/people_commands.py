"""Commands about people and what they say: agreement, history, forgetting; see also tags."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.commands import AsJson, Database, n_of, opened, print_json, told_time
from db.tag_commands import app as tags
from tagger.grid import print_grid

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.forget import Found

app = typer.Typer(rich_markup_mode=None)
forget = typer.Typer(
    help="Remove a person or a posting with all that was derived from it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


@app.command()
def agreement(
    db: Database = None,
    labeller: Annotated[
        list[str] | None,
        typer.Option("--labeller", metavar="NAME", help="Only these people; may be repeated."),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the disagreements that nobody has settled.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how far people agree, per tag: Krippendorff's alpha and percent.

    The interval is that of alpha if other postings like these had been judged (bootstrap).

    From 0.8 on labels can be relied on, from 0.667 on for tentative conclusions; 0 is chance.
    Answers by referees and "unsure" are left out. `jobtool label --second` makes more postings
    that two people judged, `jobtool label --disputed` goes through the disagreements.
    """
    from db.agreement import agreement as find_agreement
    from db.agreement import disagreements, labellers_of
    from db.engine import reading

    with opened(db) as engine, reading(engine) as session:
        found = find_agreement(session, labellers=labeller)
        people, open_ones = labellers_of(session), disagreements(session)
    if as_json:
        return print_json(
            {
                "labellers": people,
                "agreement": [asdict(one) for one in found],
                "disagreements": [asdict(one) for one in open_ones],
            }
        )
    told = ", ".join(f"{name} {n:,}" for name, n in people.items())
    typer.echo(f"Answers: {told or 'none yet'}")
    if not found:
        typer.echo("No posting was judged by two people yet: jobtool label --second")
    else:
        rows = [
            (
                one.tag or "(all tags)",
                f"{one.n_jobs:,}",
                f"{one.percent:.1f}%",
                "-" if one.alpha is None else f"{one.alpha:.3f}",
                "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}",
            )
            for one in found
        ]
        typer.echo()
        names = ("tag", "compared", "agree", "alpha", "95% interval")
        print_grid(names, rows, right=(1, 2, 3, 4))
    typer.echo(f"\n{n_of(len(open_ones), 'disagreement')} to settle: jobtool label --disputed")
    for line in open_ones if listed else ():
        said = ", ".join(f"{name} {answer}" for name, answer in line.said.items())
        typer.echo(f"  {line.job}  {line.tag}: {said}")


@app.command()
def history(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The team's own id of the job.")],
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show who said what about the tags of a job, and when."""
    from db.engine import reading
    from db.tags import job_history

    with opened(db) as engine, reading(engine) as session:
        lines = job_history(session, job)
    if as_json:
        return print_json({"job": job, "history": [line._asdict() for line in lines]})
    for line in lines:
        change = f"{line.before} -> {line.after}" if line.before else f"{line.after}"
        note = "  (undone)" if line.is_undo else ""
        typer.echo(
            f"{told_time(line.at)}  {line.labeller} ({line.source})  {line.tag}: {change}{note}"
        )
    if not lines:
        typer.echo("Nobody has said anything of it yet")


app.add_typer(tags, name="tags")


# ---- forgetting

app.add_typer(forget, name="forget")


@forget.command()
def job(
    id: Annotated[str, typer.Argument(metavar="ID", help="The team's own id of the job.")],
    with_reposts: Annotated[
        bool, typer.Option("--with-reposts", help="Its reposts too: they say nearly the same.")
    ] = False,
    db: Database = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a job, and labels, predictions, codes and events that belong to it.

    Names the models that saw it: they can't unlearn, retrain and prune them. Copies outside of
    the database can't be known: files that were imported or rejected, exports, backups.
    """
    from db.forget import find_job

    with opened(db) as engine:
        _forget(engine, lambda s: find_job(s, id, with_reposts=with_reposts), yes, as_json)


@forget.command()
def candidate(
    id: Annotated[str, typer.Argument(metavar="ID", help="The team's own id of the candidate.")],
    db: Database = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a candidate, with events, recommendations and embeddings.

    Copies outside of the database can't be known: files that were imported or rejected, exports,
    backups.
    """
    from db.forget import find_candidate

    with opened(db) as engine:
        _forget(engine, lambda session: find_candidate(session, id), yes, as_json)


@forget.command()
def traces(db: Database = None) -> None:
    """Overwrite what removed rows left in a SQLite file; `forget` does so by itself."""
    from db.forget import wipe

    with opened(db) as engine:
        done = wipe(engine)
    typer.echo("Done" if done else "Nothing to do: the server reuses the space by itself")


def _forget(engine: "Engine", find: Any, yes: bool, as_json: bool) -> None:
    from db.engine import reading, writing
    from db.forget import remove, wipe

    with reading(engine) as session:
        found = find(session)
    if not yes:
        typer.confirm(f"Remove {_described(found)}?", abort=True, err=True)
    with writing(engine) as session:
        found = find(session)
        remove(session, found)
    is_wiped = wipe(engine)
    if as_json:
        told = {name: value for name, value in asdict(found).items() if name != "ids"}
        return print_json({**told, "wiped": is_wiped})
    typer.echo(f"Removed {_described(found)}")
    for line in _advice(found):
        typer.echo(line)


def _described(found: "Found") -> str:
    counts = ", ".join(n_of(n, what.removesuffix("s")) for what, n in found.counts.items() if n)
    many = f" and {n_of(len(found.ids) - 1, 'repost')}" if len(found.ids) > 1 else ""
    return f"{found.kind} {found.name}{many}" + (f" with {counts}" if counts else "")


def _advice(found: "Found") -> list[str]:
    lines = []
    if found.reposts:
        lines.append(
            f"Reposts that say nearly the same stay: {', '.join(found.reposts)} "
            "(--with-reposts removes them too)"
        )
    there = [model for model in found.models if not model.is_pruned]
    for model in there:
        live = f", {model.alias}" if model.alias else ""
        lines.append(f"Model {model.id} saw it ({model.folder}{live})")
    if there:
        lines.append(
            "Next: jobtool retrain --fresh (without --fresh a model goes on from the codes of the "
            "one before), then jobtool models prune --keep 0"
        )
    for model in found.match_models:
        lines.append(f"Matching model {model.id} knew of it ({model.folder})")
    if found.match_models:
        lines.append("Next: jobtool match train, then jobtool match prune --keep 1")
    return lines
