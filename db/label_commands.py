"""Commands that ask people: labelling at the terminal, and labels that are probably wrong.

What they need of the tagger is handed over by `cli`, as the context's object.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from db.commands import AsJson, Database, Store, default_store, n_of, opened, print_json
from db.errors import StoreError
from db.word_commands import WordOptions, label_words

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from db.cards import Explain
    from db.snapshot import LabelledJob
    from db.suspects import FloatArray, Suspect

app = typer.Typer(rich_markup_mode=None)


class Reader(Protocol):
    """What labelling needs of the tagger."""

    def clean(self, text: str) -> str:
        """Plain text of a posting."""

    def explainer(self, folder: Path) -> "Explain":
        """What says which words raised a tag, by the model in a folder."""

    def cross_fit(
        self,
        jobs: "Iterable[LabelledJob]",
        tags: Sequence[str],
        *,
        model: Path | None,
        seed: int,
    ) -> "FloatArray":
        """Probabilities, shape (jobs, tags), by classifiers that have not seen the labels.

        With `model`, the codes are those of the model in that folder.
        """


@app.command()
def label(
    context: typer.Context,
    db: Database = None,
    store: Store = None,
    labeller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who you are; your login name unless told.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Ask only about this tag; may be repeated."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only postings from this source (see jobtool drift)."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Only postings posted, or else imported, since then."),
    ] = None,
    second: Annotated[
        bool, typer.Option("--second", help="Postings that another person has labelled.")
    ] = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Labels on which people disagree.")
    ] = False,
    suspects: Annotated[
        bool, typer.Option("--suspects", help="Labels that are probably wrong.")
    ] = False,
    referee: Annotated[
        bool, typer.Option("--referee", help="Your answers settle what others disagree on.")
    ] = False,
    blind: Annotated[bool, typer.Option("--blind", help="Hide what the model suggests.")] = False,
    words: Annotated[
        bool, typer.Option("--words", help="Judge words, not postings: those that tell most.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            show_default="all postings; 50 words",
            help="Ask about at most N postings, or with --words N words.",
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="With --words: print the words, and don't ask.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --words: print them as JSON, and don't ask.")
    ] = False,
) -> None:
    """Label postings at the terminal, by keyboard: the most useful ones first.

    The live model's suggestion stands beside each tag, with the words that raised it; enter
    accepts what is shown. Each posting is stored as it is accepted. One in five is drawn at
    random and shown without suggestions, so that scores are fair. With --disputed, answers of
    somebody who had no part in the dispute settle it.

    With --words you judge words instead: one key says that a word speaks for its tag or against
    it, or rejects it. To judge a word is far quicker than to label a posting, and it works before
    there is any label. The words count from the next `jobtool retrain`.
    """
    from getpass import getuser

    from db.keyboard import check_terminal

    if not words and (listed or as_json):
        raise typer.BadParameter("--list and --json need --words")
    if words:
        if source or since or second or disputed or suspects or referee or blind:
            raise typer.BadParameter(
                "with --words leave out --source, --since, --second, --disputed, --suspects, "
                "--referee and --blind"
            )
        if not (listed or as_json):
            check_terminal()
        options = WordOptions(
            labeller=labeller or getuser(),
            tags=tag,
            limit=limit or 50,
            is_listed=listed,
            as_json=as_json,
        )
        with opened(db) as engine:
            return label_words(engine, context.obj, options)
    if (source or since) and (second or disputed or suspects):
        raise typer.BadParameter("--source and --since go with new postings alone")
    if second + disputed + suspects > 1:
        raise typer.BadParameter("use one of --second, --disputed and --suspects at a time")
    check_terminal()
    from db.advice import labelling_advice
    from db.cards import Mode
    from db.engine import reading
    from db.label_screen import run_session
    from db.label_session import open_session

    mode = Mode.SECOND if second else Mode.DISPUTED if disputed else Mode.NEW
    reader: Reader = context.obj
    with opened(db) as engine:
        folder = _live_folder(engine, db, store)
        found = _suspects(engine, reader, folder) if suspects else []
        labelling = open_session(
            engine,
            labeller=labeller or getuser(),
            mode=Mode.SUSPECTS if suspects else mode,
            tags=tag,
            is_referee=referee,
            is_blind=blind,
            explain=reader.explainer(folder) if folder and not blind else None,
            cells=[(one.job_id, one.tag_id) for one in found],
            source=source,
            since=_read_since(since),
            limit=limit,
        )
        if labelling.card is None:
            return typer.echo("There is nothing to label")
        try:
            run_session(labelling, clean=reader.clean)
        finally:  # also after Ctrl-C
            typer.echo(labelling.summary())
        with reading(engine) as session:
            advice = labelling_advice(session)
        if advice:
            typer.echo(advice)


def _read_since(date: str | None) -> "datetime | None":
    from tagger.columns import CellError
    from tagger.times import read_time

    try:
        return None if date is None else read_time(date)
    except CellError as error:
        raise typer.BadParameter(f"--since: {error}") from None


@app.command("suspects")
def suspects_(
    context: typer.Context,
    db: Database = None,
    store: Store = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List labels that are probably wrong, the most suspicious first.

    Each label is judged by classifiers that have not seen it: trained on four fifths of the
    labelled postings and asked about the rest, five times over (cross-fitting), which takes a
    minute or so for thousands of postings. `jobtool label --suspects` goes through them.
    """
    with opened(db) as engine:
        found = _suspects(engine, context.obj, _live_folder(engine, db, store), seed=seed)
    if as_json:
        return print_json({"found": len(found), "suspects": [_told(one) for one in found[:limit]]})
    for one in found[:limit]:
        who = ", ".join(one.labellers)
        typer.echo(f"{one.job}  {one.tag}: {one.answer} ({who}), probability {one.probability:.3f}")
    shown = f", the first {limit:,} are listed" if len(found) > limit else ""
    many = n_of(len(found), "label")
    typer.echo(f"{many} may be wrong{shown}" if found else "No label looks wrong")


