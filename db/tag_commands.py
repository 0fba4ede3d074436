"""`jobtool tags`: the team's list of tags, and what the team says they mean.

What reads and writes tags files is handed over by `cli`, as `files` of the context's object.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from db.commands import AsJson, Database, n_of, opened, print_json, told_time
from db.feed_commands import map_values
from db.file_options import Columns, Encoding

if TYPE_CHECKING:
    from db.tag_info import FactLine, WordLine
    from db.tags import TagLine
    from tagger.tag_info import TagInfo

N_SHOWN = 20

app = typer.Typer(
    help="The team's list of tags: show it, change it, say what the tags mean.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("map")(map_values)

TagName = Annotated[str, typer.Argument(metavar="TAG", help="A tag, or another name of one.")]


class TagFiles(Protocol):
    """What reads and writes tags files."""

    def columns(self, pairs: Sequence[str] | None) -> Mapping[str, str] | None:
        """Our column names to theirs, from ``--column`` options."""

    def read_tags(
        self, path: Path, columns: Mapping[str, str] | None, encoding: str
    ) -> "tuple[TagInfo, ...]":
        """What a file says of tags."""

    def write_tags(self, path: Path, infos: "Iterable[TagInfo]") -> None:
        """Write a file of the kind that its name says."""

    def tags_as_csv(self, infos: "Iterable[TagInfo]") -> str:
        """What such a file would hold."""


# ---- the list


@app.command("list")
def list_(db: Database = None, as_json: AsJson = False) -> None:
    """Show the tags in their order: other names, how often each was said, what is known of it."""
    from db.engine import reading
    from db.tags import list_tags
    from tagger.grid import print_grid

    with opened(db) as engine, reading(engine) as session:
        lines = list_tags(session)
    if as_json:
        return print_json({"tags": [line._asdict() for line in lines]})
    rows = []
    for line in lines:
        notes = _notes(line)
        notes += [f"retired {told_time(line.retired_at)}"] if line.retired_at else []
        counts = (f"{n:,}" for n in (line.n_yes, line.n_no, line.n_unknown))
        rows.append((line.name, *counts, "; ".join(notes)))
    print_grid(("tag", "yes", "no", "unknown", "notes"), rows, right=(1, 2, 3))


@app.command()
def add(
    names: Annotated[list[str], typer.Argument(metavar="TAG...", help="New tags.")],
    db: Database = None,
) -> None:
    """Put new tags at the end of the list."""
    from db.engine import writing
    from db.tags import add_tags

    with opened(db) as engine, writing(engine) as session:
        add_tags(session, names)
    typer.echo(f"Added: {', '.join(names)}")


@app.command()
def rename(
    tag: TagName,
    new: Annotated[str, typer.Argument(metavar="NAME", help="What to call it from now on.")],
    db: Database = None,
) -> None:
    """Rename a tag; the old name still works in files and models."""
    from db.engine import writing
    from db.tags import rename_tag

    with opened(db) as engine, writing(engine) as session:
        rename_tag(session, tag, new)
    typer.echo(f"{tag} is now {new}; {tag} still works")


@app.command()
def alias(
    tag: TagName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Another name for it.")],
    db: Database = None,
) -> None:
    """Give a tag another name that works in files."""
    from db.engine import writing
    from db.tags import alias_tag

    with opened(db) as engine, writing(engine) as session:
        alias_tag(session, tag, name)
    typer.echo(f"{name} now means {tag}")


@app.command()
def merge(
    tag: TagName,
    others: Annotated[
        list[str], typer.Argument(metavar="OTHER...", help="Tags that mean the same.")
    ],
    db: Database = None,
    labeller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who you are; your login name unless told.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Merge tags that mean the same: what was said of the others is said of TAG, too.

    The others are retired; their history stays, and their names mean TAG from now on.
    """
    from getpass import getuser

    from db.engine import writing
    from db.merging_tags import merge_tags

    with opened(db) as engine, writing(engine) as session:
        done = merge_tags(session, tag, others, labeller or getuser())
    if as_json:
        return print_json(done._asdict())
    typer.echo(
        f"{', '.join(done.others)} now {'means' if len(done.others) == 1 else 'mean'} {done.tag}; "
        f"{n_of(done.n_labels, 'label')} added"
    )


@app.command()
def retire(
    tag: TagName,
    restore: Annotated[bool, typer.Option("--restore", help="Put it back into use.")] = False,
    db: Database = None,
) -> None:
    """Take a tag out of use: nobody is asked about it, no model learns it; its labels stay."""
    from db.engine import writing
    from db.tags import retire_tag

    with opened(db) as engine, writing(engine) as session:
        retire_tag(session, tag, restore=restore)
    typer.echo(f"{tag} is {'in use again' if restore else 'retired'}")


