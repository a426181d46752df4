"""How well a face can be recognised: one number, 0 to 1, from what detection and alignment already know.

The quality is a product. Detail is the geometric mean of two views of the same thing: how many pixels the face has, and
how sharp its crop is. It is multiplied by how far the head faces the camera, by its tilt, and by the detector's score;
these two cost little, the tilt because alignment undoes it, the score because its scale is the detector's own. Each
factor rises in a straight line between two measured limits (docs/quality.md). Knows no network and no library.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facesearch.records import DetectedFace, Pixels

# Height of the box in px, on a log scale. Below 8 px nothing is left; beyond 40 px distances get no better.
_HEIGHT_PX = (8.0, 40.0)
# Of `sharpness`, on a log scale: between them the distance to one's own other photos falls with every step.
_SHARPNESS = (0.002, 0.063)
_YAW_DEG = (30.0, 90.0)  # up to 30 degrees recognition costs next to nothing
_TILT_DEG, _TILT_SHARE = (20.0, 45.0), 0.2  # alignment turns the crop upright: what a tilt costs at most
_SCORE, _SCORE_SHARE = (0.5, 0.8), 0.5  # what a face at the edge of detection loses
# The inside of an aligned crop of 112 px, from the brows to the chin: hair and background do not count.
_INSIDE = (slice(28, 108), slice(22, 90))
# A head seen from the front, as shares of the distance from the eyes to the mouth: how far apart the eyes are, and how
# far the nose stands out.
_EYES_APART, _NOSE_DEPTH = 0.9, 0.5


def quality_of(face: DetectedFace, crop: Pixels) -> float:
    """How well a face can be recognised: 0 (not at all) to 1, rounded to three digits.

    face: in px of the picture that `crop` was cut from. crop: uint8 (112, 112, 3) on the template.
    """
    yaw_deg, roll_deg = head_pose(face.landmarks)
    height_px = float(face.box[3] - face.box[1])
    detail = math.sqrt(_log_ramp(height_px, *_HEIGHT_PX) * _log_ramp(sharpness(crop), *_SHARPNESS))
    frontal = 1 - _ramp(abs(yaw_deg), *_YAW_DEG)
    # A photo may lie on its side: what counts is how far the head leans from the nearest of its four sides.
    lean_deg = abs((roll_deg + 45) % 90 - 45)
    upright = 1 - _TILT_SHARE * _ramp(lean_deg, *_TILT_DEG)
    certain = 1 - _SCORE_SHARE * (1 - _ramp(face.score, *_SCORE))
    return round(detail * frontal * upright * certain, 3)


def sharpness(crop: Pixels) -> float:
    """How sharp the inside of an aligned crop, uint8 (112, 112, 3), is: 0 for one of a single colour.

    The variance of the Laplacian, a measure of focus (Pech-Pacheco et al. 2000; LAPV in Pertuz et al. 2013), divided by
    the variance of the brightness: a dim face is not a blurred one.
    """
    red, green, blue = np.moveaxis(crop[_INSIDE].astype(np.float32), 2, 0)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.var() / (grey.var() + 1))  # 1: a step of one level is not contrast


def head_pose(landmarks: ArrayLike) -> tuple[float, float]:
    """Yaw and roll of a head in degrees, from five landmarks (5, 2) in px.

    yaw: how far the head is turned, 0 from the front, 90 in profile, positive where the nose points to the right.
    roll: how far it is tilted, -180 to 180, positive clockwise. From the middle of the eyes to the middle of the mouth
    runs the axis of the face. Turned by an angle, the nose leaves it by the sine and the eyes close in on it by the
    cosine. After Gee and Cipolla 1994 (Determining the gaze of faces in images). Landmarks without an axis count as
    profile.
    """
    left_eye, right_eye, nose, *mouth = np.asarray(landmarks, dtype=np.float64)
    eyes = (left_eye + right_eye) / 2
    axis: NDArray[np.float64] = (mouth[0] + mouth[1]) / 2 - eyes
    length = float(np.hypot(*axis))
    if length < 1e-6:
        return 90.0, 0.0
    down = axis / length
    across = np.array([down[1], -down[0]])  # to the right in an upright face
    sine = float((nose - eyes) @ across) / (length * _NOSE_DEPTH)
    cosine = float((right_eye - left_eye) @ across) / (length * _EYES_APART)
    if cosine <= 0:  # the eyes have met, or changed sides
        return math.copysign(90.0, sine), math.degrees(math.atan2(-axis[0], axis[1]))
    return math.degrees(math.atan2(sine, cosine)), math.degrees(math.atan2(-axis[0], axis[1]))


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, a straight line between."""
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _log_ramp(value: float, low: float, high: float) -> float:
    """The same over the logarithm of a value of 0 or more."""
    return _ramp(math.log(max(value, low)), math.log(low), math.log(high))
