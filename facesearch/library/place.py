"""Where a library lies, what its database is called, and whether there is one. Imports nothing that takes time."""

from __future__ import annotations

import os
from pathlib import Path

from facesearch.errors import LibraryError

DATABASE_NAME = "library.db"
PICTURES_NAME = "pictures.db"


def default_library_path() -> Path:
    """FACESEARCH_LIBRARY if it is set, else `library` in the user's data directory.

    Raises LibraryError where that lies in the user's home folder and none is known.
    """
    named = os.environ.get("FACESEARCH_LIBRARY")
    if named:
        return _at_home(Path(os.path.expanduser(named)))  # noqa: PTH111 - of an unknown user it stays what it is
    import platformdirs

    try:
        data = platformdirs.user_data_dir("facesearch", appauthor=False)
    except RuntimeError:  # other versions give "~/.local/share" as it stands
        data = "~"
    return _at_home(Path(data)) / "library"


def is_library(path: Path) -> bool:
    """Whether there is a library in a folder, of whatever version and in whatever state."""
    try:
        return (path / DATABASE_NAME).is_file()
    except OSError as error:
        raise LibraryError(f"cannot read {path}: {error.strerror}; choose another --library") from error


def is_default_library(path: Path) -> bool:
    """Whether a command finds it without --library."""
    try:
        return path == default_library_path()
    except LibraryError:
        return False


def _at_home(path: Path) -> Path:
    if path.parts[:1] and path.parts[0].startswith("~"):
        raise LibraryError(
            "this user has no home folder (HOME is not set): name the library's folder with --library, or in "
            "FACESEARCH_LIBRARY"
        )
    return path
