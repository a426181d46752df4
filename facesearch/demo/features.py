"""Skin, eyes, brows, nostrils and mouth, painted on a canvas as flat colours with their own small shadows.

Light is not applied here, except for the highlight in the eyes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from facesearch.demo.canvas import Canvas
from facesearch.demo.shot import Expression, Light
from facesearch.demo.surface import Plane, bump, mouth_corner, smooth_step
from facesearch.demo.traits import Colour, Skin

_MAP_SIZE = 160  # texels a side of a skin map
_MAP_BOX = (-2.6, -3.4, 2.6, 4.4)  # the part of the face a skin map covers


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two, share 0..1 of the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """A darker or lighter colour."""
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def planes(colour: Colour) -> Plane:
    """A colour as float32 (3, 1, 1), to be multiplied by a plane."""
    return np.array(colour, dtype=np.float32)[:, None, None]


def paint_skin(canvas: Canvas) -> None:
    """The skull and jaw in the skin's colour, with its blotches, freckles, moles, cheeks and lines."""
    person, skin = canvas.person, canvas.person.skin
    window = canvas.head_window()
    x, y = canvas.at(window)
    side = np.abs(x)
    canvas.over(window, canvas.edge(canvas.skull[window]), skin.colour)
    canvas.shade(window, _texture(skin, x, y))
    red = mixed(skin.colour, (skin.colour[0], 0.35 * skin.colour[1], 0.35 * skin.colour[2]), 0.35)
    flush = bump(side, y, (1.25, 1.15), (0.55, 0.5)) + 0.8 * bump(x, y, (0, person.nose.length), (0.4, 0.3))
    canvas.glaze(window, (0.2 + 0.6 * skin.ruddy) * np.minimum(flush, 1), red)
    under_eyes = bump(side, y, (person.eyes.x * 0.92, 0.34), (0.45, 0.16))
    canvas.glaze(window, (0.08 + 0.22 * skin.lines) * under_eyes, scaled(skin.colour, 0.62))
    sockets = bump(side, y, (person.eyes.x * 0.88, -0.16), (0.55, 0.34))
    canvas.glaze(window, (0.10 + 0.4 * person.eyes.socket) * sockets, scaled(skin.colour, 0.66))
    for mole_x, mole_y, radius in skin.moles:
        spot = canvas.window(mole_x - 0.15, mole_y - 0.15, mole_x + 0.15, mole_y + 0.15)
        spot_x, spot_y = canvas.at(spot)
        inside = radius - np.hypot(spot_x - mole_x, spot_y - mole_y)
        canvas.glaze(spot, 0.8 * canvas.edge(inside, 0.04), scaled(skin.colour, 0.38))


def paint_folds(canvas: Canvas, expression: Expression) -> None:
    """The lines from the nose to the mouth, deeper in a smile."""
    person = canvas.person
    wide, corner_y = mouth_corner(person, expression)
    start_x, start_y = person.nose.width + 0.05, person.nose.length - 0.12
    end_x = wide + 0.24
    window = canvas.window(-end_x - 0.3, start_y - 0.1, end_x + 0.3, corner_y + 0.3)
    x, y = canvas.at(window)
    along = np.clip((y - start_y) / (corner_y + 0.1 - start_y), 0, 1)
    centre = start_x + (end_x - start_x) * along**1.5
    line = np.exp(-(((np.abs(x) - centre) / 0.10) ** 2)) * smooth_step(along, 0, 0.25) * smooth_step(along, 1, 0.7)
    depth = 0.06 + 0.22 * person.skin.lines + 0.22 * max(expression.smile, 0)
    canvas.glaze(window, depth * line, scaled(person.skin.colour, 0.5))


def paint_nostrils(canvas: Canvas) -> None:
    """Two holes, the shadow under the tip and around the wings."""
    nose, skin = canvas.person.nose, canvas.person.skin
    window = canvas.window(-nose.width - 0.3, nose.length - 0.4, nose.width + 0.3, nose.length + 0.5)
    x, y = canvas.at(window)
    side = np.abs(x)
    under = bump(x, y, (0, nose.length + 0.20), (nose.width * 0.9, 0.13))
    canvas.glaze(window, 0.38 * under, scaled(skin.colour, 0.45))
    wing = np.hypot((side - nose.width * 0.70) / (nose.width * 0.36), (y - nose.length - 0.0) / 0.22)
    crease = np.exp(-(((wing - 1.05) / 0.22) ** 2)) * smooth_step(side, nose.width * 0.62, nose.width * 0.95)
    canvas.glaze(window, 0.45 * crease, scaled(skin.colour, 0.45))
    hole_x, hole_y = nose.width * 0.42, nose.length + 0.11
    inside = 1 - np.hypot((side - hole_x) / (nose.width * 0.27), (y - hole_y - 0.12 * (side - hole_x)) / 0.085)
    canvas.glaze(window, 0.9 * canvas.edge(inside * 0.085, 0.05), scaled(skin.colour, 0.16))


