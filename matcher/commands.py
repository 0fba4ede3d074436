"""`jobtool match`: parse, call, print. What needs SQL or texts is the context's object, see `cli`.

What is slow to import is imported inside the commands, so that `--help` answers at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matcher import options
from matcher.options import Named, Source, opened, print_json, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from matcher.fitting import Saved
    from matcher.sources import Store

app = typer.Typer(
    name="match",
    help="Predict who applies to what: train, compare and use matching models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
DEFAULT = Path("match-model")


@app.command()
@options.with_data
def train(
    context: typer.Context,
    where: Named,
    name: options.Kind = None,
    model: options.NewModel = None,
    config: options.ConfigFile = None,
    work: options.Epochs = None,
    seed: options.Seed = 0,
    listed: options.Listed = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a matching model on all events and save it: in the database's store, or in a folder.

    In a database the newest model is the one that predicts. What is predicted is the first of
    apply, reply, save and view that the events hold.
    """
    from matcher.configs import make, read_config

    if listed:
        return options.print_kinds(name, as_json=as_json)
    if name is None:
        raise typer.BadParameter("name a KIND of model; --list shows all")
    if model and not where.events:
        raise typer.BadParameter("with a database the model goes into its store: no --model")
    made = make(name, read_config(config, name), seed=seed)
    with opened(context, where) as source:
        from matcher.fitting import fit_and_save

        where_to = source.store or model or DEFAULT
        done = fit_and_save(made, source.known, where_to, seed=seed, work=work)
        tell(*done["notes"][len(source.known.data.notes) :])
        if as_json:
            return print_json({**done, "rejected": source.n_rejected})
        typer.echo(
            f"Trained {name} to predict {done['target']} on {done['n_events']:,} events of "
            f"{done['n_candidates']:,} candidates with {done['n_jobs']:,} jobs "
            f"in {done['seconds']:.1f} s: {done['saved']}"
        )


