"""Libraries as former versions wrote them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME
from facesearch.library.rows import schema


def write_old_library(folder: Path, current: Path, number: int) -> None:
    """The rows and vectors of a library, in the tables of an older version. folder: to be made. number: the version."""
    folder.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:number])
        schema.create(folder / "library.db", {})
    with closing(sqlite3.connect(folder / "library.db")) as connection, connection:
        connection.execute("ATTACH ? AS current", (str(current / "library.db"),))
        for table in ("settings", "roots", "people", "photos", "files", "faces", "journal"):
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM current.{table}")
        connection.commit()
    with closing(sqlite3.connect(folder / "library.db")) as connection, connection:
        # Versions up to 10 were numbered by sqlite-utils too, which keeps a table of its own.
        connection.execute("CREATE TABLE _sqlite_migrations (migration_set TEXT, name TEXT, applied_at TEXT)")
        names = [("facesearch", f"{step:04d}", "2026-01-01") for step in range(1, min(number, 10) + 1)]
        connection.executemany("INSERT INTO _sqlite_migrations VALUES (?, ?, ?)", names)
    for name in (INDEX_NAME, DESCRIPTION_NAME):
        shutil.copy(current / name, folder / name)
