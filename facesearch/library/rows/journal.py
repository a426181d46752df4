"""The journal of every change to people: lines are appended, and those about somebody who is forgotten go.

Every line has JSON details. A person stands there under a key that ends with `person_id` or `person_ids`, a face
under one that ends with `face_id` or `face_ids`, a name under any but those that end with `source`: whoever writes
lines keeps to that. What stands in the list `parts` of a line is forgotten part by part. Refuses to leave anything that
speaks of somebody who is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facesearch.library.changes import JournalLine
from facesearch.library.rows.database import Database, now
from facesearch.library.rows.deltas import read_line


class Journal:
    """The journal of a library. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, action: str, details: Mapping[str, object]) -> int:
        """Append a line; `details` is stored as JSON. Returns the line's number."""
        return self._database.insert(
            "INSERT INTO journal (at, action, details) VALUES (?, ?, ?)",
            (now(), action, json.dumps(details, ensure_ascii=False)),
        )

    def lines(self, since: int = 0, actions: Sequence[str] = ()) -> list[JournalLine]:
        """The lines with a number above `since`, oldest first, without those that are damaged; of some actions, or of
        all."""
        which = f"AND action IN ({','.join('?' * len(actions))})" if actions else ""
        lines = []
        for line_id, at, action, text in self._database.rows(
            f"SELECT id, at, action, details FROM journal WHERE id > ? {which} ORDER BY id", (since, *actions)
        ):
            try:
                lines.append(read_line(line_id, at, action, json.loads(text)))
            except (ValueError, KeyError, TypeError, AttributeError):  # verify says so
                continue
        return lines

    def says(self, name: str, actions: Sequence[str]) -> bool:
        """Whether a line of some actions may hold a name."""
        which = f"action IN ({','.join('?' * len(actions))})"
        text = json.dumps(name, ensure_ascii=False)[1:-1]  # former versions kept spaces around names
        return bool(
            self._database.rows(f"SELECT 1 FROM journal WHERE {which} AND instr(details, ?) LIMIT 1", (*actions, text))
        )

    def clear(self) -> int:
        """Delete every line; returns how many there were."""
        return self._database.execute("DELETE FROM journal").rowcount

    def forget(self, person_ids: set[int], face_ids: set[int], names: set[str]) -> int:
        """Delete the lines, or parts of lines, about some people or names, and take some faces out of the others;
        returns how many lines it were. A line or part that is left with nothing is deleted too."""
        changed = 0
        for line, text in self._database.rows("SELECT id, details FROM journal"):
            try:
                details = json.loads(text)
                left = _without(details, _Forgotten(person_ids, face_ids, names))
            except (ValueError, TypeError, AttributeError):  # damaged: who knows what it says
                details = left = None
            if left is None:
                self._database.execute("DELETE FROM journal WHERE id = ?", (line,))
            elif left != details:
                shorter = json.dumps(left, ensure_ascii=False)
                self._database.execute("UPDATE journal SET details = ? WHERE id = ?", (shorter, line))
            changed += left is None or left != details
        return changed


@dataclass(frozen=True)
class _Forgotten:
    """The people and things that no line may mention."""

    person_ids: set[int]
    face_ids: set[int]
    names: set[str]


def _without(details: Mapping[str, Any], forgotten: _Forgotten) -> dict[str, Any] | None:
    """The details of a line without what is forgotten; None where nothing is left of what they spoke of."""
    head = {key: value for key, value in details.items() if key != "parts"}
    if _speaks_of(head, forgotten):
        return None
    left = _without_faces(head, forgotten.face_ids)
    if left is None or "parts" not in details:
        return left
    parts = [_without_faces(part, forgotten.face_ids) for part in details["parts"] if not _speaks_of(part, forgotten)]
    return {**left, "parts": kept} if (kept := [part for part in parts if part]) else None


def _speaks_of(value: Any, forgotten: _Forgotten, key: str = "") -> bool:
    if isinstance(value, dict):
        return any(name in forgotten.names or _speaks_of(inner, forgotten, name) for name, inner in value.items())
    if isinstance(value, list):
        return any(_speaks_of(inner, forgotten, key) for inner in value)
    if isinstance(value, str):
        return value in forgotten.names and not key.endswith("source")
    return key.endswith(("person_id", "person_ids")) and value in forgotten.person_ids


def _without_faces(details: Mapping[str, Any], face_ids: set[int]) -> dict[str, Any] | None:
    """The details without some faces, and without entries of lists that are left with none; None where that leaves
    nothing of what they spoke of."""
    left: dict[str, Any] = {}
    had_any = has_any = False
    for key, value in details.items():
        if key.endswith("face_ids") and isinstance(value, list):
            left[key] = [face for face in value if face not in face_ids]
            had_any, has_any = True, has_any or bool(left[key])
        elif key.endswith("face_id") and value in face_ids:
            had_any = True
        elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            entries = [kept for entry in value if (kept := _without_faces(_coverless(entry, face_ids), face_ids))]
            had_any, has_any = True, has_any or bool(entries)
            if entries:
                left[key] = entries
        else:
            left[key] = value
            has_any = has_any or key.endswith("face_id")
    return left if has_any or not had_any else None


def _coverless(entry: dict[str, Any], face_ids: set[int]) -> dict[str, Any]:
    """What a person was before or after a change, without a cover that is forgotten."""
    return {
        key: {inner: each for inner, each in value.items() if not (inner == "cover_face_id" and each in face_ids)}
        if isinstance(value, dict)
        else value
        for key, value in entry.items()
    }
