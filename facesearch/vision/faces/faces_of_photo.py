"""What is seen on a photo: its faces, aligned, and as bytes that another process can read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from facesearch.photos.files import faceless_damage, kept_side_px, photo_error
from facesearch.records import (
    CROP_SIZE_PX,
    AlignedFace,
    DetectedFace,
    FaceDetector,
    Photo,
    PhotoFile,
    Pixels,
    Span,
    Taken,
    Values,
)
from facesearch.vision.alignment import align_faces
from facesearch.vision.quality import quality_of

_FILLING_PX = 80  # a face of this size is not enlarged for its crop
_FACE = np.dtype(
    [
        ("box", "f4", 4),
        ("landmarks", "f4", (5, 2)),
        ("score", "f8"),
        ("quality", "f8"),
        ("span", "f8", 4),
        ("crop", "u1", (CROP_SIZE_PX, CROP_SIZE_PX, 3)),
    ]
)


@dataclass(frozen=True, eq=False)
class SeenPhoto:
    """A photo's faces."""

    file: PhotoFile  # as it was when it was read
    sha256: str
    size_px: tuple[int, int]  # width and height in the file; boxes and landmarks are in px of that
    faces: Sequence[AlignedFace]
    damage: str | None = None  # as in Photo
    taken: Taken | None = None
    duration_s: float | None = None  # of a video, whose faces have spans


def find_faces(read: Callable[[bool], Photo], detector: FaceDetector) -> tuple[Photo, list[DetectedFace]]:
    """A photo and its faces, in px of its pixels.

    read: the photo; True: a draft of it will do. That is what is taken where every face found in it fills its crop:
    more pixels would be averaged away. Else faces are looked for in the whole photo. Raises PhotoError for a damaged
    photo without a face.
    """
    photo = read(True)
    faces = detector.detect(photo.pixels)
    whole_px = 0 if photo.original_size_px is None else kept_side_px(photo.original_size_px)
    if whole_px > max(photo.width_px, photo.height_px) and any(face.size_px < _FILLING_PX for face in faces):
        photo = read(False)
        faces = detector.detect(photo.pixels)
    if photo.damage is not None and not faces:
        raise faceless_damage(photo.file.path, photo.damage)
    return photo, faces


def look(photo: Photo, detector: FaceDetector) -> SeenPhoto:
    """The faces of a photo at hand. Raises PhotoError as `find_faces`, and for landmarks without extent."""
    return cut_out(*find_faces(lambda _: photo, detector))


def cut_out(photo: Photo, faces: Sequence[DetectedFace]) -> SeenPhoto:
    """A photo with these faces, in px of its pixels. Raises PhotoError for landmarks without extent."""
    size_px = photo.original_size_px or (photo.width_px, photo.height_px)
    try:
        aligned = align_faces(photo.pixels, faces)
    except ValueError as error:
        raise photo_error(photo.file.path, f"shows a face that cannot be aligned: {error}") from None
    in_file = [
        AlignedFace(each.face.enlarged(1 / photo.scale), each.crop, quality_of(each.face, each.crop))
        for each in aligned
    ]
    return SeenPhoto(photo.file, photo.sha256, size_px, in_file, photo.damage, photo.taken)


def packed(faces: Sequence[AlignedFace]) -> bytes:
    """Faces that `cut_out` gave, as bytes, exactly."""
    rows = np.empty(len(faces), _FACE)
    for row, face in zip(rows, faces, strict=True):
        row["box"], row["landmarks"], row["score"] = face.face.box, face.face.landmarks, face.face.score
        row["quality"] = np.nan if face.quality is None else face.quality
        row["span"] = np.nan if face.span is None else astuple(face.span)
        row["crop"] = face.crop
    return rows.tobytes()


def unpacked(content: Pixels) -> list[AlignedFace]:
    """Faces from the bytes that `packed` made, uint8 (N,)."""
    rows = np.frombuffer(content, _FACE)
    return [
        AlignedFace(
            DetectedFace(row["box"].copy(), row["landmarks"].copy(), float(row["score"])),
            row["crop"].copy(),
            float(row["quality"]),
            _span(row["span"]),
        )
        for row in rows
    ]


def _span(values: Values) -> Span | None:
    if np.isnan(values[0]):
        return None
    start_s, end_s, at_s, track = values.tolist()
    return Span(start_s, end_s, at_s, int(track))
