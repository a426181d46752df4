"""The standard streams, which may be closed, full, slow, or no longer read by anybody.

Results that cannot be written raise an OutputError, with a line and an exit code. If nobody reads them any more, as
after `facesearch query ... | head`, SIGPIPE ends the process in silence, like any Unix tool. What
cannot be written to standard error is lost, but a run over thousands of photos goes on.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from typing import Any, NoReturn, TextIO

from facesearch.errors import OutputError


class _Results(io.FileIO):
    """Standard output. Waits for a slow reader even if the parent process made the stream non-blocking."""

    def write(self, content: Any, /) -> int:
        try:
            while (written := super().write(content)) is None:
                select.select([], [self.fileno()], [])
        except OSError as error:
            raise OutputError(
                f"the results cannot be written to standard output: {error.strerror}; write them elsewhere"
            ) from error
        return written


class _Messages(io.FileIO):
    """Standard error."""

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content) or len(memoryview(content))
        except OSError:
            return len(memoryview(content))


def prepare_streams() -> None:
    """Apply these rules to all later output. Leaves alone a stream that replaced Python's own.

    Escapes characters that the terminal cannot show.
    """
    sys.stdout = _prepared(sys.stdout, _Results, 1)
    sys.stderr = _prepared(sys.stderr, _Messages, 2)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115


def _prepared(stream: TextIO | None, kind: type[io.FileIO], descriptor: int) -> TextIO:
    if stream is not None and type(stream) is not io.TextIOWrapper:
        return stream
    if stream is not None:
        if stream.fileno() != descriptor:
            return stream
        stream.flush()
        if type(getattr(stream.buffer, "raw", stream.buffer)) is not io.FileIO:
            # Windows' console takes text, and shows bytes in a code page of its own.
            stream.reconfigure(errors="backslashreplace")
            return stream
    buffer = io.BufferedWriter(kind(descriptor, "wb", closefd=False))
    encoding = None if stream is None else stream.encoding
    return io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=os.isatty(descriptor))


def end_unwritten(error: OutputError) -> NoReturn:
    """End the process after results could not be written, without trying again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer
    if isinstance(error.__cause__, BrokenPipeError) and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    sys.exit(error.exit_code)
