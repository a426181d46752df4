"""The landmarks of a face that somebody drew a box around, where the detector saw none in the whole photo.

The surroundings of the box are looked at by themselves, enlarged or shrunk until the face has a size that the detector
sees well. Never guesses: where it sees no face, there are no landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from facesearch.records import DetectedFace, FaceDetector, Floats, Pixels
from facesearch.vision.boxes import DRAWN_BY_OTHERS, pair_up

# Looks, the likeliest to see the face first: how much of the surroundings they show on each side, as a share of the
# box's longer side, and how large that side is made, in px.
_LOOKS = ((1.0, 96), (1.0, 40), (2.0, 64), (0.5, 160))


def place_face(pixels: Pixels, box: Floats, detector: FaceDetector) -> DetectedFace | None:
    """The face that a box is drawn around, as the detector sees it in its surroundings; None where it sees none there.

    pixels: uint8 (H, W, 3). box: x1 y1 x2 y2 px of pixels; so are the face's box and landmarks.
    """
    for room, side_px in _LOOKS:
        face = _seen(pixels, box, detector, room, side_px)
        if face is not None:
            return face
    return None


def place_faces(pixels: Pixels, boxes: Sequence[Floats], detector: FaceDetector) -> list[DetectedFace | None]:
    """The same for several boxes, no two of which get the same face."""
    placed: list[DetectedFace | None] = []
    for box in boxes:
        face = place_face(pixels, box, detector)
        taken = [other.box for other in placed if other is not None]
        placed.append(None if face is None or pair_up([face.box], taken, DRAWN_BY_OTHERS) else face)
    return placed


def _seen(pixels: Pixels, box: Floats, detector: FaceDetector, room: float, side_px: int) -> DetectedFace | None:
    height, width = pixels.shape[:2]
    side = float(max(box[2] - box[0], box[3] - box[1]))
    left, top = (max(0, int(low - room * side)) for low in box[:2])
    right, bottom = (
        min(most, int(np.ceil(high + room * side))) for high, most in zip(box[2:], (width, height), strict=True)
    )
    factor = side_px / side
    size = (max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor)))
    look = Image.fromarray(pixels[top:bottom, left:right]).resize(
        size, Image.Resampling.LANCZOS, reducing_gap=3.0 if factor < 1 else None
    )
    scale = np.array([(right - left) / size[0], (bottom - top) / size[1]], np.float32)
    start = np.array([left, top], np.float32)
    faces = [
        DetectedFace((face.box.reshape(2, 2) * scale + start).reshape(4), face.landmarks * scale + start, face.score)
        for face in detector.detect(np.asarray(look))
    ]
    pairs = pair_up([box], [face.box for face in faces], DRAWN_BY_OTHERS)
    return faces[pairs[0][1]] if pairs else None
