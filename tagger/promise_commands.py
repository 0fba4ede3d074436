"""`jobtool promise`, and what `jobtool tag --wrong-at-most` needs of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger import display
from tagger.grid import print_grid
from tagger.options import AsJson, ModelDir

if TYPE_CHECKING:
    from tagger.model import FloatArray, TagModel
    from tagger.promises import Promises

app = typer.Typer(rich_markup_mode=None)

Confidence = Annotated[
    float,
    typer.Option(metavar="SHARE", help="How sure to be, for each tag, that no more are wrong."),
]
PerhapsSure = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        metavar="SHARE",
        show_default="0.9",
        help="With --wrong-at-most: how sure to be, for each tag, that no more are wrong.",
    ),
]
PerhapsWrong = Annotated[
    float | None,
    typer.Option(
        "--wrong-at-most",
        metavar="SHARE",
        help="Give a tag only where at most this share is wrong (0.05: 1 in 20), as judged on "
        "labelled postings; all else goes to review. jobtool promise shows which tags.",
    ),
]
WrongAtMost = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="How many of the postings given a tag may lack it: 0.05 is 1 in 20."
    ),
]


@app.command()
def promise(
    model: ModelDir = Path("model"),
    wrong_at_most: WrongAtMost = 0.05,
    confidence: Confidence = 0.9,
    as_json: AsJson = False,
) -> None:
    """Show which tags a model may give without a person, and what the others lack.

    Each tag is judged on the labelled postings, by models that had not learned them; reposts count
    once. The promise is about each tag by itself: of the postings given the tag, at most
    --wrong-at-most lack it, with at least --confidence. jobtool tag --wrong-at-most tags so.
    """
    show_promises(model, wrong_at_most, confidence, as_json=as_json)


def show_promises(model: Path, wrong_at_most: float, confidence: float, *, as_json: bool) -> None:
    """Print what a saved model can promise."""
    from tagger.model import TagModel

    loaded = TagModel.load(model)
    found = loaded.promises(wrong_at_most=wrong_at_most, confidence=confidence)
    if as_json:
        return display.print_json(found.to_json())
    print_promises(found)


def thresholds(
    model: "TagModel", folder: Path, wrong_at_most: float | None, confidence: float
) -> "FloatArray | None":
    """Promised thresholds, shape (T,), after saying for how many tags; None if not asked for."""
    if wrong_at_most is None:
        return None
    found = model.promises(wrong_at_most=wrong_at_most, confidence=confidence)
    typer.echo(f"{found.told()} (jobtool promise --model {folder})", err=True)
    return found.thresholds()


def print_promises(found: "Promises") -> None:
    """What it takes, a row for each tag, and how to read it."""
    from tagger.promises import least_judged

    one_wrong = least_judged(found.wrong_at_most, found.confidence, n_wrong=1)
    typer.echo(
        f"At most {_percent(found.wrong_at_most)} wrong, for each tag with "
        f"{_percent(found.confidence)} confidence.\n"
        f"A tag takes at least {found.least_judged:,} judged postings that the model gives it to, "
        f"all of them right,\nor {one_wrong:,} with one wrong.\n"
    )
    rows = [
        (
            tag.tag,
            display.NOTHING if tag.threshold is None else f"{tag.threshold:.3f}",
            f"{tag.share:.1%}",
            *(f"{n:,}" for n in (tag.n_judged, tag.n_given, tag.n_wrong)),
            f"{tag.missing:,}" if tag.missing else "",
            tag.reason,
        )
        for tag in found.tags
    ]
    names = ("tag", "given from", "of jobs", "judged", "given", "wrong", "missing", "why not")
    print_grid(names, rows, right=range(1, 7))
    n_tags = len(found.tags)
    together = 1 - (1 - found.confidence) / max(n_tags, 1)
    typer.echo(
        "\nmissing: how many more judged postings that the model gives the tag to it takes at "
        "least.\n"
        f"To be as sure of all {display.n_of(n_tags, 'tag')} together: --confidence {together:.4g}"
    )


def _percent(share: float) -> str:
    """A share in percent.

    Examples
    --------
    >>> _percent(0.05), _percent(0.995)
    ('5%', '99.5%')
    """
    return f"{100 * share:.3g}%"
