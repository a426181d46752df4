"""The folder of a library: where it lies, what may be in it, how large it is. Refuses to open anything."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from facesearch.errors import LibraryError, LibraryExistsError
from facesearch.library.index.vector_file import DESCRIPTION_NAME, INDEX_NAME
from facesearch.library.place import DATABASE_NAME, PICTURES_NAME, default_library_path, is_library

__all__ = ["DATABASE_NAME", "LOCK_NAME", "default_library_path", "is_library", "refuse_taken_folder", "size_bytes"]

LOCK_NAME = "lock"
OWN_NAMES = (LOCK_NAME, DATABASE_NAME, INDEX_NAME, DESCRIPTION_NAME, PICTURES_NAME)


def size_bytes(folder: Path) -> int:
    """Everything in a library's folder, but for what SQLite keeps there only while it is open."""
    total = 0
    for entry in folder.iterdir():
        with suppress(FileNotFoundError):  # a writer has renamed it meanwhile
            total += 0 if entry.name.endswith("-shm") else entry.stat().st_size
    return total


def refuse_taken_folder(path: Path) -> None:
    """Raise LibraryError unless the folder is empty, except for the remains of a library whose creation was killed or
    whose database was deleted."""
    if is_library(path):
        raise LibraryExistsError(f"there is a library in {path} already; open it, or choose another --library")
    try:
        others = [entry.name for entry in path.iterdir() if not entry.name.startswith(OWN_NAMES)]
    except FileNotFoundError:
        return
    except OSError as error:  # a file, or a folder that may not be read
        raise LibraryError(f"cannot use {path}: {error.strerror}; choose another --library") from error
    if others:
        raise LibraryError(f"{path} holds other files ({others[0]}); choose an empty or a new folder as --library")
