"""Which kind of photo bytes are, by their first ones, and the Pillow class that opens that kind.

The classes are called directly: Image.open would also try every other format that Pillow has, warn, and compare with a
process-wide limit. Each decoder is imported when the first photo of its kind comes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from facesearch.errors import PhotoError
from facesearch.photos.files import first_bytes

if TYPE_CHECKING:
    from PIL import ImageFile

HEAD_BYTES = 64
"""Of a file, to know a video."""

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


_DAMAGED_COPY = "copy it again from the original"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\x0a", "a JPEG XL photo", "convert it to JPEG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL photo", "convert it to JPEG"),
    (b"II\xbc", "a JPEG XR photo", "convert it to JPEG"),
    (b"8BPS", "a Photoshop document", "export it as JPEG"),
    (b"%PDF", "a PDF document", "export its photos as JPEG"),
    (b"PK\3\4", "a ZIP archive", "unpack it"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
)
_WEB_PAGE = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml[^>]*>\s*<!doctype html)", re.IGNORECASE)
_DRAWING = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg", re.IGNORECASE | re.DOTALL)
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # with which old QuickTime files begin


def what_else(content: bytes) -> str | None:
    """What a file is that is no photo of a kind in FORMATS, and what to do about it, as "is ...: ..."; None where its
    first bytes do not tell."""
    head = content[:1024]
    if len(content) > len(head) and not any(head) and not any(content):
        return f"holds nothing but zeros: {_DAMAGED_COPY}"
    if video_container(head) is not None:
        return "is a video, not a photo: facesearch index reads those"
    if _WEB_PAGE.match(head):
        return "is a web page, not a photo: download the photo again"
    if _DRAWING.match(head):
        return "is a drawing in SVG, not a photo: export it as PNG"
    for beginning, kind, remedy in _OTHERS:
        if head.startswith(beginning):
            return f"is {kind}, which facesearch does not read: {remedy}"
    return None


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


def video_container(head: bytes) -> str | None:
    """FFmpeg's name of the container that a video's first 16 bytes announce: MP4 and MOV, MKV and WebM, or AVI."""
    if head[4:8] == b"ftyp":
        return None if candidate_formats(head) or head[8:12] == b"crx " else "mov"
    if head[4:8] in _QUICKTIME:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    return "avi" if head[:4] == b"RIFF" and head[8:12] == b"AVI " else None


def is_video(path: Path) -> bool:
    """Whether a file is a video by its first bytes. False for what cannot be opened."""
    try:
        return video_container(first_bytes(path, HEAD_BYTES)) is not None
    except (OSError, PhotoError):
        return False


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
