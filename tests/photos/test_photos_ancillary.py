"""Photos with intact pixels and damaged metadata."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.errors import PhotoError
from facesearch.photos import photo_file, read_embedded, read_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
XMP = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def chunk(name: bytes, data: bytes, *, is_whole: bool = True) -> bytes:
    checksum = zlib.crc32(name + data) ^ (0 if is_whole else 1)
    return len(data).to_bytes(4, "big") + name + data + checksum.to_bytes(4, "big")


def png(path: Path, *extra: bytes, behind: bytes = b"") -> Path:
    """The picture as a PNG, with chunks before and behind its pixels."""
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "PNG")
    whole = content.getvalue()
    path.write_bytes(whole[:33] + b"".join(extra) + whole[33:-12] + behind + whole[-12:])
    return path


LARGE = zlib.compress(b"x" * (3 << 20))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"p\0\0" + zlib.compress(b"profile"), is_whole=False),
        chunk(b"pHYs", b"\0" * 9, is_whole=False),
        chunk(b"tEXt", b"Title\0Ann", is_whole=False),
        chunk(b"iTXt", XMP, is_whole=False),
        chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"Ann"), is_whole=False),
        chunk(b"zTXt", b"Title\0\0nonsense"),
        chunk(b"iCCP", b"p\0\0" + LARGE),
        chunk(b"zTXt", b"Title\0\0" + LARGE),
        chunk(b"iTXt", b"Title\0\1\0\0\0" + LARGE),
        chunk(b"iTXt", XMP + b" " * (3 << 20)),
        chunk(b"tEXt", b"Title\0" + b"x" * (3 << 20)),
        *[b"".join(chunk(b"zTXt", b"T\0\0" + zlib.compress(b"x" * 1_000_000)) for _ in range(80))],
    ],
)
def test_what_no_pixel_needs_is_left_out(tmp_path: Path, extra: bytes) -> None:
    for place, path in enumerate((png(tmp_path / "a.png", extra), png(tmp_path / "b.png", behind=extra))):
        np.testing.assert_array_equal(read_photo(photo_file(path)).pixels, PIXELS, err_msg=str(place))
        assert read_embedded(path).orientation == 1


def test_what_is_whole_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    bad = chunk(b"tEXt", b"Title\0Ann", is_whole=False)
    path = png(tmp_path / "a.png", chunk(b"iTXt", XMP), bad, behind=chunk(b"eXIf", exif.tobytes()[6:]))
    assert read_photo(photo_file(path)).pixels.shape == (60, 40, 3)
    embedded = read_embedded(path)
    assert (embedded.orientation, len(embedded.packets)) == (6, 1)


def test_a_chunk_that_the_pixels_need_is_not_left_out(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png")
    content = path.read_bytes()
    path.write_bytes(content[:29] + b"\0\0\0\0" + content[33:])  # the header's checksum
    with pytest.raises(PhotoError, match="is damaged"):
        read_photo(photo_file(path))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "optimize": True}])
def test_a_jpeg_without_its_end_marker_is_read(tmp_path: Path, options: dict[str, int]) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).save(path, quality=95, **options)
    whole, content = read_photo(photo_file(path)).pixels, path.read_bytes()
    path.write_bytes(content[:-2])
    np.testing.assert_array_equal(read_photo(photo_file(path)).pixels, whole)
    path.write_bytes(content[: len(content) // 2])
    assert read_photo(photo_file(path)).damage is not None
