"""From whatever a file holds to 8-bit sRGB: grey, palette, 16-bit, floating point, CMYK, Lab, alpha, colour profiles.

Works on Pillow images that are loaded already; reads no file, and imports NumPy for rare kinds only. Alpha is laid over
white, as pages do. A photo with an embedded ICC profile is converted to sRGB; where the profile is damaged or does not
fit the photo, the numbers are taken as they are, because a face in slightly wrong colours is better than none.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import ImageCms

# Differences up to this many of 255 levels between a profile and sRGB are rounding in the profile's own tables.
_SAME_COLOUR_LEVELS = 3
_BAND_ROWS = 256
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}


def eight_bit(image: Image.Image) -> Image.Image:
    """The same picture with 8 bits a channel and no palette: L, LA, RGB, RGBA, CMYK, YCbCr or LAB.

    16-bit grey is scaled, not clipped: from the full 16 bits, or from the 12 that a TIFF declares. 32-bit integers
    and floating point have no declared white: see _stretched. Raises ValueError for a palette that is missing.
    """
    if image.mode.startswith("I;16"):
        import numpy as np

        bits, black_is_zero = _declared_range(image)
        grey = np.right_shift(np.asarray(image), bits - 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey if black_is_zero else 255 - grey)
    if image.mode in ("I", "F"):
        return Image.fromarray(_stretched(image))
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "PA"):
        if image.palette is None:
            raise ValueError("its colours are missing: a palette photo without a palette")
        return image.convert("RGBA" if image.mode == "PA" or image.has_transparency_data else "RGB")
    return image


def _declared_range(image: Image.Image) -> tuple[int, bool]:
    """Bits of a 16-bit sample that are used, and whether 0 is black: what Pillow leaves undone for TIFF."""
    tags: Any = getattr(image, "tag_v2", {})
    bits_per_sample, photometric = tags.get(258), tags.get(262)  # TIFF 6.0; photometric 0 is WhiteIsZero
    return 12 if bits_per_sample == (12,) else 16, photometric != 0


def _stretched(image: Image.Image) -> NDArray[np.uint8]:
    """Mode I or F to uint8 (H, W): white is the smallest of 1, 255 and 65535 that no value passes (for integers
    65535); a picture outside those is stretched from its darkest to its lightest value."""
    import numpy as np

    extremes = [(float(band.min()), float(band.max())) for _, band in _bands(image)]
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    whites: tuple[float, ...] = (65535.0,) if image.mode == "I" else (1.0, 255.0, 65535.0)
    if low >= 0 and high <= whites[-1]:
        low, high = 0.0, next(white for white in whites if high <= white)
    grey = np.empty((image.height, image.width), np.uint8)
    for top, band in _bands(image):
        levels = (band - low) * np.float32(255.0 / max(high - low, 1e-30))
        grey[top : top + len(band)] = levels.round().clip(0, 255)
    return grey


def _bands(image: Image.Image) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Some rows at a time, finite, float32 (rows, W), with the number of the first: a copy of all would take GBs."""
    import numpy as np

    for top in range(0, image.height, _BAND_ROWS):
        rows = image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height)))
        values = np.asarray(rows).astype(np.float32)
        yield top, np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(-1e30, 1e30)


def to_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """An 8-bit picture in any mode of `eight_bit` to mode RGB, opaque, in sRGB."""
    opaque = _over_white(image)
    if icc_profile and opaque.mode in _PROFILE_SPACES:
        transform = _transform_to_srgb(icc_profile, opaque.mode)
        if transform is not None:
            return transform.apply(opaque)
    return opaque if opaque.mode == "RGB" else opaque.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    see_through = image.convert("RGBA")
    page = Image.new("RGB", image.size, "white")
    page.paste(see_through, mask=see_through.getchannel("A"))
    return page


@lru_cache(maxsize=16)  # an album comes from a few cameras; building a transform costs as much as using it
def _transform_to_srgb(icc_profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from this profile to sRGB; None where there is none, or where it changes nothing that can be seen."""
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        if profile.profile.xcolor_space != _PROFILE_SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ValueError, ImageCms.PyCMSError):  # ValueError: a colour space named in bytes that are no ASCII
        return None
    if mode == "CMYK":
        return transform
    steps = range(0, 256, 51)
    colours = bytes(level for colour in product(steps, repeat=len(mode)) for level in colour)
    probe = Image.frombytes(mode, (len(colours) // len(mode), 1), colours)
    change = ImageChops.difference(probe.convert("RGB"), transform.apply(probe).convert("RGB"))
    levels = change.histogram()  # 256 counts a channel
    is_seen = any(any(levels[256 * band + _SAME_COLOUR_LEVELS + 1 : 256 * (band + 1)]) for band in range(3))
    return transform if is_seen else None


@lru_cache(maxsize=1)
def pq_to_srgb() -> np.ndarray:
    """uint8 (256,): brightness coded for HDR screens (SMPTE ST 2084) as an ordinary screen shows it. Light above that
    of white paper (203 cd/m2, ITU-R BT.2408) is compressed."""
    import numpy as np

    coded = np.linspace(0, 1, 256) ** (1 / 78.84375)
    light = (np.maximum(coded - 0.8359375, 0) / (18.8515625 - 18.6875 * coded)) ** (1 / 0.1593017578125)
    white = 10000 * light / 203
    shown = white * (1 + white / 25) / (1 + white)  # Reinhard's curve, to 5 times white
    srgb = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * np.maximum(shown, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(srgb * 255 + 0.5, 0, 255), np.uint8)
