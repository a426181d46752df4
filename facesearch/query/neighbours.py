"""The stored faces nearest to a place, gathered by person or face by face, until enough of them are safely nearest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from facesearch.library import Library
from facesearch.records import Floats, Neighbour, PhotoPath, StoredFace

FIRST_REACH = 64  # neighbours asked for at first; a person with many photos can fill them all

Group = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Found:
    """The nearest face of a group, and a photo that shows it."""

    neighbour: Neighbour
    face: StoredFace
    photo: PhotoPath

    @property
    def group(self) -> Group:
        """Whose face it is; a face in no group is one by itself."""
        return by_person(self.face)


@dataclass(frozen=True, eq=False)
class Within:
    """All groups with a face among the nearest, the nearest first. reach: what is not there is at least as far; inf
    where everything is there."""

    groups: tuple[Found, ...]
    reach: float


def nearest_groups(library: Library, place: Floats, k: int, group: Callable[[StoredFace], Group]) -> Within:
    """The nearest face of each group within reach of a place in the library's space, the k nearest groups certainly.

    Reaches for more neighbours until k groups lie safely within reach, so that one person with thousands of photos
    hides nobody. A face whose photo lies nowhere any more is passed over.
    """
    vectors = library.vectors()
    reach = max(FIRST_REACH, 8 * k)
    while True:
        neighbours = vectors.search(place, reach)
        faces = library.catalog.faces(neighbour.face_id for neighbour in neighbours)
        photos = library.catalog.photo_paths(face.photo_id for face in faces.values())
        groups = _firsts(neighbours, faces, photos, group)
        if reach >= len(vectors):
            return Within(groups, math.inf)
        # As far as the last neighbour there can be another with a lower id: only what is nearer is certain.
        if len(groups) >= k and groups[k - 1].neighbour.distance < neighbours[-1].distance:
            return Within(groups, neighbours[-1].distance)
        reach *= 4


def by_person(face: StoredFace) -> Group:
    """Groups faces by person; a face in no group is one by itself."""
    return by_face(face) if face.person_id is None else ("person", face.person_id)


def by_face(face: StoredFace) -> Group:
    """Groups nothing: every face is one by itself."""
    return ("face", face.face_id)


def _firsts(
    neighbours: Iterable[Neighbour],
    faces: Mapping[int, StoredFace],
    photos: Mapping[int, PhotoPath],
    group: Callable[[StoredFace], Group],
) -> tuple[Found, ...]:
    first: dict[Group, Found] = {}
    for neighbour in neighbours:
        face = faces[neighbour.face_id]
        if face.photo_id in photos:
            first.setdefault(group(face), Found(neighbour, face, photos[face.photo_id]))
    return tuple(first.values())
