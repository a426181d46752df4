"""Draws photos of synthetic people: one person, or several. Same seed, same pixels. Reads and writes no file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from facesearch.demo import features, hair
from facesearch.demo.canvas import Canvas
from facesearch.demo.person import Person
from facesearch.demo.scene import background, develop, paint_clothes
from facesearch.demo.shot import Camera, Expression, Grooming, Light, Look, Pose
from facesearch.demo.surface import View, landmarks, outline, relief, shading
from facesearch.errors import UsageError
from facesearch.records import Floats, Pixels

MIN_FACE_PX = 45  # height of the smallest face drawn
_FACE_UNITS = 5.7  # height of a face's box in face units, about
_MAX_UNIT_PX = 28.0  # larger heads are drawn at this and scaled up: a photo's own softness hides it
_MIN_UNIT_PX = 14.0  # smaller ones are drawn at twice their size


@dataclass(frozen=True, eq=False)
class DrawnFace:
    """Who is where."""

    person: Person
    box: Floats  # float32 (4,) x1 y1 x2 y2 px, forehead to chin
    landmarks: Floats  # (5, 2) px, as in DetectedFace


@dataclass(frozen=True, eq=False)
class DrawnPhoto:
    """A photo and the truth about it."""

    pixels: Pixels  # uint8 (H, W, 3) RGB
    faces: tuple[DrawnFace, ...]


def draw_portrait(person: Person, rng: np.random.Generator, size_px: int = 320) -> DrawnPhoto:
    """A square photo of one person, whose face is a third to two thirds of it and at least 45 px high.

    Raises UsageError for a size below 90 px.
    """
    if size_px < 2 * MIN_FACE_PX:
        raise UsageError(f"A portrait needs at least {2 * MIN_FACE_PX} px a side, not {size_px}")
    light, camera = Light.random(rng), Camera.random(rng)
    face_px = max(size_px * rng.uniform(0.36, 0.62), MIN_FACE_PX)
    unit_px = float(face_px / _FACE_UNITS)
    scene = background(rng, (size_px, size_px))
    spare = 0.5 * (size_px - face_px) * 0.5
    origin = size_px / 2 + rng.uniform(-spare, spare), size_px * 0.5 + rng.uniform(-0.5, 0.3) * spare - 0.3 * unit_px
    face = _draw_head(scene, rng, person, View(Pose.random(rng), origin, unit_px), light)
    return DrawnPhoto(develop(scene, rng, camera, light, camera.blur * face_px), (face,))


def draw_group(people: list[Person], rng: np.random.Generator, face_px: int = 90) -> DrawnPhoto:
    """A photo of several people side by side, in rows of at most five, in the order of `people`.

    face_px: about how high a face is. Raises UsageError for nobody or faces below 45 px.
    """
    if not people or face_px < MIN_FACE_PX:
        raise UsageError(f"A group needs somebody, and faces of at least {MIN_FACE_PX} px")
    rows = -(-len(people) // 5)
    columns = -(-len(people) // rows)
    step_x, step_y = round(face_px * 1.75), round(face_px * 1.75)
    height, width = round(step_y * rows + face_px * 1.1), round(step_x * columns + face_px * 0.5)
    light, camera = Light.random(rng), Camera.random(rng)
    scene = background(rng, (height, width))
    faces = []
    for index, person in enumerate(people):
        row, column = divmod(index, columns)
        left_out = columns - min(columns, len(people) - row * columns)
        centre = face_px * 0.25 + step_x * (column + 0.5 + left_out / 2) + rng.uniform(-0.08, 0.08) * face_px
        middle = step_y * (row + 0.62) + rng.uniform(-0.1, 0.1) * face_px
        view = View(_calmer(Pose.random(rng)), (centre, middle), face_px * rng.uniform(0.92, 1.08) / _FACE_UNITS)
        faces.append(_draw_head(scene, rng, person, view, light))
    return DrawnPhoto(develop(scene, rng, camera, light, camera.blur * face_px), tuple(faces))


def _calmer(pose: Pose) -> Pose:
    """In a group people look at the camera more."""
    return replace(pose, roll=pose.roll * 0.7, yaw=pose.yaw * 0.8)


def _draw_head(scene: Floats, rng: np.random.Generator, person: Person, view: View, light: Light) -> DrawnFace:
    """Paint shoulders and head into the scene; what reaches over its edges is cut off."""
    look = Look(Expression.random(rng), Grooming.random(rng), light)
    throat = view.project(person, np.array([[0, person.head.chin_y + 1.1]], np.float32))[0]
    paint_clothes(scene, rng, (float(throat[0]), float(throat[1])), view.unit_px)
    _paste(scene, person, view, look)
    box_points = view.project(person, outline(person.head))
    limits = np.array([scene.shape[2], scene.shape[1]] * 2, np.float32)
    box = np.concatenate([box_points.min(axis=0), box_points.max(axis=0)])
    return DrawnFace(
        person, np.clip(box, 0, limits).astype(np.float32), view.project(person, landmarks(person, look.expression))
    )


def _paste(scene: Floats, person: Person, view: View, look: Look) -> None:
    """Draw the head at a fitting scale and lay it over the scene."""
    left, top, right, bottom = _extent(scene, person, view)
    factor = 2.0 if view.unit_px < _MIN_UNIT_PX else min(1.0, _MAX_UNIT_PX / view.unit_px)
    size = round((bottom - top) * factor), round((right - left) * factor)
    origin = (view.origin[0] - left) * size[1] / (right - left), (view.origin[1] - top) * size[0] / (bottom - top)
    canvas = Canvas.blank(person, View(view.pose, origin, view.unit_px * factor), size)
    _paint_head(canvas, look)
    rgb, alpha = canvas.rgb, canvas.alpha
    if factor != 1.0:
        rgb, alpha = _resized(canvas, (right - left, bottom - top))
    part = scene[:, top:bottom, left:right]
    part *= 1 - alpha
    part += rgb


def _paint_head(canvas: Canvas, look: Look) -> None:
    """Everything from the back hair to the glasses, then the light on it."""
    expression, grooming, light = look.expression, look.grooming, look.light
    tone = hair.strands(canvas)
    hair.paint_back_hair(canvas, grooming, tone)
    hair.paint_neck(canvas)
    hair.paint_ears(canvas)
    features.paint_skin(canvas)
    features.paint_folds(canvas, expression)
    features.paint_nostrils(canvas)
    hair.paint_beard(canvas, expression, grooming)
    features.paint_mouth(canvas, expression)
    features.paint_brows(canvas, expression)
    window = canvas.head_window()
    height = relief(canvas.person, expression, canvas.skull[window], *canvas.at(window))
    canvas.shade(window, shading(height, light, canvas.view.unit_px))
    features.paint_eyes(canvas, expression, light)
    hair.paint_front_hair(canvas, grooming, tone)
    hair.paint_glasses(canvas)


def _extent(scene: Floats, person: Person, view: View) -> tuple[int, int, int, int]:
    """The px of the scene that a head with its hair and neck can reach: left, top, right, bottom."""
    head, hairdo = person.head, person.hair
    wide = head.width + max(2 * hairdo.side + 0.15, person.ears.out + 0.6 * person.ears.size, 0.45)
    low = max(head.chin_y + 1.4, hairdo.length + 0.5 if hairdo.length > 1.5 else 0)
    high = head.crown_y - hairdo.top - 0.6
    corners = np.array([(-wide, high), (wide, high), (-wide, low), (wide, low)], np.float32)
    cos, sin = np.cos(view.pose.roll) * view.unit_px, np.sin(view.pose.roll) * view.unit_px
    across = view.origin[0] + cos * corners[:, 0] - sin * corners[:, 1]
    along = view.origin[1] + sin * corners[:, 0] + cos * corners[:, 1]
    left, right = (int(np.clip(value, 0, scene.shape[2])) for value in (across.min(), across.max() + 1))
    top, bottom = (int(np.clip(value, 0, scene.shape[1])) for value in (along.min(), along.max() + 1))
    return left, top, right, bottom


def _resized(canvas: Canvas, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """rgb and alpha of a canvas at another (width, height)."""
    planes = np.concatenate([canvas.rgb, canvas.alpha[None]])
    levels = np.clip(planes * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.frombytes("RGBa", (levels.shape[1], levels.shape[0]), np.ascontiguousarray(levels).tobytes())
    shrinks = size[0] < levels.shape[1]
    image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    back = np.frombuffer(image.tobytes(), np.uint8).reshape(size[1], size[0], 4).transpose(2, 0, 1)
    scaled = back.astype(np.float32) / np.float32(255)
    return scaled[:3], scaled[3]
