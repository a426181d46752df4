"""What can still be seen of a photo that is cut off or damaged, and how much of it is missing.

A decoder that fails in the middle has filled the rows before that (PNG, TIFF, GIF, BMP, PPM). One that gives nothing
until the end (JPEG, WebP, HEIC) is given an end that is made up, twice: where two ends give different pixels, the
pixels are the end's and not the photo's. Never guesses what was there. Pillow's own switch for truncated files is one
for the whole process, and would hide damage in the photos of other threads.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFile

from facesearch.photos.decoding.formats import opener

# What Pillow's decoders raise for a damaged file. They parse in Python and in C, and few check every field:
DECODER_ERRORS = (
    OSError,  # truncated data, broken streams, unidentified images: the documented one
    SyntaxError,  # Pillow's plugins: this file is not what its first bytes say
    ValueError,  # a bad field, a decompressed text chunk too large, UnicodeDecodeError
    TypeError,  # a tag of the wrong type
    LookupError,  # IndexError: the data ends early; KeyError: an unknown mode, tag or filter
    EOFError,  # the first frame is missing
    ArithmeticError,  # OverflowError and ZeroDivisionError in sizes and rational tags
    AttributeError,  # a plugin uses what the missing part of the file would have set
    AssertionError,  # a plugin's own check
    RuntimeError,  # libheif and the AVIF decoder; NotImplementedError for rare variants
    MemoryError,  # a size field that asks for too much
    struct.error,  # a header that ends early
    zlib.error,  # a damaged PNG or TIFF stream
    Image.DecompressionBombError,  # Pillow's own limit inside a plugin
)
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"
_PROGRESSIVE_FRAME = b"\xff\xc2"
_LONGEST_END_BYTES = 64 << 20
_MOST_MEGAPIXELS = 64  # of what is decoded twice
_ZERO_TAIL = bytes(64)
_FILLS_ROWS = frozenset({"PNG", "TIFF", "GIF", "BMP", "PPM"})
_NO_DETAIL = "it is cut off, and fine detail is missing"

Box = tuple[int, int, int, int]  # left, top, right, bottom
Load = Callable[[ImageFile.ImageFile], tuple[int, int]]
"""Decodes a picture that is open; gives width and height in the file. Raises what decoders raise."""


@dataclass(frozen=True, eq=False)
class Rescued:
    """A picture that is decoded as far as it goes."""

    image: ImageFile.ImageFile
    original_size_px: tuple[int, int]  # width and height in the file
    damage: str | None  # what is missing, in words; None where nothing is


def with_plain_end(content: bytes) -> bytes:
    """A file whose decoder can tell where it ends; the same bytes where it can as they are.

    A copy that made room for the whole file and did not finish leaves zeros, which libjpeg would decode to pixels.
    libwebp reads nothing of a file that is cut off and has metadata behind its picture: such a file loses its frame.
    """
    if content.startswith(b"\xff\xd8") and content.endswith(_ZERO_TAIL):
        return content.rstrip(b"\0")
    if content[:4] == b"RIFF" and missing_bytes(content):
        return _plain_webp(content)
    return content


def _plain_webp(content: bytes) -> bytes:
    """The lossy picture of a WebP file without all else, cut off as it is; the file where it has none (RFC 9649)."""
    start = 12
    while start + 8 <= len(content):
        size = int.from_bytes(content[start + 4 : start + 8], "little")
        end = start + 8 + size + size % 2
        if content[start : start + 4] == b"VP8 ":
            riff = b"RIFF" + (4 + end - start).to_bytes(4, "little") + b"WEBP"
            return riff + content[start:end]
        start = end
    return content


def missing_bytes(content: bytes) -> int:
    """How many bytes a WebP or HEIC file lacks of what its header says that it has; 0 for others, and where the header
    cannot be believed."""
    said = 0
    if content[:4] == b"RIFF":
        said = 8 + int.from_bytes(content[4:8], "little")
    elif content[4:8] == b"ftyp":
        said = max(_ends_of_boxes(content), default=0)
    missing = said - len(content)
    return missing if 0 < missing <= _LONGEST_END_BYTES else 0


def _ends_of_boxes(content: bytes) -> Iterator[int]:
    """Where each outermost box of an ISO media file ends (ISO/IEC 14496-12, 4.2)."""
    start = 0
    while start + 16 <= len(content):
        size = int.from_bytes(content[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(content[start + 8 : start + 16], "big")
        if size < 8:
            return
        start += size
        yield start


def rescued(image: ImageFile.ImageFile, content: bytes, load: Load) -> Rescued | None:
    """What can be seen of a picture that could not be loaded; None where that is nothing. content: the file."""
    name = image.format or ""
    with suppress(*DECODER_ERRORS):
        if name in _FILLS_ROWS:
            return _filled_rows(image)
        if name == "JPEG":
            return _jpeg(content, load)
        if missing_bytes(content) and image.width * image.height <= _MOST_MEGAPIXELS * 1e6:
            if name == "WEBP":
                return _webp(content, load)
            if name == "HEIF":
                return _heif(content, load)
    return None


def _filled_rows(image: ImageFile.ImageFile) -> Rescued | None:
    """The rows that the decoder had filled when it failed; the others are zero."""
    import numpy as np

    image.tile = []  # nothing is left to be decoded
    if image.format == "TIFF":
        image.load_end()  # turns it
    image.load()
    filled = np.asarray(image).reshape(image.height, -1).any(axis=1)
    if not filled.any():
        return None
    return Rescued(image, image.size, _NO_DETAIL if image.info.get("interlace") else _missing(1 - float(filled.mean())))


def _jpeg(content: bytes, load: Load) -> Rescued | None:
    first, size_px, made_up = _with_ends("JPEG", content, (_JPEG_END, b"\x55" * 64 + _JPEG_END), load)
    if made_up is None:
        return Rescued(first, size_px, None)  # it lacks its end marker alone
    if first.info.get("progressive"):
        # The first scan is the whole picture without detail; without all of that scan nothing can be told.
        scans = content.count(_JPEG_SCAN, content.rfind(_PROGRESSIVE_FRAME))
        return Rescued(first, size_px, _NO_DETAIL) if scans > 1 else None
    top = made_up[1]
    return Rescued(first, size_px, _missing(1 - top / first.height)) if top else None


def _webp(content: bytes, load: Load) -> Rescued | None:
    """Zeros read as pixels that are much like those before them, so that never more bytes are needed than there are."""
    missing = missing_bytes(content)
    other = (b"\x55" * 4)[:missing]
    first, size_px, made_up = _with_ends("WEBP", content, (bytes(missing), other + bytes(missing - len(other))), load)
    return _blanked(first, size_px, made_up and (0, made_up[1], *first.size), content)


def _heif(content: bytes, load: Load) -> Rescued | None:
    """Turned by its decoder, so that what is missing may lie on any side."""
    missing = missing_bytes(content)
    return _blanked(*_with_ends("HEIF", content, (bytes(missing), b"\x55" * missing), load), content)


def _with_ends(
    name: str, content: bytes, ends: tuple[bytes, bytes], load: Load
) -> tuple[ImageFile.ImageFile, tuple[int, int], Box | None]:
    """The picture with the first end, its size in the file, and where it differs from that with the other end."""
    first, second = (opener(name)(io.BytesIO(content + end)) for end in ends)
    size_px, _ = load(first), load(second)
    return first, size_px, ImageChops.difference(first, second).getbbox(alpha_only=False)


def _blanked(
    image: ImageFile.ImageFile, size_px: tuple[int, int], made_up: Box | None, content: bytes
) -> Rescued | None:
    """The picture with grey over what is made up; None where that is all of it."""
    missing = missing_bytes(content)
    is_little = missing <= len(content) // 100
    if made_up is None:  # neither end shows: the decoder has not come so far, or needs no more bytes
        return Rescued(image, size_px, f"its last {missing} bytes are missing") if is_little else None
    left, top, right, bottom = made_up
    share = (right - left) * (bottom - top) / (image.width * image.height)
    if share == 1:
        return None
    image.paste((128,) * len(image.getbands()), made_up)
    return Rescued(image, size_px, _missing(share))


def _missing(share: float) -> str:
    return f"{min(max(1, math.ceil(100 * share)), 99)} % of the picture is missing"
