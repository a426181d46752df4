"""A small transparent picture in which every px knows which point of the face it shows.

Holds no knowledge of faces beyond that: shapes come from those who paint on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.portraits.person import Colour, Person
from facesearch.portraits.surface import Plane, View, head_inside

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Canvas:
    """x, y: float32 (H, W) face units. skull: distance inside the head.

    rgb: float32 (3, H, W), premultiplied by alpha, sRGB 0..1. alpha: (H, W).
    """

    person: Person
    view: View
    x: Plane
    y: Plane
    skull: Plane
    rgb: Plane
    alpha: Plane

    @classmethod
    def blank(cls, person: Person, view: View, size: tuple[int, int]) -> Canvas:
        """A transparent canvas of (height, width) px for a view whose origin is in its px."""
        top, left = np.mgrid[: size[0], : size[1]].astype(np.float32) + np.float32(0.5)
        x, y = view.unproject(person, left, top)
        skull = head_inside(person.head, x, y)
        return cls(person, view, x, y, skull, np.zeros((3, *size), np.float32), np.zeros(size, np.float32))

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The px that show a rectangle of the face, and a few around them."""
        across, along = np.meshgrid(np.linspace(left, right, 5), np.linspace(top, bottom, 5))
        points = self.view.project(self.person, np.stack([across.ravel(), along.ravel()], axis=1).astype(np.float32))
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
