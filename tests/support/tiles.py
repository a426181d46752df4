"""The smallest photos, detector and embedder that the plumbing can be tried with: people are colours.

A photo is a row of square tiles; a tile that is not white is a face, and its colour says whose. The embedding of a
face is its colour, turned into 32 dimensions: distances between faces are distances between colours (0..1 a channel).
Also runs as a program, `tiles.py LIBRARY PHOTOS`, that indexes and says "at work" after the first photo: for tests
that kill it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.records import DetectedFace, Floats, Models, Pixels
from facesearch.vision.alignment import TEMPLATE_112

TILE_PX = 40
RIM_PX = 8
WHITE = (255, 255, 255)
THRESHOLD = 0.1

Colour = tuple[int, int, int]

BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 3)))[0].T.astype(np.float32)  # (3, 32), orthonormal


def draw(path: Path, *colours: Colour) -> Path:
    """A photo of these people, side by side; without any, an empty scene. The format follows the suffix.

    A person's tile has a chequered rim, RIM_PX wide, without which it would be as blurred as a face can be.
    """
    row = np.repeat(np.array(colours or (WHITE,), np.uint8), TILE_PX, axis=0)
    pixels = np.tile(row, (TILE_PX, 1, 1))
    inside = np.zeros((TILE_PX, TILE_PX), bool)
    inside[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] = True
    chequers = np.tile((np.indices((TILE_PX, TILE_PX)).sum(0) % 2 == 1) & ~inside, (1, len(colours or (WHITE,))))
    pixels[chequers & (pixels != 255).any(axis=2)] ^= 32
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def embedding_of(colour: Colour) -> Floats:
    return _embeddings(np.array([colour], np.float32))[0]


def _embeddings(colours: Floats) -> Floats:
    """(N, 3) colours 0..255 -> (N, 32). Summed by element: a matrix product may round differently for another N."""
    shares = colours / np.float32(255)
    return shares[:, :1] * BASIS[0] + shares[:, 1:2] * BASIS[1] + shares[:, 2:] * BASIS[2]


class TileDetector:
    """Finds every tile of a photo; in a closer look at a part of one it finds nothing."""

    identity = "tiles-1"

    def __init__(self, delay_s: float = 0.0) -> None:
        self.calls = 0
        self._delay_s = delay_s

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        self.calls += 1
        time.sleep(self._delay_s)
        faces: list[DetectedFace] = []
        if pixels.shape[0] % TILE_PX or pixels.shape[1] % TILE_PX:
            return faces
        for left in range(0, pixels.shape[1], TILE_PX):
            if (pixels[TILE_PX // 2, left + TILE_PX // 2] != 255).any():
                box = np.array([left, 0, left + TILE_PX, TILE_PX], np.float32)
                landmarks = (TEMPLATE_112 * (TILE_PX / 112) + (left, 0)).astype(np.float32)
                faces.append(DetectedFace(box, landmarks, 0.99))
        return faces


@dataclass(frozen=True)
class ColourCard:
    name: str = "colours"
    threshold: float = THRESHOLD
    calibration: dict[str, Any] | None = None
    cohort: dict[str, Any] | None = None


class ColourTower:
    identity = "c0" * 32
    precision = "f32"

    def __init__(self, calibration: dict[str, Any] | None = None, cohort: dict[str, Any] | None = None) -> None:
        self.card = ColourCard(calibration=calibration, cohort=cohort)
        self.batches: list[int] = []

    def embed(self, crops: Pixels) -> Floats:
        self.batches.append(len(crops))
        return _embeddings(crops[:, 56, 56].astype(np.float32))


MODELS = Models.of(TileDetector(), ColourTower())


def main() -> None:
    library_path, photos = map(Path, sys.argv[1:])
    with Library.open_or_create(library_path, MODELS) as library:
        options = IndexOptions(batch_faces=4, save_every_s=0.02)
        index_photos(
            library,
            [photos],
            TileDetector(delay_s=0.005),
            ColourTower(),
            options,
            on_progress=lambda progress: print("at work", flush=True) if progress.done == 1 else None,
        )


if __name__ == "__main__":
    main()
