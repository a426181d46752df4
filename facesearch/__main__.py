"""The program itself: `facesearch`, or `python -m facesearch`.

Ctrl-C while the command line is still being loaded ends it with a line, and the exit code that later ones have.
"""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command that the process was started with, and exit."""
    before = signal.signal(signal.SIGINT, _end)
    from facesearch.cli import main as run

    signal.signal(signal.SIGINT, before)
    run()


def _end(number: int, frame: FrameType | None) -> None:
    """At once: an exception could be taken for a failed import by whatever is being imported."""
    os.write(2, b"facesearch: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
