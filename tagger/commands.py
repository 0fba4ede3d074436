"""The tagger's part of the command line: parse, call, print.

What is slow to import is imported inside the commands, so that `--help` answers at once.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger import display, options
from tagger.column_options import parse_columns, read_layout, read_tags_file
from tagger.errors import DataError

if TYPE_CHECKING:
    from tagger.jobs import Job, Reject, Rejects

REJECTED = 3
"""Exit code where all went well but for some rows."""

app = typer.Typer(rich_markup_mode=None)


@app.command()
def train(
    labelled: options.PerhapsLabelled = None,
    unlabelled: options.Unlabelled = None,
    tags: options.TagsFile = None,
    model: options.ModelDir = Path("model"),
    seed: options.Seed = 0,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    tag_separator: options.TagSeparator = ";",
    rejects: options.RejectFile = None,
    plain_chain: options.Plain = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a tagger and save it: on jobs with tags, on what the tags mean, or on both.

    Without any labelled job, name the tags with --tags and give postings with --unlabelled: the
    model then ranks and tags by the tags' names and words, and says that it has no labels yet.

    Learning curves go into DIR.logs, rejected rows to DIR.rejects.jsonl unless --rejects names
    another file. A job without tags among LABELLED counts as unlabelled. Several tags in a cell
    are separated by semicolons.
    """
    columns, infos = read_tags_file(tags, parse_columns(column), encoding)
    layout = read_layout(delimiter, tag_separator)
    if not labelled and not infos:
        raise typer.BadParameter("name a file of jobs with tags, or a file of tags with --tags")
    if not labelled and not unlabelled:
        raise typer.BadParameter("without labelled jobs, give postings with --unlabelled FILE")
    _check_plain_chain(plain_chain, tags)
    labelled = labelled or []
    rejects = rejects or Path(f"{os.path.normpath(model)}.rejects.jsonl")
    load_keras()
    from tagger.tag_doubts import find_doubts
    from tagger.training import tagger_config, train_tagger

    with collected(rejects, *labelled, *(unlabelled or ())) as rejected:
        report = train_tagger(
            labelled,
            model,
            unlabelled=unlabelled or (),
            tags=infos,
            rejects=rejected,
            columns=columns,
            encoding=encoding,
            layout=layout,
            config=tagger_config(wide=not plain_chain),
            seed=seed,
            show_progress=True,
        )
        for doubt in find_doubts(row["tag"] for row in report.tags):
            _tell(f"note: {doubt}")
        if as_json:
            return display.print_json({**report.to_json(), "rejected": rejected.count})
        display.print_training(report)


