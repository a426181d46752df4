"""What a user says about people: names, dates of birth, who is one person and who is not.

Each is one transaction and one line of the journal. What a user says now outweighs earlier rejections and every other
source. Takes no face from a person unless the user names that person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from facesearch.errors import UsageError
from facesearch.library import Library, nobody
from facesearch.library.changes import PersonRow
from facesearch.library.rows.lineage import MERGED_INTO
from facesearch.library.rows.people_change import PeopleChange
from facesearch.names import person_name
from facesearch.people.addressing import shown_person
from facesearch.people.grouping import SOURCE as GROUPED
from facesearch.people.grouping import VOUCHED
from facesearch.people.sources import CONFIRMED
from facesearch.records import StoredFace
from facesearch.text import addressed

USER = "user"


@dataclass(frozen=True)
class PeopleChanged:
    """What a change did."""

    change: int | None  # its number in the journal; None if nothing changed
    action: str
    person_id: int  # of the person who it ended with, as name and born
    name: str | None
    born: str | None
    faces: int  # how many faces it moved or rejected
    people: int  # how many people were dissolved
    total: int  # the faces that the person has now


@dataclass(frozen=True)
class PeopleHidden:
    """Who was hidden, or is shown again."""

    change: int | None  # its number in the journal; None where all were so already
    hidden: bool
    person_ids: tuple[int, ...]  # of those that this changed
    names: tuple[str | None, ...]


@dataclass(frozen=True)
class CoverSet:
    """The face that stands for a person from now on."""

    change: int | None  # its number in the journal; None where nothing changed
    person_id: int
    name: str | None
    cover_face_id: int | None  # None: the best one by itself


def name_person(library: Library, person_id: int, name: str, born: str | None = None) -> PeopleChanged:
    """Give an unnamed group a name, or a person another one; with `born` (an ISO date) a date of birth too.

    Naming a group confirms the faces in it: they count as named from then on; faces that join later do not. Raises
    UsageError if somebody else has the name, or if it looks like a number.
    """
    name = person_name(name)
    born = None if born is None else checked_date(born)
    with library.changing():
        row = _row(library, person_id)
        taken = library.people.find(name)
        if taken is not None and taken != person_id:
            this = addressed(row.name, person_id)
            raise UsageError(
                f"somebody is already called {name}: to merge them with {this}, use facesearch people merge"
            )
        with library.people.change("name") as change:
            change.update(person_id, name=name, born=born or row.born)
            if row.name is None:
                _vouch(library, change, person_id)
    return _changed(library, change, "name", person_id)


def name_faces(library: Library, face_ids: Sequence[int], name: str, born: str | None = None) -> PeopleChanged:
    """Give faces without a person to the person of that name, who is created if new.

    Raises UsageError for a face that belongs to somebody else.
    """
    name = person_name(name)
    born = None if born is None else checked_date(born)
    with library.changing():
        person_id = library.people.find(name)
        for face in _faces(library, face_ids):
            if face.person_id not in (None, person_id):
                assert face.person_id is not None
                whose = shown_person(library, face.person_id)
                raise UsageError(
                    f"face #{face.face_id} belongs to {whose}: name {whose}, or move the face with "
                    f'facesearch people split "{whose}" face:{face.face_id} --to "{name}"'
                )
        with library.people.change("name") as change:
            if person_id is None:
                person_id = change.create(name, born)
            elif born is not None:
                change.update(person_id, name=_row(library, person_id).name, born=born)
            change.accept(person_id, face_ids)
            theirs = library.people.sources_of(person_id)
            moved = change.move([face_id for face_id in face_ids if face_id not in theirs], person_id, USER)
    return _changed(library, change, "name", person_id, faces=moved)


def set_born(library: Library, person_id: int, born: str | None) -> PeopleChanged:
    """Remember when a person was born, an ISO date, or with None that it is not known."""
    born = None if born is None else checked_date(born)
    with library.changing():
        row = _row(library, person_id)
        with library.people.change("born") as change:
            change.update(person_id, name=row.name, born=born)
    return _changed(library, change, "born", person_id)


def merge_people(library: Library, first: int, others: Iterable[int]) -> PeopleChanged:
    """Merge people into the first, with all their faces; a face that was rejected for any of them is rejected for all.

    The first keeps its name, date of birth and chosen cover; where it has none it takes the next one's. They are hidden
    only if all were. Faces that the first has afterwards are no longer rejected, because the merge came later. Merging
    a group without a name into a person confirms its faces, as naming the group does.
    """
    others = [person for person in dict.fromkeys(others) if person != first]
    if not others:
        raise UsageError("name at least two people to merge")
    with library.changing():
        rows = [_row(library, person) for person in (first, *others)]
        name = next((row.name for row in rows if row.name is not None), None)
        born = next((row.born for row in rows if row.born is not None), None)
        covers = library.people.chosen_covers((first, *others))
        cover = next((covers[person] for person in (first, *others) if person in covers), None)
        hidden = all(row.hidden for row in rows)
        with library.people.change("merge", {MERGED_INTO: first}) as change:
            theirs: dict[str, list[int]] = {}
            if name is not None:
                for person, row in zip((first, *others), rows, strict=True):
                    if row.name is None:
                        _vouch(library, change, person)
            for person in others:
                for face_id, source in library.people.sources_of(person).items():
                    theirs.setdefault(source, []).append(face_id)
            moved = sum(change.move(faces, first, source) for source, faces in theirs.items())
            rejected = {face for person in others for face in library.people.rejected_from(person)}
            for person in others:
                change.remove(person)
            change.reject(first, rejected)
            change.accept(first, library.people.sources_of(first))
            change.update(first, name=name, born=born, hidden=hidden, cover_face_id=cover)
    return _changed(library, change, "merge", first, faces=moved, people=len(others))


def split_faces(
    library: Library, person_id: int, face_ids: Sequence[int], to: str | int | None = None
) -> PeopleChanged:
    """Move some of a person's faces to `to`, a person by id or a name that may be new, or else to a new unnamed group.

    The faces are rejected for the person they leave, so that nothing puts them back. An unnamed group that is left
    without a face is dissolved. Raises UsageError for faces that are not the person's.
    """
    name = person_name(to) if isinstance(to, str) else None
    with library.changing():
        _row(library, person_id)
        for face in _faces(library, face_ids):
            if face.person_id != person_id:
                raise UsageError(f"face #{face.face_id} does not belong to {shown_person(library, person_id)}")
        target = to if isinstance(to, int) else None if name is None else library.people.find(name)
        if target is not None:
            _row(library, target)
        if target == person_id:
            raise UsageError(
                f"these faces already belong to {shown_person(library, target)}; give another name, or none"
            )
        with library.people.change("split") as change:
            if target is None:
                target = change.create(name)
            change.accept(target, face_ids)
            moved = change.move(face_ids, target, USER)
            change.reject(person_id, face_ids)
            gone = _dissolve_empty(library, change, person_id)
    return _changed(library, change, "split", target, faces=moved, people=gone)


def reject_faces(library: Library, person_id: int, face_ids: Sequence[int]) -> PeopleChanged:
    """Record that faces do not show a person: they leave the person, and no source brings them back.

    Faces of other people can be rejected too, which keeps the two people apart for good. An unnamed group that is left
    without a face is dissolved.
    """
    with library.changing():
        _row(library, person_id)
        theirs = [face.face_id for face in _faces(library, face_ids) if face.person_id == person_id]
        with library.people.change("reject") as change:
            change.move(theirs, None)
            rejected = change.reject(person_id, face_ids)
            gone = _dissolve_empty(library, change, person_id)
    return _changed(library, change, "reject", person_id, faces=rejected, people=gone)


def hide_people(library: Library, person_ids: Iterable[int], *, hidden: bool = True) -> PeopleHidden:
    """Leave people, such as strangers and posters, out of lists, sheets and queries; or, with hidden=False, show them
    again. They keep their faces, so that nobody else gets these."""
    with library.changing(), library.people.change("hide" if hidden else "unhide") as change:
        done = []
        for person_id in dict.fromkeys(person_ids):
            if _row(library, person_id).hidden != hidden:
                change.update(person_id, hidden=hidden)
                change.end_part()
                done.append(person_id)
    return PeopleHidden(change.line_id, hidden, tuple(done), tuple(_row(library, each).name for each in done))


def set_cover(library: Library, person_id: int, face_id: int | None) -> CoverSet:
    """Choose the face that stands for a person; None: the best one by itself again. Raises UsageError for a face that
    is not theirs."""
    with library.changing():
        row = _row(library, person_id)
        if face_id is not None and _faces(library, [face_id])[0].person_id != person_id:
            raise UsageError(f"face #{face_id} is not a face of {shown_person(library, person_id)}")
        with library.people.change("cover") as change:
            change.update(person_id, cover_face_id=face_id)
    return CoverSet(change.line_id, person_id, row.name, face_id)


def confirm_faces(library: Library, person_id: int, face_ids: Sequence[int]) -> PeopleChanged:
    """Confirm that faces show the person who has them: `review` no longer lists them.

    Raises UsageError for faces that are not the person's.
    """
    with library.changing():
        _row(library, person_id)
        for face in _faces(library, face_ids):
            if face.person_id != person_id:
                raise UsageError(f"face #{face.face_id} is not {shown_person(library, person_id)}'s: name it first")
        with library.people.change("confirm") as change:
            confirmed = change.move(face_ids, person_id, CONFIRMED)
    return _changed(library, change, "confirm", person_id, faces=confirmed)


def checked_date(text: str) -> str:
    """An ISO date that is not in the future, where this machine is. Raises UsageError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is not a date; write it as 1984-05-17") from None
    if day > datetime.now().astimezone().date():
        raise UsageError(f"{text} is in the future")
    return day.isoformat()


