"""Pictures inside a page: JPEGs without any metadata, as data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from facesearch.pages.shell import text
from facesearch.records import Pixels

JPEG_QUALITY = 82


def jpeg(pixels: Pixels, quality: int = JPEG_QUALITY) -> bytes:
    """uint8 (H, W, 3) RGB as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str = "jpeg") -> str:
    """kind: "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def picture(content: bytes | None, alt: str, reason: str = "", kind: str = "jpeg") -> str:
    """An <img>, or an empty frame that says why there is no picture. alt: what it shows."""
    if content is None:
        return f'<span class="missing" role="img" aria-label="{text(f"{alt}: {reason}")}">{text(reason)}</span>'
    return f'<img alt="{text(alt)}" src="{data_uri(content, kind)}">'
