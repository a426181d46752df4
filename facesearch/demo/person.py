"""A synthetic person, everything about a face that stays from photo to photo, and how one is made up. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.demo.made_up_names import made_up_names
from facesearch.demo.traits import Beard, Brows, Colour, Ears, Eyes, Glasses, Hair, Head, Mouth, Nose, Skin
from facesearch.errors import UsageError

_SKIN_LIGHT, _SKIN_TAN, _SKIN_DARK = (0.95, 0.79, 0.70), (0.80, 0.59, 0.45), (0.42, 0.27, 0.20)
_HAIR_COLOURS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.07),
    (0.17, 0.11, 0.08),
    (0.33, 0.21, 0.13),
    (0.55, 0.38, 0.22),
    (0.80, 0.66, 0.42),
    (0.56, 0.24, 0.11),
    (0.66, 0.65, 0.65),
)
_IRIS_COLOURS: tuple[Colour, ...] = ((0.16, 0.09, 0.06), (0.36, 0.22, 0.10), (0.34, 0.42, 0.22), (0.30, 0.47, 0.66))
_FRAME_COLOURS: tuple[Colour, ...] = (
    (0.06, 0.06, 0.07),
    (0.30, 0.17, 0.09),
    (0.62, 0.53, 0.34),
    (0.55, 0.10, 0.12),
    (0.12, 0.20, 0.42),
)


@dataclass(frozen=True)
class Person:
    """Who is drawn. Equal persons are drawn alike; `Person.random` makes one, `random_people` several with names."""

    name: str
    head: Head
    skin: Skin
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    ears: Ears
    hair: Hair
    beard: Beard
    glasses: Glasses | None

    @classmethod
    def random(cls, rng: np.random.Generator, name: str = "Nobody") -> Person:
        """Somebody new."""
        head = _random_head(rng)
        tone = rng.uniform()
        hair = _random_hair(rng, tone)
        return cls(
            name,
            head,
            _random_skin(rng, tone),
            _random_eyes(rng, tone),
            _random_brows(rng, hair),
            Nose(*_uniform(rng, (1.02, 1.45), (0.38, 0.62), (0.13, 0.27), (0.55, 0.95), (0.16, 0.30))),
            _random_mouth(rng, tone),
            Ears(*_uniform(rng, (0.42, 0.72), (0.15, 0.55), (-0.02, 0.22))),
            hair,
            _random_beard(rng, hair),
            _random_glasses(rng) if rng.uniform() < 0.28 else None,
        )


def random_people(count: int, seed: int) -> list[Person]:
    """count people with different names; the first of them are the same whatever the count.

    Raises UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"An album needs at least one person, not {count}")
    face_rng, name_rng = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    return [Person.random(face_rng, name) for name in made_up_names(count, name_rng)]


def _uniform(rng: np.random.Generator, *ranges: tuple[float, float]) -> list[float]:
    """A number from each range."""
    return [float(rng.uniform(low, high)) for low, high in ranges]


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return float(red), float(green), float(blue)


