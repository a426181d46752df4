"""What a shell can complete: people, faces and changes of a library, read in milliseconds while somebody types.

Loads neither NumPy nor FAISS, and takes no lock. Refuses to complain: what cannot be read completes nothing.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from facesearch.errors import LibraryError
from facesearch.library.place import DATABASE_NAME, default_library_path
from facesearch.library.rows import schema

MOST = 200  # more than anybody reads
_NAMES = "SELECT name FROM people WHERE name IS NOT NULL ORDER BY name"
_NUMBERS = (
    "SELECT id, name, (SELECT count(*) FROM faces WHERE person_id = people.id) FROM people "
    f"WHERE CAST(id AS TEXT) LIKE ? ORDER BY id LIMIT {MOST}"
)
_FACES = (
    "SELECT faces.id, (SELECT path FROM files WHERE files.photo_id = faces.photo_id ORDER BY path LIMIT 1) FROM faces "
    "JOIN people ON people.id = person_id WHERE (people.name = ? OR people.id = ?) AND CAST(faces.id AS TEXT) LIKE ? "
    f"ORDER BY faces.id LIMIT {MOST}"
)
_CHANGES = "SELECT id, action, at FROM journal WHERE CAST(id AS TEXT) LIKE ? ORDER BY id DESC LIMIT 20"


def people(library: Path | None, start: str) -> list[tuple[str, str]]:
    """The names that begin with `start`, whatever their case, or numbers where it begins like one; each with what can
    be said beside it."""
    if start[:1] == "#" or start.isdecimal():
        mark = "#" if start[:1] == "#" else ""
        rows = _rows(library, _NUMBERS, (start.removeprefix("#") + "%",))
        return [(f"{mark}{number}", f"{name or 'unnamed'}, {faces} faces") for number, name, faces in rows]
    folded = start.casefold()
    return [(name, "") for (name,) in _rows(library, _NAMES) if name.casefold().startswith(folded)]


def faces(library: Path | None, person: str, start: str) -> list[tuple[str, str]]:
    """The numbers of a person's faces that begin with `start`, each with its photo. Anything else is left to the shell,
    as a photo's path."""
    if start and not start.isdecimal():
        return []
    number = person.removeprefix("#")
    rows = _rows(library, _FACES, (person, int(number) if number.isdecimal() else -1, f"{start}%"))
    return [(str(face), "" if path is None else Path(os.fsdecode(path)).name) for face, path in rows]


def changes(library: Path | None, start: str) -> list[tuple[str, str]]:
    """The numbers of the latest changes that begin with `start`, each with what it was."""
    if start and not start.isdecimal():
        return []
    rows = _rows(library, _CHANGES, (f"{start}%",))
    return [(str(number), f"{action}, {at[:16].replace('T', ' ')}") for number, action, at in rows]


def _rows(library: Path | None, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    try:
        path = (library or default_library_path()) / DATABASE_NAME
        if not path.is_file():
            return []
        with closing(schema.connect(path, writable=False)) as connection:
            return connection.execute(sql, values).fetchall()
    except (OSError, OverflowError, sqlite3.Error, LibraryError):
        return []
