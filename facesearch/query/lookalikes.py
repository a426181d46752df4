"""Which named people a group without a name may be, for the user to decide."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from facesearch.library import Library
from facesearch.query.candidates import near_faces
from facesearch.tuning.calibration import judge_in

_FACES = 8  # of the person, evenly through them, that are looked around from
_REACH = 64  # neighbours of each


@dataclass(frozen=True)
class Lookalike:
    """A named person whose faces lie near those of another."""

    person_id: int
    name: str
    face_id: int  # the nearest
    distance: float  # median, over the faces searched from, of the distance to the nearest face


def lookalikes(library: Library, person_id: int, most: int = 3) -> tuple[Lookalike, ...]:
    """Named people within the threshold of a person's faces, the nearest first.

    Leaves out people that one of the faces was rejected for, and people on a photo together with the person.
    """
    with library.snapshot():
        without = library.added.without_embedding()
        face_ids = sorted(face for face, _ in library.people.faces_of([person_id]) if face not in without)
        if not face_ids:
            return ()
        chosen = [
            face_ids[place] for place in np.linspace(0, len(face_ids) - 1, min(_FACES, len(face_ids))).astype(int)
        ]
        found: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
        names: dict[int, str] = {}
        places = library.places.of(chosen)
        for place in (places[[row]] for row in range(len(places))):
            nearest: dict[int, tuple[float, int]] = {}
            for near in near_faces(library, place, _REACH):
                face = near.face
                if face.person_id not in (None, person_id) and face.name is not None:
                    assert face.person_id is not None
                    names[face.person_id] = face.name
                    nearest.setdefault(face.person_id, (near.distance, face.face_id))
            for other, distance in nearest.items():
                found[other].append(distance)
        threshold = judge_in(library, library.space, library.models.threshold, None).threshold
        apart = _apart(library, face_ids, set(found))
    alike = []
    for other, near_by in found.items():
        middle = float(np.median([distance for distance, _ in near_by]))
        if other not in apart and middle <= threshold and 2 * len(near_by) >= len(chosen):
            alike.append(Lookalike(other, names[other], min(near_by)[1], round(middle, 4)))
    return tuple(sorted(alike, key=lambda each: (each.distance, each.person_id))[:most])


def _apart(library: Library, face_ids: list[int], others: set[int]) -> set[int]:
    """Which of `others` are known to be other people."""
    rejected = {person for face in face_ids for person in library.people.rejected_people(face)}
    photos = {face.photo_id for face in library.catalog.faces(face_ids).values()}
    together = {face.person_id for face in library.catalog.faces_in(photos) if face.person_id in others}
    return rejected | {person for person in together if person is not None}
