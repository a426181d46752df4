"""Which kind of photo bytes are, by their first ones, and the Pillow class that opens that kind.

The classes are called directly: Image.open would also try every other format that Pillow has, warn, and compare with a
process-wide limit. Each decoder is imported when the first photo of its kind comes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL import ImageFile

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_AVIF_BRANDS = (b"avif", b"avis")
_SHARED_BRANDS = (b"mif1", b"msf1")  # either coding can stand behind these
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",  # a bare codestream
    **{b"P%d" % kind: "PPM" for kind in range(1, 7)},
    b"Pf": "PPM",
}


_CLASSES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),  # of an MPO (several JPEGs in one file) this reads the first
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
}
FORMATS = tuple(_CLASSES)


def candidate_formats(content: bytes) -> list[str]:
    """Names in FORMATS to try in turn; empty where these bytes begin like no photo."""
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        # AVIF first: libheif accepts the header of an AVIF file and fails at its pixels.
        avif = ["AVIF"] if brand in _AVIF_BRANDS + _SHARED_BRANDS else []
        return avif + (["HEIF"] if brand in _HEIF_BRANDS + _SHARED_BRANDS else [])
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ["WEBP"]
    return [name for signature, name in _SIGNATURES.items() if content.startswith(signature)]


def is_surely_photo(head: bytes) -> bool:
    """Whether the first 32 bytes of a file are a photo's, whatever it is called: two letters alone are not enough."""
    if head.startswith(b"BM"):  # then two unused fields, and the size of one of the headers that there are
        return head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in {12, 40, 52, 56, 64, 108, 124}
    if head[:1] == b"P":
        return head[1:2] in {b"1", b"2", b"3", b"4", b"5", b"6"} and re.match(rb"\s+(#|\d+\s)", head[2:]) is not None
    return bool(candidate_formats(head))


def opener(name: str) -> Callable[[BinaryIO], ImageFile.ImageFile]:
    """The class that parses a header of this kind of photo and can then decode it. name: one of FORMATS."""
    module, class_name = _CLASSES[name]
    found: Callable[[BinaryIO], ImageFile.ImageFile] = getattr(importlib.import_module(module), class_name)
    return found
