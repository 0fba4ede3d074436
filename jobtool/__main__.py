"""Where the process begins: Ctrl-C is a clean stop from the first moment, while imports go on."""

import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"stopped\n")
    os._exit(128 + number)  # an exception would be lost in whatever is being imported


def main() -> None:
    """Run the command line.

    What it writes is for its user alone (0600, 0700): databases, exports and models hold people's
    applications. The variable JOBTOOL_UMASK, as in 022, says otherwise.
    """
    _hide_files(os.environ.get("JOBTOOL_UMASK", "077"))
    waits = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits:  # a shell may have told us to ignore it
        signal.signal(signal.SIGINT, _leave)
    import cli

    if waits:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


def _hide_files(mask: str) -> None:
    try:
        os.umask(int(mask, 8) & 0o777)
    except ValueError:
        os.write(
            2, f"error: JOBTOOL_UMASK is {mask!r:.40}, not an octal number such as 022\n".encode()
        )
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