def _jitter(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """The colour, a little lighter or darker and warmer or colder."""
    light, warm = rng.uniform(-amount, amount, 2)
    red, green, blue = colour
    return (
        float(np.clip(red * (1 + light) * (1 + warm / 2), 0, 1)),
        float(np.clip(green * (1 + light), 0, 1)),
        float(np.clip(blue * (1 + light) * (1 - warm / 2), 0, 1)),
    )


def _random_head(rng: np.random.Generator) -> Head:
    ranges = ((1.98, 2.42), (3.3, 4.05), (-3.35, -2.75), (0.0, 1.0), (0.05, 0.32), (0.02, 0.22), (0.0, 0.25))
    return Head(*_uniform(rng, *ranges))


def _random_skin(rng: np.random.Generator, tone: float) -> Skin:
    light, dark = (_SKIN_LIGHT, _SKIN_TAN) if tone < 0.5 else (_SKIN_TAN, _SKIN_DARK)
    colour = _jitter(rng, _mix(light, dark, 2 * tone % 1), 0.05)
    moles = tuple(
        (
            float(rng.choice((-1, 1)) * rng.uniform(0.5, 1.6)),
            float(rng.uniform(-1.3, 2.9)),
            float(rng.uniform(0.05, 0.11)),
        )
        for _ in range(int(rng.integers(0, 4)))
    )
    freckles = float(rng.uniform(0.3, 1)) if tone < 0.5 and rng.uniform() < 0.35 else 0.0
    ruddy, lines = _uniform(rng, (0.0, 1.0), (0.0, 1.0))
    return Skin(colour, ruddy, freckles, lines, moles, int(rng.integers(2**31)))


def _random_eyes(rng: np.random.Generator, tone: float) -> Eyes:
    shades = _IRIS_COLOURS[: 2 if tone > 0.6 else 4]
    iris = _jitter(rng, shades[rng.integers(len(shades))], 0.2)
    x, width, height, tilt = _uniform(rng, (0.94, 1.15), (0.42, 0.58), (0.18, 0.28), (-0.12, 0.20))
    radius, socket, crease = _uniform(rng, (0.17, 0.215), (0.30, 0.60), (0.0, 1.0))
    return Eyes(x, width, height, tilt, iris, radius, socket, crease)


def _random_hair(rng: np.random.Generator, tone: float) -> Hair:
    colours = _HAIR_COLOURS if tone < 0.45 else (*_HAIR_COLOURS[:3], _HAIR_COLOURS[-1])
    colour = _jitter(rng, colours[rng.integers(len(colours))], 0.25)
    bald = bool(rng.uniform() < 0.1)
    long = not bald and rng.uniform() < 0.45
    top, side, line, temples = _uniform(rng, (0.15, 0.75), (0.02, 0.22), (-2.35, -1.7), (0.0, 0.7))
    part, fringe, curl = _uniform(rng, (-1.3, 1.3), (0.0, 0.6), (0.0, 1.0))
    length = float(rng.uniform(2.2, 5.2)) if long else float(rng.uniform(0.0, 1.0))
    side += float(rng.uniform(0.1, 0.6)) if long else 0.0
    return Hair(colour, top, side, length, line, temples, part, fringe, curl, bald, int(rng.integers(2**31)))


def _random_brows(rng: np.random.Generator, hair: Hair) -> Brows:
    ranges = ((-0.92, -0.55), (0.07, 0.22), (0.42, 0.68), (-0.22, 0.18), (0.0, 0.14), (0.65, 1.0))
    colour = _mix(hair.colour, (0.1, 0.07, 0.06), float(rng.uniform(0.35, 0.75)))
    return Brows(colour, *_uniform(rng, *ranges))


def _random_mouth(rng: np.random.Generator, tone: float) -> Mouth:
    lips = _mix((0.70, 0.36, 0.35), (0.44, 0.22, 0.21), tone)
    if rng.uniform() < 0.2:
        lips = _mix(lips, (0.70, 0.10, 0.17), 0.65)  # lipstick
    ranges = ((2.02, 2.42), (0.68, 1.02), (0.10, 0.24), (0.14, 0.32), (0.0, 0.08))
    return Mouth(_jitter(rng, lips, 0.1), *_uniform(rng, *ranges))


def _random_beard(rng: np.random.Generator, hair: Hair) -> Beard:
    style = rng.uniform()
    density = float(rng.uniform(0.45, 0.95))
    colour = _mix(hair.colour, (0.25, 0.15, 0.1), float(rng.uniform(0, 0.5)))
    if (hair.length > 1.5 and style < 0.9) or style < 0.45:
        return Beard(0.0, 0.0, 0.0, colour)
    if style < 0.6:  # stubble
        return Beard(density * 0.35, density * 0.35, density * 0.3, colour)
    if style < 0.72:
        return Beard(density, 0.0, 0.0, colour)
    if style < 0.86:
        return Beard(density * 0.9, density, 0.0, colour)
    return Beard(density, density, density * 0.9, colour)


def _random_glasses(rng: np.random.Generator) -> Glasses:
    colour = _FRAME_COLOURS[rng.integers(len(_FRAME_COLOURS))]
    ranges = ((0.62, 0.84), (0.42, 0.66), (2.0, 5.0), (0.035, 0.10), (0.0, 0.12))
    return Glasses(colour, *_uniform(rng, *ranges))