def paint_eyes(canvas: Canvas, expression: Expression, light: Light) -> None:
    """Whites, irises, lids and lashes; the eyes look a little to one side with the gaze."""
    eyes, skin = canvas.person.eyes, canvas.person.skin
    reach = eyes.x + eyes.width + 0.2
    window = canvas.window(-reach, -0.75, reach, 0.55)
    x, y = canvas.at(window)
    sign = np.sign(x)
    across, along = np.abs(x) - eyes.x, y + (np.abs(x) - eyes.x) * np.float32(eyes.tilt)
    share = np.clip(np.abs(across) / eyes.width, 0, 1)
    arc = 1 - share * share
    squint = 1 - 0.18 * max(expression.smile, 0)
    upper = -eyes.height * 1.15 * arc * expression.eyes_open
    lower = eyes.height * 0.85 * arc * squint * min(1.0, 0.5 + 0.5 * expression.eyes_open)
    within = eyes.width - np.abs(across)
    opening = canvas.edge(np.minimum(np.minimum(along - upper, lower - along), within))
    crease_y = upper - 0.07 - 0.09 * eyes.crease
    crease = np.exp(-(((along - crease_y) / 0.045) ** 2)) * smooth_step(within, -0.1, 0.15)
    canvas.glaze(window, (0.15 + 0.45 * eyes.crease) * crease, scaled(skin.colour, 0.42))
    white = mixed((0.93, 0.91, 0.89), skin.colour, 0.12)
    shadow = 0.62 + 0.38 * smooth_step(along - upper, 0, 0.16)
    canvas.over(window, opening, planes(white) * (shadow * (1 - 0.25 * share**3)))
    gaze_x = sign * np.float32(0.11 * expression.gaze)
    centre_y = -0.02
    radius = np.hypot(across - gaze_x, along - centre_y)
    ring = mixed(eyes.iris, (0, 0, 0), 0.65)
    canvas.over(window, opening * canvas.edge(eyes.iris_radius - radius), ring)
    glow = planes(eyes.iris) * (0.75 + 0.5 * smooth_step(along, -0.1, 0.12))
    canvas.over(window, opening * canvas.edge(eyes.iris_radius * 0.84 - radius, 0.04), glow)
    canvas.over(window, opening * canvas.edge(eyes.iris_radius * 0.42 - radius, 0.02), (0.02, 0.02, 0.02))
    spark_x = gaze_x + sign * np.float32(0.09 * light.direction[0])
    spark = np.hypot(across - spark_x, along - centre_y + 0.07)
    canvas.over(window, opening * 0.85 * canvas.edge(0.035 - spark, 0.03), (1, 1, 1))
    lash = np.exp(-(((along - upper) / 0.050) ** 2)) * smooth_step(within, -0.04, 0.06)
    canvas.glaze(window, 0.9 * lash, (0.07, 0.05, 0.05))
    rim = np.exp(-(((along - lower) / 0.035) ** 2)) * smooth_step(within, -0.02, 0.08)
    canvas.glaze(window, 0.4 * rim, scaled(skin.colour, 0.4))


def paint_brows(canvas: Canvas, expression: Expression) -> None:
    """Two bands that thin out towards the temples."""
    brows, eyes = canvas.person.brows, canvas.person.eyes
    inner, outer = eyes.x - brows.length, eyes.x + brows.length * 1.15
    base = brows.y - expression.brow_lift
    window = canvas.window(-outer - 0.1, base - 0.6, outer + 0.1, base + 0.5)
    x, y = canvas.at(window)
    side = np.abs(x)
    along = np.clip((side - inner) / (outer - inner), 0, 1)
    middle = base - brows.tilt * (side - eyes.x) - brows.arch * (1 - ((along - 0.6) / 0.6) ** 2)
    half = brows.thickness * (0.55 + 0.45 * smooth_step(along, 0, 0.25)) * (1 - 0.7 * smooth_step(along, 0.5, 1))
    ends = smooth_step(side, inner - 0.06, inner + 0.10) * smooth_step(side, outer + 0.05, outer - 0.15)
    coverage = canvas.edge(half - np.abs(y - middle), 0.09) * ends
    hairs = 0.86 + 0.14 * np.sin(60 * side + 25 * y)
    canvas.glaze(window, brows.density * coverage * hairs, brows.colour)


