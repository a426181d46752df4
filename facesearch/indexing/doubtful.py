"""A photo of which the library lost something, read again: what was damaged is filled in, and people stay.

Faces whose rows are whole are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facesearch.library import Library
from facesearch.records import EmbeddedFace, StoredFace
from facesearch.vision.boxes import FOUND_AGAIN, MEANT, pair_up, pair_up_in_time


def fill_in(library: Library, photo_id: int, faces: Sequence[EmbeddedFace]) -> int:
    """Bring the faces of a photo in doubt up to what was found on it; returns how many are new. To be called inside
    `changing`.

    A face that waits for its numbers is the one at its place, or the only one left where its place is lost too. One
    that cannot be told keeps its person, without an embedding, if nobody else on the photo is that person.
    """
    known = library.catalog.faces_in([photo_id])
    whole = [face for face in known if face.is_embedded]
    found = {new for new, _ in _pairs(faces, whole, FOUND_AGAIN)}
    left = [face for place, face in enumerate(faces) if place not in found]
    waiting = [face for face in known if not face.is_embedded]
    pairs = [(left[new], waiting[old]) for new, old in _pairs(left, waiting, MEANT)]
    left = [face for face in left if not any(face is new for new, _ in pairs)]
    waiting = [face for face in waiting if not any(face is old for _, old in pairs)]
    size_px = library.catalog.photo_sizes([photo_id])[photo_id]
    anywhere = [face for face in waiting if np.array_equal(face.box, (0, 0, *size_px))]
    if len(left) == len(anywhere) == 1:
        pairs += zip(left, anywhere, strict=True)
        left, anywhere = [], []
    for new, old in pairs:
        library.doubts.fill_in(old.face_id, new)
    there = {face.person_id for face in known if face not in anywhere}
    library.catalog.drop_faces(face.face_id for face in anywhere if face.person_id is None or face.person_id in there)
    if library.catalog.with_forgotten_faces([photo_id]):
        left = []
    for face in left:
        library.catalog.add_found_face(photo_id, face)
    library.doubts.settle(photo_id)
    return len(left)


def _pairs(faces: Sequence[EmbeddedFace], known: Sequence[StoredFace], at_least: float) -> list[tuple[int, int]]:
    """Which faces are known ones, as positions in both. at_least: of the union of two boxes."""
    pairs = []
    for in_film in (False, True):
        new = [place for place, face in enumerate(faces) if (face.span is not None) == in_film]
        old = [place for place, face in enumerate(known) if (face.span is not None) == in_film]
        if in_film:
            same = pair_up_in_time(
                [(faces[place].face.box, span) for place in new if (span := faces[place].span) is not None],
                [(known[place].box, span) for place in old if (span := known[place].span) is not None],
            )
        else:
            same = pair_up([faces[place].face.box for place in new], [known[place].box for place in old], at_least)
        pairs += [(new[one], old[other]) for one, other in same]
    return pairs
