"""A change to people while it is made: every step is written to the rows at once, and remembered so that it can be
taken back.

Refuses to apply a delta to a library that is no longer as that delta expects it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from facesearch.library.changes import Addition, Delta, PersonChange, PersonRow
from facesearch.library.rows.added_faces import AddedFace, AddedFaces
from facesearch.library.rows.database import Database, now
from facesearch.library.rows.deltas import Member, moves_of, verdicts_of


@dataclass(frozen=True)
class Conflict:
    """Why a delta does not fit: faces and people that are not as it expects them, and names that others have now."""

    face_ids: frozenset[int] = frozenset()
    person_ids: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.face_ids or self.person_ids or self.names)


@dataclass(eq=False)
class PeopleChange:
    """One change, inside a transaction of the Database."""

    database: Database
    parts: list[Delta] = field(default_factory=list)
    line_id: int | None = None  # its line in the journal, once it has ended
    _people: dict[int, tuple[PersonRow | None, PersonRow | None]] = field(default_factory=dict)
    _faces: dict[int, tuple[Member, Member]] = field(default_factory=dict)
    _rejections: dict[tuple[int, int], bool] = field(default_factory=dict)
    _additions: dict[int, bool] = field(default_factory=dict)

    def create(self, name: str | None = None, born: str | None = None) -> int:
        """A new person, or an unnamed group; returns the id. The name must be new and in Unicode's NFC form."""
        row = PersonRow(name, born, now())
        person_id = self._insert(None, row)
        self._people[person_id] = (None, row)
        return person_id

    def adopt(self, person_id: int, row: PersonRow) -> None:
        """A person who was created in the same transaction: that belongs to this change."""
        self._people.setdefault(person_id, (None, row))

    def update(self, person_id: int, **columns: Any) -> None:
        """Another name, date of birth or what else a PersonRow has."""
        before = self.row(person_id)
        assert before is not None
        after = replace(before, **columns)
        self._write(person_id, after)
        self._note(person_id, before, after)

    def remove(self, person_id: int) -> None:
        """Delete a person who has no faces any more, with what was rejected."""
        before = self.row(person_id)
        rejected = self.database.rows("SELECT face_id FROM rejections WHERE person_id = ?", (person_id,))
        self.accept(person_id, [row[0] for row in rejected])
        self.database.execute("DELETE FROM people WHERE id = ?", (person_id,))
        self._note(person_id, before, None)

    def move(self, face_ids: Iterable[int], person_id: int | None, source: str = "user") -> int:
        """Give faces to a person, or to nobody; returns how many that changed. source: who says so."""
        after = None if person_id is None else (person_id, source)
        return self._move(dict.fromkeys(face_ids, after))

    def add_face(self, photo_id: int, face: AddedFace) -> int:
        """A face that the detector missed; returns its id."""
        face_id = AddedFaces(self.database).add(photo_id, face)
        self._additions[face_id] = True
        return face_id

    def reject(self, person_id: int, face_ids: Iterable[int]) -> int:
        """Remember that faces are not a person's; returns of how many that is new."""
        return self._judge(person_id, face_ids, rejected=True)

    def accept(self, person_id: int, face_ids: Iterable[int]) -> int:
        """Take rejections back; returns how many there were."""
        return self._judge(person_id, face_ids, rejected=False)

    def end_part(self) -> None:
        """What was done since the last part can be forgotten without the rest, such as one group among many."""
        delta = Delta(
            tuple(PersonChange(key, *ends) for key, ends in sorted(self._people.items()) if ends[0] != ends[1]),
            moves_of(self._faces),
            verdicts_of(self._rejections.items()),
            tuple(
                Addition(ids, added)
                for added in (True, False)
                if (ids := tuple(sorted(face for face, each in self._additions.items() if each == added)))
            ),
        )
        if delta != Delta():
            self.parts.append(delta)
        self._people, self._faces, self._rejections, self._additions = {}, {}, {}, {}

    def conflict(self, delta: Delta) -> Conflict:
        """What stands in the way of `apply`. Faces that are gone do not."""
        faces: set[int] = set()
        leaving: set[int] = set()
        for move in delta.moves:
            there = self._members(move.face_ids)
            faces |= {face_id for face_id, member in there.items() if member != move.before}
            leaving |= set(there)
        people = {
            each.person_id
            for each in delta.people
            if self._as_it_can_be(self.row(each.person_id)) != self._as_it_can_be(each.before)
        }
        for verdict in delta.verdicts:
            there = self._members(verdict.face_ids)
            known = self._rejected(verdict.person_id)
            faces |= {face_id for face_id in there if (face_id in known) == verdict.rejected}
        faces |= self._in_use(delta)
        coming = {each.person_id for each in delta.people if each.after is not None}
        needed = {move.after[0] for move in delta.moves if move.after is not None}
        needed |= {verdict.person_id for verdict in delta.verdicts if verdict.rejected}
        people |= {person_id for person_id in needed - coming if self.row(person_id) is None}
        going = {each.person_id for each in delta.people if each.after is None}
        rows = self.database.rows_in("SELECT id FROM faces WHERE person_id IN ({})", going)
        faces |= {row[0] for row in rows} - leaving
        taken_back = {(face, each.person_id) for each in delta.verdicts if not each.rejected for face in each.face_ids}
        rows = self.database.rows_in("SELECT face_id, person_id FROM rejections WHERE person_id IN ({})", going)
        faces |= {row[0] for row in rows if row not in taken_back}
        return Conflict(frozenset(faces), frozenset(people), frozenset(self._taken_names(delta)))

    def apply(self, delta: Delta) -> None:
        """Do what a delta says. `conflict` must have found nothing."""
        self._add_again(delta)
        for each in delta.people:  # names first: they may go from one to another
            if each.before is not None:
                self._write(each.person_id, replace(each.before, name=None))
        for each in delta.people:
            if each.after is not None:
                if each.before is None:
                    self._insert(each.person_id, each.after)
                else:
                    self._write(each.person_id, each.after)
                self._note(each.person_id, each.before, each.after)
        for move in delta.moves:
            self._move(dict.fromkeys(self._members(move.face_ids), move.after))
        for verdict in delta.verdicts:
            self._judge(verdict.person_id, verdict.face_ids, rejected=verdict.rejected)
        for each in delta.people:
            if each.after is None:
                self.database.execute("DELETE FROM people WHERE id = ?", (each.person_id,))
                self._note(each.person_id, each.before, None)
        self._take_out(delta)

    def row(self, person_id: int) -> PersonRow | None:
        """A person as the rows have them now."""
        columns = "name, born, created_at, hidden, cover_face_id"
        rows = self.database.rows(f"SELECT {columns} FROM people WHERE id = ?", (person_id,))
        return as_row(*rows[0]) if rows else None

    def _as_it_can_be(self, row: PersonRow | None) -> PersonRow | None:
        """Without a cover that is not in the library any more."""
        if row is None or row.cover_face_id is None or self._members([row.cover_face_id]):
            return row
        return replace(row, cover_face_id=None)

    def _in_use(self, delta: Delta) -> set[int]:
        """The faces that a delta takes out of the library and that were given to somebody, judged, or chosen since."""
        going = [face_id for each in delta.additions if not each.added for face_id in each.face_ids]
        left = {face_id for move in delta.moves if move.after is None for face_id in move.face_ids}
        used = {face_id for face_id, member in self._members(going).items() if member is not None} - left
        for statement in (
            "SELECT face_id FROM rejections WHERE face_id IN ({})",
            "SELECT cover_face_id FROM people WHERE cover_face_id IN ({})",
        ):
            used |= {row[0] for row in self.database.rows_in(statement, going)}
        return used

    def _add_again(self, delta: Delta) -> None:
        added = AddedFaces(self.database)
        for each in delta.additions:
            if each.added:
                there = added.removed(each.face_ids)
                added.bring_back(sorted(there))
                self._additions.update(dict.fromkeys(there, True))

    def _take_out(self, delta: Delta) -> None:
        for each in delta.additions:
            if not each.added:
                there = set(self._members(each.face_ids))
                AddedFaces(self.database).remove(sorted(there))
                self._additions.update(dict.fromkeys(there, False))

    def _note(self, person_id: int, before: PersonRow | None, after: PersonRow | None) -> None:
        self._people[person_id] = (self._people.get(person_id, (before, None))[0], after)

    def _insert(self, person_id: int | None, row: PersonRow) -> int:
        values = (person_id, row.name, row.born, row.created_at, row.hidden, row.cover_face_id)
        return self.database.insert(
            "INSERT INTO people (id, name, born, created_at, hidden, cover_face_id) "
            "VALUES (?, ?, ?, ?, ?, (SELECT id FROM faces WHERE id = ?))",
            values,
        )

    def _write(self, person_id: int, row: PersonRow) -> None:
        values = (row.name, row.born, row.hidden, row.cover_face_id, person_id)
        self.database.execute(
            "UPDATE people SET name = ?, born = ?, hidden = ?, "
            "cover_face_id = (SELECT id FROM faces WHERE id = ?) WHERE id = ?",
            values,
        )

    def _members(self, face_ids: Iterable[int]) -> dict[int, Member]:
        """The person of each of some faces, without those that are gone."""
        rows = self.database.rows_in("SELECT id, person_id, person_source FROM faces WHERE id IN ({})", face_ids)
        return {face_id: None if person is None else (person, source) for face_id, person, source in rows}

    def _move(self, wanted: dict[int, Member]) -> int:
        moved = {
            face_id: (before, wanted[face_id])
            for face_id, before in self._members(wanted).items()
            if before != wanted[face_id]
        }
        self.database.execute_many(
            "UPDATE faces SET person_id = ?, person_source = ? WHERE id = ?",
            [(*(after or (None, None)), face_id) for face_id, (_, after) in moved.items()],
        )
        for face_id, (before, after) in moved.items():
            self._faces[face_id] = (self._faces.get(face_id, (before, None))[0], after)
        return len(moved)

    def _rejected(self, person_id: int) -> set[int]:
        return {
            row[0] for row in self.database.rows("SELECT face_id FROM rejections WHERE person_id = ?", (person_id,))
        }

    def _judge(self, person_id: int, face_ids: Iterable[int], *, rejected: bool) -> int:
        known, there = self._rejected(person_id), self._members(face_ids)
        pairs = [(face_id, person_id) for face_id in sorted(there) if (face_id in known) != rejected]
        if rejected:
            self.database.execute_many("INSERT INTO rejections (face_id, person_id) VALUES (?, ?)", pairs)
        else:
            self.database.execute_many("DELETE FROM rejections WHERE face_id = ? AND person_id = ?", pairs)
        for pair in pairs:
            if self._rejections.pop(pair, None) is None:
                self._rejections[pair] = rejected
        return len(pairs)

    def _taken_names(self, delta: Delta) -> set[str]:
        """Names in the delta that other people have today."""
        concerned = {each.person_id for each in delta.people}
        names = {each.after.name for each in delta.people if each.after is not None and each.after.name is not None}
        rows = [
            row for name in names for row in self.database.rows("SELECT id, name FROM people WHERE name = ?", (name,))
        ]
        return {name for person_id, name in rows if person_id not in concerned}


def as_row(name: str | None, born: str | None, created_at: str, hidden: int, cover_face_id: int | None) -> PersonRow:
    """A person from the columns of the table."""
    return PersonRow(name, born, created_at, bool(hidden), cover_face_id)
