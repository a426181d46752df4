"""One writer at a time: an advisory lock on a file in the library's folder that says who holds it, and since when.

The kernel drops the lock with the process that held it, so a dead holder is no obstacle. Readers never need it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from facesearch.errors import LibraryError, LibraryLockedError
from facesearch.store.private import open_private_file


class WriterLock:
    """The right to change a library, held until `release`.

    Raises LibraryLockedError when another writer holds it and LibraryError when the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        import fcntl

        self.path = path
        try:
            self._descriptor = open_private_file(path)
        except OSError as error:
            raise LibraryError(f"cannot write to the library in {path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(self._descriptor)
            os.close(self._descriptor)
            raise LibraryLockedError(
                f"the library in {path.parent} is being written by {holder}; wait until it is done, or stop it"
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise LibraryError(f"cannot lock {path}: {error.strerror}; keep the library on a local disk") from error
        self._write({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")})

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _write(self, holder: dict[str, object]) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)


def writer_at_work(path: Path) -> str | None:
    """Who holds the lock now, in words, as far as can be told without touching it; None where nobody does."""
    try:
        holder = json.loads(path.read_bytes())
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # another user's process: it lives
        pass
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"process {holder['pid']} since {holder['since']}"


def _holder(descriptor: int) -> str:
    """Who holds the lock, in words. The file is empty for the instant between locking and writing."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {int(holder['pid'])} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
