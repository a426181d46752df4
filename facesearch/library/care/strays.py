"""The files in a library's folder that do not belong there, or that others than their owner may read."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from facesearch.library.care.checks import Problem
from facesearch.library.folder import DATABASE_NAME, LOCK_NAME
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME
from facesearch.library.place import PICTURES_NAME
from facesearch.library.private import FILE_MODE, FOLDER_MODE

_OWN = {LOCK_NAME, DATABASE_NAME, INDEX_NAME, DESCRIPTION_NAME, PICTURES_NAME}
_BESIDE = ("-wal", "-shm", "-journal")
_HALF_WRITTEN = (".new", ".salvaged")
_KEPT = (".backup", ".damaged")


def is_half_written(name: str) -> bool:
    """Whether a file is what a write that was killed left behind."""
    return any(name.removesuffix(suffix).endswith(_HALF_WRITTEN) for suffix in ("", *_BESIDE)) and _is_ours(name)


def is_kept_copy(name: str) -> bool:
    """Whether a file is a copy of a former database, made before it was changed."""
    return any(name.removesuffix(suffix).endswith(_KEPT) for suffix in ("", *_BESIDE)) and _is_ours(name)


def _is_ours(name: str) -> bool:
    return name.startswith(tuple(_OWN))


def stray_problems(folder: Path) -> Iterator[Problem]:
    """Half-written files, foreign ones, and such as others may read."""
    for entry in sorted(folder.iterdir()):
        name = entry.name
        mode = stat.S_IMODE(entry.lstat().st_mode)
        if is_half_written(name):
            yield Problem("files", f"{name} is left over from an interrupted write", "deleted it", entry.unlink)
        elif name in _OWN or is_kept_copy(name) or name.removesuffix("-wal").removesuffix("-shm") == DATABASE_NAME:
            if _lets_others_in(mode):
                yield Problem(
                    "files",
                    f"{name} may be read by others (mode {mode:o})",
                    "made it private",
                    lambda entry=entry: entry.chmod(FILE_MODE),  # type: ignore[misc]
                )
        else:
            yield Problem("files", f"{name} is not one of the library's files", "move it elsewhere")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if _lets_others_in(mode):
        yield Problem(
            "files",
            f"the folder may be entered by others (mode {mode:o})",
            "made it private",
            lambda: folder.chmod(FOLDER_MODE),
        )


def _lets_others_in(mode: int) -> bool:
    """Whether the permissions are wider than the owner's. Windows makes them up: there the user's folder is private by
    its access list."""
    return sys.platform != "win32" and bool(mode & 0o077)
