"""What a library was built with, before it is opened: so that the tower and the detector can be made for it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from facesearch.errors import LibraryError
from facesearch.library.folder import DATABASE_NAME, is_library
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database


def recorded_precision(path: Path) -> str | None:
    """ "f32" or "bf16"; None where there is no library yet. A library that cannot be read says so when it is opened."""
    if not is_library(path):
        return None
    return _settings(path).get("precision", "f32")


def recorded_detector(path: Path) -> str | None:
    """The identity of the detector; None where there is no library yet, or one that cannot be read."""
    return _settings(path).get("detector") if is_library(path) else None


def _settings(path: Path) -> dict[str, str]:
    try:
        with closing(Database(schema.connect(path / DATABASE_NAME, writable=False))) as database:
            return database.settings()
    except LibraryError:
        return {}
