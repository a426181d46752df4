"""The rows of heads: what a library was taught over its tower's embeddings, the last one in force.

Every change moves all vectors, and so raises the library's generation. Refuses to know what a head means: bytes and
JSON in, bytes and JSON out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facesearch.library.rows.database import Database, now


@dataclass(frozen=True)
class StoredHead:
    """A head as its row keeps it."""

    head_id: int
    created_at: str
    tower: str  # SHA-256 of the tower whose embeddings it maps
    weights: bytes
    details: dict[str, Any]  # what is known of it; empty where that cannot be read


class Heads:
    """Reads and changes the heads of a library. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[StoredHead]:
        """Every head, the last one in force."""
        return self._read("ORDER BY id")

    def last(self) -> StoredHead | None:
        """The head in force; None in the tower's own space."""
        return next(iter(self._read("ORDER BY id DESC LIMIT 1")), None)

    def add(self, tower: str, weights: bytes, details: Mapping[str, object]) -> int:
        """Put another head in force; returns its id."""
        self._database.changes.remapped = True
        return self._database.insert(
            "INSERT INTO heads (created_at, tower, weights, details) VALUES (?, ?, ?, ?)",
            (now(), tower, weights, json.dumps(details, allow_nan=False)),
        )

    def drop(self, head_id: int) -> None:
        """Delete a head; where it was in force, the one before it is again."""
        self._database.changes.remapped = True
        self._database.execute("DELETE FROM heads WHERE id = ?", (head_id,))

    def clear(self) -> int:
        """Delete every head; returns how many there were."""
        count = self._database.execute("DELETE FROM heads").rowcount
        self._database.changes.remapped |= count > 0
        return count

    def _read(self, order: str) -> list[StoredHead]:
        rows = self._database.rows(f"SELECT id, created_at, tower, weights, details FROM heads {order}")
        return [
            StoredHead(head_id, created_at, tower, weights, _decoded(details))
            for head_id, created_at, tower, weights, details in rows
        ]


def _decoded(text: str) -> dict[str, Any]:
    try:
        details = json.loads(text)
    except ValueError:
        return {}
    return details if isinstance(details, dict) else {}
