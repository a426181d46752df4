"""Names taken from the folders that photos lie in.

Refuses to rename or to take away: a face that has a person already keeps it, and one that was rejected stays so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from facesearch.library import Library
from facesearch.records import Floats, StoredFace

_PHOTOS_A_TRANSACTION = 500
_SOURCE = "folder"


def name_by_folder(library: Library, photos: Iterable[tuple[Path, int]]) -> int:
    """Name the most prominent face of each photo after the folder that the photo lies in; returns how many were named.

    photos: path and photo id; of a photo that lies in several folders the first counts. The other faces of the photo
    stay unnamed, and so does a photo whose most prominent face belongs to a person already, or of which a face was
    forgotten: another would pass for it. A person is created once a name. Commits as it goes.
    """
    wanted = list(_folders(photos).items())
    named = 0
    for start in range(0, len(wanted), _PHOTOS_A_TRANSACTION):
        by_name = _nameless(library, dict(wanted[start : start + _PHOTOS_A_TRANSACTION]))
        if by_name:
            with library.changing():
                named += _label(library, by_name)
    return named


def name_by_folder_at_once(library: Library, photos: Iterable[tuple[Path, int]]) -> int:
    """The same for few photos, inside a transaction of the caller's."""
    return _label(library, _nameless(library, _folders(photos)))


def _folders(photos: Iterable[tuple[Path, int]]) -> dict[int, str]:
    """The name of each photo's folder, by photo id."""
    folders: dict[int, str] = {}
    for path, photo_id in photos:
        if path.parent.name:
            folders.setdefault(photo_id, path.parent.name)
    return folders


def _nameless(library: Library, folders: dict[int, str]) -> dict[str, list[int]]:
    """The most prominent faces that may be named after their photos' folders, by that name."""
    forgotten = library.catalog.with_forgotten_faces(folders)
    sizes = library.catalog.photo_sizes(folders)
    faces: defaultdict[int, list[StoredFace]] = defaultdict(list)
    for face in library.catalog.faces_in(folders):
        faces[face.photo_id].append(face)
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for photo_id, folder in folders.items():
        if faces[photo_id] and photo_id not in forgotten:
            boxes = np.stack([face.box for face in faces[photo_id]])
            face = faces[photo_id][most_prominent(boxes, sizes[photo_id])]
            if face.person_id is None:
                by_name[folder].append(face.face_id)
    return by_name


def _label(library: Library, by_name: dict[str, list[int]]) -> int:
    people = library.people
    return sum(people.label(people.named(name), face_ids, _SOURCE) for name, face_ids in by_name.items())


def most_prominent(boxes: Floats, size_px: tuple[int, int]) -> int:
    """Which of a photo's faces it is most likely taken of: a large one, and not at the edge. Returns its position.

    boxes: float32 (N, 4) x1 y1 x2 y2 px, N >= 1. size_px: width and height of the photo. Prominence is the square root
    of the box's area, times 1 for a box in the photo's centre down to 0 for one in a corner; of equals it is the first.
    """
    sizes = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    middle = np.array(size_px, np.float32) / 2
    off = np.linalg.norm(centres - middle, axis=1) / max(1.0, float(np.linalg.norm(middle)))
    return int(np.argmax(sizes * (1 - off)))
