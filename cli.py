"""The command line as a whole: the commands of the packages, errors and exit codes.

Exit codes: 0 done, 1 failed, 2 misused, 3 done but some rows were rejected, 130 stopped by Ctrl-C,
141 nobody reads the output any more.
"""

import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from db import commands as db_commands
from db.errors import StoreError
from tagger import commands
from tagger.errors import JobtoolError


class Commands(TyperGroup):
    """Says what a user can act on in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (JobtoolError, StoreError) as error:
            raise _left(1, f"error: {error}", error) from None
        except KeyboardInterrupt as error:
            raise _left(130, "stopped", error) from None
        except BrokenPipeError:  # who reads our output has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except OSError as error:
            where = error.filename or "input or output"
            raise _left(1, f"error: {where}: {error.strerror or error}", error) from None
        return result


def _left(code: int, message: str, error: BaseException) -> typer.Exit:
    """Say why we leave, with the notes that were added to the error on its way up."""
    for line in (message, *getattr(error, "__notes__", ())):
        typer.echo(line, err=True)
    return typer.Exit(code)


app = typer.Typer(
    name="jobtool",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take half the time of --help
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"jobtool {version('jobtool')}")
        raise typer.Exit


@app.callback()
def configure(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tag job postings from their text: train on your own tags, tag new postings, see why."""
    logging.basicConfig(format="%(levelname)s: %(message)s")


app.add_typer(commands.app)
app.add_typer(db_commands.app)


def main() -> None:
    """Run the command line."""
    app(prog_name="jobtool")


if __name__ == "__main__":
    main()
