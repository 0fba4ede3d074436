"""Tables for people: numbers whole, names shortened in the middle where a terminal is narrow."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

import typer

from tagger.harmless import shown

LEAST = 12
"""Characters that a name or a text keeps on the narrowest terminal."""


def line_width() -> int | None:
    """Characters of a line of the terminal; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def shorten(text: str, most: int) -> str:
    """A text of so many characters at most; what tells long names apart is often at their end.

    Examples
    --------
    >>> shorten("Registered nurse, night shift", 16)
    'Register…t shift'
    """
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def print_grid(
    names: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> None:
    """Print a table as wide as the terminal; `right` are the columns of numbers."""
    typer.echo(grid(names, rows, right=right, width=line_width()), nl=False)


def grid(
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[int] = (),
    width: int | None = None,
) -> str:
    """A table, its lines no longer than `width` unless the numbers need more.

    Parameters
    ----------
    right
        The columns of numbers. The first column holds names, the others texts, which are wrapped.
    width
        None: as long as the texts need.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    right = set(right)
    cells = [[shown(str(cell)) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    gaps = len(names) + len(names) - 1
    if width is None:
        width = sum(widths) + gaps
    else:
        least = [size if place in right else min(size, LEAST) for place, size in enumerate(widths)]
        width = max(width, sum(least) + gaps)
        if 0 not in right:
            first = least[0] + width - sum(least) - gaps
            cells = [[shorten(row[0], first), *row[1:]] for row in cells]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for place, name in enumerate(names):
        side: Literal["left", "right"] = "right" if place in right else "left"
        table.add_column(name, justify=side, no_wrap=place == 0 or place in right)
    for row in cells:
        table.add_row(*row)
    # Tags and postings are not ours: nothing in them may act as markup.
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
