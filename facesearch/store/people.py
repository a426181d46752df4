"""The rows of people; every change to them is journaled.

A person has a name, or none yet (an unnamed group). A face belongs to one person at most, and remembers who said so.
Refuses to take a face away from a person: corrections are another, explicit action.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from facesearch.store.database import Database, as_text, now
from facesearch.store.journal import Journal


class People:
    """Reads and changes the people of a library. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._journal = Journal(database)

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
            self._journal.add("label", {"person_id": person_id, "face_ids": free, "source": source})
        return len(free)

    def find(self, name: str) -> int | None:
        """The id of the person of that name, or of `#12` the person or unnamed group with the id 12."""
        rows = self._database.rows("SELECT id FROM people WHERE name = ?", (_normal(name),))
        if not rows and name.startswith("#") and name[1:].isdecimal():
            rows = self._database.rows("SELECT id FROM people WHERE id = ?", (int(name[1:]),))
        return int(rows[0][0]) if rows else None

    def names(self) -> dict[int, str | None]:
        """Everybody's name by id, None for an unnamed group."""
        return dict(self._database.rows("SELECT id, name FROM people"))

    def faces_of(self, person_ids: Iterable[int]) -> list[tuple[int, int]]:
        """The faces of some people: face id and person id."""
        return self._database.rows_in("SELECT id, person_id FROM faces WHERE person_id IN ({})", person_ids)

    def delete(self, person_ids: Iterable[int]) -> None:
        """Delete people for good, their faces are nobody's then. What the journal says of them stays."""
        self._database.execute_many("DELETE FROM people WHERE id = ?", [(person_id,) for person_id in person_ids])

    def drop_empty(self) -> int:
        """Delete the unnamed groups that have no face any more, and journal it; returns how many it were."""
        rows = self._database.rows(
            "SELECT id FROM people WHERE name IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM faces WHERE person_id = people.id) ORDER BY id"
        )
        if rows:
            self.delete(row[0] for row in rows)
            self._journal.add("drop", {"person_ids": [row[0] for row in rows]})
        return len(rows)

    def photo_counts(self, person_ids: Iterable[int]) -> dict[int, int]:
        """How many photos show each person, by person id."""
        return dict(
            self._database.rows_in(
                "SELECT person_id, count(DISTINCT photo_id) FROM faces WHERE person_id IN ({}) GROUP BY person_id",
                person_ids,
            )
        )


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", as_text(name))
