"""`jobtool models`: the registry on the command line."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.commands import AsJson, Database, Store, default_store, n_of, opened, print_json, told_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.schema import Model

app = typer.Typer(
    name="models",
    help="Trained models: which is live, how they differ, promote, roll back, prune.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Its number, folder, `champion`, `challenger` or `anchor`."
    ),
]


@app.command("list")
def list_models(db: Database = None, as_json: AsJson = False) -> None:
    """List all models, oldest first.

    Their scores are of the jobs that each learned from, by cross-fitting: `show` has the gate's.
    The anchor is the best champion so far. Where a model was compared with the anchor of its time,
    the difference of their mean average precision on the same jobs stands at the end.
    """
    from db.engine import reading
    from db.model_notes import NO_LABELS
    from db.registry import all_models

    with opened(db) as engine, reading(engine) as session:
        rows = [_facts(session, model) for model in all_models(session)]
    if as_json:
        return print_json(rows)
    if not rows:
        typer.echo("no models yet: jobtool retrain")
    for row in rows:
        score = row["metrics"].get("mean_average_precision")
        learned = (
            NO_LABELS
            if row["without_labels"]
            else f"labelled {row['metrics'].get('n_labelled', '?'):>6}  "
            f"cross-fitted mean AP {'?' if score is None else format(score, '.3f')}"
        )
        typer.echo(
            f"{row['id']:>5}  {row['folder']:<14} {told_time(row['created'])}  "
            f"{learned}  {row['state']}{_told_against(row['against_anchor'])}"
        )


@app.command()
def show(model: Name, db: Database = None, as_json: AsJson = False) -> None:
    """Show where a model comes from, its scores, and what the gate said of it."""
    from db.batches import held_of_run
    from db.engine import reading
    from db.model_notes import tag_notes, tag_remarks
    from db.registry import find_model, model_tags, verdict_on
    from db.schema import Model
    from db.verdicts import verdict_page

    with opened(db) as engine, reading(engine) as session:
        found = find_model(session, model)
        verdict = verdict_on(session, found)
        facts = {**_facts(session, found), "tags": model_tags(session, found)}
        remarks = tag_remarks(session, found)
        champion = None
        if verdict and verdict.champion_id:
            champion = session.get(Model, verdict.champion_id)
        notes = tag_notes(session, found)
        held = held_of_run(session, verdict.run_id) if verdict else []
        page = verdict_page(verdict, found, champion, notes, held) if verdict else ""
        details = verdict and {"reason": verdict.reason, **verdict.details}
    if as_json:
        return print_json({**facts, "remarks": remarks, "verdict": details})
    if facts.pop("without_labels"):
        typer.echo(
            "This model has learned no labels yet: it knows tags by name alone, and its scores are "
            "not calibrated."
        )
    for name, value in facts.items():
        if not isinstance(value, dict):
            told = told_time(value) if isinstance(value, datetime) else value
            typer.echo(f"{name:<13} {'-' if told in (None, '') else told}")
    for name, values in ((key, one) for key, one in facts.items() if isinstance(one, dict)):
        typer.echo(f"{name}:")
        unknown = "not learned" if name == "tags" else "-"
        for key, value in values.items():
            remark = f"  ({remarks[key]})" if name == "tags" and key in remarks else ""
            typer.echo(f"  {key}: {unknown if value is None else _told(value)}{remark}")
    if page:
        typer.echo(f"\n{page}", nl=False)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A model.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")] = "champion",
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models: tags, thresholds, scores, and how often they tag stored jobs alike."""
    from db.engine import reading
    from db.registry import difference, find_model

    with opened(db) as engine, reading(engine) as session:
        one, other = find_model(session, a), find_model(session, b)
        if one.id == other.id:
            raise typer.BadParameter(f"{a} and {b} are the same model; name another one")
        found = difference(session, one, other)
    if as_json:
        return print_json(found)
    for name, value in found["metrics"].items():
        typer.echo(f"{name:<26} {'  '.join(map(_told, value))}")
    for kind in ("only_a", "only_b"):
        if found[kind]:
            typer.echo(f"tags only in {found[kind[-1]]}: {', '.join(found[kind])}")
    hint = "" if found["n_jobs"] else " (jobtool tag --db tags with the live one)"
    typer.echo(f"jobs tagged by both: {found['n_jobs']:,}{hint}")
    for row in found["tags"]:
        typer.echo(
            f"  {row['tag']:<30} given by both {row['both']:,}, only by {found['a']} "
            f"{row['only_a']:,}, only by {found['b']} {row['only_b']:,}"
        )