def _told(one: "Suspect") -> dict[str, Any]:
    return {
        "job": one.job,
        "tag": one.tag,
        "answer": one.answer,
        "labellers": one.labellers,
        "probability": one.probability,
    }


def _live_folder(engine: "Engine", url: str | None, store: Path | None) -> Path | None:
    """Folder of the live model; None, and a word on standard error, where it can't be used."""
    from db.engine import reading
    from db.registry import CHAMPION, aliased

    with reading(engine) as session:
        champion = aliased(session, CHAMPION)
        folder = champion.folder if champion else None
    if folder is None:
        typer.echo(
            "no model is used: there is no live one yet (jobtool retrain makes one)", err=True
        )
        return None
    try:
        found = (store or Path(default_store(url or ""))) / folder
    except StoreError as error:
        typer.echo(f"the live model is not used: {error}", err=True)
        return None
    if not found.is_dir():
        typer.echo(f"the live model is not used: no folder {found}", err=True)
        return None
    return found


def _suspects(
    engine: "Engine", reader: Reader, folder: Path | None, *, seed: int = 0
) -> "list[Suspect]":
    from db.engine import reading
    from db.suspects import find_suspects, labelled_jobs

    with reading(engine) as session:
        jobs = labelled_jobs(session, seed=seed)
    if not jobs:
        return []
    tags = sorted({tag for job in jobs for tag in (*job.yes, *job.no)})
    many = f"{n_of(len(jobs), 'labelled posting')} and {n_of(len(tags), 'tag')}"
    typer.echo(f"Judging {many} by classifiers that have not seen the labels", err=True)
    proba = reader.cross_fit(jobs, tags, model=folder, seed=seed)
    with reading(engine) as session:
        return find_suspects(session, [job.id for job in jobs], tags, proba)
