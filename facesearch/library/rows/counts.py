"""How much a library holds: counts that triggers keep up to date, so that no query counts millions of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from facesearch.library.rows.database import Database

if TYPE_CHECKING:
    import sqlite_utils

_KEPT = {
    "photos": "SELECT count(*) FROM photos",
    "files": "SELECT count(*) FROM files",
    "people": "SELECT count(*) FROM people",
    "people_named": "SELECT count(name) FROM people",
    "faces": "SELECT count(*) FROM faces",
    "faces_with_person": "SELECT count(person_id) FROM faces",
}
"""Each of them, and how it is counted. A step of the migrations makes them so: a further one needs a further step."""

_PERSONAL = {"people": ("people_named", "name"), "faces": ("faces_with_person", "person_id")}
"""By table: the count of its rows that have something in a column."""


@dataclass(frozen=True)
class KeptCounts:
    """The counts that a library keeps."""

    photos: int
    files: int
    people: int
    """Named or not."""
    people_named: int
    faces: int
    """With an embedding or without."""
    faces_with_person: int


def create_kept_counts(db: sqlite_utils.Database) -> None:
    """The row of counts, and the triggers that keep it."""
    columns = ", ".join(f"{name} INTEGER NOT NULL" for name in _KEPT)
    db.execute(f"CREATE TABLE counts (id INTEGER PRIMARY KEY CHECK (id = 1), {columns}) STRICT")
    db.execute(f"INSERT INTO counts VALUES (1, {', '.join(f'({count})' for count in _KEPT.values())})")
    for table in ("photos", "files", "people", "faces"):
        for event, row, sign in (("INSERT", "new", "+"), ("DELETE", "old", "-")):
            changes = [f"{table} = {table} {sign} 1"]
            if table in _PERSONAL:
                kept, column = _PERSONAL[table]
                changes.append(f"{kept} = {kept} {sign} ({row}.{column} IS NOT NULL)")
            db.execute(
                f"CREATE TRIGGER {table}_counted_at_{event.lower()} AFTER {event} ON {table} "
                f"BEGIN UPDATE counts SET {', '.join(changes)}; END"
            )
    for table, (kept, column) in _PERSONAL.items():
        db.execute(
            f"CREATE TRIGGER {table}_counted_at_update AFTER UPDATE OF {column} ON {table} "
            f"WHEN (old.{column} IS NULL) <> (new.{column} IS NULL) "
            f"BEGIN UPDATE counts SET {kept} = {kept} + (new.{column} IS NOT NULL) - (old.{column} IS NOT NULL); END"
        )


def kept_counts(database: Database) -> KeptCounts:
    """As they are kept, in a time that does not grow with the library."""
    return kept_row(database) or counted(database)


def kept_row(database: Database) -> KeptCounts | None:
    """The same; None where the row is lost, until `verify --repair` makes it again."""
    rows = database.rows(f"SELECT {', '.join(_KEPT)} FROM counts")
    return KeptCounts(*rows[0]) if rows else None


def counted(database: Database) -> KeptCounts:
    """The same counted now: reads every row."""
    (row,) = database.rows(f"SELECT {', '.join(f'({count})' for count in _KEPT.values())}")
    return KeptCounts(*row)


def count_anew(database: Database) -> None:
    """Inside a transaction: keep the counts of the rows as they are now."""
    database.execute("DELETE FROM counts")
    database.execute(f"INSERT INTO counts VALUES (1, {', '.join(f'({count})' for count in _KEPT.values())})")
