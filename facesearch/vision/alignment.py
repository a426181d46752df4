"""Five landmarks in, the 112x112 crop out that face-recognition training sets share. Pure geometry and resampling.

Refuses to look for faces. What lies beyond the photo's edge is filled by repeating the edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from facesearch.records import CROP_SIZE_PX, AlignedFace, DetectedFace, Pixels

Transform = NDArray[np.float64]  # (2, 3): x' = a x + b y + c, y' = d x + e y + f

TEMPLATE_NAME = "arcface-112"
# Where the five landmarks lie in a crop of 112 px; as in InsightFace's face_align.py, the template of ArcFace's crops.
TEMPLATE_112: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# How far beyond the crop, in its px, bicubic sampling reads.
_MARGIN_PX = 2


def similarity_transform(landmarks: ArrayLike, template: ArrayLike) -> Transform:
    """The rotation, uniform scale and shift (no mirroring) that bring landmarks nearest to the template.

    landmarks, template: (N, 2) px, N >= 2 -> float64 (2, 3). Least squares; source: Umeyama 1991, equations 34 to 43.
    Raises ValueError when all landmarks lie in one place.
    """
    source, target = np.asarray(landmarks, dtype=np.float64), np.asarray(template, dtype=np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_centred, target_centred = source - source_mean, target - target_mean
    variance = (source_centred**2).sum() / len(source)
    if not np.isfinite(variance) or variance < 1e-12:
        raise ValueError("the landmarks lie in one place or are not finite: they fix no scale")
    u, singular, vt = np.linalg.svd(target_centred.T @ source_centred / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = u @ np.diag(signs) @ vt
    scale = (singular * signs).sum() / variance
    shift = target_mean - scale * rotation @ source_mean
    return np.column_stack([scale * rotation, shift])


def align(pixels: Pixels, landmarks: ArrayLike, size_px: int = CROP_SIZE_PX) -> Pixels:
    """The crop of one face: uint8 (H, W, 3) and its five landmarks (5, 2) in px -> uint8 (size_px, size_px, 3).

    A face larger than the crop is first averaged down by a whole factor, so that little aliases. Beyond the photo's
    edge the edge is repeated. Raises ValueError for landmarks without extent.
    """
    forward = similarity_transform(landmarks, TEMPLATE_112 * (size_px / CROP_SIZE_PX))
    scale = math.hypot(forward[0, 0], forward[1, 0])
    region, (left, top) = _region(pixels, forward, size_px)
    factor = max(round(1 / scale), 1)
    image = Image.fromarray(region)
    if factor > 1:
        image = image.reduce(factor)
    backward = _inverse(forward)
    backward[:, 2] -= (left, top)
    # Landmarks and template count from pixels' centres, Pillow from their corners: half a pixel on the way in and out.
    backward[:, 2] += 0.5 - backward[:, :2] @ (0.5, 0.5)
    backward /= factor
    coefficients = backward.ravel().tolist()
    return np.asarray(
        image.transform((size_px, size_px), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    )


def align_faces(pixels: Pixels, faces: Sequence[DetectedFace]) -> list[AlignedFace]:
    """The crops of all faces of a photo. pixels: uint8 (H, W, 3)."""
    return [AlignedFace(face, align(pixels, face.landmarks)) for face in faces]


def _inverse(transform: Transform) -> Transform:
    inverse = np.linalg.inv(transform[:, :2])
    return np.column_stack([inverse, -inverse @ transform[:, 2]])


def _region(pixels: Pixels, forward: Transform, size_px: int) -> tuple[Pixels, tuple[int, int]]:
    """The part of the photo that the crop shows, its missing rim filled by repeating the edge; and its left and top."""
    height, width = pixels.shape[:2]
    low, high = -_MARGIN_PX, size_px + _MARGIN_PX
    square = np.array([[low, low], [high, low], [low, high], [high, high]], dtype=np.float64)
    inverse = _inverse(forward)
    corners = square @ inverse[:, :2].T + inverse[:, 2]
    left, top = (math.floor(side) for side in corners.min(axis=0))
    right, bottom = (math.ceil(side) for side in corners.max(axis=0))
    x0, x1 = np.clip([left, right], 0, [width - 1, width])
    y0, y1 = np.clip([top, bottom], 0, [height - 1, height])
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    inside = pixels[y0:y1, x0:x1]
    rim = ((max(y0 - top, 0), max(bottom - y1, 0)), (max(x0 - left, 0), max(right - x1, 0)), (0, 0))
    return np.pad(inside, rim, mode="edge"), (min(left, x0), min(top, y0))
