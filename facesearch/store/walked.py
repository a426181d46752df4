"""The rows of what was walked: the paths that were given, and the drives that were mounted below them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from facesearch.store.database import Database, now


class Walked:
    """Reads and changes what a library knows of walks. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_roots(self, roots: Iterable[Path]) -> None:
        """Remember which paths were walked, and when."""
        self._put("roots", roots)

    def put_drives(self, drives: Iterable[Path]) -> None:
        """Remember in which folders another drive was found than the one that they lie on."""
        self._put("drives", drives)

    def roots(self) -> list[bytes]:
        """os.fsencode(path) of every path that was ever walked."""
        return self._paths("roots")

    def drives(self) -> list[bytes]:
        """os.fsencode(path) of every folder below the roots that held a drive when it was last seen."""
        return self._paths("drives")

    def forget_roots(self, roots: Iterable[bytes]) -> None:
        self._forget("roots", roots)

    def forget_drives(self, drives: Iterable[bytes]) -> None:
        self._forget("drives", drives)

    def _put(self, table: str, paths: Iterable[Path]) -> None:
        self._database.execute_many(
            f"INSERT INTO {table} (path, walked_at) VALUES (?, ?) "
            "ON CONFLICT (path) DO UPDATE SET walked_at = excluded.walked_at",
            [(os.fsencode(path), now()) for path in paths],
        )

    def _paths(self, table: str) -> list[bytes]:
        return [row[0] for row in self._database.rows(f"SELECT path FROM {table} ORDER BY path")]

    def _forget(self, table: str, paths: Iterable[bytes]) -> None:
        self._database.execute_many(f"DELETE FROM {table} WHERE path = ?", [(path,) for path in paths])