@app.command()
@options.with_data
def evaluate(
    context: typer.Context,
    where: Named,
    names: Annotated[list[str], typer.Argument(metavar="KIND...", help="Kinds of models.")],
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="JSON, as jobtool match tune writes it, for the model it names; may be repeated.",
        ),
    ] = None,
    test_share: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Held out: the latest so many, where there are times."),
    ] = 0.2,
    min_events: Annotated[
        int, typer.Option(min=2, help="Without times: who has fewer isn't asked about.")
    ] = 3,
    cold_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Hold out so many of the wanted jobs, as if new.")
    ] = 0.0,
    max_questions: Annotated[
        int | None, typer.Option(min=1, help="Ask about so many candidates, drawn at random.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("-k", min=1, help="Lengths of lists; may be repeated.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", dir_okay=False, help="Write a report to look at."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep what is finished here, to go on after a stop."),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Compare models on one split: each is trained on what came before, asked about the rest.

    By time where all events have one, else one job of each candidate is held out. Put popularity
    and recent-popularity among them: what isn't ahead of them has learned nothing. By time, each
    question is asked live, with everything that happened before it, and frozen, with what was
    known when the training ended.
    """
    from matcher.configs import make, named_configs

    configs = named_configs(config or (), names)
    models = {name: make(name, configs.get(name), seed=seed) for name in dict.fromkeys(names)}
    with opened(context, where) as source:
        from matcher.display import as_text
        from matcher.evaluate import evaluate
        from matcher.report import write_report
        from matcher.splits import split

        data = source.known.data
        held = split(
            data,
            test_share=test_share,
            min_events=min_events,
            cold_share=cold_share,
            max_questions=max_questions,
            seed=seed,
        )
        ks = {"ks": tuple(sorted(set(k)))} if k else {}
        found = evaluate(models, data, held, seed=seed, show_progress=True, work=work, **ks)
        if as_json:
            print_json(found.to_json())
        else:
            typer.echo(as_text(found))
        if report:
            write_report(report, found)
            typer.echo(f"\nReport: {report}", err=as_json)


@app.command()
@options.with_data
def predict(
    context: typer.Context,
    where: Named,
    candidate: Annotated[
        list[str] | None,
        typer.Option("--candidate", metavar="ID", help="Jobs for them; may be repeated."),
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Jobs for every candidate.")] = False,
    job: Annotated[
        str | None, typer.Option("--job", metavar="ID", help="Candidates to invite for it.")
    ] = None,
    model: options.OneModel = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Places of a list.")] = 10,
    output: options.Output = None,
    save: Annotated[
        bool, typer.Option("--save", help="Store the list in the database, as --all does.")
    ] = False,
    resume: options.Resume = False,
    with_applied: Annotated[
        bool,
        typer.Option("--with-applied", help="Also jobs they have applied to or dismissed."),
    ] = False,
    max_age: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Only jobs that were posted since."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Rank jobs for candidates, or with --job candidates for a job.

    One list is printed, and stored with --save; those of --all go into the database, or into
    --output. Jobs that a candidate has applied to or dismissed are left out, of reposts all but the
    best.
    """
    n_asked = [bool(candidate), everyone, job is not None].count(True)
    if n_asked != 1:
        what = "say for whom" if not n_asked else "these exclude each other, give one of them"
        raise typer.BadParameter(f"{what}: --candidate ID, --all, or --job ID")
    if (save or resume) and (where.events or output):
        raise typer.BadParameter("--save and --resume are for lists that go into a database")
    if resume and not everyone:
        raise typer.BadParameter("--resume goes with --all")
    if where.events and everyone and not output:
        raise typer.BadParameter("with --all and files name the --output FILE")
    if explain and everyone and not output:
        raise typer.BadParameter("a database keeps no reasons: with --explain name the --output")
    with opened(context, where, before=_saved(model)) as source:
        from matcher.fitting import load_for
        from matcher.predict import Wanted
        from matcher.recommending import Lister, open_jobs

        found = load_for(source.known, source.found)
        jobs, notes = open_jobs(found.data, max_age) if job is None else (None, ())
        tell(*notes)
        wanted = Wanted(k=k, with_done=with_applied, jobs=jobs)
        lister = Lister(found, wanted, explains=explain)
        if everyone and not output:
            n_lists, n = lister.save_all(resume=resume)
            tell(*lister.notes())
            return _print_count(n, "places", n_lists, source.store, as_json)
        lists = lister.for_candidates(candidate) if job is None else lister.for_job(job)
        if output:
            n_lists, n = lister.write(output, lists)
            tell(*lister.notes())
            n_people = n_lists if job is None else n
            return _print_count(n, "places", n_people, output, as_json)
        found_lists = list(lists)
        tell(*lister.notes())
        if save:
            for owners, places in found_lists:
                lister.save("candidate" if job is None else "job", owners, places)
        rows = [row for _, places in found_lists for row in lister.rows(places)]
        titles = source.store.titles({row["job"] for row in rows}) if source.store else {}
        _print_places(rows, titles, as_json)


@app.command()
@options.with_data
def embed(
    context: typer.Context,
    where: Named,
    name: Annotated[
        str, typer.Option("--name", help="What to call the vectors: with the model, their version.")
    ] = "activity",
    model: options.OneModel = None,
    output: options.Output = None,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
) -> None:
    """Publish a vector of every candidate's activity, in the database or a file.

    Vectors of several versions, a name and a trained model each, stand side by side.
    """
    if resume and (where.events or output):
        raise typer.BadParameter("--resume is for vectors that go into a database")
    if where.events and not output:
        raise typer.BadParameter("with files name the --output FILE")
    with opened(context, where, before=_saved(model)) as source:
        from matcher.fitting import load_for
        from matcher.publishing import publish

        people, n = publish(load_for(source.known, source.found), name, output, resume=resume)
        where_to = output or source.store
        _print_count(n, f"vectors of version {name}", len(people), where_to, as_json)


@app.command()
@options.with_data
def tune(
    context: typer.Context,
    where: Named,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="A kind of model.")],
    trials: Annotated[
        int, typer.Option(min=1, metavar="N", help="Stop when the search has so many, in all.")
    ] = 50,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Begin no trial after so long."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="What is to be high: ndcg (the default), hit_rate or reciprocal_rank."),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Places of a list that count.")] = 10,
    splits: Annotated[
        int, typer.Option(min=1, metavar="N", help="Splits by which a trial is judged.")
    ] = 3,
    max_questions: Annotated[
        int, typer.Option(min=1, metavar="N", help="Candidates asked about in each.")
    ] = 2000,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the search; to begin another one.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            show_default="the database; with files match-tuning.db",
            help="Where the search is kept, for all who share it.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.json",
            dir_okay=False,
            help="The best configuration, for jobtool match train --config.",
        ),
    ] = None,
    config: options.ConfigFile = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Search for a good configuration; start it again, or several times at once, to search on.

    What `jobtool match evaluate` holds out with the same seed is not looked at. --config holds
    what is not to vary. The seed does not decide what is tried, or all would try the same.
    """
    from matcher.configs import read_config, write_config
    from matcher.tuning import SearchConfig, search, space_of

    space_of(kind)
    fixed = read_config(config, kind)
    settings = SearchConfig(
        n_trials=trials,
        timeout_s=timeout,
        metric=metric,
        k=k,
        n_splits=splits,
        max_questions=max_questions,
    )
    with opened(context, where) as source, _study_storage(context, source, study) as storage:
        done = search(
            kind,
            source.known.data,
            storage,
            settings,
            study_name=name,
            fixed=fixed,
            seed=seed,
            show_progress=True,
        )
        if as_json:
            print_json(done.to_json())
        else:
            typer.echo(str(done))
        if output:
            write_config(output, done.to_json())
            typer.echo(f"Configuration: {output}", err=as_json)


@app.command()
def prune(
    context: typer.Context,
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="So many of each kind, the newest, stay.")
    ] = 1,
    db: options.Database = None,
    store: options.StoreDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Remove older models from a database and its store, with their lists and vectors."""
    with options.store_of(context, Named(db=db, store=store)) as opened_store:
        gone, kept = opened_store.prune(keep)
    if as_json:
        return print_json({"removed": gone, "kept": kept})
    typer.echo(f"Removed: {', '.join(gone) or 'none'}")
    typer.echo(f"Kept: {', '.join(kept) or 'none'}")


