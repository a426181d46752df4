"""A RAW photo, written byte by byte: the smallest DNG with a preview in it."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from facesearch.records import Pixels

WIDTH, HEIGHT = 96, 64
RED_LEFT = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
RED_LEFT[:, : WIDTH // 2, 0] = 250

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_FORMATS = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i"}
Entry = tuple[int, int, list[int]]  # tag, type, values


def _directory(entries: list[Entry], offset: int) -> bytes:
    """A TIFF 6.0 directory that begins at `offset`, little-endian, with what does not fit into its entries behind."""
    table = struct.pack("<H", len(entries))
    behind = b""
    start = offset + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        packed = struct.pack(f"<{len(values)}{_FORMATS[kind]}", *values)
        count = len(values) // 2 if kind in (RATIONAL, SRATIONAL) else len(values)
        if len(packed) > 4:
            table += struct.pack("<HHII", tag, kind, count, start + len(behind))
            behind += packed + b"\0" * (len(packed) % 2)
        else:
            table += struct.pack("<HHI4s", tag, kind, count, packed)
    return table + struct.pack("<I", 0) + behind


def _text(value: str) -> list[int]:
    return [*value.encode(), 0]


def dng(preview: bytes | None, orientation: int = 1) -> bytes:
    """A photo of 96 x 64 sensor pixels (RGGB), with a JPEG preview. Source: the DNG specification 1.4, Adobe 2012."""
    sensor = np.full((HEIGHT, WIDTH), 5000, "<u2").tobytes()
    sensor_at = 8
    preview_at = sensor_at + len(sensor)
    raw_at = preview_at + len(preview or b"") + len(preview or b"") % 2
    raw: list[Entry] = [
        (254, LONG, [0]),
        (256, LONG, [WIDTH]),
        (257, LONG, [HEIGHT]),
        (258, SHORT, [16]),
        (259, SHORT, [1]),
        (262, SHORT, [32803]),  # colour filter array
        (273, LONG, [sensor_at]),
        (277, SHORT, [1]),
        (278, LONG, [HEIGHT]),
        (279, LONG, [len(sensor)]),
        (33421, SHORT, [2, 2]),
        (33422, BYTE, [0, 1, 1, 2]),
    ]
    raw_directory = _directory(raw, raw_at)
    main: list[Entry] = [
        (254, LONG, [1]),
        (271, ASCII, _text("Facesearch")),
        (272, ASCII, _text("Test camera")),
        (274, SHORT, [orientation]),
        (330, LONG, [raw_at]),
        (50706, BYTE, [1, 4, 0, 0]),
        (50708, ASCII, _text("Facesearch test camera")),
        (50721, SRATIONAL, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
    ]
    if preview is not None:
        main += [
            (256, LONG, [WIDTH]),
            (257, LONG, [HEIGHT]),
            (258, SHORT, [8, 8, 8]),
            (259, SHORT, [7]),
            (262, SHORT, [6]),
            (273, LONG, [preview_at]),
            (277, SHORT, [3]),
            (278, LONG, [HEIGHT]),
            (279, LONG, [len(preview)]),
        ]
    main_at = raw_at + len(raw_directory)
    padded = (preview or b"") + b"\0" * (len(preview or b"") % 2)
    return struct.pack("<2sHI", b"II", 42, main_at) + sensor + padded + raw_directory + _directory(main, main_at)


def jpeg(pixels: Pixels, orientation: int | None = None) -> bytes:
    content = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(content, "JPEG", quality=95, exif=exif)
    return content.getvalue()
