"""The rows of people, and the journal of every change to them.

A person has a name, or none yet (an unnamed group). A face belongs to one person at most, and remembers who said so.
Refuses to take a face away from a person: corrections are another, explicit action.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping

from facesearch.store.database import Database, as_text, now


class People:
    """Reads and changes the people of a library. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str | None = None) -> int:
        """A new person, an unnamed group without a name; returns the id. The name must be new."""
        name = None if name is None else _normal(name)
        return self._database.insert("INSERT INTO people (name, created_at) VALUES (?, ?)", (name, now()))

    def named(self, name: str) -> int:
        """The id of the person of that name, who is created if new. Names are compared in Unicode's NFC form."""
        rows = self._database.rows("SELECT id FROM people WHERE name = ?", (_normal(name),))
        return int(rows[0][0]) if rows else self.add(name)

    def label(self, person_id: int, face_ids: Iterable[int], source: str) -> int:
        """Give those faces that have no person yet to a person, and journal it; returns how many it were.

        source: who says so, such as "folder" or "user".
        """
        rows = self._database.rows_in("SELECT id FROM faces WHERE person_id IS NULL AND id IN ({})", face_ids)
        free = sorted(row[0] for row in rows)
        if free:
            self._database.execute_many(
                "UPDATE faces SET person_id = ?, person_source = ? WHERE id = ?",
                [(person_id, source, face_id) for face_id in free],
            )
            self.journal("label", {"person_id": person_id, "face_ids": free, "source": source})
        return len(free)

    def drop_empty(self) -> int:
        """Delete the unnamed groups that have no face any more, and journal it; returns how many it were."""
        rows = self._database.rows(
            "SELECT id FROM people WHERE name IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM faces WHERE person_id = people.id) ORDER BY id"
        )
        if rows:
            self._database.execute_many("DELETE FROM people WHERE id = ?", rows)
            self.journal("drop", {"person_ids": [row[0] for row in rows]})
        return len(rows)

    def photo_counts(self, person_ids: Iterable[int]) -> dict[int, int]:
        """How many photos show each person, by person id."""
        return dict(
            self._database.rows_in(
                "SELECT person_id, count(DISTINCT photo_id) FROM faces WHERE person_id IN ({}) GROUP BY person_id",
                person_ids,
            )
        )

    def journal(self, action: str, details: Mapping[str, object]) -> None:
        """Append a line to the journal; `details` is stored as JSON."""
        self._database.execute(
            "INSERT INTO journal (at, action, details) VALUES (?, ?, ?)",
            (now(), action, json.dumps(details, ensure_ascii=False)),
        )


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", as_text(name))