def paint_mouth(canvas: Canvas, expression: Expression) -> None:
    """Lips, the line between them, and teeth when it is open."""
    mouth, skin = canvas.person.mouth, canvas.person.skin
    wide, corner_y = mouth_corner(canvas.person, expression)
    window = canvas.window(-wide - 0.25, mouth.y - 0.6, wide + 0.25, mouth.y + 1.0)
    x, y = canvas.at(window)
    share = np.clip(np.abs(x) / wide, 0, 1)
    body = 1 - share * share
    line = mouth.y + (corner_y - mouth.y) * share * share
    gap = 0.42 * expression.mouth_open * body
    line_top, line_bottom = line - 0.2 * gap, line + 0.8 * gap
    bow = mouth.bow * bump(x, y * 0, (0, 0), (0.16, 1))
    top = line_top - mouth.upper * np.power(body, np.float32(0.75)) + bow
    bottom = line_bottom + mouth.lower * np.power(body, np.float32(0.65))
    within = wide - np.abs(x)
    lips = canvas.edge(np.minimum(np.minimum(y - top, bottom - y), within), 0.06)
    canvas.glaze(window, 0.85 * lips, mouth.colour)
    canvas.glaze(
        window,
        0.30 * lips * np.clip((line_bottom + 0.02 - y) / (line_bottom + 0.02 - top), 0, 1),
        scaled(mouth.colour, 0.55),
    )
    shine = bump(x, y, (0, float(mouth.y + 0.42 * expression.mouth_open + mouth.lower * 0.5)), (wide * 0.45, 0.07))
    canvas.glaze(window, 0.25 * lips * shine, (1, 0.92, 0.90))
    opened = canvas.edge(np.minimum(np.minimum(y - line_top, line_bottom - y), within * 0.6)) * (gap > 0.01)
    canvas.glaze(window, opened, (0.20, 0.06, 0.06))
    row = canvas.edge(np.minimum(y - line_top - 0.02, line_top + 0.20 - y))
    teeth = row * opened * smooth_step(share, 0.95, 0.7)
    canvas.glaze(window, 0.9 * teeth, (0.90, 0.88, 0.83))
    seam = np.exp(-(((y - line_top) / 0.045) ** 2)) * smooth_step(within, -0.06, 0.05)
    canvas.glaze(window, 0.75 * seam, scaled(mixed(mouth.colour, skin.colour, 0.2), 0.30))
    corners = bump(np.abs(x), y, (wide, corner_y), (0.10, 0.09))
    canvas.glaze(window, 0.45 * corners, scaled(skin.colour, 0.4))
    under = bump(x, y, (0, float(mouth.y + 0.34 * expression.mouth_open + mouth.lower + 0.13)), (wide * 0.6, 0.10))
    canvas.glaze(window, 0.22 * under, scaled(skin.colour, 0.45))


def _texture(skin: Skin, x: Plane, y: Plane) -> Plane:
    """Factor of the skin's lightness at face points, from the person's own map."""
    left, top, right, bottom = _MAP_BOX
    column = np.clip((x - left) * (_MAP_SIZE / (right - left)), 0, _MAP_SIZE - 1).astype(np.intp)
    row = np.clip((y - top) * (_MAP_SIZE / (bottom - top)), 0, _MAP_SIZE - 1).astype(np.intp)
    return np.asarray(_skin_map(skin)[row, column])


@lru_cache(maxsize=256)
def _skin_map(skin: Skin) -> Plane:
    """Blotches and freckles, float32 (160, 160) around 1."""
    rng = np.random.default_rng(skin.texture_seed)
    blotches = _upscaled(rng.uniform(-1, 1, (9, 9)))
    freckles = np.clip(_upscaled(rng.uniform(0, 1, (80, 80))) - (0.92 - 0.22 * skin.freckles), 0, 0.2) / 0.2
    centre = np.linspace(-1, 1, _MAP_SIZE)
    middle = np.exp(-((centre[None] / 0.75) ** 2) - ((centre[:, None] - 0.0) / 0.45) ** 2)
    spots = (0.26 if skin.freckles > 0 else 0.0) * freckles * middle
    return np.asarray(1 + 0.045 * blotches - spots, dtype=np.float32)


def _upscaled(noise: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Plane:
    """Noise at the size of a skin map, smooth between its points."""
    image = Image.fromarray(noise.astype(np.float32)).resize((_MAP_SIZE, _MAP_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)
