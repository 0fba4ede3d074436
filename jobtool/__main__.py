"""Where the process begins: Ctrl-C is a clean stop from the first moment, while imports go on."""

import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"stopped\n")
    os._exit(128 + number)  # an exception would be lost in whatever is being imported


def main() -> None:
    """Run the command line."""
    waits = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits:  # a shell may have told us to ignore it
        signal.signal(signal.SIGINT, _leave)
    import cli

    if waits:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
