"""The rows of people; every change to them is journaled.

A person has a name, or none yet (an unnamed group). A face belongs to one person at most, and remembers who said so; of
some faces somebody has said that they are not a person's. Refuses to let a source give away a face that is somebody's
or that was rejected: only what a user says does that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from facesearch.first_use import made_at_first_use
from facesearch.library.rows.counts import kept_counts
from facesearch.library.rows.database import Database, VectorChanges, as_text, now

if TYPE_CHECKING:
    from facesearch.library.changes import PersonRow
    from facesearch.library.rows.journal import Journal
    from facesearch.library.rows.people_change import PeopleChange


class People:
    """Reads and changes the people of a library. Changes are made inside a transaction of the Database.

    What only changes and former names need is imported by them: a question asks for neither.
    """

    _journal: Journal = made_at_first_use(
        "facesearch.library.rows.journal", "Journal", lambda people: (people._database,)
    )

    def __init__(self, database: Database) -> None:
        self._database = database
        self._new: dict[int, PersonRow] = {}  # created in this transaction, and in no line of the journal yet
        self._new_in: VectorChanges | None = None
        self._odd: dict[str, list[int]] = {}  # see _odd_names
        self._odd_at: object = None

    @contextmanager
    def change(self, action: str, facts: Mapping[str, object] | None = None) -> Iterator[PeopleChange]:
        """One change, which is one line of the journal, unless it changes nothing. facts: what else the line says."""
        from facesearch.library.rows.deltas import as_json
        from facesearch.library.rows.people_change import PeopleChange

        change = PeopleChange(self._database)
        yield change
        change.end_part()
        if change.parts:
            details = {**(facts or {}), "parts": [as_json(delta) for delta in change.parts]}
            change.line_id = self._journal.add(action, details)

    def add(self, name: str | None = None) -> int:
        """A new person, an unnamed group without a name; returns the id. The name must be new.

        That somebody came is a part of the first `label` of the same transaction.
        """
        from facesearch.library.changes import PersonRow
        from facesearch.names import name_key

        row = PersonRow(None if name is None else name_key(name), None, now())
        values = (row.name, row.created_at)
        person_id = self._database.insert("INSERT INTO people (name, created_at) VALUES (?, ?)", values)
        if self._new_in is not self._database.changes:
            self._new, self._new_in = {}, self._database.changes
        self._new[person_id] = row
        return person_id

    def named(self, name: str) -> int:
        """The id of the person of that name, who is created if new; of a former name too, so that a folder keeps its
        person.
        """
        bearer = self.bearer(name)
        return self.add(name) if bearer is None else bearer

    def bearer(self, name: str) -> int | None:
        """The id of the person who has that name, or had it, or of the one they were merged into."""
        from facesearch.library.rows.lineage import TELLING, heir
        from facesearch.names import name_key

        called = self.called(name_key(name))
        if called:
            return called[0]
        if not self._journal.says(name_key(name), TELLING):
            return None
        return heir(self._journal.lines(actions=TELLING), name_key(name), self.names())

    def became(self, person_id: int) -> int | None:
        """The present person that a merged one became; None if there is none."""
        from facesearch.library.rows.lineage import TELLING, became

        return became(self._journal.lines(actions=TELLING), person_id, self.names())

    def label(self, person_id: int, face_ids: Iterable[int], source: str) -> int:
        """Give those faces to a person that have none yet and are not rejected, and journal it; returns how many.

        source: who says so, such as "folder" or "user".
        """
        rows = self._database.rows_in("SELECT id FROM faces WHERE person_id IS NULL AND id IN ({})", face_ids)
        free = {row[0] for row in rows} - self.rejected_from(person_id)
        with self.change("label", {"source": source}) as change:
            if self._new_in is self._database.changes and person_id in self._new:
                change.adopt(person_id, self._new.pop(person_id))
            return change.move(free, person_id, source)

    def rejections(self) -> set[tuple[int, int]]:
        """Everything that was rejected: face id, and the id of the person who it is not."""
        return set(self._database.rows("SELECT face_id, person_id FROM rejections"))

    def rejected_from(self, person_id: int) -> set[int]:
        """The faces that are not a person's."""
        return {
            row[0] for row in self._database.rows("SELECT face_id FROM rejections WHERE person_id = ?", (person_id,))
        }

    def rejected_people(self, face_id: int) -> list[int]:
        """The people who a face is not."""
        rows = self._database.rows("SELECT person_id FROM rejections WHERE face_id = ? ORDER BY person_id", (face_id,))
        return [row[0] for row in rows]

    def member(self, face_id: int) -> tuple[int, str] | None:
        """The person of a face, and the source of that; None where it has no person."""
        rows = self._database.rows(
            "SELECT person_id, person_source FROM faces WHERE id = ? AND person_id IS NOT NULL", (face_id,)
        )
        return rows[0] if rows else None

    def row(self, person_id: int) -> PersonRow | None:
        """A person by id."""
        from facesearch.library.rows.people_change import PeopleChange

        return PeopleChange(self._database).row(person_id)

    def find(self, name: str) -> int | None:
        """The id of the person of that name, the first of them in libraries of former versions that have several."""
        return next(iter(self.called(name)), None)

    def called(self, name: str) -> list[int]:
        """The people with this name: to the letter, else by the rule for names. Several only where a former version
        stored names in other forms."""
        from facesearch.names import name_key

        for wanted in dict.fromkeys((name, name_key(name))):
            rows = self._database.rows("SELECT id FROM people WHERE name = ?", (as_text(wanted),))
            if rows:
                return [int(rows[0][0])]
        return self._odd_names().get(name_key(name), [])

    def _odd_names(self) -> Mapping[str, list[int]]:
        """The people whose names former versions kept in another form than `name_key`, by that key. Nothing adds such
        names today, so they are read once a transaction."""
        from facesearch.names import name_key

        version = self._database.version()
        if version != self._odd_at:
            odd: defaultdict[str, list[int]] = defaultdict(list)
            for person_id, name in sorted(self.names().items()):
                if name is not None and name_key(name) != name:
                    odd[name_key(name)].append(person_id)
            self._odd, self._odd_at = dict(odd), version
        return self._odd

    def has(self, person_id: int) -> bool:
        """Whether there is a person or a group of that number."""
        return person_id < 1 << 63 and bool(self._database.rows("SELECT 1 FROM people WHERE id = ?", (person_id,)))

    def names(self) -> dict[int, str | None]:
        """Everybody's name by id, None for an unnamed group."""
        return dict(self._database.rows("SELECT id, name FROM people"))

    def names_of(self, person_ids: Iterable[int]) -> dict[int, str | None]:
        """The names of some people by id, None for an unnamed group."""
        return dict(self._database.rows_in("SELECT id, name FROM people WHERE id IN ({})", person_ids))

    def faces_of(self, person_ids: Iterable[int]) -> list[tuple[int, int]]:
        """The faces of some people: face id and person id."""
        return self._database.rows_in("SELECT id, person_id FROM faces WHERE person_id IN ({})", person_ids)

    def faces_by(self, source: str) -> set[int]:
        """The faces whose person a source gave to them."""
        return {row[0] for row in self._database.rows("SELECT id FROM faces WHERE person_source = ?", (source,))}

    def faces_without_person(self) -> int:
        """How many faces have no person."""
        kept = kept_counts(self._database)
        return kept.faces - kept.faces_with_person

    def face_counts(self, person_ids: Iterable[int]) -> dict[int, int]:
        """How many faces some people have, by person id; nothing for those without one."""
        return dict(
            self._database.rows_in(
                "SELECT person_id, count(*) FROM faces WHERE person_id IN ({}) GROUP BY person_id", person_ids
            )
        )

    def delete(self, person_ids: Iterable[int]) -> None:
        """Delete people for good. Their faces then have no person; the journal keeps its lines about them."""
        self._database.execute_many("DELETE FROM people WHERE id = ?", [(person_id,) for person_id in person_ids])

    def drop_empty(self) -> int:
        """Delete the unnamed groups that have no face any more, and journal it; returns how many there were."""
        rows = self._database.rows(
            "SELECT id FROM people WHERE name IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM faces WHERE person_id = people.id) ORDER BY id"
        )
        with self.change("drop") as change:
            for row in rows:
                change.remove(row[0])
                change.end_part()
        return len(rows)

    def overview(self) -> list[tuple[int, str | None, str | None, int, int, int, bool]]:
        """Everybody: id, name, date of birth, how many faces, photos and rejected faces they have, and whether they are
        hidden."""
        return self._database.rows(
            "SELECT people.id, name, born, count(faces.id), count(DISTINCT photo_id), "
            "(SELECT count(*) FROM rejections WHERE person_id = people.id), hidden "
            "FROM people LEFT JOIN faces ON faces.person_id = people.id GROUP BY people.id ORDER BY people.id"
        )

    def sources_of(self, person_id: int) -> dict[int, str]:
        """Who said that a person's faces are theirs, by face id."""
        return dict(self._database.rows("SELECT id, person_source FROM faces WHERE person_id = ?", (person_id,)))

    def all_rows(self) -> dict[int, PersonRow]:
        """Everybody by id."""
        from facesearch.library.rows.people_change import as_row

        rows = self._database.rows("SELECT id, name, born, created_at, hidden, cover_face_id FROM people")
        return {person_id: as_row(*row) for person_id, *row in rows}

    def hidden(self) -> set[int]:
        """Everybody who is hidden."""
        return {row[0] for row in self._database.rows("SELECT id FROM people WHERE hidden")}

    def chosen_covers(self, person_ids: Iterable[int]) -> dict[int, int]:
        """The face that was chosen to stand for each person, by person id, where it is still theirs."""
        return dict(
            self._database.rows_in(
                "SELECT people.id, faces.id FROM people JOIN faces ON faces.id = cover_face_id "
                "WHERE person_id = people.id AND people.id IN ({})",
                person_ids,
            )
        )

    def photo_counts(self, person_ids: Iterable[int]) -> dict[int, int]:
        """How many photos show each person, by person id."""
        return dict(
            self._database.rows_in(
                "SELECT person_id, count(DISTINCT photo_id) FROM faces WHERE person_id IN ({}) GROUP BY person_id",
                person_ids,
            )
        )
