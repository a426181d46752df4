"""Which faces a sheet of people shows, and in which order. Reads rows only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.people import list_people
from facesearch.people.cover import cover_faces, geometric_median
from facesearch.records import Span

Order = Literal["doubtful", "typical", "date"]


@dataclass(frozen=True)
class SheetFace:
    """A face of a person."""

    face_id: int
    distance: float | None  # from the person's middle; None where it has no embedding
    taken: str | None  # when its photo was, ISO 8601 without a time zone; None where only the file's time says so
    photo: Path | None  # None if no file shows it
    missing: bool
    quality: float | None  # how well it can be recognised, 0 to 1
    span: Span | None = None  # when it is seen, if `photo` is a video


@dataclass(frozen=True)
class PersonFaces:
    """A person with the faces to be shown, in order."""

    person_id: int
    name: str | None
    order: Order
    total: int  # of all their faces
    is_far: float  # beyond this distance from the middle a face is marked as far
    faces: tuple[SheetFace, ...]


@dataclass(frozen=True)
class SheetPerson:
    """A person with the face that stands for them; None for a person without any."""

    person_id: int
    name: str | None
    faces: int
    photos: int
    face_id: int | None


@dataclass(frozen=True)
class Everybody:
    """The people to be shown, those with a name first, and how many there are in all."""

    total: int
    people: tuple[SheetPerson, ...]


def faces_of_person(library: Library, person_id: int, order: Order, limit: int) -> PersonFaces:
    """A person's faces in an order; at most `limit` of them. Raises UsageError for somebody without a face.

    "doubtful": the farthest from the middle first. "typical": the nearer half, the best in quality first, then the
    others. "date": the oldest first, those without one last. Otherwise faces without an embedding come last.

    The middle is the geometric median of the embeddings in the library's space: up to half of the faces can be somebody
    else's before it is drawn away.
    """
    with library.snapshot():
        every = {face_id for face_id, _ in library.people.faces_of([person_id])}
        without = every & library.added.without_embedding()
        face_ids = [*sorted(every - without), *sorted(without)]
        if not face_ids:
            raise UsageError(f"#{person_id} has no face in {library.path}: there is nothing to show")
        places = library.places.of(sorted(every - without)) if without != every else None
        stored = library.catalog.faces(face_ids)
        paths = library.catalog.photo_paths({face.photo_id for face in stored.values()})
        dates = library.dates.of({face.photo_id for face in stored.values()})
        name, threshold = library.people.names()[person_id], library.threshold
    distances: list[float | None] = [None] * len(face_ids)
    if places is not None:
        distances[: len(places)] = places.distances_beside(places.middle(geometric_median(places.points))).tolist()
    faces = []
    for face_id, distance in zip(face_ids, distances, strict=True):
        where = paths.get(stored[face_id].photo_id)
        path, missing = (None, True) if where is None else (where.path, where.missing)
        date = dates.get(stored[face_id].photo_id)
        taken = None if date is None or date.source == "file" else date.at
        quality, span = stored[face_id].quality, stored[face_id].span
        faces.append(SheetFace(face_id, distance, taken, path, missing, quality, span))
    shown = _ordered(faces, order)[:limit]
    return PersonFaces(person_id, name, order, len(faces), threshold, tuple(shown))


def everybody(library: Library, limit: int) -> Everybody:
    """The people of a library, each with one face."""
    with library.snapshot():
        listed = list_people(library, covers=False).people
        covers = cover_faces(library, [person.person_id for person in listed[:limit]])
    people = [
        SheetPerson(person.person_id, person.name, person.faces, person.photos, covers.get(person.person_id))
        for person in listed[:limit]
    ]
    return Everybody(len(listed), tuple(people))


def _ordered(faces: list[SheetFace], order: Order) -> list[SheetFace]:
    if order == "date":
        return sorted(faces, key=lambda face: (face.taken is None, face.taken or "", face.face_id))
    known = {face.face_id: face.distance for face in faces if face.distance is not None}
    near = [face for face in faces if face.face_id in known]
    others = [face for face in faces if face.face_id not in known]
    if order == "doubtful":
        return [*sorted(near, key=lambda face: (-known[face.face_id], face.face_id)), *others]
    nearest = [*sorted(near, key=lambda face: (known[face.face_id], face.face_id)), *others]
    half = (len(near) + 1) // 2  # as for a cover
    best = sorted(nearest[:half], key=lambda face: -1.0 if face.quality is None else face.quality, reverse=True)
    return best + nearest[half:]
