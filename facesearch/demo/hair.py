"""Hair, ears, neck, beard and glasses: what frames a face, painted on its canvas."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from facesearch.demo.canvas import Canvas, Window
from facesearch.demo.features import planes, scaled
from facesearch.demo.shot import Expression, Grooming
from facesearch.demo.surface import Plane, bump, mouth_corner, smooth_step
from facesearch.demo.traits import Hair

WHOLE: Window = (slice(None), slice(None))
_STRANDS = 512


def strands(canvas: Canvas) -> Plane:
    """Lightness of the hair around 1 at each px: strands that fan out from above the head."""
    hair, x, y = canvas.person.hair, canvas.x, canvas.y
    wave = np.float32(0.08 * hair.curl) * np.sin(7 * y + 3 * np.sin(4 * x))
    along = (x - np.float32(hair.part * 0.5)) / (np.clip(y, -4, 8) + np.float32(6)) + wave
    index = (along * np.float32(150)).astype(np.int32) & (_STRANDS - 1)
    return np.asarray(np.take(_strand_tones(hair.strand_seed), index))


def paint_back_hair(canvas: Canvas, grooming: Grooming, tone: Plane) -> None:
    """Hair behind the head and, when long, down to the shoulders. tone: from `strands`."""
    hair, head = canvas.person.hair, canvas.person.head
    side = max(hair.side + 0.5 * grooming.hair, 0.0)
    x, y = canvas.x, canvas.y
    length = hair.length + grooming.hair * 2
    behind_ears = length if length > 1.5 else 0.15 + 0.25 * length
    inside = x * 0 - 1 if hair.bald else np.minimum(canvas.skull + side, behind_ears - y)
    if length > 1.5:
        along = np.clip(y / length, 0, 1.2)
        bend = along * along * along
        flare = head.width + side * (1 + 0.8 * along) - (0.35 + 0.5 * hair.curl) * bend * bend
        fall = np.minimum(flare - np.abs(x), np.minimum(length - y + 0.2 * np.cos(5 * x), y + 0.4))
        inside = np.maximum(inside, fall)
    canvas.over(WHOLE, canvas.edge(inside, 0.08), planes(hair.colour) * (0.62 * tone))


def paint_neck(canvas: Canvas) -> None:
    """The neck down into the collar, dark under the chin."""
    head, skin = canvas.person.head, canvas.person.skin
    width = head.width * (0.62 + 0.1 * head.jaw)
    window = canvas.window(-width - 1.2, 1.5, width + 1.2, head.chin_y + 3)
    x, y = canvas.at(window)
    spread = width + 0.5 * np.clip(y - head.chin_y - 0.5, 0, None) ** 1.5
    collar = head.chin_y + 1.3 - 0.18 * x * x
    inside = np.minimum(np.minimum(spread - np.abs(x), y - 1.5), collar - y)
    dark = 0.55 + 0.30 * smooth_step(y, head.chin_y - 0.2, head.chin_y + 1.6)
    dark -= 0.18 * smooth_step(np.abs(x), width * 0.5, width * 1.1)
    canvas.over(window, canvas.edge(inside), planes(skin.colour) * dark)


def paint_ears(canvas: Canvas) -> None:
    """Both ears, behind the cheeks."""
    head, ears, skin = canvas.person.head, canvas.person.ears, canvas.person.skin
    centre = head.width * 0.97 + ears.out
    window = canvas.window(-centre - 0.6, ears.y - 1, centre + 0.6, ears.y + 1)
    x, y = canvas.at(window)
    lean = np.abs(x) - centre + 0.18 * (y - ears.y)
    radius = np.hypot(lean / (0.30 * ears.size / 0.55), (y - ears.y) / ears.size)
    coverage = canvas.edge((1 - radius) * 0.4)
    tone = 0.92 - 0.35 * np.exp(-(((radius - 0.45) / 0.2) ** 2))
    red, green, blue = skin.colour
    canvas.over(window, coverage, planes((red, green * 0.92, blue * 0.9)) * tone)


def paint_front_hair(canvas: Canvas, grooming: Grooming, tone: Plane) -> None:
    """Hair over the forehead and in front of the temples, with its shadow on the skin. tone: from `strands`."""
    hair, head = canvas.person.hair, canvas.person.head
    x, y = canvas.x, canvas.y
    grow = max(hair.top + grooming.hair, 0.02)
    side = max(hair.side + 0.5 * grooming.hair, 0.02)
    rise = smooth_step(y, -0.6, head.crown_y)
    skull = canvas.skull + side + (grow - side) * rise
    if hair.bald:
        above = np.abs(x) - head.width * (0.86 - 0.06 * np.clip(-y - 0.2, 0, 2))
        cover = np.minimum(above, 0.75 - 0.2 * hair.temples - np.abs(y + 0.3))
    else:
        cover = np.maximum(_hairline(hair, head.width, grooming, x) - y, _beside(hair, head.width, grooming, x, y))
    inside = np.minimum(skull, cover)
    shadow = smooth_step(inside, -0.35, 0.0) * 0.35
    canvas.glaze(WHOLE, shadow, scaled(canvas.person.skin.colour, 0.4))
    shine = 0.85 + 0.35 * bump(x, y, (hair.part * 0.4, head.crown_y + 0.45), (1.5, 0.55))
    edge = 0.06 + 0.10 * hair.curl
    canvas.over(WHOLE, canvas.edge(inside, edge), planes(hair.colour) * (tone * shine))


def paint_beard(canvas: Canvas, expression: Expression, grooming: Grooming) -> None:
    """Moustache, chin and cheeks, each as dense as the person wears it."""
    beard, mouth, head = canvas.person.beard, canvas.person.mouth, canvas.person.head
    if max(beard.moustache, beard.chin, beard.cheeks) == 0:
        return
    window = canvas.window(-head.width - 0.1, 0.4, head.width + 0.1, head.chin_y + 0.5)
    x, y = canvas.at(window)
    side = np.abs(x)
    wide, corner_y = mouth_corner(canvas.person, expression)
    lip_top = mouth.y - mouth.upper - 0.03
    nose_end = canvas.person.nose.length + 0.27
    droop = 0.35 * np.clip(side / wide, 0, 1.4) ** 2
    lip = np.minimum(y - nose_end - 0.4 * droop, lip_top + droop - y)
    lip = canvas.edge(np.minimum(lip, wide + 0.18 - side), 0.14)
    below = corner_y + 0.05 + 0.35 * expression.mouth_open
    chin = canvas.edge(1 - np.hypot(x / (wide + 0.35), (y - head.chin_y + 0.35) / (head.chin_y - below)), 0.3)
    cheek_line = 0.7 + 2.0 * np.clip((head.width - side) / head.width, 0, 1) ** 0.8
    cheeks = canvas.edge(y - cheek_line, 0.35)
    mouth_part = 1 - np.hypot(x / (wide + 0.06), (y - mouth.y - 0.1 - 0.2 * expression.mouth_open) / 0.42)
    clear = 1 - canvas.edge(mouth_part * 0.4, 0.1)
    density = np.maximum(beard.moustache * lip, clear * np.maximum(beard.chin * chin, beard.cheeks * cheeks))
    grain = 0.84 + 0.16 * np.sin(31 * x + 9 * y) * np.sin(27 * y - 11 * x)
    canvas.glaze(window, np.clip(density * grain * grooming.beard, 0, 0.95), beard.colour)


def paint_glasses(canvas: Canvas) -> None:
    """A rim around each eye, the bridge and the temples."""
    glasses, eyes, head = canvas.person.glasses, canvas.person.eyes, canvas.person.head
    if glasses is None:
        return
    centre_y = 0.08
    window = canvas.window(-head.width - 0.3, -0.9, head.width + 0.3, 1.1)
    x, y = canvas.at(window)
    side = np.abs(x)
    centre_x = max(eyes.x + 0.04, glasses.width + 0.14)
    power = np.float32(glasses.squareness)
    reach = (np.abs(side - centre_x) / glasses.width) ** power + (np.abs(y - centre_y) / glasses.height) ** power
    distance = (1 - reach ** (1 / power)) * min(glasses.width, glasses.height)
    canvas.glaze(window, glasses.tint * canvas.edge(distance), (0.1, 0.1, 0.12))
    rim = glasses.rim - np.abs(distance)
    bridge = np.minimum(
        0.045 + glasses.rim * 0.4 - np.abs(y - centre_y + 0.12 + 0.1 * side), centre_x - glasses.width - side
    )
    temple = np.minimum(0.05 + 0.3 * glasses.rim - np.abs(y - centre_y + 0.15), side - centre_x - glasses.width * 0.95)
    canvas.glaze(window, canvas.edge(np.maximum(np.maximum(rim, bridge), temple)), glasses.colour)


def _hairline(hair: Hair, width: float, grooming: Grooming, x: Plane) -> Plane:
    """y of the edge of the hair over the forehead, for each x."""
    share = np.clip(np.abs(x) / width, 0, 1)
    temples = hair.temples * bump(share, share, (0.62, 0.62), (0.35, 0.35))
    away = np.clip(np.abs(x - hair.part) / 1.4, 0, 1)
    fringe = (hair.fringe + grooming.hair) * away * (1 - 0.3 * share)
    square = share * share
    return np.asarray(np.minimum(hair.line - 0.5 * temples + fringe, -1.05) + 0.5 * square * square)


def _beside(hair: Hair, width: float, grooming: Grooming, x: Plane, y: Plane) -> Plane:
    """Distance inside the hair that runs down in front of the ears."""
    edge = 0.93 - 0.05 * min(hair.length, 2.0) / 2
    temple = np.abs(x) - width * edge - 0.15 * np.clip(y, 0, 2)
    return np.asarray(np.minimum(temple, hair.length + grooming.hair - y))


@lru_cache(maxsize=256)
def _strand_tones(seed: int) -> Plane:
    """Lightness of each strand, around 1."""
    noise = np.random.default_rng(seed).uniform(-1, 1, _STRANDS)
    smooth = np.convolve(np.tile(noise, 3), np.hanning(9) / 4, "same")[_STRANDS : 2 * _STRANDS]
    return np.asarray(1 + 0.30 * smooth + 0.10 * noise, dtype=np.float32)
