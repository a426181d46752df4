"""Who is in a library, and on which photos: for the eyes. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.people.cover import cover_faces
from facesearch.records import StoredFace


@dataclass(frozen=True)
class PersonEntry:
    """A person, or an unnamed group."""

    person_id: int
    name: str | None  # None for a group
    born: str | None  # an ISO date
    faces: int
    photos: int
    rejected: int  # faces that are known not to be theirs
    cover_face_id: int | None = None  # the face that stands for them (people.cover); None for somebody without a face


@dataclass(frozen=True)
class PeopleList:
    """Everybody: those with a name by name, then the groups, the largest first. faces_without_person: their number."""

    people: tuple[PersonEntry, ...]
    faces_without_person: int


@dataclass(frozen=True)
class FaceEntry:
    """A face on a photo."""

    face_id: int
    photo: Path | None
    missing: bool  # the photo was gone when its folder was last indexed
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px
    source: str | None  # who said whose it is: "user", "folder" and so on; None for a rejected face
    quality: float | None  # how well it can be recognised, 0 to 1; None for a face from before there was one


@dataclass(frozen=True)
class PersonShown:
    """A person with every face, by photo, and the faces that are known not to be theirs."""

    person: PersonEntry
    faces: tuple[FaceEntry, ...]
    rejected: tuple[FaceEntry, ...]


def list_people(library: Library, *, covers: bool = True) -> PeopleList:
    """Everybody in a library. covers: choose a cover for each, which reads up to 127 embeddings of every person."""
    with library.snapshot():
        rows = library.people.overview()
        chosen = cover_faces(library, [row[0] for row in rows]) if covers else {}
        people = [PersonEntry(*row, chosen.get(row[0])) for row in rows]
        without = library.catalog.face_count() - sum(person.faces for person in people)
    people.sort(key=lambda each: (each.name is None, (each.name or "").casefold(), -each.faces, each.person_id))
    return PeopleList(tuple(people), without)


def show_person(library: Library, person_id: int) -> PersonShown:
    """A person with their faces. Raises UsageError where there is no such person."""
    with library.snapshot():
        row = library.people.row(person_id)
        if row is None:
            raise UsageError(f"there is no person #{person_id} in {library.path}")
        sources = library.people.sources_of(person_id)
        theirs = library.catalog.faces(sources)
        rejected = library.catalog.faces(library.people.rejected_from(person_id))
        faces = _entries(library, theirs.values(), sources)
        others = _entries(library, rejected.values(), {})
        cover = cover_faces(library, [person_id]).get(person_id)
    photos = len({face.photo_id for face in theirs.values()})
    person = PersonEntry(person_id, row.name, row.born, len(faces), photos, len(others), cover)
    return PersonShown(person, faces, others)


def _entries(library: Library, faces: Iterable[StoredFace], sources: dict[int, str]) -> tuple[FaceEntry, ...]:
    faces = list(faces)
    paths = library.catalog.photo_paths(face.photo_id for face in faces)
    entries = []
    for face in faces:
        where = paths.get(face.photo_id)
        left, top, right, bottom = (round(side, 1) for side in face.box.tolist())
        path, missing = (None, True) if where is None else (where.path, where.missing)
        box, source = (left, top, right, bottom), sources.get(face.face_id)
        entries.append(FaceEntry(face.face_id, path, missing, box, source, face.quality))
    return tuple(sorted(entries, key=lambda entry: (str(entry.photo), entry.face_id)))
