"""The parts of a synthetic face, as numbers that stay from photo to photo. Draws nothing and chooses nothing.

The unit of length is half the distance between the eyes of an average face; x grows to the right of the picture, y
downwards, and the point between the eyes is the origin. Colours are sRGB, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Head:
    """The shape of the head."""

    width: float  # half of it, at the cheekbones
    chin_y: float
    crown_y: float
    jaw: float  # 0 pointed .. 1 square
    taper: float  # how much narrower the jaw is
    cheeks: float
    chin: float


@dataclass(frozen=True)
class Skin:
    """The skin and its marks."""

    colour: Colour
    ruddy: float
    freckles: float  # 0..1
    lines: float
    moles: tuple[tuple[float, float, float], ...]  # (x, y, radius) each
    texture_seed: int  # of its blotches and freckles


@dataclass(frozen=True)
class Eyes:
    """The eyes."""

    x: float  # of the right one's centre
    # width, height: halves of the opening
    width: float
    height: float
    tilt: float  # outer corners up
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
    """The nose."""

    length: float  # y of the tip
    width: float  # half, at the wings
    bridge: float
    height: float
    tip: float


@dataclass(frozen=True)
class Mouth:
    """The mouth."""

    colour: Colour
    y: float
    width: float  # half of it at rest
    # upper, lower: height of the lips
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
    """The hair."""

    colour: Colour
    # top, side: volume beyond the skull
    top: float
    side: float
    length: float  # y of its lower end beside the face
    line: float  # y of the hairline
    temples: float  # how far the line runs up at the temples
    part: float  # x of the parting
    fringe: float  # how far it falls into the forehead beside the parting
    curl: float  # 0 straight .. 1 curly
    bald: bool  # the crown carries none
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
    """A pair of glasses."""

    colour: Colour
    # width, height: halves of a lens
    width: float
    height: float
    squareness: float  # exponent of its outline, 2 is an ellipse
    rim: float
    tint: float