# ---- what the commands share


def _saved(model: str | None) -> "Callable[[Store | None], Saved]":
    """Loads the model that a command names."""

    def load(store: "Store | None") -> "Saved":
        from matcher.fitting import load_saved

        return load_saved(store or Path(model or DEFAULT), model)

    return load


def _study_storage(
    context: typer.Context, source: Source, study: str | None
) -> "AbstractContextManager[Any]":
    host: options.Host = context.obj
    if source.store and not study:
        return source.store.study_storage()
    return host.study_storage(study or "match-tuning.db")


def _print_count(n: int, what: str, n_people: int, where: object, as_json: bool) -> None:
    if as_json:
        return print_json({"candidates": n_people, "rows": n, "output": str(where)})
    typer.echo(f"{n:,} {what} for {n_people:,} candidates: {where}")


def _print_places(rows: "list[dict[str, Any]]", titles: "Mapping[str, str]", as_json: bool) -> None:
    if as_json:
        return print_json(rows)
    if not rows:
        typer.echo("nothing is left to recommend")
    else:
        typer.echo(f"model {rows[0]['model']}, {rows[0]['computed_at']:%Y-%m-%d %H:%M} UTC")
        typer.echo("A score orders one list: higher is likelier; it is no probability by itself.")
    for row in rows:
        title = f"  {title}" if (title := titles.get(row["job"])) else ""
        typer.echo(
            f"{row['rank']:>3}  {row['score']:>9.4f}  {row['candidate']}  {row['job']}{title}"
        )
        for reason in row.get("reasons", ()):
            typer.echo(f"                - {reason}")
