"""Files that only their owner may read, whatever the umask: face embeddings are biometric data.

Refuses to leave a half-written file under its final name: a replacement is written beside, synced, and renamed over.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from facesearch.errors import LibraryError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_PAUSES_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # on Windows, where a file that somebody has open is not replaced


def make_private_folder(path: Path) -> None:
    """Create a folder (and its parents, with their usual modes) and close it to everyone but its owner."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        path.chmod(FOLDER_MODE)
    except OSError as error:
        raise LibraryError(
            f"cannot create the folder {path}: {error.strerror}; choose another place with --library"
        ) from error


def open_private_file(path: Path, flags: int = 0) -> int:
    """Open a file for reading and writing, created with mode 0600 if it is not there; returns the descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | flags, FILE_MODE)
    if os.fstat(descriptor).st_mode & 0o777 != FILE_MODE:
        path.chmod(FILE_MODE)  # the umask can also take the owner's own bits away
    return descriptor


def replace_private_file(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write `parts` to a new file and rename it over `path`: after a power cut it is the old file or the new one.

    Raises LibraryError when it cannot be written (disk full, read-only).
    """
    with replacing_private_file(path) as file:
        for part in parts:
            file.write(part)


@contextmanager
def replacing_private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which is renamed over `path` when all of it is safely on the disk.

    Raises LibraryError when it cannot be written (disk full, read-only).
    """
    beside = path.with_name(path.name + ".new")
    try:
        with os.fdopen(open_private_file(beside, os.O_TRUNC), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        rename_over(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        usual = "free disk space, or make it writable"
        raise LibraryError(f"cannot write {path}: {error.strerror}; {write_remedy(error, usual)}") from error


def rename_over(beside: Path, path: Path) -> None:
    """Rename a file that is finished over another one. Windows refuses that while a reader or a virus scanner has one
    of them open, which does not take long: it is tried again for two seconds there. Raises OSError."""
    for pause_s in _PAUSES_S if sys.platform == "win32" else ():
        try:
            beside.replace(path)
        except PermissionError:
            time.sleep(pause_s)
        else:
            return
    beside.replace(path)


def write_remedy(error: OSError, usual: str) -> str:
    """What helps against an error in writing one of a library's files: `usual`, unless a folder bears its name."""
    return "move that folder elsewhere" if isinstance(error, IsADirectoryError) else usual


def sync_folder(path: Path) -> None:
    """Make the renames in a folder durable, where the system lets a folder be opened for that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
