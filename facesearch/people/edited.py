"""Faces of a photo that another program has edited, such as one that wrote keywords into it: they keep their people.

To the library an edited photo is a new one, with new faces. Refuses to guess: only a face at the same place that looks
like the former one keeps its person; all others are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.errors import PhotoError
from facesearch.library import Library
from facesearch.library.rows.added_faces import AddedFace, KeptFace
from facesearch.people.added import FaceReader, look_again
from facesearch.photos import read_photo_apart
from facesearch.records import Floats, PhotoFile, StoredFace
from facesearch.vision.boxes import pair_up, pair_up_in_time

ACTION = "edit"

_SAME_PLACE = 0.5  # of the union of the two boxes: one detector has found both
_SAME_SHAPE = 0.01  # by which ratios of width to height may differ where a photo was only made larger or smaller


@dataclass(frozen=True, eq=False)
class Carried:
    """A face that was added to the former content of a photo."""

    former: KeptFace
    seen: AddedFace  # as it is seen in the new one


@dataclass(frozen=True)
class Content:
    """What a file shows now."""

    sha256: str
    size_px: tuple[int, int]  # width and height in the file


def keep_people(
    library: Library, edited: Iterable[tuple[int, int]], carried: Mapping[int, Sequence[Carried]] | None = None
) -> int:
    """Give the faces of photos the people, and the rejections, of those at the same place in their former content, as a
    line of the journal; returns how many have a person then. To be called inside `changing`, for photos just added.

    edited: the ids of the former and of the new content. carried: by the id of the new content the faces that had been
    added to the former one (`carried_faces`); they are added to the new one, unless the detector finds them there.
    A face is the same where its box covers half of the union with the former one, and its embedding is within the
    distance up to which two faces count as one person. A photo that was only scaled, or turned by quarter turns, is
    compared as such; after a crop the boxes lie elsewhere, and nothing is kept. A face without an embedding is the same
    where the photo shows another one as before, or had none. Added faces are not kept in a turn. Faces in a video, or
    in the film of a motion photo, are compared by time too.
    """
    kept = 0
    with library.people.change(ACTION) as change:
        for former_id, photo_id in edited:
            pairs = _same_faces(library, former_id, photo_id)
            for each in _still_there(library, former_id, pairs, (carried or {}).get(photo_id, ())):
                pairs.append((each.former.face_id, change.add_face(photo_id, each.seen)))
            pairs = pairs or _same_turned(library, former_id, photo_id)
            for former, face in (*pairs, *_same_in_film(library, former_id, photo_id)):
                for person_id in library.people.rejected_people(former):
                    change.reject(person_id, [face])
                member = library.people.member(former)
                if member is not None:
                    kept += change.move([face], *member)
                change.end_part()
    return kept


def carried_faces(library: Library, reader: FaceReader, former_id: int, file: PhotoFile, new: Content) -> list[Carried]:
    """The faces that were added to the former content of a file, as they are seen in the new one, which is not in the
    library yet; none where the photo has another shape or cannot be read. Raises TowerError."""
    added = library.added.on([former_id])
    former_px = library.catalog.photo_sizes([former_id]).get(former_id)
    if not added or former_px is None or not _has_same_shape(former_px, new.size_px):
        return []
    try:
        photo = read_photo_apart(file)
    except PhotoError:
        return []
    if photo.sha256 != new.sha256:
        return []
    seen = look_again(reader, photo, added, _scale(former_px, new.size_px))
    return [Carried(face, again) for face, again in zip(added, seen, strict=True)]


def _same_faces(library: Library, former_id: int, photo_id: int) -> list[tuple[int, int]]:
    """The former and the new id of each face that is the same, without those in a film."""
    former, new = _on_photos(library, former_id, photo_id)
    if not former or not new:
        return []
    sizes = library.catalog.photo_sizes([former_id, photo_id])
    scale = _scale(sizes[former_id], sizes[photo_id])
    pairs = pair_up([face.box for face in new], [face.box * scale for face in former], _SAME_PLACE)
    without = {face.face_id for face in former if not face.is_embedded}
    ids = [(former[old].face_id, new[place].face_id) for place, old in pairs]
    same = _alike(library, [pair for pair in ids if pair[0] not in without])
    if _is_trusted(former, same) and _has_same_shape(sizes[former_id], sizes[photo_id]):
        same += [pair for pair in ids if pair[0] in without]
    return same


def _same_turned(library: Library, former_id: int, photo_id: int) -> list[tuple[int, int]]:
    """The same of a photo that was turned by one to three quarter turns, of faces with an embedding."""
    former, new = _on_photos(library, former_id, photo_id)
    former = [face for face in former if face.is_embedded]
    sizes = library.catalog.photo_sizes([former_id, photo_id])
    boxes, size = [face.box for face in former], sizes[former_id]
    best: list[tuple[int, int]] = []
    for _ in range(3):
        boxes, size = [_turned(box, size) for box in boxes], size[::-1]
        if _has_same_shape(size, sizes[photo_id]):
            scale = _scale(size, sizes[photo_id])
            pairs = pair_up([face.box for face in new], [box * scale for box in boxes], _SAME_PLACE)
            same = _alike(library, [(former[old].face_id, new[place].face_id) for place, old in pairs])
            best = max(best, same, key=len)
    return best


def _turned(box: Floats, size: tuple[int, int]) -> Floats:
    """Where a box of a photo of some width and height in px lies after a quarter turn clockwise."""
    left, top, right, bottom = box
    return np.array([size[1] - bottom, left, size[1] - top, right], np.float32)


def _on_photos(library: Library, former_id: int, photo_id: int) -> tuple[list[StoredFace], list[StoredFace]]:
    """The faces of the former and of the new content, without those in a film."""
    stored = [face for face in library.catalog.faces_in([former_id, photo_id]) if face.span is None]
    former, new = ([face for face in stored if face.photo_id == photo] for photo in (former_id, photo_id))
    return former, new


def _same_in_film(library: Library, former_id: int, photo_id: int) -> list[tuple[int, int]]:
    """The former and the new id of each face in a video, or in the film of a motion photo, that is the same."""
    stored = library.catalog.faces_in([former_id, photo_id])
    former, new = (
        [(face.face_id, face.box, face.span) for face in stored if face.photo_id == photo and face.span is not None]
        for photo in (former_id, photo_id)
    )
    if not former or not new:
        return []
    sizes = library.catalog.photo_sizes([former_id, photo_id])
    is_video = bool(library.catalog.durations([photo_id]))  # else boxes are in px of the film
    scale = _scale(sizes[former_id], sizes[photo_id]) if is_video else np.ones(4, np.float32)
    known = [(box * scale, span) for _, box, span in former]
    pairs = pair_up_in_time([(box, span) for _, box, span in new], known)
    return _alike(library, [(former[old][0], new[place][0]) for place, old in pairs])


def _alike(library: Library, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those pairs of faces, by id, that are near enough to be one person."""
    near = _distances(library, pairs) <= library.threshold
    return [pair for pair, is_near in zip(pairs, near.tolist(), strict=True) if is_near]


