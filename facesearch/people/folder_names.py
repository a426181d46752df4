"""Names taken from the folders that photos lie in.

Refuses to rename or to take away: a face that has a person already keeps it, and one that was rejected stays so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.names import person_name
from facesearch.records import Floats, SkippedFile, StoredFace

_PHOTOS_A_TRANSACTION = 500
_SOURCE = "folder"


@dataclass(frozen=True)
class FolderNames:
    """What naming after folders did."""

    named: int  # faces that got a name
    unnamed: tuple[SkippedFile, ...]  # folders without a usable name, and photos of several people's folders


def name_by_folder(library: Library, photos: Iterable[tuple[Path, int]]) -> FolderNames:
    """Name the most prominent face of each photo after the folder that the photo lies in.

    photos: every path, with the photo's id. A photo in the folders of several people names nobody, because only the
    user knows which face is whose. The other faces of a photo stay unnamed. So do all faces of a photo whose most
    prominent face has a person, or which lost a face to `forget`: another face would take its name. Creates one person
    for each name. Commits as it goes.
    """
    folders = _Folders()
    for path, photo_id in photos:
        folders.add(path, photo_id)
    wanted = list(folders.names.items())
    named = 0
    for start in range(0, len(wanted), _PHOTOS_A_TRANSACTION):
        by_name = _nameless(library, dict(wanted[start : start + _PHOTOS_A_TRANSACTION]))
        if by_name:
            with library.changing():
                named += _label(library, by_name)
    return FolderNames(named, tuple(folders.unnamed))


class _Folders:
    """The name that the folders of each photo give it, by photo id. unnamed: what gives none, with the reason."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._by_folder: dict[Path, str | None] = {}
        self._refused: list[SkippedFile] = []
        self._claims: defaultdict[int, dict[str, Path]] = defaultdict(dict)

    def add(self, path: Path, photo_id: int) -> None:
        name = self._name_of(path.parent)
        if name is None:
            return
        self._claims[photo_id].setdefault(name, path)
        if len(self._claims[photo_id]) == 1:
            self.names[photo_id] = name
        else:
            self.names.pop(photo_id, None)

    @property
    def unnamed(self) -> list[SkippedFile]:
        disputed = [claims for claims in self._claims.values() if len(claims) > 1]
        return [*self._refused, *(SkippedFile(next(iter(claims.values())), _disputed(claims)) for claims in disputed)]

    def _name_of(self, folder: Path) -> str | None:
        if folder not in self._by_folder:
            self._by_folder[folder] = None
            if folder.name:
                try:
                    self._by_folder[folder] = person_name(folder.name)
                except UsageError as error:
                    self._refused.append(SkippedFile(folder, f"is not named after a person: {error}"))
        return self._by_folder[folder]


def _disputed(claims: dict[str, Path]) -> str:
    return f"lies in the folders of {' and '.join(claims)}: name its faces by hand, with facesearch people name"


def _nameless(library: Library, folders: dict[int, str]) -> dict[str, list[int]]:
    """The most prominent faces that may be named after their photos' folders, by that name."""
    forgotten = library.catalog.with_forgotten_faces(folders)
    sizes = library.catalog.photo_sizes(folders)
    faces: defaultdict[int, list[StoredFace]] = defaultdict(list)
    for face in library.catalog.faces_on(folders):
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
