"""A photo at falling scales, side by side on one canvas, so that one inference sees them all; and patches cut from it.

Knows no network: pixels in, pixels out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesearch.records import Floats, Pixels

CELL_PX = 12  # the side of the face that the first network sees
SCALE_STEP = 0.709  # about sqrt(1/2): each level has half the pixels of the one before


@dataclass(frozen=True)
class Level:
    """A scaled photo's place on the canvas, in px. scale: level px per photo px."""

    scale: float
    left: int
    top: int
    width: int
    height: int


def pyramid_scales(width_px: int, height_px: int, min_face_px: float) -> list[float]:
    """Scales at which faces from `min_face_px` up to the photo's shorter side appear CELL_PX large, largest first."""
    shorter = min(width_px, height_px)
    scale = min(CELL_PX / min_face_px, 1.0)
    scales = []
    while int(shorter * scale) >= CELL_PX:
        scales.append(scale)
        scale *= SCALE_STEP
    return scales


def pack(sizes: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Places for rectangles (width, height), largest first: each one's (left, top), and the canvas (width, height).

    First fit into the free rectangles that earlier ones left, else a new column at the right. A pyramid by
    SCALE_STEP fills nine tenths of its canvas.
    """
    height = sizes[0][1]
    free: list[tuple[int, int, int, int]] = []  # left, top, width, height
    places: list[tuple[int, int]] = []
    right = 0
    for w, h in sizes:
        spot = next((spot for spot in free if spot[2] >= w and spot[3] >= h), None)
        if spot is None:
            spot = (right, 0, w, height)
            right += w
        else:
            free.remove(spot)
        left, top, spot_width, spot_height = spot
        places.append((left, top))
        free += [(left + w, top, spot_width - w, h), (left, top + h, spot_width, spot_height - h)]
    return places, (right, height)


def build_pyramid(pixels: Pixels, scales: list[float]) -> tuple[Pixels, list[Level]]:
    """The photo at each scale on one canvas, uint8 (H', W', 3), and where each lies.

    Places and the canvas are even, because the first network steps by 2 px; the canvas' sides are multiples of 32, so
    that photos of like sizes share one compiled shape. An odd side's last row or column is repeated once.
    """
    height, width = pixels.shape[:2]
    sizes = [(int(width * scale), int(height * scale)) for scale in scales]
    places, (canvas_width, canvas_height) = pack([(w + w % 2, h + h % 2) for w, h in sizes])
    canvas = Image.new("RGB", (_round_up(canvas_width), _round_up(canvas_height)))
    levels = []
    source = Image.fromarray(pixels)
    for scale, (w, h), (left, top) in zip(scales, sizes, places, strict=True):
        source = _halved(source, w, h)
        canvas.paste(source.resize((w, h), _averaging_filter(source.width / w)), (left, top))
        _repeat_odd_edge(canvas, (left, top, left + w, top + h))
        levels.append(Level(scale, left, top, w, h))
    return np.asarray(canvas), levels


def _repeat_odd_edge(canvas: Image.Image, level: tuple[int, int, int, int]) -> None:
    """Make the sides of a level even. level: left, top, right, bottom."""
    left, top, right, bottom = level
    if (right - left) % 2:
        canvas.paste(canvas.crop((right - 1, top, right, bottom)), (right, top))
        right += 1
    if (bottom - top) % 2:
        canvas.paste(canvas.crop((left, bottom - 1, right, bottom)), (left, bottom))


def shrink(pixels: Pixels, max_side_px: int) -> Pixels:
    """The photo with its longer side at most max_side_px; the photo itself when it is not larger."""
    height, width = pixels.shape[:2]
    factor = max_side_px / max(height, width, 1)
    if factor >= 1:
        return pixels
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    image = _halved(Image.fromarray(pixels), *size)
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _halved(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image halved as often as it stays four times as large as asked: fast, and the averages stay true."""
    while image.width >= 8 * width and image.height >= 8 * height:
        image = image.reduce(2)
    return image


def _averaging_filter(ratio: float) -> Image.Resampling:
    """The filter of Pillow's that comes nearest to averaging areas, on which the networks were trained.

    BOX takes whole source pixels or none, which is rough while only a few make one (a root mean square of 2.8 grey
    levels off at a ratio of 1.7, where HAMMING is 0.8 off; at a ratio of 6 it is the other way round: 1.7 against 2.5).
    """
    return Image.Resampling.HAMMING if ratio < 4 else Image.Resampling.BOX


def _round_up(side: int, multiple: int = 32) -> int:
    return -(-side // multiple) * multiple


class PatchSource:
    """A photo from which square patches of any place and size are read, by bilinear sampling.

    Pixels are held as one 32-bit word each: gathering words is several times as fast as gathering triples of bytes.
    """

    def __init__(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        self._words = np.frombuffer(Image.fromarray(pixels).tobytes("raw", "RGBX"), dtype=np.uint32)
        self._height, self._width = height, width

    def patches(self, boxes: Floats, size_px: int) -> Floats:
        """boxes: (N, 4), also beyond the photo's edge -> float32 (N, size_px, size_px, 3), 0..255.

        Samples as TensorFlow's crop_and_resize does with corners box / (width, height); outside the photo: 127.5.
        """
        x, inside_x = _positions(boxes[:, 0], boxes[:, 2], self._width, size_px)  # (N, S)
        y, inside_y = _positions(boxes[:, 1], boxes[:, 3], self._height, size_px)
        x0, y0 = x.astype(np.int32), y.astype(np.int32)
        x1, y1 = np.minimum(x0 + 1, self._width - 1), np.minimum(y0 + 1, self._height - 1)
        along, down = (x - x0)[:, None, :], (y - y0)[:, :, None]
        starts = [(rows * self._width)[:, :, None] for rows in (y0, y1)]
        words = [self._words.take(start + columns[:, None, :]) for start in starts for columns in (x0, x1)]
        patches = np.empty((len(boxes), size_px, size_px, 3), np.float32)
        for channel in range(3):
            upper, upper_right, lower, lower_right = (_channel(each, channel) for each in words)
            _blend(upper, upper_right, along)
            _blend(lower, lower_right, along)
            _blend(upper, lower, down)
            patches[..., channel] = upper
        inside = inside_y[:, :, None] & inside_x[:, None, :]
        if not inside.all():
            patches[~inside] = 127.5
        return patches


def _channel(words: NDArray[np.uint32], channel: int) -> Floats:
    """One channel of pixels: whole planes are several times as fast to blend as triples."""
    return ((words >> np.uint32(8 * channel)) & np.uint32(255)).astype(np.float32)


def _blend(first: Floats, second: Floats, share: Floats) -> None:
    """Put `share` of the way to the second into the first; the second is used up."""
    second -= first
    second *= share
    first += second


def _positions(low: Floats, high: Floats, side: int, size_px: int) -> tuple[Floats, np.ndarray]:
    """Sample positions along one axis and whether each lies inside the photo: (N,), (N,) -> (N, size_px) twice."""
    factor = (side - 1) / side
    steps = np.linspace(0, 1, size_px, dtype=np.float32)
    at = low[:, None] * factor + (high - low)[:, None] * factor * steps
    inside = (at >= 0) & (at <= side - 1)
    return np.clip(at, 0, side - 1).astype(np.float32), inside
