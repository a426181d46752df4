"""Where faces are: boxes in px of the upright photo, and areas of regions, as shares of the photo as it is stored.

Source: Metadata Working Group, Guidelines for Handling Image Metadata 2.0, 5.9: regions are those of the stored image;
whoever turns the image by its Exif orientation turns the regions too. Exif 3.0 (CIPA DC-008), tag Orientation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.records import Floats
from facesearch.vision import boxes

_STILL = 1e-5
SWAPS_SIDES = (5, 6, 7, 8)

# A point of the stored photo to where it is on the upright one, x and y from 0 to 1, by Exif orientation.
_TO_UPRIGHT: dict[int, Callable[[float, float], tuple[float, float]]] = {
    1: lambda x, y: (x, y),
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}
# What takes it back. All are their own inverse, but the two quarter turns, which are each other's.
_BACK = {6: 8, 8: 6}


@dataclass(frozen=True)
class Area:
    """A rectangle by its centre and size, as shares of the stored photo's width and height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """x1 y1 x2 y2."""
        return self.x - self.w / 2, self.y - self.h / 2, self.x + self.w / 2, self.y + self.h / 2

    def is_at(self, x: float, y: float, w: float, h: float) -> bool:
        """Whether it is this rectangle, but for the decimals that programs drop: some write five."""
        pairs = ((self.x, x), (self.y, y), (self.w, w), (self.h, h))
        return all(abs(here - there) <= _STILL for here, there in pairs)

    @classmethod
    def of_corners(cls, x1: float, y1: float, x2: float, y2: float) -> Area:
        return cls((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)


@dataclass(frozen=True)
class Frame:
    """How a photo lies: the upright photo's width and height in px, and the Exif orientation of the stored one."""

    width_px: int
    height_px: int
    orientation: int = 1

    @property
    def stored_size_px(self) -> tuple[int, int]:
        """Width and height as stored."""
        size = (self.width_px, self.height_px)
        return size[::-1] if self.orientation in SWAPS_SIDES else size

    def area_of(self, box: Floats | Sequence[float]) -> Area:
        """The area of a box, x1 y1 x2 y2 in px of the upright photo. What lies outside of the photo is cut off."""
        x1, x2 = (min(max(float(box[side]) / self.width_px, 0.0), 1.0) for side in (0, 2))
        y1, y2 = (min(max(float(box[side]) / self.height_px, 0.0), 1.0) for side in (1, 3))
        return _turned(Area.of_corners(x1, y1, x2, y2), _BACK.get(self.orientation, self.orientation))

    def box_of(self, area: Area) -> Floats:
        """The box of an area, float32 (4,) x1 y1 x2 y2 in px of the upright photo."""
        x1, y1, x2, y2 = _turned(area, self.orientation).corners
        scale = np.array([self.width_px, self.height_px] * 2)
        return np.asarray(np.array([x1, y1, x2, y2]) * scale, np.float32)


def _turned(area: Area, orientation: int) -> Area:
    x, y = _TO_UPRIGHT[orientation](area.x, area.y)
    w, h = (area.h, area.w) if orientation in SWAPS_SIDES else (area.w, area.h)
    return Area(x, y, w, h)


def pair_up(first: Sequence[Floats], second: Sequence[Floats]) -> list[tuple[int, int]]:
    """Which of some boxes are of one face, as programs draw them: see boxes.pair_up."""
    return boxes.pair_up(first, second, boxes.DRAWN_BY_OTHERS)
