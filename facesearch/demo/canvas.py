"""A small transparent picture in which every px knows which point of the face it shows.

Holds no knowledge of faces beyond that: shapes come from those who paint on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from facesearch.demo.person import Person
from facesearch.demo.surface import Plane, View, head_inside
from facesearch.demo.traits import Colour

Window = tuple[slice, slice]

_CELL_PX = 4
_LATTICE = np.stack(np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5)), axis=-1).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture of a head while it is drawn."""

    person: Person
    view: View
    # x, y: float32 (H, W) face units
    x: Plane
    y: Plane
    skull: Plane  # distance inside the head
    rgb: Plane  # float32 (3, H, W), premultiplied by alpha, sRGB 0..1
    alpha: Plane  # (H, W)

    @classmethod
    def blank(cls, person: Person, view: View, size: tuple[int, int]) -> Canvas:
        """A transparent canvas of (height, width) px for a view whose origin is in its px."""
        # The map is smooth: solve it for every fourth px, one cell more on each side, and fill in between.
        rows, columns = (-(-side // _CELL_PX) + 2 for side in size)
        top = (np.arange(rows, dtype=np.float32)[:, None] - np.float32(0.5)) * _CELL_PX
        left = (np.arange(columns, dtype=np.float32)[None] - np.float32(0.5)) * _CELL_PX
        x, y = (_filled(plane, size) for plane in view.unproject(person, left, top))
        skull = head_inside(person.head, x, y)
        return cls(person, view, x, y, skull, np.zeros((3, *size), np.float32), np.zeros(size, np.float32))

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The px that show a rectangle of the face, and a few around them."""
        lattice = _LATTICE * (right - left, bottom - top) + (left, top)
        points = self.view.project(self.person, lattice)
        low, high = np.floor(points.min(axis=0)).astype(int) - 2, np.ceil(points.max(axis=0)).astype(int) + 3
        height, width = self.alpha.shape
        rows = slice(int(np.clip(low[1], 0, height)), int(np.clip(high[1], 0, height)))
        columns = slice(int(np.clip(low[0], 0, width)), int(np.clip(high[0], 0, width)))
        return rows, columns

    def head_window(self) -> Window:
        """The px that show the head without hair and ears."""
        head = self.person.head
        return self.window(-head.width - 0.2, head.crown_y - 0.2, head.width + 0.2, head.chin_y + 0.2)

    def at(self, window: Window) -> tuple[Plane, Plane]:
        """x and y of a window."""
        return self.x[window], self.y[window]

    def edge(self, inside: Plane, softness: float = 0.0) -> Plane:
        """Coverage 0..1 from a distance in face units, positive inside; at least one px soft."""
        reach = max(softness, 1 / self.view.unit_px)
        return np.asarray(np.clip(inside / np.float32(reach) + np.float32(0.5), 0, 1))

    def over(self, window: Window, coverage: Plane, colour: Colour | Plane) -> None:
        """Paint. coverage: (h, w) 0..1. colour: one for all, or float32 (3, h, w)."""
        for plane, source in zip(self.rgb, colour, strict=True):
            part = plane[window]
            part += (source - part) * coverage
        alpha = self.alpha[window]
        alpha += coverage * (1 - alpha)

    def glaze(self, window: Window, coverage: Plane, colour: Colour | Plane) -> None:
        """Paint only where something is already, as make-up or a shadow would."""
        for plane, source in zip(self.rgb, colour, strict=True):
            part = plane[window]
            part += (source * self.alpha[window] - part) * coverage

    def shade(self, window: Window, factor: Plane) -> None:
        """Multiply what is there. factor: (h, w)."""
        self.rgb[(slice(None), *window)] *= factor


def _filled(coarse: Plane, size: tuple[int, int]) -> Plane:
    """A plane of cells, with one cell too many on each side, as a plane of (height, width) px."""
    image = Image.fromarray(coarse.astype(np.float32))
    large = image.resize((coarse.shape[1] * _CELL_PX, coarse.shape[0] * _CELL_PX), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(large)[_CELL_PX : _CELL_PX + size[0], _CELL_PX : _CELL_PX + size[1]])