def _row(library: Library, person_id: int) -> PersonRow:
    row = library.people.row(person_id)
    if row is None:
        raise nobody(library, person_id)
    return row


def _faces(library: Library, face_ids: Iterable[int]) -> list[StoredFace]:
    wanted = sorted(set(face_ids))
    if not wanted:
        raise UsageError("name at least one face")
    found = library.catalog.faces(wanted)
    for face_id in wanted:
        if face_id not in found:
            raise UsageError(f"there is no face #{face_id} in {library.path}")
    return list(found.values())


def _vouch(library: Library, change: PeopleChange, person_id: int) -> None:
    """Record as confirmed by the user the faces of a group that only grouping had put there."""
    faces = [face for face, source in library.people.sources_of(person_id).items() if source == GROUPED]
    change.move(faces, person_id, VOUCHED)


def _dissolve_empty(library: Library, change: PeopleChange, person_id: int) -> int:
    """Delete an unnamed group without faces; returns how many people that dissolved."""
    if _row(library, person_id).name is not None or library.people.faces_of([person_id]):
        return 0
    change.remove(person_id)
    return 1


def _changed(
    library: Library, change: PeopleChange, action: str, person_id: int, *, faces: int = 0, people: int = 0
) -> PeopleChanged:
    row = library.people.row(person_id)
    name, born = (None, None) if row is None else (row.name, row.born)
    total = len(library.people.faces_of([person_id]))
    return PeopleChanged(change.line_id, action, person_id, name, born, faces, people, total)
