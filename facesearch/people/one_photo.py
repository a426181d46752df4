"""One photo of a library with its faces. Reads rows only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.people.addressing import in_order
from facesearch.records import FoundBy, Span


@dataclass(frozen=True)
class FaceOnPhoto:
    """A face on a photo, and whose it is."""

    face_id: int
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px of the upright photo
    score: float  # the detector's, 0 to 1; 0 where it sees no face
    quality: float | None  # how well it can be recognised, 0 to 1; None for a face from before there was one
    person_id: int | None
    name: str | None
    found_by: FoundBy = "detector"  # or "user" or "import": the detector had missed it
    embedded: bool = True  # False: no face can be seen in the box, so that it is never compared with others
    span: Span | None = None  # when it is seen in a video or the film of a motion photo, where `box` is that at `at_s`


@dataclass(frozen=True)
class PhotoShown:
    """A photo with its faces, the largest first; those in a video, or in the film of a motion photo, by time."""

    photo_id: int
    photo: Path | None  # None where no file shows it any more
    copies: tuple[Path, ...]  # its other files
    missing: bool  # it was gone when its folder was last indexed
    width_px: int  # of the upright photo
    height_px: int
    faces: tuple[FaceOnPhoto, ...]
    duration_s: float | None = None  # of a video


def show_photo(library: Library, photo_id: int) -> PhotoShown:
    """A photo by number. Raises UsageError where the library knows no such photo."""
    with library.snapshot():
        size = library.catalog.photo_sizes([photo_id]).get(photo_id)
        if size is None:
            raise UsageError(f"there is no photo #{photo_id} in {library.path}")
        where = library.catalog.photo_paths([photo_id]).get(photo_id)
        faces = library.catalog.faces_in([photo_id])
        duration_s = library.catalog.durations([photo_id]).get(photo_id)
    shown = []
    for face in in_order(faces):
        left, top, right, bottom = (round(side, 1) for side in face.box.tolist())
        box = (left, top, right, bottom)
        shown.append(
            FaceOnPhoto(
                face.face_id,
                box,
                face.score,
                face.quality,
                face.person_id,
                face.name,
                face.found_by,
                face.is_embedded,
                face.span,
            )
        )
    path, copies, missing = (None, (), True) if where is None else (where.path, where.copies, where.missing)
    return PhotoShown(photo_id, path, copies, missing, *size, tuple(shown), duration_s)