@app.command()
def promise(
    context: typer.Context,
    model: Name = "champion",
    wrong_at_most: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="How many of the postings given a tag may lack it: 0.05 is 1 in 20.",
        ),
    ] = 0.05,
    confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="How sure to be of that, for each tag.")
    ] = 0.9,
    db: Database = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Show which tags a model may give without a person, and what the others lack.

    The promise is about each tag by itself: of the postings given the tag, at most --wrong-at-most
    lack it, with at least --confidence. jobtool tag --db --wrong-at-most puts it to use.
    """
    from db.engine import reading
    from db.live import check_folder
    from db.registry import find_model

    with opened(db) as engine, reading(engine) as session:
        found = find_model(session, model)
        folder = (store or Path(default_store(db or ""))) / found.folder
        check_folder(found, folder)
    context.obj.show_promises(
        folder, wrong_at_most=wrong_at_most, confidence=confidence, as_json=as_json
    )


@app.command()
def add(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="A model that jobtool train has saved.",
        ),
    ],
    promote: Annotated[
        bool, typer.Option("--promote", help="Put it live, whatever the gate says.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
    db: Database = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Add a model that was trained from files; it goes live if the gate finds it better.

    It is copied into the store. Labelled jobs judge it: it is asked about those that it has not
    learned from, and about the others it answers as it did before it had seen their labels.
    """
    from db.adding_models import add_model

    with opened(db, create=True) as engine:
        added = add_model(
            engine,
            folder,
            store or Path(default_store(db or "")),
            context.obj.trainer(seed),
            name=folder.resolve().name,
            unasked=promote,
        )
    if as_json:
        return print_json(asdict(added))
    outcome = "is live" if added.promoted else "does not go live"
    typer.echo(f"model {added.model_id} ({added.folder}) {outcome}: {added.verdict}")
    if not added.promoted:
        typer.echo(f"To put it live all the same: jobtool models promote {added.model_id}")


@app.command()
def promote(
    model: Name,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "by hand",
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make a model the champion, whatever the gate said; workers take it up after their batch."""
    from db import registry
    from db.engine import writing

    with opened(db) as engine, writing(engine) as session:
        found = registry.find_model(session, model)
        promotion = registry.promote(session, found, reason=reason)
        model_id, previous = found.id, promotion.previous_id if promotion else found.id
    _tell_live(model_id, previous, as_json)


@app.command()
def rollback(db: Database = None, as_json: AsJson = False) -> None:
    """Put back the model that was live before the champion."""
    from db import registry
    from db.engine import writing

    with opened(db) as engine, writing(engine) as session:
        champion = registry.aliased(session, registry.CHAMPION)
        previous = champion.id if champion else None
        model_id = registry.rollback(session).id
    _tell_live(model_id, previous, as_json)


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help="Newest models to keep in any case.")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    db: Database = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Remove the folders of old models; their rows and predictions stay.

    The champion, the challenger, the anchor and the model that a rollback would put back are never
    removed.
    """
    from db import registry
    from db.engine import writing

    with opened(db) as engine:
        folder = store or Path(default_store(db or ""))
        with writing(engine) as session:
            find = registry.prunable if dry_run else registry.prune
            gone = [model.folder for model in find(session, keep=keep)]
        if not dry_run:
            registry.remove_folders(folder, gone)
    if as_json:
        return print_json({"store": str(folder), "pruned": gone, "dry_run": dry_run})
    word = "would be removed" if dry_run else "removed"
    typer.echo(
        f"{n_of(len(gone), 'model folder')} {word} from {folder}"
        + "".join(f"\n  {g}" for g in gone)
    )


def _told(value: Any) -> str:
    """A score, or several by name.

    Examples
    --------
    >>> _told(None), _told(0.5), _told({"row": 0.4, "code": 0.5})
    ('-', '0.5', 'row 0.4, code 0.5')
    """
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return "-" if value is None else str(value)


def _told_against(found: dict[str, Any] | None) -> str:
    """A difference to the anchor at the end of a line.

    Examples
    --------
    >>> _told_against({"model": 3, "mean_average_precision": -0.0104})
    '  -0.010 against model 3'
    >>> _told_against(None)
    ''
    """
    if found is None:
        return ""
    return f"  {found['mean_average_precision']:+.3f} against model {found['model']}"


def _tell_live(model_id: int, previous: int | None, as_json: bool) -> None:
    if as_json:
        return print_json({"champion": model_id, "previous": previous})
    typer.echo(
        f"model {model_id} is live already"
        if previous == model_id
        else f"model {model_id} is live" + (f", instead of model {previous}" if previous else "")
    )


def _facts(session: "Session", model: "Model") -> dict[str, Any]:
    from db.model_notes import has_no_labels
    from db.registry import against_anchor, aliases_of

    state = "pruned" if model.pruned_at else ", ".join(aliases_of(session, model))
    return {
        "id": model.id,
        "folder": model.folder,
        "state": state,
        "against_anchor": against_anchor(session, model),
        "without_labels": has_no_labels(model),
        "created": model.created_at,
        "parent": model.parent_id,
        "code_version": model.code_version_id,
        "snapshot": model.snapshot,
        "seed": model.seed,
        "versions": model.versions,
        "metrics": model.metrics,
    }
