"""What is seen on a photo: its faces, aligned, and as bytes that another process can read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

from facesearch.errors import TowerError
from facesearch.photos.files import faceless_damage, kept_side_px, photo_error
from facesearch.records import (
    CROP_SIZE_PX,
    EMBEDDING_SIZE,
    AlignedFace,
    DetectedFace,
    EmbeddedFace,
    Embedder,
    FaceDetector,
    Floats,
    Photo,
    PhotoFile,
    Pixels,
    Span,
    Taken,
    Values,
)
from facesearch.vision.alignment import align, align_faces
from facesearch.vision.placing import place_faces
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
    drawn: Sequence[AlignedFace | None] = ()  # of a KnownPhoto, in its order; None where no face is seen


@dataclass(frozen=True, eq=False)
class DrawnFace:
    """A face that somebody drew a box around, in px of the photo in the file."""

    box: Floats  # float32 (4,) x1 y1 x2 y2
    landmarks: Floats | None = None  # float32 (5, 2), which do where the detector places none


@dataclass(frozen=True, eq=False)
class KnownPhoto(PhotoFile):
    """A photo to be looked at again, and what is known of it."""

    faces: Sequence[DetectedFace] | None  # taken as they are, in px of the photo in the file; None: detected again
    drawn: Sequence[DrawnFace] = ()

    def as_plain(self) -> dict[str, Any]:
        """What is known, ready for JSON, exactly."""
        faces = None
        if self.faces is not None:
            faces = [[face.box.tolist(), face.landmarks.tolist(), float(face.score)] for face in self.faces]
        drawn = [
            [face.box.tolist(), None if face.landmarks is None else face.landmarks.tolist()] for face in self.drawn
        ]
        return {"faces": faces, "drawn": drawn}

    @classmethod
    def of(cls, file: PhotoFile, plain: dict[str, Any]) -> KnownPhoto:
        """What `as_plain` gave."""
        faces = None
        if plain["faces"] is not None:
            faces = [DetectedFace(_float32(box), _float32(points), score) for box, points, score in plain["faces"]]
        drawn = [
            DrawnFace(_float32(box), None if points is None else _float32(points)) for box, points in plain["drawn"]
        ]
        return cls(file.path, file.size_bytes, file.mtime_ns, faces, drawn)


def _float32(values: list[Any]) -> Floats:
    return np.array(values, np.float32)


def find_faces(read: Callable[[bool], Photo], detector: FaceDetector) -> tuple[Photo, list[DetectedFace]]:
    """A photo and its faces, in px of its pixels.

    read: the photo; True: a draft of it will do. That is what is taken where every face found in it fills its crop:
    more pixels would be averaged away. Else faces are looked for in the whole photo. Raises PhotoError for a damaged
    photo without a face.
    """
    photo, faces = _found(read, lambda photo: detector.detect(photo.pixels))
    if photo.damage is not None and not faces:
        raise faceless_damage(photo.file.path, photo.damage)
    return photo, faces


def _found(
    read: Callable[[bool], Photo], find: Callable[[Photo], list[DetectedFace]]
) -> tuple[Photo, list[DetectedFace]]:
    photo = read(True)
    faces = find(photo)
    whole_px = 0 if photo.original_size_px is None else kept_side_px(photo.original_size_px)
    if whole_px > max(photo.width_px, photo.height_px) and any(face.size_px < _FILLING_PX for face in faces):
        photo = read(False)
        faces = find(photo)
    return photo, faces


def see_photo(file: PhotoFile, read: Callable[[bool], Photo], detector: FaceDetector) -> SeenPhoto:
    """The faces of a photo, cut out: those that the detector finds, or of a KnownPhoto those that are known, and those
    that were drawn. read: as in `find_faces`. Raises PhotoError as `look`."""
    if not isinstance(file, KnownPhoto):
        return cut_out(*find_faces(read, detector))
    known = file.faces

    def find(photo: Photo) -> list[DetectedFace]:
        return detector.detect(photo.pixels) if known is None else [face.enlarged(photo.scale) for face in known]

    photo, faces = _found(read, find)
    if file.drawn and photo.original_size_px is not None:
        photo = read(False)
        faces = find(photo)
    seen = cut_out(photo, faces)
    aligned = (
        seen.faces if known is None else [replace(a, face=face) for a, face in zip(seen.faces, known, strict=True)]
    )
    return replace(seen, faces=aligned, drawn=cut_out_drawn(photo, file.drawn, detector))


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


def cut_out_drawn(photo: Photo, drawn: Sequence[DrawnFace], detector: FaceDetector) -> list[AlignedFace | None]:
    """Each face that was drawn: by the landmarks that the detector places in its surroundings, else by those given;
    None where neither give a face."""
    scale = np.float32(photo.scale)
    placed = place_faces(photo.pixels, [face.box * scale for face in drawn], detector) if drawn else []
    found = []
    for each, face in zip(drawn, placed, strict=True):
        aligned = None if face is None else _aligned(photo, face.enlarged(1 / photo.scale))
        if aligned is None and each.landmarks is not None:
            aligned = _aligned(photo, DetectedFace(each.box, each.landmarks, 0.0))
        found.append(aligned)
    return found


def _aligned(photo: Photo, face: DetectedFace) -> AlignedFace | None:
    """A face in px of the photo in the file; None for landmarks without extent."""
    here = face.enlarged(photo.scale)
    try:
        crop = align(photo.pixels, here.landmarks)
    except ValueError:
        return None
    return AlignedFace(face, crop, quality_of(here, crop))


def packed(faces: Sequence[AlignedFace | None]) -> bytes:
    """Faces that `cut_out` gave, as bytes, exactly."""
    rows = np.empty(len(faces), _FACE)
    for row, face in zip(rows, faces, strict=True):
        if face is None:
            row["score"] = np.nan
            continue
        row["box"], row["landmarks"], row["score"] = face.face.box, face.face.landmarks, face.face.score
        row["quality"] = np.nan if face.quality is None else face.quality
        row["span"] = np.nan if face.span is None else astuple(face.span)
        row["crop"] = face.crop
    return rows.tobytes()


def unpacked(content: Pixels) -> list[AlignedFace | None]:
    """Faces from the bytes that `packed` made, uint8 (N,)."""
    rows = np.frombuffer(content, _FACE)
    return [
        None
        if np.isnan(row["score"])
        else AlignedFace(
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


def embed_faces(tower: Embedder, faces: Sequence[AlignedFace]) -> list[EmbeddedFace]:
    """Faces with their embeddings: those that were embedded where they were found, and the others in one batch. Raises
    TowerError for anything but finite numbers."""
    crops = [face.crop for face in faces if face.embedding is None]
    new = iter(tower.embed(np.stack(crops)) if crops else ())
    embeddings = [next(new) if face.embedding is None else face.embedding for face in faces]
    if any(each.shape != (EMBEDDING_SIZE,) or not np.isfinite(each).all() for each in embeddings):
        raise TowerError(
            f"the tower {tower.card.name} gave no {EMBEDDING_SIZE} finite numbers for each face; reinstall it"
        )
    return [
        EmbeddedFace(face.face, embedding, face.quality, face.span)
        for face, embedding in zip(faces, embeddings, strict=True)
    ]
