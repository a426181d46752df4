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
from facesearch.records import EmbeddedFace, PhotoFile, StoredFace
from facesearch.vision.boxes import FOUND_AGAIN, pair_up, pair_up_in_time
from facesearch.vision.edits import Edit, cuts, is_within, possible_edits, unchanged

ACTION = "edit"


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
    faces: Sequence[EmbeddedFace]  # that the detector finds


def keep_people(
    library: Library, edited: Iterable[tuple[int, int]], carried: Mapping[int, Sequence[Carried]] | None = None
) -> int:
    """Give the faces of photos the people, and the rejections, of those at the same place in their former content, as a
    line of the journal; returns how many have a person then. To be called inside `changing`, for photos just added.

    edited: the ids of the former and of the new content. carried: by the id of the new content the faces that had been
    added to the former one (`carried_faces`); they are added to the new one, unless the detector finds them there.
    A face is the same where its box covers half of the union with the former one, and its embedding is within the
    distance up to which two faces count as one person. A photo that was only scaled, or turned by quarter turns, is
    compared as such, and so is one that was cut, as far as a face that looks as before tells where. A face without an
    embedding is the same where the photo shows another one as before, or had none. Faces in a video, or in the film of
    a motion photo, are compared by time too.
    """
    kept = 0
    with library.people.change(ACTION) as change:
        for former_id, photo_id in edited:
            pairs = _same_faces(library, former_id, photo_id)
            for each in _still_there(library, former_id, pairs, (carried or {}).get(photo_id, ())):
                pairs.append((each.former.face_id, change.add_face(photo_id, each.seen)))
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
    if not added or former_px is None:
        return []
    known = [face for face in library.catalog.faces_in([former_id]) if face.span is None and face.is_embedded]
    edits = [*possible_edits(former_px, new.size_px), *_cuts_to(library, known, former_px, new)]
    if not edits:
        return []
    try:
        photo = read_photo_apart(file)
    except PhotoError:
        return []
    if photo.sha256 != new.sha256:
        return []

    def seen_after(edit: Edit) -> list[Carried]:
        there = [face for face in added if is_within(edit.box(face.box), new.size_px)]
        again = look_again(reader, photo, there, edit)
        return [Carried(face, seen) for face, seen in zip(there, again, strict=True)]

    found = [(edit, _still_found(library, known, new.faces, edit)) for edit in edits]
    if any(count for _, count in found):
        return seen_after(max(found, key=lambda each: each[1])[0])
    seen = [seen_after(edit) for edit in edits]  # no other face tells by which of them the photo was edited
    return max(seen, key=lambda carried: sum(_is_alike(library, each) for each in carried))


def _cuts_to(library: Library, known: Sequence[StoredFace], former_px: tuple[int, int], new: Content) -> list[Edit]:
    """The cuts that may have led to a new content, by the faces on it that look most as before."""
    faces = [face for face in new.faces if face.span is None]
    if not known or not faces:
        return []
    now = library.space.place(np.stack([face.embedding for face in faces]))
    far = library.places.of([face.face_id for face in known]).distances_to(now)
    near = np.argwhere(far <= library.threshold / 2).tolist()
    return cuts(former_px, new.size_px, [(known[old].box, faces[place].face.box) for old, place in near])


def _still_found(library: Library, known: Sequence[StoredFace], new: Sequence[EmbeddedFace], edit: Edit) -> int:
    """How many known faces of a photo are seen where an edit puts them, and look as before."""
    new = [face for face in new if face.span is None]
    pairs = pair_up([face.face.box for face in new], [edit.box(face.box) for face in known], FOUND_AGAIN)
    if not pairs:
        return 0
    former = library.places.of([known[old].face_id for _, old in pairs])
    now = library.space.place(np.stack([new[place].embedding for place, _ in pairs]))
    return int((former.distances_beside(now) <= library.threshold).sum())


