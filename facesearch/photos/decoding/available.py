"""Which kinds of photos this installation can decode, and what is missing for the others."""

from __future__ import annotations

import importlib.util

from facesearch.photos.decoding.formats import FORMATS, opener
from facesearch.photos.decoding.video import reads_videos

RAW, VIDEO = "RAW", "VIDEO"
# What Pillow may have been built without, by its own names.
_PILLOW_PARTS = {
    "JPEG": "jpg",
    "PNG": "zlib",
    "WEBP": "webp",
    "AVIF": "avif",
    "TIFF": "libtiff",
    "JPEG2000": "jpg_2000",
}
_PACKAGES = {"HEIF": "pillow-heif", RAW: "rawpy", VIDEO: "av"}


def decoders() -> dict[str, str | None]:
    """Every kind of photo that facesearch knows, and videos, with the package that decodes it where that is missing, or
    lacks the part for it; None where it is there."""
    return {kind: None if _is_there(kind) else _PACKAGES.get(kind, "pillow") for kind in (*FORMATS, RAW, VIDEO)}


def _is_there(kind: str) -> bool:
    try:
        if kind == RAW:
            return importlib.util.find_spec("rawpy") is not None
        if kind == VIDEO:
            return reads_videos()
        from PIL import features

        opener(kind)
        part = _PILLOW_PARTS.get(kind)
        return part is None or bool(features.check(part))
    except (ImportError, OSError, ValueError):  # ValueError: somebody has hidden the module
        return False
