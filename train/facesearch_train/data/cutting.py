"""One training photo in, one aligned crop out: picks the labelled face, and decides what to do where none is found.

Knows one photo at a time; lists, caches and progress are the business of `crops`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from facesearch.errors import PhotoError
from facesearch.records import CROP_SIZE_PX, DetectedFace, Floats, Pixels
from facesearch.vision.alignment import align
from facesearch.vision.detector.detector import Detector
from facesearch_train.data.packs import PhotoReader, TrainingPhoto

CROP_VERSION = 1  # raise it when the same photo is cut differently: caches are then made again

Origin = Literal["detected", "aligned", "fallback"]
Size = tuple[int, int]  # width, height in px

NO_FACE = "no face found"


def _nowhere() -> Floats:
    return np.full((5, 2), np.nan, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Cut:
    """The outcome for one photo."""

    crop: Pixels | None  # uint8 (S, S, 3), or None and the reason
    origin: Origin = "detected"
    landmarks: Floats = field(default_factory=_nowhere)  # (5, 2) px, NaN where none were found
    size: Size = (0, 0)  # of the photo
    score: float = float("nan")  # the detector's, NaN where it found none or was not asked
    reason: str = ""


Cutter = Callable[[TrainingPhoto], Cut]


def detecting_cutter(detector: Detector, size_px: int = CROP_SIZE_PX, reader: PhotoReader | None = None) -> Cutter:
    """A cutter that looks for the face. Not thread-safe: each thread needs its own detector."""

    def cut(pixels: Pixels, size: tuple[int, int]) -> Cut:
        face = choose_face(detector.detect(pixels), size)
        if face is None:
            return Cut(None, size=size, reason=NO_FACE)
        return Cut(align(pixels, face.landmarks, size_px), "detected", face.landmarks, size, face.score)

    return _reading(cut, reader)


def resizing_cutter(size_px: int = CROP_SIZE_PX, reader: PhotoReader | None = None) -> Cutter:
    """A cutter for photos that are aligned crops already: takes them as they are, or resized to size_px."""

    def cut(pixels: Pixels, size: tuple[int, int]) -> Cut:
        if size != (size_px, size_px):
            pixels = np.asarray(Image.fromarray(pixels).resize((size_px, size_px), Image.Resampling.BICUBIC))
        return Cut(pixels, "aligned", size=size)

    return _reading(cut, reader)


def _reading(cut: Callable[[Pixels, tuple[int, int]], Cut], reader: PhotoReader | None) -> Cutter:
    """A cutter that reads a photo and hands on its pixels, width and height. One that cannot be read has no crop."""
    photos = reader or PhotoReader()

    def read_and_cut(photo: TrainingPhoto) -> Cut:
        try:
            pixels = photos.pixels(photo)
        except PhotoError as error:
            return Cut(None, reason=str(error))
        return cut(pixels, (pixels.shape[1], pixels.shape[0]))

    return read_and_cut


def choose_face(faces: Sequence[DetectedFace], size: Size) -> DetectedFace | None:
    """The face that a labelled photo is about: large and near the centre; None where there is none.

    Its box's area less twice the squared distance of its centre from the photo's, in px². Source: facenet's
    align_dataset_mtcnn.py (Sandberg 2016).
    """
    centre = np.array(size, dtype=np.float64) / 2

    def weight(face: DetectedFace) -> float:
        x1, y1, x2, y2 = face.box.astype(np.float64)
        offset = np.array([(x1 + x2) / 2, (y1 + y2) / 2]) - centre
        return float((x2 - x1) * (y2 - y1) - 2 * (offset @ offset))

    return max(faces, key=weight, default=None)


def are_aligned_crops(photos: Sequence[TrainingPhoto], reader: PhotoReader) -> bool:
    """Whether all photos are 112x112 px, as the crops that face-recognition sets hand out are; those that cannot be
    read do not count. Decodes headers only."""
    some = False
    for photo in photos:
        size = _size_of(photo, reader)
        if size is not None and size != (CROP_SIZE_PX, CROP_SIZE_PX):
            return False
        some = some or size is not None
    return some


def _size_of(photo: TrainingPhoto, reader: PhotoReader) -> Size | None:
    try:
        with Image.open(io.BytesIO(reader.content(photo)) if photo.pack else photo.path) as image:
            return image.size
    except (
        PhotoError,
        OSError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        SyntaxError,
        ValueError,
    ):
        return None


def usual_landmarks(sizes: Sequence[Size], landmarks: Floats, least: int = 20) -> dict[Size, Floats]:
    """Median landmarks (5, 2) of the photos of each size, where at least `least` of that size were found.

    sizes: N. landmarks: (N, 5, 2), NaN where none were found. For layouts whose photos all show the face in one place.
    """
    found = ~np.isnan(landmarks).any(axis=(1, 2))
    rows: dict[Size, list[int]] = {}
    for row in np.flatnonzero(found):
        rows.setdefault(sizes[int(row)], []).append(int(row))
    return {
        size: np.median(landmarks[members], axis=0).astype(np.float32)
        for size, members in rows.items()
        if len(members) >= least
    }
