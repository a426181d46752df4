"""The film in a motion photo: where it lies in the file, and the file as if it were that film alone.

Sources: Google's Motion Photo format 1.0 (XMP `Container:Directory`, box `mpvd`) and its forerunner MicroVideo;
Samsung's trailer as ExifTool reads it (Samsung.pm). Believes none of them unless an MP4 or MOV begins there.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import IO

from facesearch.errors import PhotoError
from facesearch.photos.decoding.formats import video_container
from facesearch.photos.files import open_file

_HEAD_BYTES = 256 << 10  # of a JPEG: its XMP stands before its pixels
_MOST_ENTRIES = 1000
_MOST_BOXES = 64
_MOTION_DATA = 0x0A30  # Samsung's entry MotionPhoto_Data
_OFFSET = re.compile(rb"MicroVideoOffset\s*(?:=\s*[\"']|>)\s*(\d{1,12})")
_ITEM = re.compile(rb"<[\w.-]+:Item\b[^>]*?/?>", re.DOTALL)
_SEMANTIC = re.compile(rb"Semantic\s*=\s*[\"']([^\"']*)")
_LENGTH, _PADDING = (re.compile(rb"Item:" + name + rb"\s*=\s*[\"'](\d{1,12})") for name in (b"Length", b"Padding"))


def has_film(path: Path) -> bool:
    """Whether a file is a motion photo, whether or not its film can be read here. False for what cannot be opened."""
    try:
        with open_file(path) as photo:
            return film_in(photo) is not None
    except (PhotoError, OSError):
        return False


def film_in(photo: IO[bytes]) -> tuple[int, int] | None:
    """Where the film of a motion photo lies in its file: its first byte, and how many there are; None where there is
    none. Raises OSError."""
    size = photo.seek(0, os.SEEK_END)
    photo.seek(0)
    head = photo.read(_HEAD_BYTES)
    if head[4:8] == b"ftyp":
        found = _in_boxes(photo, size)
    elif head.startswith(b"\xff\xd8\xff"):
        found = _said_by_samsung(photo, size) or _said_in_xmp(head, size)
    else:
        return None
    if found is None:
        return None
    start, length = found
    if not 0 < start < start + length <= size:
        return None
    photo.seek(start)
    return found if video_container(photo.read(16)) == "mov" else None


def _said_in_xmp(head: bytes, size: int) -> tuple[int, int] | None:
    """By Google's XMP: the items of the container follow the photo in their order, the last one ends with the file."""
    if b"MotionPhoto" in head and b"Semantic" in head:
        after = 0
        for item in reversed(_ITEM.findall(head)):
            semantic, length = _SEMANTIC.search(item), _number(_LENGTH, item)
            after += length + _number(_PADDING, item)
            if semantic is not None and semantic[1] == b"MotionPhoto":
                return (size - after, length) if length else None
    offset = _number(_OFFSET, head)
    return (size - offset, offset) if offset else None


def _number(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.search(text)
    return 0 if found is None else int(found[1])


def _said_by_samsung(photo: IO[bytes], size: int) -> tuple[int, int] | None:
    """By Samsung's trailer: blocks, then a directory that says how far before it each of them begins."""
    photo.seek(max(0, size - 8))
    end = photo.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"SEFT" or not 12 <= length <= min(12 + 12 * _MOST_ENTRIES, size - 8):
        return None
    place = size - 8 - length
    photo.seek(place)
    directory = photo.read(length)
    if not directory.startswith(b"SEFH"):
        return None
    for start in range(12, min(12 + 12 * int.from_bytes(directory[8:12], "little"), length - 11), 12):
        kind, back, size_bytes = (
            int.from_bytes(directory[start + low : start + high], "little") for low, high in ((2, 4), (4, 8), (8, 12))
        )
        if kind == _MOTION_DATA and size_bytes > 8 and back <= place:
            photo.seek(place - back + 4)
            name_bytes = int.from_bytes(photo.read(4), "little")
            return place - back + 8 + name_bytes, size_bytes - 8 - name_bytes
    return None


def _in_boxes(photo: IO[bytes], size: int) -> tuple[int, int] | None:
    """The content of the box `mpvd` of a HEIC or AVIF photo (ISO/IEC 14496-12)."""
    place = 0
    for _ in range(_MOST_BOXES):
        photo.seek(place)
        head = photo.read(16)
        length, began = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, began = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = size - place
        if len(head) < 8 or length < began:
            return None
        if head[4:8] == b"mpvd":
            return place + began, length - began
        place += length
    return None


class FilePart(io.RawIOBase):
    """A part of an open file, as if it were a file."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        super().__init__()
        self._file, self._start, self._length, self._at = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        self._file.seek(self._start + self._at)
        content = self._file.read(left if size < 0 else min(size, left))
        self._at += len(content)
        return content
