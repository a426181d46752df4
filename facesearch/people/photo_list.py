"""Which photos of a library answer a wish, by path. Reads rows only, never a photo."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.library import Library


@dataclass(frozen=True)
class PhotoWish:
    """Which photos to list: those that meet every wish."""

    under: Path | None = None  # a file, or a folder at any depth
    without_faces: bool = False  # no face was found in it
    damaged: bool = False  # only a part of it can be seen


@dataclass(frozen=True)
class PhotoEntry:
    """A photo of a library."""

    photo_id: int
    photo: Path  # the first of its files, by path, that is as wished
    copies: tuple[Path, ...]  # its other files
    width_px: int  # of the upright photo
    height_px: int
    faces: int
    damage: str | None = None  # what is missing of it, in words, where only a part can be seen


@dataclass(frozen=True)
class PhotoList:
    """Photos by path."""

    photos: tuple[PhotoEntry, ...]
    total: int  # photos in the library, as wished or not


def list_photos(library: Library, wish: PhotoWish) -> PhotoList:
    """The photos of a library that are as wished. Leaves out photos that were gone when their folder was last indexed.

    Raises UsageError where the library knows no file in `wish.under`.
    """
    under = None if wish.under is None else Path(os.path.abspath(wish.under))  # noqa: PTH100 - a library follows no link
    with library.snapshot():
        if under is not None and not library.files.under([under]):
            raise UsageError(f"the library in {library.path} knows no photo in {wish.under}: index it first")
        rows = library.catalog.present_photos(under, without_faces=wish.without_faces, damaged=wish.damaged)
        total = library.catalog.present_photo_count()
        files = library.files.of(row[0] for row in rows)
    others: defaultdict[int, list[Path]] = defaultdict(list)
    first = {photo_id: name for photo_id, name, *_ in rows}
    for name, _, photo_id, missing in files:
        if not missing and name != first[photo_id]:
            others[photo_id].append(Path(os.fsdecode(name)))
    return PhotoList(
        tuple(
            PhotoEntry(photo_id, Path(os.fsdecode(name)), tuple(others[photo_id]), width_px, height_px, faces, damage)
            for photo_id, name, width_px, height_px, faces, damage in rows
        ),
        total,
    )