def tag_source(
    source: Path | None,
    model: Path,
    *,
    output: Path | None,
    title: str,
    explain: bool,
    keep: str | None,
    is_long: bool,
    limit: int | None,
    wrong_at_most: float | None,
    confidence: float,
    columns: dict[str, str] | None,
    are_typed: bool,
    encoding: str,
    delimiter: str | None,
    rejects: Path | None,
    n_workers: int | None,
    as_json: bool,
) -> None:
    """Tag one posting, or a file of jobs, and print what comes of it: without --db.

    Columns that are not typed are kept in a file of settings, and for files of jobs alone.
    """
    from tagger.cores import one_thread, usable_cores

    with one_thread():
        from tagger.model import TagModel
        from tagger.promise_commands import thresholds
        from tagger.tagged import Form
        from tagger.tagging import check_apart, is_table, iter_rows, tag_file, tag_jobs

    if source is None or not is_table(source):
        if any((output, columns and are_typed, rejects, n_workers, keep, is_long, limit)):
            raise typer.BadParameter(
                "--output, --keep, --long, --limit, --column, --rejects and --workers are for "
                "files of jobs"
            )
        job = _read_posting(source, title, encoding)
        loaded = TagModel.load(model)
        promised = thresholds(loaded, model, wrong_at_most, confidence)
        tagged = next(tag_jobs(loaded, [job], explain=explain, promised=promised))
        if as_json:
            known = {**tagged.to_json(), "without_labels": loaded.without_labels}
            return typer.echo(json.dumps(known, ensure_ascii=False))
        return display.print_posting(tagged, loaded, promised)
    if title:
        raise typer.BadParameter("--title is for one posting; jobs in a file have their own")
    if output:
        rejects = rejects or _rejects_beside(output)
        check_apart(rejects, output)
    loaded = TagModel.load(model)
    promised = thresholds(loaded, model, wrong_at_most, confidence)
    if loaded.without_labels:
        _tell(display.NO_LABELS)
    with collected(rejects, source) as rejected:
        options: dict[str, Any] = {
            "rejects": rejected,
            "columns": columns,
            "encoding": encoding,
            "layout": read_layout(delimiter),
            "limit": limit,
            "promised": promised,
            "n_workers": n_workers or usable_cores(),
            "show_progress": True,
        }
        kept = tuple(filter(None, map(str.strip, (keep or "").split(","))))
        how: dict[str, Any] = {"keep": kept, "is_long": is_long, "explain": explain}
        if not output:
            with closing(iter_rows(loaded, source, form=Form(**how), **options)) as printed:
                for rows in printed:
                    sys.stdout.write(rows.text)
            return
        n_jobs = tag_file(loaded, source, output, **how, **options)
        if as_json:
            return display.print_json(
                {
                    "output": str(output),
                    "jobs": n_jobs,
                    "rejected": rejected.count,
                    "without_labels": loaded.without_labels,
                }
            )
        typer.echo(f"Tagged {display.n_of(n_jobs, 'job')}: {output}")


@app.command()
def evaluate(
    labelled: options.Labelled,
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", metavar="DIR", help="Evaluate this model, on new jobs."),
    ] = None,
    unlabelled: options.Unlabelled = None,
    tags: options.TagsFile = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 5,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", dir_okay=False, help="Write a report to look at."),
    ] = None,
    seed: options.Seed = 0,
    column: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    tag_separator: options.TagSeparator = ";",
    rejects: options.RejectFile = None,
    plain_chain: options.Plain = False,
    as_json: options.AsJson = False,
) -> None:
    """Say how good the tags are, beside simpler methods.

    With --model: of that model on jobs it was not trained on. Without: of training on these jobs,
    by cross-validation; repeated postings stay in one fold. Unlabelled postings that look like the
    labelled ones make the intervals narrower; with --model, too. With --report rejected rows go to
    FILE.html.rejects.jsonl, unless --rejects names another file; otherwise they are counted and
    the first ones shown.
    """
    if model and (plain_chain or tags):
        raise typer.BadParameter("--tags and --plain-chain are for cross-validation")
    _check_plain_chain(plain_chain, tags)
    columns, infos = read_tags_file(tags, parse_columns(column), encoding)
    if report:
        from tagger.tagging import check_apart

        rejects = rejects or _rejects_beside(report)
        check_apart(report, *labelled, *(unlabelled or ()), rejects)
    load_keras()
    from tagger.report import write_report
    from tagger.training import cross_validate_files, evaluate_files, tagger_config

    with collected(rejects, *labelled, *(unlabelled or ())) as rejected:
        layout = read_layout(delimiter, tag_separator)
        files: dict[str, Any] = {"rejects": rejected, "columns": columns}
        files |= {"encoding": encoding, "layout": layout}
        if model:
            _tell("Use jobs that the model was not trained on: it looks better on those it was.")
            evaluation = evaluate_files(labelled, model, unlabelled=unlabelled or (), **files)
        else:
            evaluation = cross_validate_files(
                labelled,
                unlabelled=unlabelled or (),
                tags=infos,
                n_folds=folds,
                config=tagger_config(wide=not plain_chain),
                seed=seed,
                show_progress=True,
                **files,
            )
        if report:
            write_report(report, evaluation)
        if as_json:
            return display.print_json(evaluation.to_json())
        display.print_evaluation(evaluation)
        if report:
            typer.echo(f"\nReport: {report}")


