"""Metadata inside a photo: its orientation and its XMP packets. Decodes no photo.

Sources: XMP Specification, Part 3: Storage in Files (JPEG's extended XMP; other kinds are searched for packets).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from facesearch.photos.decoding.decode import UPRIGHT, checked_megapixels, exif_orientation, forget_xmp_turn
from facesearch.photos.decoding.formats import FORMATS, candidate_formats, opener
from facesearch.photos.decoding.pillow_warnings import pillow_silenced
from facesearch.photos.decoding.png import readable_png
from facesearch.photos.decoding.raw import is_raw, preview_of
from facesearch.photos.decoding.rescue import DECODER_ERRORS, missing_bytes, with_plain_end
from facesearch.photos.files import open_file, photo_error, read_file, why

_HEAD_BYTES = 64
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PACKET = re.compile(rb"<x:xmpmeta[\s>].*?</x:xmpmeta\s*>", re.DOTALL)


@dataclass(frozen=True)
class Embedded:
    """The metadata of a photo."""

    orientation: int  # Exif's, 1 to 8, of the photo as it is stored
    packets: tuple[bytes, ...]  # XMP in RDF/XML, unchecked


def read_embedded(path: Path) -> Embedded:
    """How a photo is turned, and its XMP. Raises PhotoError where that cannot be read."""
    try:
        with open_file(path) as stream, pillow_silenced:
            head = stream.read(_HEAD_BYTES)
            if is_raw(head, path):
                _, content = read_file(path)
                return Embedded(preview_of(content, path).orientation, tuple(_PACKET.findall(content)))
            for name in candidate_formats(head):
                stream.seek(0)
                try:
                    return _of_picture(name, stream, path)
                except DECODER_ERRORS:
                    continue
    except OSError as error:
        raise photo_error(path, why(error)) from error
    raise photo_error(path, f"has no header that can be read as {' or '.join(FORMATS)}: copy it again, or convert it")


def _of_picture(name: str, stream: BinaryIO, path: Path) -> Embedded:
    if name == "PNG":
        stream = io.BytesIO(readable_png(stream.read()))
    elif name == "WEBP":  # libwebp reads nothing of one that is cut off
        content = with_plain_end(stream.read())
        stream = io.BytesIO(content + bytes(missing_bytes(content)))
    image = opener(name)(stream)
    if name == "PNG":  # its texts may stand behind its pixels
        checked_megapixels(image, path)
        with suppress(*DECODER_ERRORS):  # of one that is cut off, those before its pixels
            image.load()
    packets = [packet for packet in (_bytes(image.info.get("xmp")), *_extended(image)) if packet]
    forget_xmp_turn(image)
    orientation = _heif_orientation(image) if name == "HEIF" else exif_orientation(image)
    return Embedded(orientation if orientation and 1 <= orientation <= 8 else 1, tuple(packets))


def _heif_orientation(image: ImageFile.ImageFile) -> int:
    """How libheif turns the picture: by HEIF's own properties, whatever its Exif says (ISO/IEC 23008-12, 6.5.10)."""
    container: Any = image
    turned = stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for kind, *values in container._heif_file[image.tell()]._c_image.transformations:
        if kind == "irot":  # anti-clockwise
            turned = np.rot90(turned, values[0] // 90)
        elif kind == "imir":
            turned = turned[:, ::-1] if values[0] else turned[::-1]
    forms = {turn: np.asarray(Image.fromarray(stored).transpose(how)) for turn, how in UPRIGHT.items()}
    return next((turn for turn, form in forms.items() if np.array_equal(form, turned)), 1)


def _bytes(packet: object) -> bytes:
    return packet if isinstance(packet, bytes) else packet.encode() if isinstance(packet, str) else b""


def _extended(image: ImageFile.ImageFile) -> Iterator[bytes]:
    """What did not fit into the one APP1 segment of a JPEG: by its digest, in pieces with the place of each."""
    pieces: dict[bytes, dict[int, bytes]] = {}
    for marker, data in getattr(image, "applist", []):
        if marker == "APP1" and data.startswith(_EXTENSION):
            digest, body = data[len(_EXTENSION) :][:32], data[len(_EXTENSION) + 32 :]
            pieces.setdefault(digest, {})[int.from_bytes(body[4:8], "big")] = body[8:]
    for parts in pieces.values():
        yield b"".join(parts[place] for place in sorted(parts))
