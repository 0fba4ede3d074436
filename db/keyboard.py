"""One key at a time from a terminal, without waiting for a line to end."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from db.errors import StoreError

ESCAPE_S = 0.05
"""How long the rest of a key's code may take to come after its first byte, in seconds."""
_CODES = {
    **dict.fromkeys((b"\r", b"\n"), "enter"),
    **dict.fromkeys((b"\x1b[A", b"\x1bOA"), "up"),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB"), "down"),
    b"\x1b[5~": "pageup",
    b"\x1b[6~": "pagedown",
    b"\x04": "q",  # Ctrl-D, as it ends every other program that reads
    b"": "q",  # the terminal has gone
}


def check_terminal() -> None:
    """StoreError unless a person sits at both ends."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise StoreError(
            "labelling is done at a terminal, and this is none; "
            "labels made elsewhere come in with jobtool import labels"
        )


@contextmanager
def keyboard() -> Iterator[Callable[[], str]]:
    """Reads keys while it is open: gives a letter, or a name such as `enter`; "" for any other.

    Ctrl-C raises KeyboardInterrupt as ever; the terminal is put back in any case.
    """
    try:
        import termios
        import tty
    except ImportError as error:
        raise StoreError("labelling needs a Unix terminal (on Windows: WSL)") from error
    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)
    tty.setcbreak(stream, termios.TCSANOW)
    try:
        yield lambda: _read_key(stream)
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)


def drop_typed_ahead() -> None:
    """Forget keys that were pressed before what is on the screen now was there."""
    import termios

    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _read_key(stream: int) -> str:
    try:
        code = os.read(stream, 1)
    except OSError:  # the terminal has gone
        code = b""
    if code == b"\x1b":
        code += _rest(stream)
    if code in _CODES:
        return _CODES[code]
    return code.decode("ascii") if code.isascii() and code.decode().isprintable() else ""


def _rest(stream: int) -> bytes:
    """What follows an escape byte, up to the letter or ~ that ends the code of a key."""
    from select import select

    rest = b""
    while len(rest) < 8 and select([stream], [], [], ESCAPE_S)[0]:
        rest += os.read(stream, 1)
        if rest.endswith(b"~") or (rest[-1:].isalpha() and rest != b"O"):
            break
    return rest
