"""The faces of a library that may show the person on a probe: the nearest, and the nearest of each person."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.records import PhotoPath, StoredFace

FIRST_REACH = 64  # neighbours searched for at first; a person with many photos can fill them all
CANDIDATES = 4  # times as many faces as are wanted are looked for by plain distance, to be judged

Group = tuple[str, int]


@dataclass(frozen=True, eq=False)
class NearFace:
    """A stored face near a probe."""

    face: StoredFace
    distance: float  # the judged one: as it is shown, ranked and compared with the threshold
    plain_distance: float  # Euclidean, by which the face was found; the same where the library has no cohort
    photo: PhotoPath | None  # None where no file shows the face any more


@dataclass(frozen=True, eq=False)
class Candidate:
    """The nearest face of a person, on a photo that is known."""

    face: StoredFace
    distance: float
    plain_distance: float
    photo: PhotoPath
    group: Group  # the person; a face without one is a group of its own, unless it is taken together with others


@dataclass(frozen=True, eq=False)
class Within:
    """All people, or faces, within reach of a probe."""

    candidates: tuple[Candidate, ...]  # the nearest first
    reach: float  # whoever is not among them is at least as far away; inf where everybody is


def near_faces(library: Library, place: Places, count: int) -> list[NearFace]:
    """The `count` stored faces nearest to a place in the library's space, the nearest first.

    Where distances are judged, by judging the CANDIDATES * count nearest by plain distance. Call it inside a snapshot.
    """
    wanted = count if library.space.cohort is None else max(FIRST_REACH, CANDIDATES * count)
    return _judged_faces(library, place, wanted)[0][:count]


def nearest_groups(library: Library, place: Places, k: int, group: Callable[[StoredFace], Group]) -> Within:
    """The nearest face of each group within reach of a place in the library's space, the k nearest groups certainly.

    Searches farther until k groups lie safely within reach, so that one person with thousands of photos hides nobody.
    Skips faces whose photo is no longer in any file.
    """
    search = library.nearest()
    stored, wanted = len(search), max(FIRST_REACH, 8 * k)
    while True:
        near, reach = _judged_faces(library, place, wanted)
        groups = _firsts(near, group)
        if wanted >= stored:
            return Within(groups, math.inf)
        # As far as the last neighbour there can be another with a lower id: only what is nearer is certain.
        if (len(groups) >= k and groups[k - 1].distance < reach) or wanted >= search.most:
            return Within(groups, reach)
        wanted *= 4


def _judged_faces(library: Library, place: Places, count: int) -> tuple[list[NearFace], float]:
    """The `count` faces nearest by plain distance, in the order of the judged one, and how near others can be.

    Every distance between a probe and a stored face that an answer, a sheet or an explanation shows comes from here:
    FAISS, or Milvus, proposes the faces, and this function says how far they are. Others are taken to have no larger
    local scales than those found, which lie around the same place.
    """
    neighbours = library.nearest().search(place.points[0], count)
    faces = library.catalog.faces(neighbour.face_id for neighbour in neighbours)
    photos = library.catalog.photo_paths(face.photo_id for face in faces.values())
    ids = [neighbour.face_id for neighbour in neighbours]
    plain = np.array([neighbour.distance for neighbour in neighbours], np.float32)
    stored = np.array([faces[face_id].local_scale for face_id in ids], np.float64)
    scales = library.places.local_scales(ids, stored)
    judged = judged_distances(plain, place.scales, scales)
    near = [
        NearFace(faces[ids[row]], float(judged[row]), float(plain[row]), photos.get(faces[ids[row]].photo_id))
        for row in np.lexsort((np.array(ids), judged)).tolist()
    ]
    return near, float(judged_distances(plain[-1], place.scales[0], scales.max())) if near else math.inf


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
            key = group(each.face)
            first.setdefault(key, Candidate(each.face, each.distance, each.plain_distance, each.photo, key))
    return tuple(first.values())
