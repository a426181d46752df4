"""Which parts of a photo are looked at, how large, and what is in them. Knows no network: pixels in, pixels out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from facesearch.records import Floats, Pixels

_GREY = 128
_MOST_STRETCHED = 1.04  # a side that would change by more is padded


@dataclass(frozen=True)
class Region:
    """A rectangle of a photo, in its px."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, eq=False)
class View:
    """A region of a photo as a network sees it."""

    pixels: Pixels  # uint8 (H, W, 3), sides multiples of the step, grey where there is no photo
    region: Region  # what it shows
    scale: Floats  # (2,): photo px for one px of the view, across and down
    border_px: int  # grey at the left and the top

    def in_photo(self, points: Floats) -> Floats:
        """Points (..., 2) of the view, x y, in px of the photo."""
        moved = (points - self.border_px) * self.scale + (self.region.left, self.region.top)
        return np.asarray(moved, dtype=np.float32)


def view(
    pixels: Pixels, region: Region, side_px: int, step_px: int, border: float = 0.0, *, stretched: bool = False
) -> View:
    """A region. side_px: of its longer side; border: grey around it, as a share of that; stretched: as by `fitted`."""
    part = pixels[region.top : region.bottom, region.left : region.right]
    small = fitted(part, side_px, step_px) if stretched else resized(part, side_px)
    height, width = small.shape[:2]
    border_px = round(border * max(height, width))
    canvas_height, canvas_width = (_up(side + 2 * border_px, step_px) for side in (height, width))
    if (canvas_height, canvas_width) != (height, width):
        canvas = np.full((canvas_height, canvas_width, 3), _GREY, dtype=np.uint8)
        canvas[border_px : border_px + height, border_px : border_px + width] = small
        small = canvas
    scale = np.array([part.shape[1] / width, part.shape[0] / height], dtype=np.float32)
    return View(np.ascontiguousarray(small), region, scale, border_px)


def whole_view(small: Pixels, size_px: tuple[int, int], *, side_px: int, step_px: int, border: float = 0.0) -> View:
    """A whole photo that was shrunk already. size_px: width and height of the photo itself, in whose px points are."""
    height, width = small.shape[:2]
    seen = view(small, Region(0, 0, width, height), side_px, step_px, border)
    factor = np.array([size_px[0] / width, size_px[1] / height], dtype=np.float32)
    return replace(seen, scale=seen.scale * factor)


def tiles(width: int, height: int, tile_px: int, overlap_px: int) -> list[Region]:
    """Equal tiles that cover a photo, each side at most tile_px, neighbours sharing at least overlap_px."""
    across, down = (_starts(side, tile_px, overlap_px) for side in (width, height))
    return [Region(left, top, right, bottom) for top, bottom in down for left, right in across]


def _starts(side: int, tile_px: int, overlap_px: int) -> list[tuple[int, int]]:
    count = max(-(-(side - overlap_px) // (tile_px - overlap_px)), 1)
    length = min(-(-(side + (count - 1) * overlap_px) // count), side)
    starts = [round(place * (side - length) / max(count - 1, 1)) for place in range(count)]
    return [(start, start + length) for start in starts]


def shrink(pixels: Pixels, max_side_px: int) -> Pixels:
    """The photo with its longer side at most max_side_px; the photo itself when it is not larger."""
    return pixels if max(pixels.shape[:2]) <= max_side_px else resized(pixels, max_side_px)


def resized(pixels: Pixels, side_px: int) -> Pixels:
    """The photo with its longer side side_px."""
    return _of_size(pixels, *_size(pixels, side_px))


def fitted(pixels: Pixels, side_px: int, step_px: int, *, nearest: bool = False) -> Pixels:
    """The photo with its longer side about side_px, each side stretched to a multiple of the step: the network finds
    more in those pixels than in grey ones. nearest: to the nearest multiple, which is fewer pixels, rather than the
    next larger one. A side that would change by more than _MOST_STRETCHED stays as it is."""
    return _of_size(pixels, *(_fitted(side, step_px, nearest=nearest) for side in _size(pixels, side_px)))


def _fitted(side: int, step_px: int, *, nearest: bool) -> int:
    up = _up(side, step_px)
    down = up - step_px
    if nearest and side - down < up - side and side <= _MOST_STRETCHED * down:
        return down
    return up if up <= _MOST_STRETCHED * side else side


def _size(pixels: Pixels, side_px: int) -> tuple[int, int]:
    """Width and height of the photo with its longer side side_px."""
    height, width = pixels.shape[:2]
    factor = side_px / max(height, width, 1)
    return (width, height) if factor == 1 else (max(round(width * factor), 1), max(round(height * factor), 1))


def _of_size(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    is_smaller = width <= pixels.shape[1] and height <= pixels.shape[0]
    image = Image.fromarray(pixels)
    while image.width >= 8 * width and image.height >= 8 * height:
        image = image.reduce(2)  # fast, and the averages stay true
    return np.asarray(image.resize((width, height), Image.Resampling.BOX if is_smaller else Image.Resampling.BILINEAR))


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
