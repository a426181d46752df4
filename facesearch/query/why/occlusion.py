"""What a distance hangs on: parts of a crop are covered one after another, and each time it is embedded again.

Where covering moves the face away from another, that part spoke for the two being one person; where it moves it nearer,
against. Source: occlusion sensitivity, Zeiler and Fergus 2014, section 4.2, with a distance in the place of a score. It
asks one part at a time, so parts that say the same hide one another; and a covered face is not one that a tower was
trained on. Refuses to name reasons: it says what the number depends on, not why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from facesearch.errors import UsageError
from facesearch.evaluation.places import Places
from facesearch.records import CROP_SIZE_PX, Floats, Pixels, Values

Embed = Callable[[Pixels], Places]
Fill = Literal["mean", "blur"]

MOST_COVERED = 4096
"""Crops embedded for one map at most."""

_BATCH = 64  # crops in memory at once, a multiple of what a tower embeds at once


@dataclass(frozen=True)
class Patches:
    """How a crop is covered: by squares of side_px, stride_px apart, the last ones at the edge.

    Raises UsageError for sizes that do not fit a crop, or make too many patches.
    """

    side_px: int = 24
    stride_px: int = 8
    # "mean" covers with the crop's mean colour and leaves nothing to see; "blur" leaves light and colour, and takes
    # only what is finer than a third of the patch
    fill: Fill = "blur"

    def __post_init__(self) -> None:
        if not 1 <= self.side_px <= CROP_SIZE_PX:
            raise UsageError(f"a patch of {self.side_px} px does not fit a crop; choose 1 to {CROP_SIZE_PX} px")
        if not 1 <= self.stride_px <= self.side_px:
            raise UsageError(
                f"patches of {self.side_px} px that are {self.stride_px} px apart leave gaps or never move; choose a "
                f"stride from 1 to {self.side_px}"
            )
        count = len(self.starts_px) ** 2
        if count > MOST_COVERED:
            raise UsageError(f"that makes {count:,} patches, but the limit is {MOST_COVERED:,}; choose a larger stride")

    @property
    def starts_px(self) -> list[int]:
        """Where the patches begin, along either side."""
        last = CROP_SIZE_PX - self.side_px
        return sorted({*range(0, last + 1, self.stride_px), last})


@dataclass(frozen=True, eq=False)
class Occlusion:
    """How distances change as a crop is covered."""

    patches: Patches
    distances: Floats  # float32 (R,), of the crop as it is to each of R references
    # float64 (R, n, n), covered less uncovered, by the patch's row and column: positive where covering moves the face
    # away
    changes: Values

    def by_pixel(self, reference: int) -> Values:
        """The mean change over all patches that cover a pixel: float64 (112, 112)."""
        total, count = np.zeros((2, CROP_SIZE_PX, CROP_SIZE_PX))
        for row, top in enumerate(self.patches.starts_px):
            for column, left in enumerate(self.patches.starts_px):
                place = np.s_[top : top + self.patches.side_px, left : left + self.patches.side_px]
                total[place] += self.changes[reference, row, column]
                count[place] += 1
        return np.asarray(total / count)


def occlude(crop: Pixels, embed: Embed, references: Places, patches: Patches) -> Occlusion:
    """Cover a crop everywhere in turn. crop: uint8 (112, 112, 3). embed: crops (N, 112, 112, 3) to N places.
    references: the R faces whose distances are watched. Memory stays bounded for any patches."""
    covering = covered_with(crop, patches)
    places = [(top, left) for top in patches.starts_px for left in patches.starts_px]
    distances = references.distances_to(embed(crop[None]))[:, 0]
    pieces = []
    for start in range(0, len(places), _BATCH):
        batch = np.repeat(crop[None], len(places[start : start + _BATCH]), axis=0)
        for picture, (top, left) in zip(batch, places[start : start + _BATCH], strict=True):
            place = np.s_[top : top + patches.side_px, left : left + patches.side_px]
            picture[place] = covering[place]
        pieces.append(references.distances_to(embed(batch)))
    changes = np.concatenate(pieces, axis=1).astype(np.float64) - distances[:, None]
    side = len(patches.starts_px)
    return Occlusion(patches, distances, changes.reshape(len(references), side, side))


def covered_with(crop: Pixels, patches: Patches) -> Pixels:
    """What shows where a crop is covered: uint8 (112, 112, 3)."""
    if patches.fill == "blur":
        blurred = Image.fromarray(crop).filter(ImageFilter.GaussianBlur(patches.side_px / 3))
        return np.asarray(blurred)
    return np.broadcast_to(np.rint(crop.mean(axis=(0, 1))).astype(np.uint8), crop.shape)
