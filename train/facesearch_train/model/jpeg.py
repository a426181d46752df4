"""What JPEG leaves of a crop: 8x8 blocks, coefficients rounded to steps that grow as the quality falls, less colour.

No file is written: the lossy steps alone, as matrix products on the accelerator, for a quality of each crop's own.
Everything linear on the way (edges repeated up to whole blocks, colour halved, the cosine transform) is one constant
matrix a direction. Source: ITU-T T.81 (tables K.1 and K.2) and JFIF; scaled and subsampled (4:2:0) as libjpeg does.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from facesearch.records import Floats

_LUMA_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
)
_CHROMA_STEPS = np.full((8, 8), 99, "float32")
_CHROMA_STEPS[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

_RGB_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], "float32")
_YCC_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], "float32")


def jpeg(crops: Any, quality: Any) -> Any:
    """Crops as a JPEG of that quality shows them: (B, S, S, 3) RGB 0..255 and (B,) 1..100 -> (B, S, S, 3) 0..255."""
    side, quality = crops.shape[1], ops.convert_to_tensor(quality)
    ycc = ops.round(ops.transpose(ops.matmul(crops, _RGB_TO_YCC.T), (3, 0, 1, 2)))  # (3, B, S, S)
    half = ops.where(quality < 50.0, 50.0 / quality, 2.0 - quality / 50.0)[:, None, None]
    luma = _rounded(ycc[0] - 128.0, side, False, half)
    blue, red = (_rounded(ycc[channel], side, True, half) for channel in (1, 2))
    pixels = ops.matmul(ops.stack([luma + 128.0, blue, red], axis=-1), _YCC_TO_RGB.T)
    return ops.clip(pixels, 0.0, 255.0)


def _rounded(plane: Any, side: int, is_chroma: bool, scale: Any) -> Any:
    """One colour plane through the transform, rounded there, and back: (B, S, S) -> the same."""
    forward, backward, steps = (ops.convert_to_tensor(matrix) for matrix in _matrices(side, is_chroma))
    steps = ops.clip(ops.floor(steps[None] * scale + 0.5), 1.0, 255.0)
    coefficients = ops.matmul(ops.matmul(forward, plane), ops.transpose(forward))
    return ops.matmul(ops.matmul(backward, ops.round(coefficients / steps) * steps), ops.transpose(backward))


@cache
def _matrices(side: int, is_chroma: bool) -> tuple[Floats, Floats, Floats]:
    """To the coefficients (M, S), back to pixels (S, M), and the steps at quality 50 (M, M); M a multiple of 8."""
    kept = -(-side // 2) if is_chroma else side
    blocks = -(-kept // 8)
    extend = np.eye(kept)[np.minimum(np.arange(blocks * 8), kept - 1)]
    cosines = np.kron(np.eye(blocks), _cosine_transform())
    smaller = _halving(side) if is_chroma else np.eye(side)
    larger = _doubling(side) if is_chroma else np.eye(side)
    steps = np.tile(_CHROMA_STEPS if is_chroma else _LUMA_STEPS, (blocks, blocks))
    forward = cosines @ extend @ smaller
    backward = larger @ cosines.T[:kept]
    return forward.astype("float32"), backward.astype("float32"), steps


def _cosine_transform() -> NDArray[np.float64]:
    """The orthonormal 8-point DCT-II, a row a frequency."""
    frequency, place = np.mgrid[0:8, 0:8]
    waves = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    waves[0] /= np.sqrt(2)
    return np.asarray(waves)


def _halving(side: int) -> NDArray[np.float64]:
    """Means of two neighbours, the last one repeated: (ceil(S / 2), S)."""
    pairs = np.arange(-(-side // 2)) * 2
    return np.asarray((np.eye(side)[pairs] + np.eye(side)[np.minimum(pairs + 1, side - 1)]) / 2)


def _doubling(side: int) -> NDArray[np.float64]:
    """Three quarters of the nearer sample and a quarter of the farther, as libjpeg upsamples: (S, ceil(S / 2))."""
    half, place = -(-side // 2), np.arange(side)
    farther = np.clip(place // 2 + np.where(place % 2, 1, -1), 0, half - 1)
    return np.asarray(0.75 * np.eye(half)[place // 2] + 0.25 * np.eye(half)[farther])
