"""A heat map: what covering each part of a crop did to the distance, by region of the face, and as a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesearch.records import Pixels, Values

# left, top, right, bottom in px of a crop of 112 px; around the five points of alignment's template, sides as seen.
REGIONS = {
    "forehead": (16, 0, 96, 36),
    "left eye": (20, 38, 54, 64),
    "right eye": (58, 38, 92, 64),
    "nose": (42, 58, 70, 82),
    "mouth": (34, 82, 78, 102),
    "left side": (0, 36, 18, 112),
    "right side": (94, 36, 112, 112),
}
# Told apart by people who see no red or no green, too. Orange: covered, the face moves away; blue: nearer.
AWAY, NEARER = (230, 97, 1), (38, 110, 220)
PICTURE_PX = 336
_STRONGEST = 0.78  # opacity of the colour at the largest change
_GREY = 0.8  # the crop's own contrast under it


def draw_heat(crop: Pixels, heat: Values, largest: float) -> Pixels:
    """The crop in grey, under the colour of the change: uint8 (336, 336, 3). Where nothing changes the grey shows.

    crop: uint8 (112, 112, 3). heat: float64 (112, 112). largest: the change that has the full colour.
    """
    strength = np.clip(np.abs(heat) / max(largest, 1e-9), 0, 1)[..., None] * _STRONGEST
    colour = np.where((heat > 0)[..., None], np.array(AWAY), np.array(NEARER))
    grey = 127.5 + _GREY * (crop @ (0.299, 0.587, 0.114) - 127.5)
    mixed: NDArray[np.float64] = grey[..., None] * (1 - strength) + colour * strength
    small = Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
    return np.asarray(small.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BICUBIC))


def by_region(heat: Values) -> dict[str, float]:
    """The mean change within each region of a map, float64 (112, 112)."""
    return {name: float(heat[top:bottom, left:right].mean()) for name, (left, top, right, bottom) in REGIONS.items()}
