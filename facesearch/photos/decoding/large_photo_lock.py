"""Lets one large photo be decoded at a time, in all threads and decoding processes of a run: one on each core would
need tens of GB.

A lock for threads, and one for processes on a file without a name, which the system releases if a process dies. Does
not know which photos are large.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from functools import cache
from types import TracebackType
from typing import IO


class OneAtATime:
    """A context manager that one thread of all processes is in at a time. That thread may enter it again."""

    def __init__(self) -> None:
        self._threads = threading.RLock()
        self._depth = 0
        self._descriptor: int | None = None

    def share(self, descriptor: int) -> None:
        """Hold against the other processes, too, that were given this file (`shared_descriptor`)."""
        self._descriptor = descriptor

    def __enter__(self) -> None:
        self._threads.acquire()
        if sys.platform != "win32" and self._descriptor is not None and not self._depth:
            import fcntl

            left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # waiting is not held against the photo
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            signal.setitimer(signal.ITIMER_REAL, left_s)
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if sys.platform != "win32" and self._descriptor is not None and not self._depth:
            import fcntl

            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        self._threads.release()


one_at_a_time = OneAtATime()


def shared_descriptor() -> int:
    """Of the file that this process hands to its decoding processes. Raises OSError where none can be made."""
    return _shared_file().fileno()


@cache
def _shared_file() -> IO[bytes]:
    if sys.platform == "linux":  # in memory: no disk is needed
        return os.fdopen(os.memfd_create("facesearch"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()
