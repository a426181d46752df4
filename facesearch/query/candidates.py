"""The faces of a library that may show the person on a probe: the nearest, and the nearest of each person."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from facesearch.library import Library
from facesearch.records import Floats, PhotoPath, StoredFace

FIRST_REACH = 64  # neighbours searched for at first; a person with many photos can fill them all

Group = tuple[str, int]


@dataclass(frozen=True, eq=False)
class NearFace:
    """A stored face near a probe."""

    face: StoredFace
    distance: float  # as it is shown, ranked and compared with the threshold
    photo: PhotoPath | None  # None where no file shows the face any more


@dataclass(frozen=True, eq=False)
class Candidate:
    """The nearest face of a person, on a photo that is known."""

    face: StoredFace
    distance: float
    photo: PhotoPath

    @property
    def group(self) -> Group:
        """Whose face it is; a face in no group is a group by itself."""
        return by_person(self.face)


@dataclass(frozen=True, eq=False)
class Within:
    """All people, or faces, within reach of a probe."""

    candidates: tuple[Candidate, ...]  # the nearest first
    reach: float  # whoever is not among them is at least as far away; inf where everybody is


def near_faces(library: Library, place: Floats, count: int) -> list[NearFace]:
    """The `count` stored faces nearest to a place in the library's space, float32 (32,), the nearest first.

    Every distance between a probe and a stored face that an answer, a sheet or an explanation shows comes from here:
    FAISS proposes the faces, and this function says how far they are. Call it inside a snapshot.
    """
    neighbours = library.vectors().search(place, count)
    faces = library.catalog.faces(neighbour.face_id for neighbour in neighbours)
    photos = library.catalog.photo_paths(face.photo_id for face in faces.values())
    return [
        NearFace(faces[neighbour.face_id], neighbour.distance, photos.get(faces[neighbour.face_id].photo_id))
        for neighbour in neighbours
    ]


def nearest_groups(library: Library, place: Floats, k: int, group: Callable[[StoredFace], Group]) -> Within:
    """The nearest face of each group within reach of a place in the library's space, the k nearest groups certainly.

    Searches farther until k groups lie safely within reach, so that one person with thousands of photos hides nobody.
    A face whose photo lies nowhere any more is passed over.
    """
    stored = len(library.vectors())
    reach = max(FIRST_REACH, 8 * k)
    while True:
        near = near_faces(library, place, reach)
        groups = _firsts(near, group)
        if reach >= stored:
            return Within(groups, math.inf)
        # As far as the last neighbour there can be another with a lower id: only what is nearer is certain.
        if len(groups) >= k and groups[k - 1].distance < near[-1].distance:
            return Within(groups, near[-1].distance)
        reach *= 4


def by_person(face: StoredFace) -> Group:
    """Groups faces by person; a face in no group is a group by itself."""
    return by_face(face) if face.person_id is None else ("person", face.person_id)


def by_face(face: StoredFace) -> Group:
    """Groups nothing: every face is a group by itself."""
    return ("face", face.face_id)


def _firsts(near: Iterable[NearFace], group: Callable[[StoredFace], Group]) -> tuple[Candidate, ...]:
    first: dict[Group, Candidate] = {}
    for each in near:
        if each.photo is not None:
            first.setdefault(group(each.face), Candidate(each.face, each.distance, each.photo))
    return tuple(first.values())
