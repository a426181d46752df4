"""The parts of a face as a crop shows them: every aligned crop has its eyes, nose and mouth in the same places."""

from __future__ import annotations

from facesearch.records import Values

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


def by_region(heat: Values) -> dict[str, float]:
    """The mean change within each region of a map, float64 (112, 112)."""
    return {name: float(heat[top:bottom, left:right].mean()) for name, (left, top, right, bottom) in REGIONS.items()}
