"""`jobtool export`: what is stored into files, and tasks for labelling tools."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from db import file_options as options
from db.commands import AsJson, Database, n_of, opened, print_json
from db.file_options import counted

if TYPE_CHECKING:
    from db.file_access import Files

app = typer.Typer(rich_markup_mode=None)


@app.command()
def export(
    context: typer.Context,
    kind: options.Kind,
    output: options.Output,
    db: Database = None,
    form: options.Format = None,
    model: options.OfModel = None,
    as_json: AsJson = False,
) -> None:
    """Write what is stored into a file, as import reads it; it appears when it is whole.

    With --format: labels as tasks of a labelling tool, with the answers; or of the jobs those that
    nobody has labelled, with what the live model (or --model) suggests.
    """
    from db.engine import reading_snapshot
    from db.exporting import COLUMNS, iter_answers, iter_rows
    from db.suggestions import iter_suggested, suggesting

    if kind not in COLUMNS:
        raise typer.BadParameter(f"unknown kind {kind!r}; known: {', '.join(COLUMNS)}")
    if form and kind not in ("labels", "jobs"):
        raise typer.BadParameter("--format is for labels and jobs")
    files: Files = context.obj.files
    with opened(db) as engine, reading_snapshot(engine) as session:
        rows: Iterator[dict[str, Any]]
        if form and kind == "jobs":
            found = suggesting(session, model)
            if found is None:
                typer.echo("There is no live model yet: the tasks have no suggestions.", err=True)
            write = files.task_writer(form, found.folder if found else "")
            rows = map(write, iter_suggested(session, found))
        elif form:
            rows = map(files.task_writer(form), iter_answers(session))
        else:
            rows = iter_rows(session, kind, model=model)
        with files.writer(output, COLUMNS[kind], objects_only=bool(form)) as writer:
            for row in counted(rows, "exporting"):
                writer.write(row)
    if as_json:
        return print_json({"output": str(output), kind: writer.n_rows})
    typer.echo(f"Exported {n_of(writer.n_rows, 'task' if form else kind[:-1])}: {output}")
