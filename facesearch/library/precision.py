"""In which precision a library's faces were embedded: distances across two of them are some 1 % off, so it is recorded.

Read before anything is loaded, because the tower is compiled for it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from facesearch.errors import LibraryError
from facesearch.library.folder import DATABASE_NAME, is_library
from facesearch.store import schema
from facesearch.store.database import Database


def recorded_precision(path: Path) -> str | None:
    """ "f32" or "bf16"; None where there is no library yet. A library that cannot be read says so when it is opened."""
    if not is_library(path):
        return None
    try:
        with closing(Database(schema.connect(path / DATABASE_NAME, writable=False))) as database:
            return database.settings().get("precision", "f32")
    except LibraryError:
        return "f32"
