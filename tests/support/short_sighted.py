"""A detector that misses faces, as long as it is not shown them closely."""

from __future__ import annotations

import numpy as np

from facesearch.records import DetectedFace, Pixels
from facesearch.vision.alignment import TEMPLATE_112
from support.tiles import TILE_PX


class ShortSighted:
    """Sees the square tiles of a picture, but no dim ones in a whole photo of tiles of 40 px."""

    identity = "short-sighted"

    def __init__(self, *, glasses: bool = False) -> None:
        self._misses = not glasses
        if glasses:
            self.identity = "glasses"

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        side, faces = pixels.shape[0], []
        for left in range(0, pixels.shape[1] - side // 2, side):
            colour = pixels[side // 2, left + side // 2]
            if (colour > 245).all() or (self._misses and side == TILE_PX and colour.max() < 40):
                continue
            landmarks = (TEMPLATE_112 * (side / 112) + (left, 0)).astype(np.float32)
            faces.append(DetectedFace(np.array([left, 0, left + side, side], np.float32), landmarks, 0.9))
        return faces
