"""The shape of a head: its outline, its relief, where its points fall in a picture, and how light falls on it.

Paints nothing: it answers in distances, depths and factors of light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.demo.person import Person
from facesearch.demo.shot import Expression, Light, Pose
from facesearch.demo.traits import Head
from facesearch.records import Floats

Plane = NDArray[np.floating[Any]]  # a number for each px or point, float32 in fact

_DOME = 1.5  # depth of the face before the ears, face units
_MIDDLE_Y = 0.3  # where a head is widest
_NECK_Y = 1.2  # the head turns about a point above the neck, not about its eyes


@dataclass(frozen=True)
class View:
    """How face units become px."""

    pose: Pose
    origin: tuple[float, float]  # px of the point between the eyes, unturned
    unit_px: float  # px a face unit

    def project(self, person: Person, points: Plane) -> Floats:
        """Face points (N, 2) to picture points (N, 2) in px."""
        x, y = points[:, 0], points[:, 1]
        depth = _pose_depth(person, x, y)
        flat_x = x * np.cos(self.pose.yaw) + depth * np.sin(self.pose.yaw)
        flat_y = _NECK_Y + (y - _NECK_Y) * np.cos(self.pose.pitch) + depth * np.sin(self.pose.pitch)
        cos, sin = np.cos(self.pose.roll) * self.unit_px, np.sin(self.pose.roll) * self.unit_px
        left = self.origin[0] + cos * flat_x - sin * flat_y
        top = self.origin[1] + sin * flat_x + cos * flat_y
        return np.stack([left, top], axis=1).astype(np.float32)

    def unproject(self, person: Person, left: Plane, top: Plane) -> tuple[Plane, Plane]:
        """Picture points in px to face points x, y, the inverse of `project` by iteration."""
        cos, sin = np.cos(self.pose.roll) / self.unit_px, np.sin(self.pose.roll) / self.unit_px
        right, down = left - np.float32(self.origin[0]), top - np.float32(self.origin[1])
        flat_x: Plane = (np.float32(cos) * right + np.float32(sin) * down) / np.float32(np.cos(self.pose.yaw))
        flat_y: Plane = np.float32(cos) * down - np.float32(sin) * right - np.float32(_NECK_Y)
        flat_y /= np.float32(np.cos(self.pose.pitch))
        x, y = flat_x, flat_y + _NECK_Y
        tan_yaw, tan_pitch = np.float32(np.tan(self.pose.yaw)), np.float32(np.tan(self.pose.pitch))
        for _ in range(4):  # the slope of the depth times the tangent is below a half: a few steps suffice
            depth = _pose_depth(person, x, y)
            x, y = flat_x - depth * tan_yaw, flat_y - depth * tan_pitch + np.float32(_NECK_Y)
        return x, y


def bump(x: Plane, y: Plane, centre: tuple[float, float], spread: tuple[float, float]) -> Plane:
    """A hill of height 1 at the centre that falls to 1/e at the spread."""
    across, along = (x - centre[0]) / spread[0], (y - centre[1]) / spread[1]
    return np.asarray(np.exp(-(across * across + along * along)))


def smooth_step(value: Plane, low: float, high: float) -> Plane:
    """0 at low, 1 at high, smooth between (high may be below low)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def head_inside(head: Head, x: Plane, y: Plane) -> Plane:
    """Roughly the distance to the outline of the skull and jaw in face units, positive inside."""
    down = y - np.float32(_MIDDLE_Y)
    below = np.maximum(down, 0) * np.float32(1 / (head.chin_y - _MIDDLE_Y))
    across = np.abs(x) / (head.width * (1 - head.taper * np.minimum(below, 1.2)))
    along = np.where(down < 0, down * np.float32(1 / (_MIDDLE_Y - head.crown_y)), below)
    across *= across
    along *= along
    ellipse = np.sqrt(across + along)
    square = np.sqrt(np.sqrt(across * across + along * along))
    boxiness = 0.10 + 0.65 * head.jaw * smooth_step(below, 0, 0.5)
    return np.asarray((1 - ellipse - boxiness * (square - ellipse)) * head.width)


