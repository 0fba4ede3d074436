"""The boundary that every command passes: what goes wrong is one line and an exit code.

0 done, 1 failed, 2 misused, 3 done but some rows were rejected, 130 stopped by Ctrl-C, 141 nobody
reads the output any more, 143 stopped by SIGTERM.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from db.errors import StoreError
from jobtool.tasks import TASKS
from tagger import interrupts
from tagger.errors import JobtoolError
from tagger.harmless import guarded_output

DEBUG = "JOBTOOL_DEBUG"
"""With this variable set, errors that nobody foresaw come with a traceback."""


class Commands(TyperGroup):
    """Says what a user can act on in one line, without a traceback, and nothing that harms."""

    def main(self, *args: Any, **options: Any) -> Any:
        with guarded_output():
            return super().main(*args, **options)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands)) + 4
        for task, names in TASKS.items():
            with formatter.section(task):
                formatter.write_dl(
                    [
                        (name.ljust(width - 2), one.get_short_help_str(formatter.width - width - 4))
                        for name in names
                        if (one := self.get_command(ctx, name))
                    ]
                )

    def invoke(self, ctx: Any) -> Any:
        try:
            with (
                interrupts.restored(but=(typer.Exit, BrokenPipeError)),
                interrupts.terminable(),
            ):
                result = super().invoke(ctx)
                sys.stdout.flush()
        except (JobtoolError, StoreError) as error:
            raise _left(1, f"error: {error}", error) from None
        except KeyboardInterrupt as error:
            raise _left(interrupts.exit_code(error), "stopped", error) from None
        except BrokenPipeError:  # who reads our output has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except OSError as error:
            where = error.filename or "input or output"
            raise _left(1, f"error: {where}: {error.strerror or error}", error) from None
        except (typer.Exit, typer.Abort, TyperException):
            raise
        except MemoryError as error:
            raise _left(1, "error: there is not enough memory", error) from None
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            raise _left(1, f"error: {_fault(error)}", error) from None
        return result


def _fault(error: Exception) -> str:
    """What to say of an error that nobody foresaw: not its text, which may quote a posting."""
    frames = traceback.extract_tb(error.__traceback__)
    root = Path(__file__).parents[1]
    ours = tuple(str(root / name) for name in ("cli.py", "db", "jobtool", "matcher", "tagger"))
    inner = [one for one in frames if one.filename.startswith(ours) and one.filename != __file__]
    place = (inner or frames)[-1]
    return (
        f"a fault of jobtool: {type(error).__name__} in {Path(place.filename).name}, line "
        f"{place.lineno}. Please report it; {DEBUG}=1 shows the traceback"
    )


def _left(code: int, message: str, error: BaseException) -> typer.Exit:
    """Say why we leave, with the notes that were added to the error on its way up."""
    for line in (message, *getattr(error, "__notes__", ())):
        typer.echo(line, err=True)
    return typer.Exit(code)
