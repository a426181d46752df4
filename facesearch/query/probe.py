"""A photo that is asked about, looked at once: its pixels, its faces, their crops and where they lie.

Stores nothing and compares nothing. Whoever answers questions about a photo, draws it, or explains an answer begins
here, so that all of them see the same faces in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.errors import NoFaceError
from facesearch.photos import photo_file, read_photo_apart, shown_path
from facesearch.records import DetectedFace, EmbeddedFace, Embedder, FaceDetector, Photo, Pixels
from facesearch.vision.alignment import align_faces


@dataclass(frozen=True, eq=False)
class Probe:
    """A photo and its faces, the largest first. faces: in px of the photo in the file, as a library keeps them; a box
    times photo.scale lies on photo.pixels. crops: uint8 (F, 112, 112, 3), what was embedded."""

    path: Path
    photo: Photo
    faces: tuple[EmbeddedFace, ...]
    crops: Pixels


def look_at(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """A photo with all its faces. Raises PhotoError where it cannot be read, NoFaceError, and TowerError."""
    photo, faces = _found(path, detector)
    faces.sort(key=lambda face: (-face.size_px, *face.box.tolist()))
    return _embedded(path, photo, faces, tower)


def look_at_most_prominent(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """The same with the one face that the photo is most likely taken of; the others are not embedded."""
    from facesearch.people import most_prominent

    photo, faces = _found(path, detector)
    boxes = np.stack([face.box for face in faces])
    return _embedded(path, photo, [faces[most_prominent(boxes, (photo.width_px, photo.height_px))]], tower)


def _found(path: Path, detector: FaceDetector) -> tuple[Photo, list[DetectedFace]]:
    photo = read_photo_apart(photo_file(path))
    faces = detector.detect(photo.pixels)
    if not faces:
        reason = "shows no face that was found: turn it upright, leave more room around the face, or use a larger photo"
        raise NoFaceError(f"{shown_path(path)}: {reason}", reason)
    return photo, list(faces)


def _embedded(path: Path, photo: Photo, faces: Sequence[DetectedFace], tower: Embedder) -> Probe:
    crops = np.stack([aligned.crop for aligned in align_faces(photo.pixels, faces)])
    embeddings = tower.embed(crops)
    embedded = tuple(
        EmbeddedFace(face.enlarged(1 / photo.scale), embedding)
        for face, embedding in zip(faces, embeddings, strict=True)
    )
    return Probe(path, photo, embedded, crops)