def outline(head: Head) -> Floats:
    """Points (24, 2) around the face from the upper forehead to the chin: what a tight box holds."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    across, along = np.sin(angle), -np.cos(angle)
    forehead = 0.62 * head.crown_y
    reach = np.where(along < 0, _MIDDLE_Y - forehead, head.chin_y - _MIDDLE_Y)
    y = _MIDDLE_Y + along * reach
    narrow = 1 - head.taper * np.clip(along, 0, 1)
    return np.stack([across * head.width * narrow, y], axis=1).astype(np.float32)


def mouth_corner(person: Person, expression: Expression) -> tuple[float, float]:
    """The right corner: a smile draws it outwards and up."""
    wide = person.mouth.width * (1 + 0.16 * expression.smile - 0.08 * expression.mouth_open)
    return wide, person.mouth.y - 0.11 * expression.smile


def landmarks(person: Person, expression: Expression) -> Floats:
    """Face points (5, 2): left eye, right eye, tip of the nose, left and right corner of the mouth."""
    wide, corner_y = mouth_corner(person, expression)
    eye = person.eyes.x
    points = ((-eye, 0), (eye, 0), (0, person.nose.length - 0.08), (-wide, corner_y), (wide, corner_y))
    return np.array(points, dtype=np.float32)


def relief(person: Person, expression: Expression, skull: Plane, x: Plane, y: Plane) -> Plane:
    """Height of the skin towards the camera of an unturned head, face units: what the light sees.

    skull: distance inside the head, from `head_inside`.
    """
    head, nose, mouth = person.head, person.nose, person.mouth
    side = np.abs(x)
    inside = np.clip(skull / head.width, 0, 1)
    height = _DOME * 1.25 * np.sqrt(inside * (2 - inside) + np.float32(1e-3))
    height -= person.eyes.socket * bump(side, y, (person.eyes.x * 0.95, -0.02), (0.62, 0.42))
    height += 0.10 * bump(side, y, (person.eyes.x, person.brows.y + 0.02), (0.75, 0.22))
    smile = max(expression.smile, 0.0)
    height += (head.cheeks + 0.12 * smile) * bump(side, y, (1.30, 1.15 - 0.15 * smile), (0.60, 0.55))
    height += head.chin * bump(x, y, (0, head.chin_y - 0.55), (0.55, 0.38))
    height -= 0.10 * bump(x, y, (0, mouth.y + mouth.lower + 0.28), (0.55, 0.14))
    height += 0.10 * bump(x, y, (0, mouth.y), (0.9, 0.5))
    return np.asarray(height + _nose_relief(nose.length, person, side, y))


def shading(height: Plane, light: Light, unit_px: float) -> Plane:
    """Factor of light (about 0.4 .. 1.4) on a relief of picture px; 1 for a surface that faces the camera."""
    slope_y, slope_x = np.gradient(height * np.float32(unit_px))
    toward_x, toward_y, toward_z = light.direction
    length = np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    facing = (toward_z - toward_x * slope_x - toward_y * slope_y) / length
    soft = np.clip(0.35 + 0.65 * facing, 0.02, None) / (0.35 + 0.65 * toward_z)
    # The sky and the walls light what faces the camera more than what turns away.
    ambient = 0.72 + 0.28 / length
    return np.asarray((1 - light.key) * ambient + light.key * soft, dtype=np.float32)


def _nose_relief(tip_y: float, person: Person, side: Plane, y: Plane) -> Plane:
    """A ridge that rises to the tip, with two wings, cut off below."""
    nose = person.nose
    along = np.clip((y + 0.15) / (tip_y + 0.15), 0, 1)
    end = 1 - smooth_step(y, tip_y - 0.02, tip_y + 0.24)
    breadth = nose.bridge + (nose.tip - nose.bridge) * along + 0.05
    ridge = (0.12 + (nose.height - 0.12) * along * np.sqrt(along)) * np.exp(-((side / breadth) ** 2)) * end
    ridge *= smooth_step(y, -0.75, 0.1)
    tip = 0.30 * nose.height * bump(side, y, (0, tip_y - 0.10), (nose.tip * 1.15, 0.24))
    wings = 0.34 * nose.height * bump(side, y, (nose.width * 0.72, tip_y + 0.0), (nose.width * 0.36, 0.20))
    return np.asarray(ridge + tip + wings, dtype=np.float32)


def _pose_depth(person: Person, x: Plane, y: Plane) -> Plane:
    """A smoother relief that the pose shifts features by: a shallow dome and the nose."""
    across, along = x / person.head.width, y - 0.5
    dome = _DOME * (1 - 0.75 * across * across) - 0.06 * along * along
    nose = person.nose.height * 0.9 * bump(x, y, (0, person.nose.length - 0.15), (0.55, 0.6))
    return np.asarray(np.maximum(dome, -0.3) + nose)
