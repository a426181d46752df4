"""A private folder for what a server keeps for a moment, such as an uploaded photo.

It goes with the server. What a server that was killed has left is deleted when the next one starts: the kernel drops
the lock on its folder with the process.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "facesearch-serve-"
_NEW_S = 10.0  # a folder may be so young that its server has yet to lock it


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of mode 0700 that lasts as long as the context."""
    _delete_left_behind(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = _locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _delete_left_behind(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is gone by now, or belongs to somebody else
            stat = folder.lstat()
            if not folder.is_symlink() and time.time() - stat.st_mtime > _NEW_S:
                lock = _locked(folder)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(lock)


def _locked(folder: Path) -> int | None:
    """A lock on a folder, until it is closed or the process ends; None where somebody holds it. Windows knows no such
    locks: there the folder of a server that was killed stays."""
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody holds it, or the file system has no locks
        os.close(descriptor)
        return None
    return descriptor
