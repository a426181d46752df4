"""Finds the people and faces that a user means: a person by name or number, a face by number or by its photo.

Refuses to guess: a word that means two things, or nothing, is an error that says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from facesearch.errors import UsageError
from facesearch.library import Library, known_person
from facesearch.paths import whole_path
from facesearch.records import Floats, StoredFace
from facesearch.text import addressed, time_span
from facesearch.vision.boxes import MEANT, pair_up

_LIKE_A_FILE = re.compile(r"/|\.\w{3,5}$")
_FACE = re.compile(r"(?:face\s*[:#]\s*|#)?(\d{1,18})", re.IGNORECASE)


def is_face(word: str) -> bool:
    """Whether a word can only be meant as a face: `face:3`, or `face #3` as a query prints it."""
    return word.casefold().startswith("face") and _FACE.fullmatch(word) is not None


def find_faces(library: Library, words: Iterable[str], person_id: int | None = None) -> list[int]:
    """The ids of some faces, each given as `3`, `face:3` or `face #3`, or as a photo.

    A photo means the face of the person on it, or without a person its only face; for somebody who appears once in a
    video, all their faces. Raises UsageError for unknown faces and photos, and if a photo has no such face or several.
    """
    found = [face_id for word in words for face_id in _faces(library, word, person_id)]
    return list(dict.fromkeys(found))


def faces_meant(
    library: Library, who: str | Path, number: int | None = None, box: Sequence[float] | None = None
) -> list[int]:
    """The ids of the faces to be named; none where `who` names a person.

    who: a person by name or number, a face as `face:3`, or a photo, of which `number` or `box` say which face. Raises
    UsageError for what is both a person and a photo, and for a photo that the library does not know.
    """
    photo, word = Path(who), str(who)
    if number is not None or box is not None:
        return _with_track(library, face_in_photo(library, photo, number, box))
    if is_face(word):
        return find_faces(library, [word])
    is_person = not isinstance(who, Path) and known_person(library, word) is not None
    if photo_at(library, photo) is None:
        if isinstance(who, Path) or (not is_person and _LIKE_A_FILE.search(word)):
            place = f"the library in {library.path}"
            raise UsageError(f"{who} is neither a person nor a photo in {place}; index the photo first")
        return []
    if is_person:
        raise UsageError(f"{who} is a person and a photo: write ./{who} for the photo")
    return find_faces(library, [word])


def face_in_photo(library: Library, photo: Path, number: int | None = None, box: Sequence[float] | None = None) -> int:
    """The id of a face of a photo that the library knows: by number as a query counts them, the largest first, of a
    video the best of each track; or by its box, x1 y1 x2 y2 px of the upright photo. Raises UsageError."""
    faces = _faces_on(library, photo)
    if number is not None:
        counted = as_counted(faces)
        if not 1 <= number <= len(counted):
            raise UsageError(f"{photo} has {len(counted)} faces; ask for one from 1 to {len(counted)}")
        return counted[number - 1].face_id
    assert box is not None
    there = in_order(library.catalog.faces_on([faces[0].photo_id]))
    position = matching_face([face.box for face in there], box)
    if position is None:
        raise UsageError(f"{photo} has no face at {_where(box)}; its faces are {_listed(as_counted(faces))}")
    return there[position].face_id


def matching_face(boxes: Sequence[Floats], box: Sequence[float]) -> int | None:
    """The position of the box that overlaps `box` most, by at least MEANT of the union; None where none does."""
    pairs = pair_up(boxes, [np.array(box, np.float32)], MEANT)
    return pairs[0][0] if pairs else None


def in_order(faces: Iterable[StoredFace]) -> list[StoredFace]:
    """A photo's faces, the largest first; then those in a film, as they are seen one after the other."""
    return sorted(faces, key=_order)


def as_counted(faces: Iterable[StoredFace]) -> list[StoredFace]:
    """A photo's faces as a query counts them: `in_order`, but of each track of a film the best one only."""
    best: dict[object, StoredFace] = {}
    for face in in_order(faces):
        key = face.face_id if face.span is None else ("track", face.span.track)
        if key not in best or (face.quality or 0.0) > (best[key].quality or 0.0):
            best[key] = face  # which keeps its track's place
    return list(best.values())


def photo_at(library: Library, path: Path) -> int | None:
    """The id of the photo that the library knows under a path; None for a path that it does not know as a photo."""
    known = library.files.at(whole_path(path))
    return None if known is None else known.photo_id


def _order(face: StoredFace) -> tuple[float, ...]:
    if face.span is None:
        return 0.0, -_size(face.box), *face.box.tolist()
    return 1.0, face.span.start_s, face.span.track, face.span.at_s


def _with_track(library: Library, face_id: int) -> list[int]:
    """A face, and in a video the others of its track that belong to the same person, or like it to no person."""
    face = library.catalog.faces([face_id])[face_id]
    beside = [] if face.span is None else library.catalog.faces_in([face.photo_id])
    track = [
        each.face_id
        for each in beside
        if each.span is not None
        and face.span is not None
        and each.span.track == face.span.track
        and each.person_id == face.person_id
    ]
    return [face_id, *(each for each in track if each != face_id)]


def _faces(library: Library, word: str, person_id: int | None) -> list[int]:
    number = _FACE.fullmatch(word)
    if number is not None:
        face_id = int(number[1])
        if not library.catalog.faces([face_id]):
            raise UsageError(f"there is no face #{face_id} in {library.path}; facesearch people show lists a person's")
        return [face_id]
    faces = _faces_on(library, Path(word))
    theirs = [face for face in faces if person_id is None or face.person_id == person_id]
    counted = as_counted(theirs)
    if len(counted) == 1:
        return [counted[0].face_id, *(face.face_id for face in theirs if face is not counted[0])]
    who = "" if person_id is None else f" of {shown_person(library, person_id)}"
    if theirs:
        raise UsageError(f"{word} has several faces{who}: {_listed(counted)}; give the number of one")
    raise UsageError(f"{word} has no face{who}; its faces are {_listed(as_counted(faces))}")


def _faces_on(library: Library, photo: Path) -> list[StoredFace]:
    photo_id = photo_at(library, photo)
    if photo_id is None:
        raise UsageError(f"{photo} is not in the library in {library.path}; index it first")
    faces = in_order(library.catalog.faces_in([photo_id]))
    if not faces:
        raise UsageError(f"no face was found on {photo}")
    return faces


def shown_person(library: Library, person_id: int) -> str:
    """A person's name, or `#12`."""
    row = library.people.row(person_id)
    return addressed(None if row is None else row.name, person_id)


def _listed(faces: Iterable[StoredFace]) -> str:
    where = ((face, " ".join([_where(face.box.tolist()), time_span(face.span)]).rstrip()) for face in faces)
    return ", ".join(f"face #{face.face_id} at {place}" for face, place in where)


def _where(box: Sequence[float]) -> str:
    return ",".join(f"{side:.0f}" for side in box)


def _size(box: Floats) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))