def _same_faces(library: Library, former_id: int, photo_id: int) -> list[tuple[int, int]]:
    """The former and the new id of each face that is the same, without those in a film."""
    former, new = _on_photos(library, former_id, photo_id)
    if not former or not new:
        return []
    without = {face.face_id for face in former if not face.is_embedded}
    edits, has_its_shape = _edits(library, former_id, photo_id)
    far = _distances(library, [face for face in former if face.is_embedded], new)
    best: list[tuple[int, int]] = []
    for edit in [*edits, *_cuts(library, former, new, far)]:
        pairs = pair_up([face.box for face in new], [edit.box(face.box) for face in former], FOUND_AGAIN)
        ids = [(former[old].face_id, new[place].face_id) for place, old in pairs]
        same = [pair for pair in ids if far.get(pair, np.inf) <= library.threshold]
        if has_its_shape and _is_trusted(former, same):
            same += [pair for pair in ids if pair[0] in without]
        # After a cut a face is nearly what it was, and its twin beside it is not.
        best = max(best, same, key=lambda ids: (len(ids), -sum(far.get(pair, 0.0) for pair in ids)))
    return best


def _distances(
    library: Library, former: Sequence[StoredFace], new: Sequence[StoredFace]
) -> dict[tuple[int, int], float]:
    """How far each face of the former content is from each of the new one, by their ids."""
    if not former or not new:
        return {}
    before, now = (library.places.of([face.face_id for face in faces]) for faces in (former, new))
    rows = before.distances_to(now).tolist()
    return {
        (old.face_id, face.face_id): distance
        for old, row in zip(former, rows, strict=True)
        for face, distance in zip(new, row, strict=True)
    }


def _cuts(
    library: Library, former: Sequence[StoredFace], new: Sequence[StoredFace], far: Mapping[tuple[int, int], float]
) -> list[Edit]:
    """The cuts of a photo that the faces tell of which look most as before."""
    boxes = {face.face_id: face.box for face in (*former, *new)}
    near = [pair for pair, distance in far.items() if distance <= library.threshold / 2]
    sizes = library.catalog.photo_sizes([former[0].photo_id, new[0].photo_id])
    pairs = [(boxes[old], boxes[face]) for old, face in near]
    return cuts(sizes[former[0].photo_id], sizes[new[0].photo_id], pairs)


def _edits(library: Library, former_id: int, photo_id: int) -> tuple[list[Edit], bool]:
    """The edits that may have led from the former content to the new one, and whether that has the shape still. A photo
    of another shape may have been cut at the right and at the bottom alone."""
    sizes = library.catalog.photo_sizes([former_id, photo_id])
    edits = possible_edits(sizes[former_id], sizes[photo_id])
    return edits or [unchanged(sizes[former_id])], bool(edits)


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
    is_video = bool(library.catalog.durations([photo_id]))  # else boxes are in px of the film
    edits = _edits(library, former_id, photo_id)[0] if is_video else [unchanged((1, 1))]
    best: list[tuple[int, int]] = []
    for edit in edits:
        known = [(edit.box(box), span) for _, box, span in former]
        pairs = pair_up_in_time([(box, span) for _, box, span in new], known)
        best = max(best, _alike(library, [(former[old][0], new[place][0]) for place, old in pairs]), key=len)
    return best


def _still_there(
    library: Library, former_id: int, same: Sequence[tuple[int, int]], carried: Sequence[Carried]
) -> list[Carried]:
    """The added faces that the new content shows, without those that its detected faces are. same: those, and others,
    with the faces that they are."""
    found = {former for former, _ in same}
    rest = [each for each in carried if each.former.face_id not in found]
    alike = [each for each in rest if _is_alike(library, each)]
    without = [each for each in rest if each.former.embedding is None or each.seen.embedded is None]
    is_trusted = bool(alike) or (bool(without) and _is_trusted(library.catalog.faces_on([former_id]), same))
    return [*alike, *without] if is_trusted else []


def _is_alike(library: Library, carried: Carried) -> bool:
    """Whether an added face looks as before."""
    before, now = carried.former.embedding, carried.seen.embedded
    if before is None or now is None:
        return False
    place = library.space.place(before)
    return bool(place.distances_beside(library.space.place(now.embedding))[0] <= library.threshold)


def _is_trusted(former: Sequence[StoredFace], same: Sequence[tuple[int, int]]) -> bool:
    """Whether the photo may be taken to show the same as before where nothing can be compared."""
    return bool(same) or not any(face.is_embedded for face in former)


def _alike(library: Library, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those pairs of faces, by id, that are near enough to be one person."""
    if not pairs:
        return []
    former, new = (library.places.of([pair[end] for pair in pairs]) for end in (0, 1))
    near = former.distances_beside(new) <= library.threshold
    return [pair for pair, is_near in zip(pairs, near.tolist(), strict=True) if is_near]
