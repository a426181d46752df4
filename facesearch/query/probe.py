"""Photos that are asked about, looked at once: their pixels, their faces, the crops, and the embeddings.

Stores nothing and compares nothing. A query, a contact sheet, an explanation and a comparison all begin with a Probe,
so that all of them see the same faces in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.errors import NoFaceError, PhotoError
from facesearch.evaluation.calibration import Calibration
from facesearch.photos import photo_file, read_photo_apart, shown_path, walk
from facesearch.records import DetectedFace, EmbeddedFace, Embedder, FaceDetector, Models, Photo, Pixels, SkippedFile
from facesearch.vision.alignment import align_faces
from facesearch.vision.faces import find_faces
from facesearch.vision.quality import quality_of


@dataclass(frozen=True, eq=False)
class Probe:
    """A photo and its faces, the largest first."""

    path: Path
    photo: Photo
    faces: tuple[EmbeddedFace, ...]  # in px of the photo in the file; a box times photo.scale lies on photo.pixels
    crops: Pixels  # uint8 (F, 112, 112, 3), what was embedded
    models: Models  # what found and embedded the faces
    calibration: Calibration | None  # the tower's; None where its card has none


@dataclass(frozen=True)
class FailedProbe:
    """A photo that is no probe."""

    photo: Path
    reason: str  # why, in words for the user
    is_named: bool  # given by itself, not found in a folder


def probe_photo(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """A photo with all its faces. Raises PhotoError where it cannot be read, NoFaceError, and TowerError."""
    photo, faces = _found(path, detector)
    faces.sort(key=lambda face: (-face.size_px, *face.box.tolist()))
    return _embedded(path, photo, faces, detector, tower)


def probe_prominent_face(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """The same with only the most prominent face, large and near the middle; the others are not embedded."""
    from facesearch.people import most_prominent

    photo, faces = _found(path, detector)
    boxes = np.stack([face.box for face in faces])
    prominent = faces[most_prominent(boxes, (photo.width_px, photo.height_px))]
    return _embedded(path, photo, [prominent], detector, tower)


def probe_each(paths: Iterable[Path], detector: FaceDetector, tower: Embedder) -> Iterator[Probe | FailedProbe]:
    """Each photo, and each photo in the folders at any depth, in order, as soon as it is looked at.

    A photo that cannot be read or shows no face is a FailedProbe, and the next one follows. Raises TowerError.
    """
    for path in paths:
        if not path.is_dir():
            yield _tried(path, detector, tower, is_named=True)
            continue
        for found in walk([path]):
            if isinstance(found, SkippedFile):
                yield FailedProbe(found.path, found.reason, is_named=False)
            else:
                yield _tried(found.path, detector, tower, is_named=False)


def is_one_photo(paths: Sequence[Path]) -> bool:
    """Whether there is a single photo, whose failure is an error; a folder counts as many, whatever it holds."""
    return len(paths) == 1 and not paths[0].is_dir()


def _tried(path: Path, detector: FaceDetector, tower: Embedder, *, is_named: bool) -> Probe | FailedProbe:
    try:
        return probe_photo(path, detector, tower)
    except PhotoError as error:
        return FailedProbe(path, error.reason, is_named)


def _found(path: Path, detector: FaceDetector) -> tuple[Photo, list[DetectedFace]]:
    file = photo_file(path)
    photo, faces = find_faces(lambda draft: read_photo_apart(file, draft=draft), detector)
    if not faces:
        reason = "shows no face that was found: turn it upright, leave more room around the face, or use a larger photo"
        raise NoFaceError(f"{shown_path(path)}: {reason}", reason)
    return photo, faces


def _embedded(
    path: Path, photo: Photo, faces: Sequence[DetectedFace], detector: FaceDetector, tower: Embedder
) -> Probe:
    crops = np.stack([aligned.crop for aligned in align_faces(photo.pixels, faces)])
    embeddings = tower.embed(crops)
    embedded = tuple(
        EmbeddedFace(face.enlarged(1 / photo.scale), embedding, quality_of(face, crop))
        for face, crop, embedding in zip(faces, crops, embeddings, strict=True)
    )
    calibration = Calibration.from_card(tower.card.calibration)
    return Probe(path, photo, embedded, crops, Models.of(detector, tower), calibration)
