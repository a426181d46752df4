"""The faces of a library with their people, photo by photo, as they are exported."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesearch.library import Library, find_person
from facesearch.paths import is_in_bucket, stored_path
from facesearch.photos import buckets, fingerprint, photo_file
from facesearch.records import KnownFile, StoredFace

_PHOTOS_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class PhotoFaces:
    """A photo and the faces in it that are wanted."""

    sha256: str
    size_px: tuple[int, int]  # width and height of the upright photo
    files: tuple[tuple[Path, KnownFile], ...]  # where it lies, its copies too, and what the library knows of each
    faces: tuple[StoredFace, ...]


def gather(
    library: Library, people: Sequence[str] = (), *, unnamed: bool = False, every_photo: bool = False
) -> list[PhotoFaces]:
    """Every photo with faces of named people, by path. people: only these, by name or number. unnamed: also the
    faces of groups without a name. every_photo: also photos without such a face. Raises UsageError where somebody is
    unknown."""
    with library.snapshot():
        names = library.people.names()
        if people:
            wanted = {find_person(library, person) for person in people}
        else:
            wanted = {person for person, name in names.items() if unnamed or name is not None}
        photos = []
        by_id = {photo_id: sha256 for sha256, photo_id in library.catalog.photo_ids().items()}
        ids = sorted(by_id)
        for start in range(0, len(ids), _PHOTOS_AT_ONCE):
            some = ids[start : start + _PHOTOS_AT_ONCE]
            photos += _some(library, some, by_id, wanted, every_photo=every_photo)
    return sorted(photos, key=lambda photo: stored_path(photo.files[0][0]))


def _some(
    library: Library, ids: Sequence[int], by_id: dict[int, str], wanted: set[int], *, every_photo: bool
) -> list[PhotoFaces]:
    faces: dict[int, list[StoredFace]] = {photo_id: [] for photo_id in ids}
    for face in library.catalog.faces_in(ids):
        if face.person_id in wanted:
            faces[face.photo_id].append(face)
    if not every_photo:
        faces = {photo_id: found for photo_id, found in faces.items() if found}
    paths: defaultdict[int, list[Path]] = defaultdict(list)
    for path, _, photo_id, _ in library.files.of(faces):
        paths[photo_id].append(Path(os.fsdecode(path)))
    known = library.files.under(path for found in paths.values() for path in found)
    sizes = library.catalog.photo_sizes(faces)
    return [
        PhotoFaces(
            by_id[photo_id],
            sizes[photo_id],
            tuple((path, known[stored_path(path)]) for path in paths[photo_id]),
            tuple(faces[photo_id]),
        )
        for photo_id in faces
        if paths[photo_id]
    ]


def is_unchanged(path: Path, known: KnownFile, sha256: str) -> bool:
    """Whether a file still shows the photo that the library knows: by its time and size, else by its content.

    Raises PhotoError where it is gone or cannot be read.
    """
    file = photo_file(path)
    same = (file.size_bytes, file.mtime_ns) == (known.size_bytes, known.mtime_ns)
    return same or fingerprint(path) == sha256


def is_gone(path: Path) -> bool:
    """Whether there is no such file, as on a drive that is not mounted."""
    if is_in_bucket(path):
        return buckets.is_gone(path)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # whether it is there cannot be told
        return False
    return False
