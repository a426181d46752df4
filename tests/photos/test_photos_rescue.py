"""Damaged and cut-off photos: the part that is there is read, and the part that is missing is reported."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pillow_heif import from_pillow

from facesearch.errors import PhotoError
from facesearch.photos import DecodingWorker, decode_photo, photo_file, read_embedded, read_photo
from facesearch.records import Photo, Pixels

HEIGHT, WIDTH = 480, 640


def picture() -> Pixels:
    """Smooth detail all over, nowhere black: (480, 640, 3)."""
    coarse = np.random.default_rng(2).integers(60, 200, (48, 64, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def encoded(kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    if kind == "HEIF":
        from_pillow(Image.fromarray(picture())).save(content, quality=90)
    else:
        Image.fromarray(picture()).save(content, kind, **options)
    return content.getvalue()


def read(path: Path, content: bytes) -> Photo:
    path.write_bytes(content)
    return read_photo(photo_file(path))


def percent_of(damage: str | None) -> int:
    assert damage is not None
    number, rest = damage.split(" ", 1)
    assert rest == "% of the picture is missing"
    return int(number)


# How far the part that is there may be from the whole photo's: chroma and deblocking reach over the edge.
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {"quality": 92}),
    ("JPEG", {"quality": 92, "restart_marker_rows": 1}),
    ("PNG", {}),
    ("WEBP", {"quality": 90}),
    ("TIFF", {}),
    ("BMP", {}),
    ("PPM", {}),
    ("HEIF", {}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_what_is_there_is_read_and_what_is_missing_is_said(
    tmp_path: Path, kind: str, options: dict[str, Any], part: float
) -> None:
    content = encoded(kind, **options)
    whole = read(tmp_path / "whole", content)
    cut = read(tmp_path / "cut", content[: int(len(content) * part)])
    assert whole.damage is None
    assert cut.pixels.shape == whole.pixels.shape
    missing = percent_of(cut.damage)
    assert 100 * (1 - part) - 15 <= missing <= 100 * (1 - part) + 25
    rows = HEIGHT - -(-HEIGHT * missing // 100) - 1
    there, same = (photo.pixels[::-1] if kind == "BMP" else photo.pixels for photo in (cut, whole))
    np.testing.assert_allclose(there[: rows - 16].astype(int), same[: rows - 16].astype(int), atol=12)
    assert len(np.unique(there[-3:, -8:])) == 1  # nothing is made up


def test_a_progressive_jpeg_needs_its_first_scan(tmp_path: Path) -> None:
    content = encoded("JPEG", progressive=True, quality=90)
    whole = read(tmp_path / "whole", content).pixels.astype(int)
    photo = read(tmp_path / "cut", content[: len(content) * 3 // 4])
    assert photo.damage == "it is cut off, and fine detail is missing"
    assert abs(photo.pixels - whole).mean() < 8
    second = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    with pytest.raises(PhotoError, match="is cut off: its JPEG data ends too early"):
        read(tmp_path / "cut", content[: second - 40])


def test_a_jpeg_that_ends_in_zeros_was_not_copied_to_its_end(tmp_path: Path) -> None:
    content = encoded("JPEG", quality=92)
    half = len(content) // 2
    assert 40 <= percent_of(read(tmp_path / "a", content[:half] + bytes(len(content) - half)).damage) <= 60
    behind = read(tmp_path / "b", content + bytes(4096))
    assert behind.damage is None


def with_wrong_checksum(content: bytes) -> bytes:
    changed = bytearray(content)
    start = content.index(b"IDAT")
    length = int.from_bytes(content[start - 4 : start], "big")
    changed[start + 4 + length] ^= 1
    return bytes(changed)


def test_a_png_with_a_wrong_checksum_of_its_pixels_is_read_and_said(tmp_path: Path) -> None:
    photo = read(tmp_path / "a", with_wrong_checksum(encoded("PNG")))
    assert photo.damage == "the checksum of its pixels is wrong: some may have changed"
    np.testing.assert_array_equal(photo.pixels, picture())


def test_a_png_whose_stream_breaks_in_the_middle(tmp_path: Path) -> None:
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    broken = bytearray(zlib.compress(raw, 0))  # stored: a block of 65,535 bytes with its length before it
    broken[65_536 + 10 :] = b"\xff" * 40
    whole = encoded("PNG")
    data = whole.index(b"IDAT") - 4
    checksum = zlib.crc32(b"IDAT" + broken).to_bytes(4, "big")
    content = whole[:data] + len(broken).to_bytes(4, "big") + b"IDAT" + broken + checksum + whole[-12:]
    photo = read(tmp_path / "a", content)
    assert 90 <= percent_of(photo.damage) <= 95
    np.testing.assert_array_equal(photo.pixels[:30], picture()[:30])


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
def test_a_turned_photo_stays_turned(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(kind, exif=exif)
    photo = read(tmp_path / "a", content[: int(len(content) * 0.9)])
    assert photo.damage is not None
    if kind == "WEBP":  # its Exif stands behind its pixels
        assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    else:
        assert photo.pixels.shape == (WIDTH, HEIGHT, 3)
        np.testing.assert_allclose(
            photo.pixels[:, -100:].astype(int), np.rot90(picture(), -1)[:, -100:].astype(int), atol=40
        )


def test_the_process_that_decodes_says_it_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(with_wrong_checksum(encoded("PNG")))
    with DecodingWorker() as worker:
        photo = worker.read_photo(photo_file(tmp_path / "a"))
    assert (photo.damage or "").startswith("the checksum of its pixels is wrong")


def test_training_refuses_what_is_damaged(tmp_path: Path) -> None:
    content = encoded("JPEG")
    with pytest.raises(PhotoError, match=r"a\.jpg: is damaged \(\d+ % of the picture is missing\): copy it again"):
        decode_photo(content[: len(content) // 2], tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_stands_beside_the_pixels_is_read_of_a_damaged_photo(tmp_path: Path, kind: str) -> None:
    content = encoded(kind)
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    assert read_embedded(tmp_path / "a").orientation == 1
