"""`jobtool tags map`: what the values of feeds mean."""

from typing import TYPE_CHECKING, Annotated

import typer

from db.commands import AsJson, Database, n_of, opened, print_json

if TYPE_CHECKING:
    from sqlalchemy import Engine


def map_values(
    pair: Annotated[
        str | None,
        typer.Argument(
            metavar="[FIELD=VALUE]", help="A field of the import and its value; without it: list."
        ),
    ] = None,
    tag: Annotated[
        str | None, typer.Argument(metavar="[TAG]", help="The tag that the value means.")
    ] = None,
    db: Database = None,
    ignore: Annotated[
        bool, typer.Option("--ignore", help="The value means no tag, whatever it is called.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take back what was said of the value.")
    ] = False,
    labeller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who you are; your login name unless told.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or say which tag a value of a feed means, such as employmentType=FULL_TIME.

    Employment type, work mode, seniority and pay are recognised under their usual names, and their
    values suggest the tags that are called like them. Say here what they mean otherwise; any field
    will do. Suggestions are shown beside the model's; no model learns them.
    """
    if pair is None:
        if tag or ignore or remove:
            raise typer.BadParameter("name a FIELD=VALUE")
        return _list(db, as_json)
    if [tag is not None, ignore, remove].count(True) != 1:
        raise typer.BadParameter("give a TAG, or --ignore, or --remove")
    from getpass import getuser

    from db.engine import writing
    from db.feed_values import map_value, unmap_value

    with opened(db) as engine:
        with writing(engine) as session:
            if remove:
                unmap_value(session, pair)
            else:
                map_value(session, pair, tag, labeller or getuser())
        n_changed = _recheck_all(engine)
    if as_json:
        return print_json({"value": pair, "tag": tag, "rechecked": n_changed})
    told = "is not mapped any more" if remove else f"means {tag or 'no tag'}"
    typer.echo(f"{pair} {told}; {n_of(n_changed, 'posting')} went to review or came back from it")


def _recheck_all(engine: "Engine") -> int:
    """Look at all postings again, a batch in a transaction; how many changed."""
    from sqlalchemy import select

    from db.engine import reading, writing
    from db.feed_values import recheck
    from db.labels import chunks
    from db.schema import Job

    with reading(engine) as session:
        ids = list(session.scalars(select(Job.id).where(Job.fields.is_not(None))))
    n_changed = 0
    for part in chunks(ids):
        with writing(engine) as session:
            n_changed += recheck(session, part)
    return n_changed


def _list(db: str | None, as_json: bool) -> None:
    from db.engine import reading
    from db.feed_values import seen_values

    with opened(db) as engine, reading(engine) as session:
        found = seen_values(session)
    if as_json:
        return print_json({"values": [one._asdict() for one in found]})
    for one in found:
        means = ", ".join(one.tags) or ("no tag" if one.is_mapped else "-")
        typer.echo(f"{one.kind:<16} {one.n_jobs:>7,}  {one.said}  ->  {means}")
    if not found:
        typer.echo("No posting says anything in a field that is known; name one: FIELD=VALUE TAG")
