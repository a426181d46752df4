"""The parts of a synthetic face, as numbers that stay from photo to photo. Draws nothing and chooses nothing.

The unit of length is half the distance between the eyes of an average face; x grows to the right of the picture, y
downwards, and the point between the eyes is the origin. Colours are sRGB, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Head:
    """width: half of it, at the cheekbones. jaw: 0 pointed .. 1 square. taper: how much narrower the jaw is."""

    width: float
    chin_y: float
    crown_y: float
    jaw: float
    taper: float
    cheeks: float
    chin: float


@dataclass(frozen=True)
class Skin:
    """freckles: 0..1. moles: (x, y, radius) each. texture_seed: of its blotches and freckles."""

    colour: Colour
    ruddy: float
    freckles: float
    lines: float
    moles: tuple[tuple[float, float, float], ...]
    texture_seed: int


@dataclass(frozen=True)
class Eyes:
    """x: of the right one's centre. width, height: halves of the opening. tilt: outer corners up."""

    x: float
    width: float
    height: float
    tilt: float
    iris: Colour
    iris_radius: float
    socket: float
    crease: float


@dataclass(frozen=True)
class Brows:
    colour: Colour
    y: float
    thickness: float
    length: float
    tilt: float
    arch: float
    density: float


@dataclass(frozen=True)
class Nose:
    """length: y of the tip. width: half, at the wings."""

    length: float
    width: float
    bridge: float
    height: float
    tip: float


@dataclass(frozen=True)
class Mouth:
    """width: half of it at rest. upper, lower: height of the lips."""

    colour: Colour
    y: float
    width: float
    upper: float
    lower: float
    bow: float


@dataclass(frozen=True)
class Ears:
    size: float
    y: float
    out: float


@dataclass(frozen=True)
class Hair:
    """top, side: volume beyond the skull. length: y of its lower end beside the face. line: y of the hairline.

    temples: how far the line runs up at the temples. part: x of the parting. fringe: how far it falls into the forehead
    beside the parting. curl: 0 straight .. 1 curly. bald: the crown carries none.
    """

    colour: Colour
    top: float
    side: float
    length: float
    line: float
    temples: float
    part: float
    fringe: float
    curl: float
    bald: bool
    strand_seed: int


@dataclass(frozen=True)
class Beard:
    """Density 0..1 on the upper lip, the chin and the cheeks."""

    moustache: float
    chin: float
    cheeks: float
    colour: Colour


@dataclass(frozen=True)
class Glasses:
    """width, height: halves of a lens. squareness: exponent of its outline, 2 is an ellipse."""

    colour: Colour
    width: float
    height: float
    squareness: float
    rim: float
    tint: float