# ---- what tags mean


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help=".csv, .tsv, .json, .jsonl, .yaml or .parquet.")
    ],
    db: Database = None,
    column: Columns = None,
    encoding: Encoding = "utf-8",
    labeller: Annotated[
        str, typer.Option(metavar="NAME", help="Who says so, for the history of each tag.")
    ] = "import",
    as_json: AsJson = False,
) -> None:
    """Store what a file says your tags mean.

    One tag a row: tag, and if you have them description, aliases, words and share. Aliases and
    words are lists, or separated by semicolons or line breaks; a word with a minus in front speaks
    against the tag. Tags that are missing are added. What the file leaves out stays; importing it
    again changes nothing.
    """
    from db.engine import writing
    from db.importing_tags import store_tag_infos

    files: TagFiles = context.obj.files
    infos = files.read_tags(source, files.columns(column), encoding)
    with opened(db, create=True) as engine, writing(engine) as session:
        done = store_tag_infos(session, infos, labeller)
    if as_json:
        return print_json({"tags": len(infos), **asdict(done)})
    typer.echo(
        f"{n_of(len(infos), 'tag')}: {len(done.new):,} new, {len(done.changed):,} changed, "
        f"{done.unchanged:,} unchanged"
    )
    for what, names in (("New", done.new), ("Changed", done.changed)):
        if names:
            more = f" and {len(names) - N_SHOWN:,} more" if len(names) > N_SHOWN else ""
            typer.echo(f"{what}: {', '.join(names[:N_SHOWN])}{more}")


@app.command()
def export(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help=".csv, .json or .yaml; without it CSV on standard output."
        ),
    ] = None,
    db: Database = None,
) -> None:
    """Write what is known of the tags in use into a file that `jobtool tags import` reads."""
    from db.engine import reading
    from db.tag_info import tag_infos
    from tagger.errors import DataError
    from tagger.tag_info import check_distinct, without_mistakable_aliases

    files: TagFiles = context.obj.files
    with opened(db) as engine, reading(engine) as session:
        infos = without_mistakable_aliases(tag_infos(session))
    try:
        check_distinct(infos)
    except DataError as error:  # labels may have made such tags
        typer.echo(f"jobtool tags import will refuse this file: {error}", err=True)
    if output is None:
        return typer.echo(files.tags_as_csv(infos), nl=False)
    files.write_tags(output, infos)
    typer.echo(f"Exported {n_of(len(infos), 'tag')}: {output}")


@app.command("set")
def set_(
    tag: TagName,
    db: Database = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the tag means; '' removes it.")
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Expected share of postings that carry it: 5%, 0.05; '' removes."
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option("--word", metavar="WORD", help="Speaks for the tag; may be repeated."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="WORD", help="Speaks against it; may be repeated."),
    ] = None,
    aliases: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME", help="Another name of it; may be repeated."),
    ] = None,
    removed: Annotated[
        list[str] | None,
        typer.Option("--remove-word", metavar="WORD", help="No longer counts; may be repeated."),
    ] = None,
    labeller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who you are; your login name unless told.")
    ] = None,
) -> None:
    """Say what a tag means: describe it, name words that speak for it or against it."""
    if description is None and share is None and not (words or against or aliases or removed):
        raise typer.BadParameter(
            "say what to set: --description, --share, --word, --against, --alias or --remove-word"
        )
    from getpass import getuser

    from db.columns import WordVerdict
    from db.engine import writing
    from db.tag_info import say_fact, say_word, tag_info
    from db.tags import alias_tag
    from tagger.tag_info import read_share

    who = labeller or getuser()
    with opened(db) as engine, writing(engine) as session:
        before = tag_info(session, tag)
        for verdict, said in (
            (None, removed),
            (WordVerdict.FOR, words),
            (WordVerdict.AGAINST, against),
        ):
            for word in said or ():
                say_word(session, tag, word, verdict, who)
        if description is not None or share is not None:
            say_fact(
                session,
                tag,
                before.description if description is None else description,
                before.share if share is None else read_share(share),
                who,
            )
        for name in aliases or ():
            alias_tag(session, tag, name)
        after = tag_info(session, tag)
    told = "; ".join(_notes(after)) or "nothing is known of it"
    typer.echo(f"{after.name}: {told}" + (" (as before)" if after == before else ""))


@app.command()
def history(tag: TagName, db: Database = None, as_json: AsJson = False) -> None:
    """Show who said what of a tag's description, share and words, and when."""
    from db.engine import reading
    from db.tag_info import fact_history, word_history

    with opened(db) as engine, reading(engine) as session:
        facts, words = fact_history(session, tag), word_history(session, tag)
    if as_json:
        return print_json(
            {
                "tag": tag,
                "facts": [line._asdict() for line in facts],
                "words": [line._asdict() for line in words],
            }
        )
    lines = sorted([*_told_facts(facts), *_told_words(words)], key=itemgetter(0))
    for at, who, what in lines:
        typer.echo(f"{told_time(at)}  {who}  {what}")
    if not lines:
        typer.echo("Nobody has said what it means yet")


def _notes(known: "TagLine | TagInfo") -> list[str]:
    """What is known of a tag, in a few words each."""
    notes = [f"also {', '.join(known.aliases)}"] if known.aliases else []
    notes += ["described"] if known.description else []
    notes += [n_of(len(known.words), "word")] if known.words else []
    notes += [f"{len(known.against):,} against"] if known.against else []
    return notes + ([f"share {_percent(known.share)}"] if known.share else [])


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.3g}%"


def _told_facts(lines: "Sequence[FactLine]") -> Iterator[tuple[Any, str, str]]:
    description, share = "", None
    for line in lines:
        if line.description != description:
            yield line.at, line.said_by, f"description: {line.description or 'none'}"
        if line.share != share:
            yield line.at, line.said_by, f"share: {_percent(line.share)}"
        description, share = line.description, line.share


def _told_words(lines: "Sequence[WordLine]") -> Iterator[tuple[Any, str, str]]:
    for line in lines:
        after = line.after or "taken back"
        change = f"{line.before} -> {after}" if line.before else after
        note = "  (undone)" if line.is_undo else ""
        yield line.at, line.said_by, f"word {line.word}: {change}{note}"