@app.command()
def info(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model folder.")],
    as_json: options.AsJson = False,
) -> None:
    """Show what a model knows, after checking that it is whole."""
    from tagger.model import TagModel
    from tagger.tagging import describe, tag_table

    loaded = TagModel.load(model)
    facts, tags = describe(loaded, model), tag_table(loaded)
    if as_json:
        return display.print_json({**facts, "tags": tags, "config": loaded.meta["config"]})
    display.print_model(facts, tags)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Gets the model, the tags and the report.")
    ] = Path("jobtool-demo"),
    seed: options.Seed = 0,
) -> None:
    """Train on the packaged sample, tag new postings and write a report, in one to two minutes."""
    load_keras()
    from tagger.demo import run_demo

    typer.echo("Training on a packaged sample of made-up postings; this takes one to two minutes.")
    display.print_demo(run_demo(folder, seed=seed, show_progress=True))


# ---- what the commands share


def _check_plain_chain(plain_chain: bool, tags: Path | None) -> None:
    if plain_chain and tags:
        raise typer.BadParameter(
            "--plain-chain tags from the code alone and takes nothing from the file of --tags: "
            "leave out one of the two"
        )


@contextmanager
def collected(path: Path | None, *inputs: Path) -> "Iterator[Rejects]":
    """Collect rejected rows; at the end tell of them and leave with their exit code."""
    from tagger.jobs import Rejects

    if path:
        _forget(path, inputs)
    with Rejects(path) as rejects:
        try:
            yield rejects
        finally:
            _tell_of(rejects.count, "rejected row", rejects.first)
            _tell_of(rejects.n_unknown, "value that can't be read", rejects.first_unknown)
            if path and (rejects.count or rejects.n_unknown):
                _tell(f"All of them: {path}")
    if rejects.count:
        raise typer.Exit(REJECTED)


def _tell_of(n: int, what: str, first: "Sequence[Reject]") -> None:
    if n:
        noun, _, more_of_it = what.partition(" that ")
        more_of_it = more_of_it and f" that {more_of_it}"
        _tell(f"{display.n_of(n, noun)}{more_of_it}:", *(f"  {one}" for one in first))
    if n > len(first):
        _tell(f"  and {n - len(first):,} more")


def _rejects_beside(written: Path) -> Path:
    if not written.name:  # an empty option; Typer notices folders that are there
        raise typer.BadParameter("a file without a name is a directory: name a file")
    return written.with_name(f"{written.name}.rejects.jsonl")


def _forget(path: Path, inputs: Iterable[Path]) -> None:
    """Remove the rejects of an earlier run: they would pass as those of this one."""
    from tagger.tagging import check_apart

    check_apart(path, *inputs)
    if not path.parent.is_dir():  # now, not when the first row is rejected
        raise DataError(f"there is no folder {path.parent} for the rejected rows: make it")
    if path.is_file():
        path.unlink()


def load_keras() -> None:
    """Import Keras without what TensorFlow's C++ part writes to standard error meanwhile."""
    from tagger.quiet import quietly

    with quietly():
        import keras  # noqa: F401


def _read_posting(source: Path | None, title: str, encoding: str) -> "Job":
    from tagger.tagging import read_posting

    if source is None and sys.stdin.isatty():
        raise typer.BadParameter("name a file, or pipe a posting into standard input")
    if source is None or str(source) == "-":
        name = "standard input"
        return read_posting(sys.stdin.buffer, name=name, title=title, encoding=encoding)
    if not source.exists():
        raise DataError(f"no file {source}; to tag words, pipe them: echo '...' | jobtool tag")
    with source.open("rb") as stream:
        return read_posting(stream, name=str(source), title=title, encoding=encoding)


def _tell(*lines: str) -> None:
    for line in lines:
        typer.echo(line, err=True)
