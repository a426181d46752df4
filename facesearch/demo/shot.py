"""What changes from photo to photo of one person: pose, expression, light, the age of the hair cut, the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.demo.traits import Colour


@dataclass(frozen=True)
class Pose:
    """Angles in radians."""

    roll: float  # in the plane of the picture, clockwise
    # yaw, pitch: out of it
    yaw: float
    pitch: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Pose:
        """Up to 15 degrees of roll, 17 of yaw, 8 of pitch."""
        roll = np.clip(rng.normal(0, 6), -15, 15)
        yaw, pitch = np.clip(rng.normal(0, 8), -17, 17), rng.uniform(-8, 8)
        return cls(*(float(np.deg2rad(angle)) for angle in (roll, yaw, pitch)))


@dataclass(frozen=True)
class Expression:
    """What the face does."""

    smile: float  # -0.3..1
    mouth_open: float  # 0..1
    eyes_open: float  # 0..1
    gaze: float  # -1..1
    brow_lift: float  # in face units

    @classmethod
    def random(cls, rng: np.random.Generator) -> Expression:
        """Mostly a calm or smiling face; one in thirty blinks."""
        smile = float(rng.uniform(-0.25, 1.0))
        mouth_open = float(rng.uniform(0.1, 0.9)) if rng.uniform() < 0.35 else 0.0
        blinks = rng.uniform() < 1 / 30
        eyes_open = float(rng.uniform(0.1, 0.3)) if blinks else float(rng.uniform(0.82, 1.05))
        return cls(smile, mouth_open, eyes_open, float(rng.uniform(-1, 1)), float(rng.uniform(-0.03, 0.08)))


@dataclass(frozen=True)
class Light:
    """Light from one side and from all around."""

    direction: tuple[float, float, float]  # unit vector from the face to the light, x right, y down, z to the camera
    key: float  # share of direct light, 0..1
    colour: Colour  # multiplies the picture: exposure and cast in one

    @classmethod
    def random(cls, rng: np.random.Generator) -> Light:
        """From any side above the horizon, soft to strong, a little warm or cold, dim or bright."""
        azimuth, elevation = np.deg2rad(rng.uniform(-65, 65)), np.deg2rad(rng.uniform(5, 55))
        direction = (
            float(np.sin(azimuth) * np.cos(elevation)),
            float(-np.sin(elevation)),
            float(np.cos(azimuth) * np.cos(elevation)),
        )
        exposure, warm, tint = rng.uniform(0.84, 1.12), rng.uniform(-0.07, 0.07), rng.uniform(-0.025, 0.025)
        colour = (float(exposure * (1 + warm)), float(exposure * (1 + tint)), float(exposure * (1 - warm)))
        return cls(direction, float(rng.uniform(0.4, 0.78)), colour)


@dataclass(frozen=True)
class Grooming:
    """How the hair and the beard have grown."""

    hair: float  # growth since the cut, face units
    beard: float  # factor on its density

    @classmethod
    def random(cls, rng: np.random.Generator) -> Grooming:
        return cls(float(rng.uniform(-0.06, 0.12)), float(rng.uniform(0.85, 1.1)))


@dataclass(frozen=True)
class Camera:
    """What the camera makes of the picture."""

    blur: float  # radius as a share of the face height
    noise: float  # sigma in levels of 0..255
    contrast: float
    saturation: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Camera:
        blur, noise, contrast, saturation = (
            float(rng.uniform(low, high)) for low, high in ((0.002, 0.008), (1, 5), (0.95, 1.2), (0.82, 1.12))
        )
        return cls(blur, noise, contrast, saturation)


@dataclass(frozen=True)
class Look:
    """What of a photo belongs to one head in it, apart from where it is."""

    expression: Expression
    grooming: Grooming
    light: Light
