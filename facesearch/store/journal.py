"""The journal of every change to people: lines are appended, and those about somebody who is forgotten go.

Every line has JSON details. A person stands there under a key that ends with `person_id` or `person_ids`, a face
under one that ends with `face_id` or `face_ids`, a name anywhere: whoever writes lines keeps to that. Refuses to leave
a line that speaks of somebody who is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from facesearch.store.database import Database, now


class Journal:
    """The journal of a library. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, action: str, details: Mapping[str, object]) -> None:
        """Append a line; `details` is stored as JSON."""
        self._database.execute(
            "INSERT INTO journal (at, action, details) VALUES (?, ?, ?)",
            (now(), action, json.dumps(details, ensure_ascii=False)),
        )

    def clear(self) -> int:
        """Delete every line; returns how many it were."""
        return self._database.execute("DELETE FROM journal").rowcount

    def forget(self, person_ids: set[int], face_ids: set[int], names: set[str]) -> int:
        """Delete the lines about some people or names, and take some faces out of the others; returns how many lines
        it were. A line that is left without any face is deleted too."""
        changed = 0
        for line, text in self._database.rows("SELECT id, details FROM journal"):
            try:
                details = json.loads(text)
            except ValueError:  # damaged: who knows what it says
                details = None
            left = None if details is None or _speaks_of(details, person_ids, names) else _without(details, face_ids)
            if left is None:
                self._database.execute("DELETE FROM journal WHERE id = ?", (line,))
            elif left != details:
                shorter = json.dumps(left, ensure_ascii=False)
                self._database.execute("UPDATE journal SET details = ? WHERE id = ?", (shorter, line))
            changed += left is None or left != details
        return changed


def _speaks_of(value: Any, person_ids: set[int], names: set[str], key: str = "") -> bool:
    if isinstance(value, dict):
        return any(name in names or _speaks_of(inner, person_ids, names, name) for name, inner in value.items())
    if isinstance(value, list):
        return any(_speaks_of(inner, person_ids, names, key) for inner in value)
    if isinstance(value, str):
        return value in names
    return key.endswith(("person_id", "person_ids")) and value in person_ids


def _without(details: Mapping[str, Any], face_ids: set[int]) -> dict[str, Any] | None:
    """The details without some faces; None where that leaves none of those that it spoke of."""
    left: dict[str, Any] = {}
    had_faces = has_faces = False
    for key, value in details.items():
        if key.endswith("face_ids") and isinstance(value, list):
            left[key] = [face for face in value if face not in face_ids]
            had_faces, has_faces = True, has_faces or bool(left[key])
        elif key.endswith("face_id") and value in face_ids:
            had_faces = True
        else:
            left[key] = value
            has_faces = has_faces or key.endswith("face_id")
    return left if has_faces or not had_faces else None
