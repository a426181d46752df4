"""Augmentation on the accelerator: what changes between two photos of one person, applied to a whole batch at once.

One Keras layer, `keras.ops` only. Geometry is one bilinear resampling; colour is one 3x3 matrix per crop; blur and low
resolution are matrix products, JPEG too (`degradation`, `jpeg`). Changes that are switched off are neither computed nor
drawn. Figures: `scripts/bench_training.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from facesearch_train.model.degradation import (
    OCCLUSIONS,
    filtered,
    gaussian_matrix,
    motion_matrix,
    occlusion,
    shrink_matrix,
)
from facesearch_train.model.jpeg import jpeg

# The fewest samples across a crop of 112 px that low resolution leaves.
LEAST_SAMPLES = 30
LOWEST_QUALITY, HIGHEST_QUALITY = 20.0, 85.0
# As shares of the side: a Gaussian's standard deviation, and the way that a hand-held camera goes, from one pixel on.
WEAKEST_BLUR, STRONGEST_BLUR = 0.0075, 0.03
LONGEST_MOTION = 0.1


@dataclass(frozen=True)
class Augmentation:
    """How far each change may go. The defaults of the first seven are the published recipe's.

    The others are the share of crops that: grey, lose their colour; low_resolution, are shrunk to 30 samples across or
    more and blown up again; erase, have a rectangle anywhere painted over; occlusion, have dark glasses, a mask or a
    hand before the face, which turn and shift with it; blur, are out of focus; motion, are smeared along or across;
    jpeg, are saved at a quality of 20 to 85.
    """

    flip: bool = True
    rotation_rad: float = 0.2  # up to this angle either way
    scale: tuple[float, float] = (0.9, 1.1)  # smallest and largest zoom
    shift: float = 0.05  # up to this share of the side either way (the random crop)
    # brightness, contrast, saturation: factors of 1 ± this
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.3
    hue_rad: float = 0.1  # rotation of the hue
    grey: float = 0.0
    low_resolution: float = 0.0
    erase: float = 0.0
    occlusion: float = 0.0
    blur: float = 0.0
    motion: float = 0.0
    jpeg: float = 0.0


# Rows of the YIQ transform: luma first; the other two span the plane in which hue turns.
_RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], "float32")
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ).astype("float32")


@keras.saving.register_keras_serializable("facesearch")
class Augment(keras.layers.Layer):
    """(B, S, S, 3) RGB 0..255 -> the same shape, float32, changed at random in training and untouched otherwise."""

    def __init__(self, augmentation: Augmentation | dict[str, Any], seed: int = 0, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.augmentation = Augmentation(**augmentation) if isinstance(augmentation, dict) else augmentation
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def begin_epoch(self, epoch: int) -> None:
        """Let an epoch's changes depend only on the seed and the epoch's number, so that a resumed run repeats them."""
        begin_epoch(self.random, self.seed, epoch)

    def call(self, crops: Any, training: bool = False) -> Any:
        crops = ops.cast(crops, "float32")
        if not training:
            return crops
        crops = self._colour(self._geometry(self._occlude(crops)))
        crops = self._low_resolution(self._motion(self._blur(crops)))
        return ops.clip(self._erase(self._jpeg(crops)), 0.0, 255.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "augmentation": asdict(self.augmentation), "seed": self.seed}

    def _uniform(self, crops: Any, low: float, high: float) -> Any:
        """One number a crop: (B,)."""
        return keras.random.uniform((ops.shape(crops)[0],), low, high, seed=self.random)

    def _chance(self, crops: Any, share: float) -> Any:
        """1 for about `share` of the crops, 0 for the others: (B, 1, 1, 1)."""
        return ops.cast(ops.less(self._uniform(crops, 0.0, 1.0), share), "float32")[:, None, None, None]

    def _geometry(self, crops: Any) -> Any:
        a = self.augmentation
        angle = self._uniform(crops, -a.rotation_rad, a.rotation_rad)
        zoom = 1.0 / self._uniform(crops, *a.scale)
        mirror = ops.sign(self._uniform(crops, -1.0, 1.0) + 1e-9) if a.flip else ops.ones_like(zoom)
        shift_x, shift_y = (2.0 * self._uniform(crops, -a.shift, a.shift) for _ in range(2))
        side = crops.shape[1]
        line = ops.convert_to_tensor(np.linspace(-1.0, 1.0, side, dtype="float32"))
        x, y = mirror[:, None, None] * line[None, None, :], line[None, :, None]
        cosine, sine = (zoom * ops.cos(angle))[:, None, None], (zoom * ops.sin(angle))[:, None, None]
        source_x = cosine * x - sine * y + shift_x[:, None, None]
        source_y = sine * x + cosine * y + shift_y[:, None, None]
        return sample_bilinear(crops, (source_x + 1.0) * (side - 1) / 2, (source_y + 1.0) * (side - 1) / 2)

    def _colour(self, crops: Any) -> Any:
        a = self.augmentation
        brightness = self._uniform(crops, 1.0 - a.brightness, 1.0 + a.brightness)[:, None, None, None]
        contrast = self._uniform(crops, 1.0 - a.contrast, 1.0 + a.contrast)[:, None, None, None]
        colourless = 1.0 - self._chance(crops, a.grey)[:, 0, 0, 0]
        saturation = self._uniform(crops, 1.0 - a.saturation, 1.0 + a.saturation) * colourless
        hue = self._uniform(crops, -a.hue_rad, a.hue_rad)
        zero, one = ops.zeros_like(hue), ops.ones_like(hue)
        cosine, sine = saturation * ops.cos(hue), saturation * ops.sin(hue)
        rows = [ops.stack(row, axis=1) for row in ((one, zero, zero), (zero, cosine, -sine), (zero, sine, cosine))]
        matrix = ops.matmul(ops.matmul(_YIQ_TO_RGB, ops.stack(rows, axis=1)), _RGB_TO_YIQ)
        side = crops.shape[1]
        pixels = ops.matmul(ops.reshape(crops, (-1, side * side, 3)), ops.transpose(matrix, (0, 2, 1)))
        crops = ops.reshape(pixels, (-1, side, side, 3))
        mean = ops.mean(crops, axis=(1, 2, 3), keepdims=True)
        return ((crops - mean) * contrast + mean) * brightness

    def _occlude(self, crops: Any) -> Any:
        """Applied before the geometry, so that what hides a face moves with it."""
        if not self.augmentation.occlusion:
            return crops
        kind = ops.floor(self._uniform(crops, 0.0, len(OCCLUSIONS) - 1e-3))
        offset, growth = (
            ops.stack([self._uniform(crops, -1.0, 1.0), self._uniform(crops, -1.0, 1.0)], axis=1) for _ in range(2)
        )
        covered, shade = occlusion(crops.shape[1], kind, offset, growth, self._uniform(crops, 0.0, 1.0))
        covered = covered * self._chance(crops, self.augmentation.occlusion)
        return crops * (1.0 - covered) + shade * covered

    def _blur(self, crops: Any) -> Any:
        if not self.augmentation.blur:
            return crops
        side, chosen = crops.shape[1], self._chance(crops, self.augmentation.blur)[:, 0, 0, 0]
        matrix = gaussian_matrix(side, chosen * self._uniform(crops, WEAKEST_BLUR * side, STRONGEST_BLUR * side))
        return filtered(crops, matrix, matrix)

    def _motion(self, crops: Any) -> Any:
        if not self.augmentation.motion:
            return crops
        side, chosen = crops.shape[1], self._chance(crops, self.augmentation.motion)[:, 0, 0, 0]
        length = chosen * self._uniform(crops, 1.0, max(LONGEST_MOTION * side, 1.0))
        along = self._chance(crops, 0.5)[:, 0, 0, 0]
        return filtered(crops, motion_matrix(side, length * (1.0 - along)), motion_matrix(side, length * along))

    def _low_resolution(self, crops: Any) -> Any:
        if not self.augmentation.low_resolution:
            return crops
        side, chosen = crops.shape[1], self._chance(crops, self.augmentation.low_resolution)[:, 0, 0, 0]
        lost = self._uniform(crops, 0.0, float(max(side - LEAST_SAMPLES, 0)))
        matrix = shrink_matrix(side, side - chosen * lost)
        return filtered(crops, matrix, matrix)

    def _jpeg(self, crops: Any) -> Any:
        if not self.augmentation.jpeg:
            return crops
        saved = jpeg(ops.clip(crops, 0.0, 255.0), self._uniform(crops, LOWEST_QUALITY, HIGHEST_QUALITY))
        return crops + self._chance(crops, self.augmentation.jpeg) * (saved - crops)

    def _erase(self, crops: Any) -> Any:
        if not self.augmentation.erase:
            return crops
        line = ops.convert_to_tensor(np.linspace(0.0, 1.0, crops.shape[1], dtype="float32"))
        inside = []
        for _ in range(2):
            centre, half = self._uniform(crops, 0.0, 1.0)[:, None], self._uniform(crops, 0.08, 0.22)[:, None]
            inside.append(ops.cast(ops.less(ops.abs(line[None, :] - centre), half), "float32"))
        patch = inside[0][:, :, None, None] * inside[1][:, None, :, None] * self._chance(crops, self.augmentation.erase)
        shade = self._uniform(crops, 0.0, 255.0)[:, None, None, None]
        return crops * (1.0 - patch) + shade * patch


def begin_epoch(generator: keras.random.SeedGenerator, seed: int, epoch: int) -> None:
    """Seed a generator by a seed and an epoch's number."""
    word = np.random.SeedSequence([seed, epoch]).generate_state(1)[0]
    generator.state.assign([int(word) >> 1, 0])  # 31 bits: Torch keeps the state as int32


def sample_bilinear(crops: Any, x: Any, y: Any) -> Any:
    """Bilinear samples at x, y in pixels, the border repeated: (B, H, W, C), (B, h, w) twice -> (B, h, w, C)."""
    height, width, channels = crops.shape[1:]
    x, y = ops.clip(x, 0.0, width - 1.0), ops.clip(y, 0.0, height - 1.0)
    left, top = ops.floor(x), ops.floor(y)
    right_share, lower_share = (x - left)[..., None], (y - top)[..., None]
    left, top = ops.cast(left, "int32"), ops.cast(top, "int32")
    right, lower = ops.minimum(left + 1, width - 1), ops.minimum(top + 1, height - 1)
    flat = ops.reshape(crops, (-1, channels))
    first = (ops.arange(ops.shape(crops)[0], dtype="int32") * (height * width))[:, None, None]

    def pixel(row: Any, column: Any) -> Any:
        return ops.take(flat, first + row * width + column, axis=0)

    upper_line = pixel(top, left) * (1.0 - right_share) + pixel(top, right) * right_share
    lower_line = pixel(lower, left) * (1.0 - right_share) + pixel(lower, right) * right_share
    return upper_line * (1.0 - lower_share) + lower_line * lower_share
