"""Removes the parts of PNG files that their pixels do not need and decoders stumble over, and checks the checksums of
the pixels, which decoders ignore.

A PNG is a row of chunks, each with a checksum; those whose name begins with a small letter are ancillary: the picture
can be shown without them.

Source: Portable Network Graphics (PNG) Specification, Third Edition, W3C: 5.3 (chunk layout), 5.4 (naming), 11.3.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COMPRESSED = (b"iCCP", b"zTXt", b"iTXt")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
LARGEST_TEXT_BYTES = 1 << 20
"""As much as Pillow takes of one chunk, compressed or not; what is larger is left out."""

_MOST_TEXT_BYTES = 32 << 20  # and of all together half of what Pillow takes


def readable_png(content: bytes) -> bytes:
    """The file without ancillary chunks that are damaged, or hold more than LARGEST_TEXT_BYTES; the same bytes where
    there is nothing to leave out."""
    chunks = list(_chunks(content))
    left_out, texts = [], 0
    for start, end, name in chunks:
        if name[:1].islower():
            size = _size(content, start, end, name)
            texts += size
            if not _is_whole(content, start, end) or size > LARGEST_TEXT_BYTES or texts > _MOST_TEXT_BYTES:
                left_out.append((start, end))
    pieces, done = [], 0
    for start, end in left_out:
        pieces.append(content[done:start])
        done = end
    return b"".join([*pieces, content[done:]]) if left_out else content


def has_wrong_pixels(content: bytes) -> bool:
    """Whether a chunk with pixels does not match its checksum: pixels from there on may be wrong."""
    return any(name == b"IDAT" and not _is_whole(content, start, end) for start, end, name in _chunks(content))


def _chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where each chunk begins and ends, and its name; up to the end of the file, or of the chunks."""
    start = len(SIGNATURE)
    while start + 12 <= len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        name = content[start + 4 : start + 8]
        if end > len(content) or not name.isalpha():
            return
        yield start, end, name
        if name == b"IEND":
            return
        start = end


def _is_whole(content: bytes, start: int, end: int) -> bool:
    return zlib.crc32(memoryview(content)[start + 4 : end - 4]) == int.from_bytes(content[end - 4 : end], "big")


def _size(content: bytes, start: int, end: int, name: bytes) -> int:
    """How many bytes an ancillary chunk has once it is unpacked, up to a little more than are read."""
    if name not in (*_COMPRESSED, *_TEXTS):
        return 0
    data = content[start + 8 : end - 4]
    packed = _packed(data, name)
    if packed is None:
        return len(data)
    try:
        return len(zlib.decompressobj().decompress(packed, LARGEST_TEXT_BYTES + 1))
    except zlib.error:
        return LARGEST_TEXT_BYTES + 1  # damaged, whatever its checksum says


def _packed(data: bytes, name: bytes) -> bytes | None:
    """The compressed part of a chunk; None where it is not compressed."""
    _, _, rest = data.partition(b"\0")
    if name in (b"iCCP", b"zTXt"):
        return rest[1:]  # behind the method
    if name == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind the language and the translated keyword
    return None
