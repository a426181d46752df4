"""Frozen dataclasses that carry data between rooms. Holds no behaviour beyond derived properties; imports only NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
Floats = NDArray[np.float32]

CROP_SIZE_PX = 112
EMBEDDING_SIZE = 32


@dataclass(frozen=True)
class PhotoFile:
    """A file as the folder walk saw it."""

    path: Path
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo. pixels: uint8 (H, W, 3) RGB, upright."""

    file: PhotoFile
    sha256: str
    pixels: Pixels

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """A face in a photo. box: float32 (4,) x1 y1 x2 y2 in px. landmarks: float32 (5, 2) x y in px, in the order
    left eye, right eye, nose, left and right mouth corner, as seen in the image. score: 0..1."""

    box: Floats
    landmarks: Floats
    score: float

    @property
    def size_px(self) -> float:
        """The longer side of the box."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """A face and its crop. crop: uint8 (112, 112, 3) RGB on the five-point template."""

    face: DetectedFace
    crop: Pixels


@dataclass(frozen=True, eq=False)
class EmbeddedFace:
    """A face and where it lies in the distance space. embedding: float32 (32,)."""

    face: DetectedFace
    embedding: Floats


@dataclass(frozen=True)
class Neighbour:
    """A stored face and its Euclidean distance from the probe (smaller is more alike)."""

    face_id: int
    distance: float
