"""How far a face moves from itself in the distance space when its crop is changed: light, pose in the plane, blur.

Each change has one strength; 0 leaves the crop as it is. Crops stay uint8, as the tower takes them. Pixels from beyond
the crop's border repeat the border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesearch.records import Floats, Pixels

Embed = Callable[[Pixels], Floats]


@dataclass(frozen=True)
class Change:
    """One way to change a crop."""

    name: str
    unit: str
    strengths: tuple[float, ...]  # rising, with 0 among them
    apply: Callable[[Pixels, float], Pixels]  # (crop (S, S, 3), strength) -> the same


@dataclass(frozen=True, eq=False)
class Movement:
    """How far faces moved from themselves: tenth percentile, mean and ninetieth percentile of the distances, float64
    (strengths,) each."""

    change: Change
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    example: tuple[Pixels, ...]  # one face at each strength


def measure_sensitivity(crops: Pixels, embed: Embed, changes: Sequence[Change] | None = None) -> list[Movement]:
    """Apply every change at every strength to every crop: uint8 (N, S, S, 3), one crop at least."""
    unchanged = np.asarray(embed(crops), dtype=np.float64)
    movements = []
    for change in CHANGES if changes is None else changes:
        spread = []
        for strength in change.strengths:
            changed = np.stack([change.apply(crop, strength) for crop in crops])
            moved = np.linalg.norm(np.asarray(embed(changed), dtype=np.float64) - unchanged, axis=1)
            spread.append((np.percentile(moved, 10), moved.mean(), np.percentile(moved, 90)))
        low, mean, high = np.array(spread).T
        example = tuple(change.apply(crops[0], strength) for strength in change.strengths)
        movements.append(Movement(change, low, mean, high, example))
    return movements


def brighten(crop: Pixels, strength: float) -> Pixels:
    """All values times 1 + strength."""
    return _as_pixels(crop.astype(np.float64) * (1 + strength))


def raise_contrast(crop: Pixels, strength: float) -> Pixels:
    """Every value 1 + strength times as far from the crop's mean."""
    mean = crop.mean()
    return _as_pixels((crop - mean) * (1 + strength) + mean)


def rotate(crop: Pixels, degrees: float) -> Pixels:
    """Turned about the centre, clockwise."""
    angle = np.deg2rad(degrees)
    return _resample(crop, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def enlarge(crop: Pixels, strength: float) -> Pixels:
    """1 + strength times as large about the centre."""
    return _resample(crop, np.eye(2) / (1 + strength))


def blur(crop: Pixels, sigma_px: float) -> Pixels:
    """A Gaussian blur."""
    return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma_px)))


def occlude(crop: Pixels, share: float) -> Pixels:
    """The lower part, this share of the height, painted over with the crop's mean colour, as a mask would."""
    covered = crop.copy()
    rows = round(share * len(crop))
    if rows:
        covered[-rows:] = np.rint(crop.mean(axis=(0, 1))).astype(np.uint8)
    return covered


CHANGES = (
    Change("brightness", "change of all values", (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6), brighten),
    Change("contrast", "change of the spread", (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6), raise_contrast),
    Change("rotation", "degrees", (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0), rotate),
    Change("scale", "change of size", (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3), enlarge),
    Change("blur", "sigma in px of 112", (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0), blur),
    Change("occlusion", "share covered from below", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), occlude),
)


def _resample(crop: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    """The crop seen through a linear map about its centre, from output to input, bilinear."""
    side = len(crop)
    margin = side // 2  # enough border for every change above
    padded = Image.fromarray(np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    centre = np.array([side / 2, side / 2])
    offset = centre + margin - matrix @ centre
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    resampled = padded.transform((side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(resampled)


def _as_pixels(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
