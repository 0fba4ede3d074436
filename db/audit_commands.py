"""`jobtool audit`: the log, checked; what trains is the context's object, put there by `cli`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from db.commands import AsJson, Database, Store, default_store, n_of, opened, print_json

if TYPE_CHECKING:
    from db.audit import AuditReport, Place, Problems
    from db.rebuild import Rebuilt

app = typer.Typer(rich_markup_mode=None)


def _checked_head(value: str | None) -> str | None:
    if value is None:
        return None
    head = value.strip().lower()
    if len(head) != 64 or set(head) - set("0123456789abcdef"):
        raise typer.BadParameter(
            f"a head has 64 hexadecimal digits, as jobtool audit prints it, got {value!r:.80}"
        )
    return head


@app.command()
def audit(
    context: typer.Context,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="HEAD",
            callback=_checked_head,
            help="A head that an earlier audit printed: the log must still hold that entry.",
        ),
    ] = None,
    rebuild: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Also train this model again (its number, folder, `champion` or `challenger`) "
            "and compare all arrays with the stored ones.",
        ),
    ] = None,
    db: Database = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Check the log of labels, verdicts, promotions, tags given by models, and deletions.

    Every entry holds hashes of rows and the hash of the entry before it. The audit finds the first
    entry that was changed, moved or removed, rows that differ from what was logged, rows that
    disappeared without a recorded deletion, and rows that were never logged. Exit code 1 if it
    finds any.

    The last entries can be cut off without a trace in the database. So note the head that is
    printed, somewhere else, and give it to the next audit with --expect.
    """
    from db.audit import audit as check

    with opened(db) as engine:
        folder = (store or Path(default_store(db or ""))) if rebuild else None
        found = check(engine, expect=expect, show_progress=True)
        rebuilt = None
        if not as_json:
            for line in _told(found, expect):
                typer.echo(line)
        if rebuild and folder:
            from db.rebuild import rebuild as train_again

            tell = partial(typer.echo, err=True)
            rebuilt = train_again(engine, folder, rebuild, context.obj.trainer, tell=tell)
            if not as_json:
                for line in _told_rebuilt(rebuilt):
                    typer.echo(line)
    if as_json:
        print_json({**found.to_json(), "rebuilt": rebuilt and rebuilt.to_json()})
    if not found.ok or (rebuilt and rebuilt.outcome != "same"):
        raise typer.Exit(1)


def _told(found: "AuditReport", expect: str | None) -> list[str]:
    lines = []
    if found.broken is not None:
        lines += [
            f"Broken at entry {found.broken:,}: {found.reason}",
            "Nothing after it is proven, and rows that were never logged were not looked for",
        ]
    for problems, what in (
        (found.changed, "changed after being logged"),
        (found.missing, "gone without a recorded deletion"),
        (found.unknown, "never logged"),
    ):
        lines += _told_problems(problems, what)
    if found.is_cut:
        lines.append(
            f"No entry has the expected hash {expect}: the end of the log was cut off or rewritten"
        )
    elif found.expected_at is not None:
        lines.append(f"The expected hash is that of entry {found.expected_at:,}")
    checked = f"{n_of(found.n_rows, 'row')} checked against {found.n_entries:,} entries"
    lines.append(f"{'The log is in order' if found.ok else 'The log is NOT in order'}: {checked}")
    lines.append(f"Head: {found.head}")
    return lines


def _told_problems(problems: "Problems", what: str) -> list[str]:
    if not problems.n:
        return []
    lines = [f"{n_of(problems.n, 'row')} {what}:", *map(_told_place, problems.first)]
    if problems.n > len(problems.first):
        lines.append(f"  ... and {problems.n - len(problems.first):,} more")
    return lines


def _told_place(place: "Place") -> str:
    row = f"  {place.table} {place.id}"
    if place.model_id is not None:
        row = f"  {place.table} of job {place.id} by model {place.model_id}"
    return row if place.entry is None else f"{row} (entry {place.entry})"


def _told_rebuilt(found: "Rebuilt") -> list[str]:
    name = f"Model {found.model} ({found.folder})"
    if found.reasons:
        return [f"{name} cannot be rebuilt:", *(f"  {reason}" for reason in found.reasons)]
    if not found.differences:
        return [f"{name} was rebuilt: all {found.n_arrays} arrays are the same to the bit"]
    lines = [f"{name} was rebuilt and differs in {len(found.differences)} of its arrays:"]
    for one in found.differences:
        gap = "" if one.largest is None else f", the largest difference is {one.largest:.3g}"
        lines.append(f"  {one.name}: {n_of(one.n, 'value')}{gap}")
    return lines
