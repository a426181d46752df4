"""Where what lies on a photo lies after an edit that shows the whole of it: turned by quarter turns, larger or smaller.

Knows no faces and no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.records import Floats

_SAME_SHAPE = 0.01  # by which ratios of width to height may differ where a photo was only made larger or smaller


@dataclass(frozen=True)
class Edit:
    """What takes px of a photo to px of the edited one."""

    turns: int  # quarter turns clockwise, 0 to 3
    former_px: tuple[int, int]  # width and height before the edit
    across: float  # by how much wider the turned photo was made
    down: float  # and higher

    def points(self, points: Floats) -> Floats:
        """Where points lie, float32 (N, 2) to the same."""
        width, height = self.former_px
        for _ in range(self.turns):
            points = np.stack([height - points[:, 1], points[:, 0]], axis=1)
            width, height = height, width
        return np.asarray(points * np.array([self.across, self.down]), np.float32)

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


def unchanged(former_px: tuple[int, int]) -> Edit:
    """No edit: every pixel lies where it was."""
    return Edit(0, former_px, 1.0, 1.0)
