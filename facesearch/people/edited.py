"""Faces of a photo that another program has edited, such as one that wrote keywords into it: they keep their people.

To the library an edited photo is a new one, with new faces. Refuses to guess: only a face at the same place that looks
like the one that was there is the same, and of all others nobody has said anything yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from facesearch.library import Library
from facesearch.records import Floats
from facesearch.vision.boxes import pair_up

ACTION = "edit"

_SAME_PLACE = 0.5  # of the union of the two boxes: one detector has found both
_SAME_SHAPE = 0.01  # by which ratios of width to height may differ where a photo was only made larger or smaller


def keep_people(library: Library, edited: Iterable[tuple[int, int]]) -> int:
    """Give the faces of photos the people, and the rejections, of those at the same place in their former content, as a
    line of the journal; returns how many have a person then. To be called inside `changing`, for photos just added.

    edited: the ids of the former and of the new content.
    A face is the same where its box covers half of the union with the former one, and its embedding is within the
    distance up to which two faces count as one person. A photo that was only scaled is compared as such; after a turn
    or a crop the boxes lie elsewhere, and nothing is kept.
    """
    kept = 0
    with library.people.change(ACTION) as change:
        for former, face in (pair for photos in edited for pair in _same_faces(library, *photos)):
            for person_id in library.people.rejected_people(former):
                change.reject(person_id, [face])
            member = library.people.member(former)
            if member is not None:
                kept += change.move([face], *member)
            change.end_part()
    return kept


def _same_faces(library: Library, former_id: int, photo_id: int) -> list[tuple[int, int]]:
    """The former and the new id of each face that is the same."""
    stored = library.catalog.faces_in([former_id, photo_id])
    former, new = ([face for face in stored if face.photo_id == photo] for photo in (former_id, photo_id))
    if not former or not new:
        return []
    sizes = library.catalog.photo_sizes([former_id, photo_id])
    scale = _scale(sizes[former_id], sizes[photo_id])
    pairs = pair_up([face.box for face in new], [face.box * scale for face in former], _SAME_PLACE)
    ids = [(former[old].face_id, new[place].face_id) for place, old in pairs]
    near = _distances(library, ids) <= library.threshold
    return [pair for pair, is_near in zip(ids, near.tolist(), strict=True) if is_near]


def _scale(former: tuple[int, int], new: tuple[int, int]) -> Floats:
    """What takes x1 y1 x2 y2 px of a photo to the same photo in another size; ones where it is another shape."""
    across, down = new[0] / former[0], new[1] / former[1]
    if abs(across / down - 1) > _SAME_SHAPE:
        across = down = 1.0
    return np.array([across, down, across, down], np.float32)


def _distances(library: Library, pairs: Sequence[tuple[int, int]]) -> Floats:
    """How far apart the two faces of each pair are, in the library's space: float32 (P,)."""
    if not pairs:
        return np.empty(0, np.float32)
    former, new = (library.places([pair[end] for pair in pairs]) for end in (0, 1))
    return former.distances_beside(new)
