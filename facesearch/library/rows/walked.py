"""Tables of paths that were walked: those that were given (`roots`), and those below that hold a drive (`drives`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from facesearch.library.rows.database import Database, now


class WalkedPaths:
    """Reads and changes one of the tables. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database, table: Literal["roots", "drives"]) -> None:
        self._database = database
        self._table = table

    def put(self, paths: Iterable[Path]) -> None:
        """Remember some paths, and that they were walked just now."""
        self._database.execute_many(
            f"INSERT INTO {self._table} (path, walked_at) VALUES (?, ?) "
            "ON CONFLICT (path) DO UPDATE SET walked_at = excluded.walked_at",
            [(os.fsencode(path), now()) for path in paths],
        )

    def all(self) -> list[bytes]:
        """os.fsencode(path) of every path that is remembered."""
        return [row[0] for row in self._database.rows(f"SELECT path FROM {self._table} ORDER BY path")]

    def forget(self, paths: Iterable[bytes]) -> None:
        self._database.execute_many(f"DELETE FROM {self._table} WHERE path = ?", [(path,) for path in paths])
