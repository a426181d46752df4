"""The state of a library for a bug report: no path, no name, no count of what it holds.

Changes nothing and raises nothing: that a library cannot be read is a state too.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesearch.errors import LibraryError
from facesearch.library.folder import DATABASE_NAME, LOCK_NAME, is_library
from facesearch.library.lock import writer_at_work
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database

_EFFECTIVE_IDS = os.access in os.supports_effective_ids
LibraryState = Literal["missing", "current", "older", "newer", "foreign", "unreadable"]


@dataclass(frozen=True)
class LibraryHealth:
    """What can be said of a library's folder without opening the library."""

    state: LibraryState
    """ "foreign": a database of another program's."""
    version: int | None
    """The schema's; None where there is none, or it cannot be read."""
    current_version: int
    """The schema's that this facesearch writes."""
    tower: str | None
    """SHA-256 of the tower's weights; None where it cannot be read."""
    detector: str | None
    """The detector's identity; None where it cannot be read."""
    is_locked: bool
    """Whether another process is writing."""
    is_writable: bool
    """Whether this user may change the library, or make one there."""
    free_bytes: int | None
    """On the drive of the folder, or of the nearest one above it that exists."""


def health_of(folder: Path) -> LibraryHealth:
    """The state of the library in a folder, whether there is one or not."""
    state, version = _state(folder)
    settings: dict[str, str] = {}
    if state in ("current", "older"):
        try:
            with closing(Database(schema.connect(folder / DATABASE_NAME, writable=False))) as database:
                settings = database.settings()
        except LibraryError:
            state = "unreadable"
    return LibraryHealth(
        state=state,
        version=version,
        current_version=schema.current_version(),
        tower=settings.get("tower"),
        detector=settings.get("detector"),
        is_locked=writer_at_work(folder / LOCK_NAME) is not None,
        is_writable=_is_writable(folder),
        free_bytes=_free_bytes(folder),
    )


def _state(folder: Path) -> tuple[LibraryState, int | None]:
    try:
        if not is_library(folder):
            return "missing", None
        application_id, version = schema.stamp(folder / DATABASE_NAME)
    except LibraryError:
        return "unreadable", None
    if application_id != schema.APPLICATION_ID or version < 1:
        return "foreign", None
    if version == schema.current_version():
        return "current", version
    return ("older" if version < schema.current_version() else "newer"), version


def _is_writable(folder: Path) -> bool:
    """By the folder and its database, or the nearest folder above that exists."""
    place = next(filter(os.path.lexists, (folder, *folder.absolute().parents)), folder)
    database = folder / DATABASE_NAME
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE_IDS):
        return False
    return not os.path.lexists(database) or (
        database.is_file() and os.access(database, os.W_OK, effective_ids=_EFFECTIVE_IDS)
    )


def _free_bytes(folder: Path) -> int | None:
    for place in (folder, *folder.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None
