"""One writer at a time: an advisory lock on a file in the library's folder that says who holds it, and since when.

The kernel drops the lock with the process that held it, so a dead holder is no obstacle. Readers never need it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from facesearch.errors import LibraryError, LibraryLockedError
from facesearch.library.private import open_private_file, write_remedy
from facesearch.records import NodeWork, WriterAtWork

log = logging.getLogger(__name__)

_LOCKED_BYTE = 1 << 30  # on Windows
_MOST_BYTES = 1 << 20  # of what is noted: some thousand nodes


class WriterLock:
    """The right to change a library, held until `release`.

    wait: wait until another writer gives it up, with a line in the log. Raises LibraryLockedError if another writer
    holds it and `wait` is False, and LibraryError if the folder cannot be written.
    """

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        self.path = path
        try:
            self._descriptor = open_private_file(path)
        except OSError as error:
            usual = "see that the folder can be written, or choose another --library"
            what = path if isinstance(error, IsADirectoryError) else f"to the library in {path.parent}"
            raise LibraryError(f"cannot write {what}: {error.strerror}; {write_remedy(error, usual)}") from error
        try:
            self._take(wait)
        except BaseException:  # Ctrl-C while waiting, too
            os.close(self._descriptor)
            raise
        self._process = {"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        self._length = 0
        self.note({})

    def note(self, run: Mapping[str, object]) -> None:
        """Note for others what the holder does: fields of WriterAtWork, as JSON knows them."""
        content = json.dumps(self._process | dict(run)).encode()
        content = content.ljust(self._length)  # in one write, and with nothing left of a longer one
        self._length = len(content)
        with suppress(OSError):  # a full disk: the lock holds all the same, only nobody can say who has it
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, content)

    def _take(self, wait: bool) -> None:
        try:
            _lock(self._descriptor)
        except BlockingIOError as error:
            holder = _holder(self._descriptor)
            if not wait:
                raise LibraryLockedError(
                    f"the library in {self.path.parent} is being written by {holder}; wait until it is done (index "
                    "--wait does), or stop it"
                ) from error
            log.warning("waiting until the library in %s is no longer written by %s", self.path.parent, holder)
            _lock(self._descriptor, wait=True)
        except OSError as error:
            raise LibraryError(
                f"cannot lock {self.path}: {error.strerror}; keep the library on a local disk"
            ) from error

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> None:
    """Take the lock on an open file, which goes with its descriptor. Raises BlockingIOError where another process has
    it, unless `wait`. shared: beside others who only look, where the system knows that."""
    if sys.platform != "win32":
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        return
    import msvcrt

    while True:
        # Windows keeps others from reading what is locked: a byte far behind the end is locked instead.
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            return
        except OSError as error:
            if error.errno == errno.EACCES:
                raise BlockingIOError(error.errno, error.strerror) from error
            if error.errno != errno.EDEADLK:  # what LK_LOCK gives up with after ten seconds
                raise


def run_at_work(path: Path) -> WriterAtWork | None:
    """Who holds the lock now, and how far that is; None where nobody does, or nothing can be told of who does."""
    if writer_at_work(path) is None:
        return None
    try:
        content = json.loads(path.read_bytes())
        content["nodes"] = tuple(NodeWork(**node) for node in content.get("nodes", ()))
        return WriterAtWork(**content)
    except (OSError, ValueError, KeyError, TypeError):  # between two writes, or by another version
        return None


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _MOST_BYTES)


def writer_at_work(path: Path) -> str | None:
    """Who holds the lock now, in words; None where nobody does, as far as can be told.

    The lock itself is tried for an instant, and only where a process of the number in the file lives: after a restart
    that can be any other one.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        if not _is_alive(int(json.loads(_content(descriptor))["pid"])):
            return None
        _lock(descriptor, shared=True)
    except BlockingIOError:
        return _holder(descriptor)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    finally:
        os.close(descriptor)
    return None


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # there the question would end the process; the lock itself says enough
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process: it lives
        pass
    return True


def _holder(descriptor: int) -> str:
    """Who holds the lock, in words. The file is empty for the instant between locking and writing."""
    try:
        holder = json.loads(_content(descriptor))
        return f"process {int(holder['pid'])} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
