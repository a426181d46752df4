"""Pictures inside a page, JPEGs without any metadata as data URIs, and the names and paths under them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.pages.shell import text
from facesearch.records import Pixels, Span
from facesearch.text import called, time_span

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


def who(name: str | None, person_id: int | None, face_id: int | None = None) -> str:
    """A name, `unnamed #12` for a group without one, `face #3` for a face in no group; as HTML."""
    return text(called(name, person_id, face_id))


def where(path: Path | None, span: Span | None = None) -> str:
    """A photo's file and folder, the whole path for who points at it, and for a face in a video when it is seen; as
    HTML."""
    if path is None:
        return "no longer in any file"
    return f'<span title="{text(path)}">{text(Path(path.parent.name) / path.name)}</span>' + (
        f" {time_span(span)}" if span else ""
    )
