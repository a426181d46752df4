"""What hides or blurs a face in a photo: objects in front of it, a moving camera, few pixels. For batches on the
accelerator.

Blur and low resolution are separable, so each is one matrix per crop and axis that multiplies the rows and the columns;
each crop has its own strength. Draws nothing at random: `augment` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

# Shares of the crop's side, on the alignment's template: where the eyes lie, where the mouth lies, and anywhere.
# A row a kind of thing: centre x, y; half its width, height; how far the centre may lie off; how far the half sides
# may grow or shrink, as shares of themselves; darkest and lightest shade.
OCCLUSIONS = {
    "glasses": (0.5, 0.46, 0.29, 0.08, 0.02, 0.25, 0.0, 80.0),
    "mask": (0.5, 0.84, 0.34, 0.2, 0.03, 0.15, 0.0, 255.0),
    "hand": (0.5, 0.65, 0.14, 0.2, 0.35, 0.4, 40.0, 220.0),
}
# Corners are round: |x|⁴ + |y|⁴ < 1.
_ROUNDNESS = 4


def occlusion(side: int, kind: Any, offset: Any, growth: Any, tone: Any) -> tuple[Any, Any]:
    """Where an object covers each crop, and how light it is: masks (B, S, S, 1) of 0 and 1, shades (B, 1, 1, 1) 0..255.

    kind: (B,) numbers of OCCLUSIONS' rows. offset, growth: (B, 2) in -1..1, of the centre (x, y) and of the half sides
    (width, height). tone: (B,) in 0..1, from the darkest to the lightest.
    """
    table = ops.convert_to_tensor(np.array(list(OCCLUSIONS.values()), "float32"))
    row = ops.take(table, ops.cast(kind, "int32"), axis=0)  # (B, 8)
    centre = row[:, 0:2] + row[:, 4:5] * offset
    half = row[:, 2:4] * (1.0 + row[:, 5:6] * growth)
    line = ops.convert_to_tensor((np.arange(side, dtype="float32") + 0.5) / side)
    x, y = (ops.power(ops.abs(line[None] - centre[:, axis, None]) / half[:, axis, None], _ROUNDNESS) for axis in (0, 1))
    covered = ops.cast(ops.less(x[:, None, :] + y[:, :, None], 1.0), "float32")[..., None]
    shade = row[:, 6] + (row[:, 7] - row[:, 6]) * tone
    return covered, shade[:, None, None, None]


def gaussian_matrix(side: int, sigma_px: Any) -> Any:
    """Blurs lines of S pixels by a Gaussian, the edge left out: (B,) standard deviations in px -> (B, S, S)."""
    place = np.arange(side, dtype="float32")
    squared = ops.convert_to_tensor(np.square(place[:, None] - place[None, :]))
    # Below 0.05 px a pixel's neighbours weigh nothing in float32 either way, and the division stays finite.
    sigma = ops.maximum(sigma_px, 0.05)[:, None, None]
    return _normalised(ops.exp(-squared[None] / (2.0 * ops.square(sigma))))


def motion_matrix(side: int, length_px: Any) -> Any:
    """Smears lines of S pixels evenly along a length: (B,) px, 1 or less changes nothing -> (B, S, S)."""
    place = np.arange(side, dtype="float32")
    apart = ops.convert_to_tensor(np.abs(place[:, None] - place[None, :]))
    # The share of a pixel that lies within half the length from the centre.
    return _normalised(ops.clip(ops.maximum(length_px, 1.0)[:, None, None] / 2 + 0.5 - apart[None], 0.0, 1.0))


def shrink_matrix(side: int, samples: Any) -> Any:
    """Shrinks lines of S pixels to fewer samples and enlarges them again: (B,) how many, also fractions -> (B, S, S).

    Both ways linear, shrinking with the triangle widened so that nothing aliases, as Pillow's BILINEAR. S samples
    change nothing.
    """
    place = ops.convert_to_tensor(np.arange(side, dtype="float32"))
    share = (ops.minimum(samples, float(side)) / side)[:, None, None]
    centre = (place[None, :, None] + 0.5) / share - 0.5  # of each sample, in pixels
    down = ops.maximum(1.0 - ops.abs(place[None, None, :] - centre) * share, 0.0)
    wanted = ops.clip((place[None, :, None] + 0.5) * share - 0.5, 0.0, ops.maximum(share * side - 1.0, 0.0))
    up = ops.maximum(1.0 - ops.abs(wanted - place[None, None, :]), 0.0)
    return ops.matmul(up, _normalised(down))


def filtered(crops: Any, rows: Any, columns: Any) -> Any:
    """Matrices (B, S, S) over crops (B, S, S, 3): `rows` mixes their rows, `columns` their columns."""
    side = crops.shape[1]
    down = ops.reshape(ops.matmul(rows, ops.reshape(crops, (-1, side, side * 3))), (-1, side, side, 3))
    # As one product a crop: a product a row of pixels would copy the matrix for each row.
    turned = ops.reshape(ops.transpose(down, (0, 2, 1, 3)), (-1, side, side * 3))
    across = ops.reshape(ops.matmul(columns, turned), (-1, side, side, 3))
    return ops.transpose(across, (0, 2, 1, 3))


def _normalised(weights: Any) -> Any:
    """Scale rows to a sum of 1; a row of zeros stays as it is."""
    return weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-6)
