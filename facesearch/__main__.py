"""The program itself: `facesearch`, or `python -m facesearch`.

Ctrl-C while the command line is still being loaded ends it with a line, and the exit code that later ones have. For a
question about a photo the process that decodes it is started first of all, so that it loads beside everything else.

SIGTERM and SIGHUP, of a system that is shut down and of a terminal that is closed, keep what is finished as Ctrl-C
does, and whoever waits for the process sees that it ended by them.

Nothing is imported before it is settled where from, not even `__future__`.
"""

import os
import sys

from facesearch.import_path import how_to_find, leave_out_chance_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_QUESTIONS = ("query", "compare", "why")
_HELP = {"-h", "--help"}


def main() -> None:
    """Run the command that the process was started with, and exit."""
    _open_missing_streams()
    leave_out_chance_folders()
    import atexit
    import gc
    import signal

    before = signal.signal(signal.SIGINT, _end)
    atexit.register(gc.freeze)  # or all that was imported would be searched for garbage once more, for 40 ms
    if sys.argv[1:2] and sys.argv[1] in _QUESTIONS and not _HELP & set(sys.argv):
        from facesearch.photos import start_reading

        start_reading()
    try:
        from facesearch.cli import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"facesearch: {how_to_find(error)}")

    signal.signal(signal.SIGINT, before)
    ended_by: list[int] = []

    def end(number: int, frame: "FrameType | None") -> None:
        ended_by.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        raise KeyboardInterrupt

    ending = (signal.SIGTERM, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGTERM,)
    for number in ending:
        if signal.getsignal(number) == signal.SIG_DFL:  # and not ignored, as under nohup
            signal.signal(number, end)
    try:
        run()
    finally:
        if ended_by:
            signal.signal(ended_by[0], signal.SIG_DFL)
            os.kill(os.getpid(), ended_by[0])


def _open_missing_streams() -> None:
    """Take the places of standard streams that are closed, or the next files would get them: a library's, say. Nothing
    can be written to such a standard output; what is written to standard error is lost."""
    for descriptor, access in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, access), True)  # the lowest that is free


def _end(number: int, frame: "FrameType | None") -> None:
    """At once: an exception could be taken for a failed import by whatever is being imported."""
    os.write(2, b"facesearch: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
