"""The user's private cache: compiled networks, and in folders of their own what else can be made again.

A compiled network is a file named after all that it depends on. One that nobody has used for a month is deleted, so
that those of former versions and other settings leave, and all of them together are bounded. What a process has mapped
stays.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from io import BufferedReader

CACHE_VARIABLE = "FACESEARCH_CACHE"
MOST_BYTES = 256_000_000
"""Of all compiled networks. An installation uses 16 to 100 MB."""
UNUSED_S = 30 * 86_400.0
"""After so long without use a network is deleted."""

_A_DAY_S = 86_400.0  # a file's time tells the day of its last use
_BLOB = re.compile(r"[0-9a-f]{32}\.blob")
_PART = re.compile(r"tmp\w{8}\.part")  # left by a process that was killed while it wrote


def cache_dir() -> Path | None:
    """The private folder (0700) of the cache, made when missing; None where it cannot be written, or would lie in a
    home folder that the user does not have."""
    folder = os.environ.get(CACHE_VARIABLE)
    try:
        if folder:
            path = Path(folder).expanduser()
        else:
            import platformdirs

            path = Path(platformdirs.user_cache_dir("facesearch")).expanduser()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return path if os.access(path, os.W_OK | os.X_OK) else None


def mapped(blob: Path) -> NDArray[np.uint8] | None:
    """A kept network, mapped, because each copy of a tower's 28 MB costs 50 ms; None where there is none.

    While the array lives, no process deletes the file to make room.
    """
    try:
        with blob.open("rb") as file:
            _lock(file)
            data = np.memmap(file, dtype=np.uint8, mode="c")  # OpenVINO takes only what could be written to
    except (OSError, ValueError):  # ValueError: the file is empty
        return None
    _note_use(blob)
    return data


def keep(blob: Path, data: bytes) -> None:
    """Write beside and rename over, so that no reader sees half a file; and make room. A full disk costs the cache, not
    the answer."""
    import tempfile  # seldom needed: the network is cached

    part = None
    try:
        with tempfile.NamedTemporaryFile(dir=blob.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            file.write(data)
        part.replace(blob)
    except OSError:  # Windows replaces no file that is mapped
        with suppress(OSError):
            if part is not None:
                part.unlink(missing_ok=True)
    make_room(blob.parent)


def make_room(folder: Path) -> None:
    """Delete the networks that were not used for UNUSED_S, and of the others the least recently used beyond
    MOST_BYTES."""
    now = time.time()
    with suppress(OSError):
        for entry in folder.iterdir():
            if _PART.fullmatch(entry.name) and now - entry.stat().st_mtime > _A_DAY_S:
                _delete(entry)
    kept = 0
    for used, size, blob in sorted(_networks(folder), reverse=True):
        if (now - used > UNUSED_S or kept + size > MOST_BYTES) and _delete(blob):
            continue
        kept += size


def network_sizes(folder: Path) -> list[int]:
    """Bytes of each compiled network."""
    return [size for _, size, _ in _networks(folder)]


def other_bytes(folder: Path) -> int:
    """Bytes of what lies in the cache besides compiled networks: crops and data sets of `train`, JAX's programs."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += 0 if _BLOB.fullmatch(name) else os.stat(os.path.join(parent, name)).st_size  # noqa: PTH116, PTH118
    return total


def _networks(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was used last (to the day), its size in bytes, and where it lies."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if _BLOB.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # another process makes room too
                    found = entry.stat()
                    yield found.st_mtime, found.st_size, entry


def _note_use(blob: Path) -> None:
    """Once a day, so that a use costs no write; then room is made as well: a version that is no longer used leaves."""
    with suppress(OSError):
        if abs(time.time() - blob.stat().st_mtime) > _A_DAY_S:
            os.utime(blob)
            make_room(blob.parent)


def _delete(file: Path) -> bool:
    """Whether a file is gone; one that is in use stays."""
    try:
        with file.open("rb") as opened:
            _lock(opened, exclusively=True)
        file.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except OSError:  # BlockingIOError: a process has it; on Windows, it is mapped
        return False
    return True


def _lock(file: BufferedReader, *, exclusively: bool = False) -> None:
    """Lock an open file, which holds as long as it is open or mapped. Raises BlockingIOError where another one has it,
    if it is to be ours alone. Nothing is locked where the system or the drive has no such lock."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file.fileno(), (fcntl.LOCK_EX if exclusively else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        if exclusively:
            raise
    except OSError:
        return