def _still_there(
    library: Library, former_id: int, same: Sequence[tuple[int, int]], carried: Sequence[Carried]
) -> list[Carried]:
    """The added faces that the new content shows, without those that its detected faces are. same: those, and others,
    with the faces that they are."""
    found = {former for former, _ in same}
    trusted = bool(carried) and _is_trusted(library.catalog.faces_on([former_id]), same)
    still = []
    for each in carried:
        before, now = each.former.embedding, each.seen.embedded
        if each.former.face_id in found:
            continue
        if before is None or now is None:
            if trusted:
                still.append(each)
        elif library.space.place(before).distances_beside(library.space.place(now.embedding))[0] <= library.threshold:
            still.append(each)
    return still


def _is_trusted(former: Sequence[StoredFace], same: Sequence[tuple[int, int]]) -> bool:
    """Whether the photo may be taken to show the same as before where nothing can be compared."""
    return bool(same) or not any(face.is_embedded for face in former)


def _has_same_shape(former: tuple[int, int], new: tuple[int, int]) -> bool:
    across, down = new[0] / former[0], new[1] / former[1]
    return abs(across / down - 1) <= _SAME_SHAPE


def _scale(former: tuple[int, int], new: tuple[int, int]) -> Floats:
    """What takes x1 y1 x2 y2 px of a photo to the same photo in another size; ones where it is another shape."""
    across = down = 1.0
    if _has_same_shape(former, new):
        across, down = new[0] / former[0], new[1] / former[1]
    return np.array([across, down, across, down], np.float32)


def _distances(library: Library, pairs: Sequence[tuple[int, int]]) -> Floats:
    """How far apart the two faces of each pair are, in the library's space: float32 (P,)."""
    if not pairs:
        return np.empty(0, np.float32)
    former, new = (library.places.of([pair[end] for pair in pairs]) for end in (0, 1))
    return former.distances_beside(new)
