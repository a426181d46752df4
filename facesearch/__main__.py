"""The program itself: `facesearch`, or `python -m facesearch`.

Ctrl-C while the command line is still being loaded ends it with a line, and the exit code that later ones have. For a
question about a photo the networks begin to load first of all, and then the process that decodes it is started, so that
both load beside everything else.

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
# Who loads networks in another thread waits so long each time for its turn to run Python: tens of times.
_SWITCH_S = 0.0003
# Threads of NumPy's OpenBLAS wait so long for work before they sleep: 2 to the power of 4 cycles, and not of 26, for
# which each would keep a core busy for the first tenth of a second.
_BLAS_WAITING = ("OPENBLAS_THREAD_TIMEOUT", "4")
_GARBAGE_FROM = 200_000  # new objects: a question makes some 60,000, and a search through all of them takes 20 ms
_exit_codes: "list[int]" = []  # what the command ended with


def main() -> None:
    """Run the command that the process was started with, and exit."""
    _open_missing_streams()
    leave_out_chance_folders()
    import atexit
    import gc
    import signal

    before = signal.signal(signal.SIGINT, _end)
    os.environ.setdefault(*_BLAS_WAITING)
    atexit.register(gc.freeze)  # or all that was imported would be searched for garbage once more, for 40 ms
    if sys.argv[1:2] and sys.argv[1] in _QUESTIONS and not _HELP & set(sys.argv):
        atexit.register(_leave)  # first, to be called last
        sys.setswitchinterval(_SWITCH_S)
        gc.set_threshold(_GARBAGE_FROM)
        _begin_to_load(sys.argv[2:])
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
    except SystemExit as leaving:
        _exit_codes[:] = [leaving.code or 0] if isinstance(leaving.code, int | None) else []
        raise
    finally:
        if ended_by:
            signal.signal(ended_by[0], signal.SIG_DFL)
            os.kill(os.getpid(), ended_by[0])


def _begin_to_load(arguments: "list[str]") -> None:
    """Begin to load the networks for the library that a question names, before the command line is loaded. Where the
    arguments are wrong, it is the command line that says so."""
    from facesearch.api.session import begin

    library, tower, device = (_last_value(arguments, name) for name in ("--library", "--tower", "--device"))
    if device in (None, "auto", "cpu"):
        begin(library, tower, "cpu" if device == "cpu" else "auto")


def _last_value(arguments: "list[str]", option: str) -> "str | None":
    """What is given for an option, home folders written out."""
    value = None
    for place, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == option:
            value = arguments[place + 1] if place + 1 < len(arguments) else None
        elif argument.startswith(f"{option}="):
            value = argument[len(option) + 1 :]
    return os.path.expanduser(value) if value else None  # noqa: PTH111 - pathlib raises RuntimeError


def _leave() -> None:
    """End the process at once when a question is answered, and all that was registered for the end is done: to take
    networks and modules apart, piece by piece, would take 0.1 s."""
    if not _exit_codes:
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:  # noqa: BLE001 - Python says so in its own way
        return
    os._exit(_exit_codes[0])


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
