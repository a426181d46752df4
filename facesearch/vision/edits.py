"""Where what lies on a photo lies after an edit: turned by quarter turns, larger or smaller, or cut.

Knows no files, and of faces only where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.records import Floats

_SAME_SIZE = 0.15  # by which the sides of two boxes of one face may differ in their ratio
_BESIDE = 0.02  # how far a cut photo may seem to reach beyond the whole one, in its sides
_SAME_SHAPE = 0.01  # by which ratios of width to height may differ where a photo was only made larger or smaller


@dataclass(frozen=True)
class Edit:
    """What takes px of a photo to px of the edited one."""

    turns: int  # quarter turns clockwise, 0 to 3
    former_px: tuple[int, int]  # width and height before the edit
    across: float  # by how much wider the turned photo was made
    down: float  # and higher
    left: float = 0.0  # what was cut off, in px of the edited photo
    top: float = 0.0

    def points(self, points: Floats) -> Floats:
        """Where points lie, float32 (N, 2) to the same."""
        width, height = self.former_px
        for _ in range(self.turns):
            points = np.stack([height - points[:, 1], points[:, 0]], axis=1)
            width, height = height, width
        return np.asarray(points * np.array([self.across, self.down]) - np.array([self.left, self.top]), np.float32)

    def box(self, box: Floats) -> Floats:
        """Where a box x1 y1 x2 y2 lies, float32 (4,) to the same."""
        corners = self.points(box.reshape(2, 2))
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def possible_edits(former_px: tuple[int, int], new_px: tuple[int, int]) -> list[Edit]:
    """The edits after which a photo has the shape of another, that without a turn first. Widths and heights in px."""
    edits = []
    for turns in range(4):
        width, height = former_px if turns % 2 == 0 else former_px[::-1]
        across, down = new_px[0] / width, new_px[1] / height
        if abs(across / down - 1) <= _SAME_SHAPE:
            edits.append(Edit(turns, former_px, across, down))
    return edits


def cuts(former_px: tuple[int, int], new_px: tuple[int, int], pairs: Sequence[tuple[Floats, Floats]]) -> list[Edit]:
    """The cuts, with the rest made larger or smaller, that faces tell of, by their boxes x1 y1 x2 y2 before and after;
    without those after which more would be seen than before."""
    found = []
    for before, after in pairs:
        across, down = ((after[side + 2] - after[side]) / (before[side + 2] - before[side]) for side in (0, 1))
        if not (across > 0 and abs(across / down - 1) <= _SAME_SIZE):
            continue
        scale = float(np.sqrt(across * down))
        left, top = ((before[:2] + before[2:]) * scale - (after[:2] + after[2:])) / 2
        spare = _BESIDE * max(new_px)
        width, height = (side * scale for side in former_px)
        if min(left, top) >= -spare and left + new_px[0] <= width + spare and top + new_px[1] <= height + spare:
            found.append(Edit(0, former_px, scale, scale, float(left), float(top)))
    return found


def is_within(box: Floats, size_px: tuple[int, int]) -> bool:
    """Whether most of a box x1 y1 x2 y2 lies in a photo of some width and height in px."""
    middle = (box[:2] + box[2:]) / 2
    return bool((middle > 0).all() and (middle < size_px).all())


def unchanged(former_px: tuple[int, int]) -> Edit:
    """No edit: every pixel lies where it was."""
    return Edit(0, former_px, 1.0, 1.0)
