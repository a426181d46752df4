"""RAW photos: a DNG that is written here, byte by byte, with a preview in it."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.errors import PhotoError
from facesearch.photos import photo_file, read_photo, walk

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


def jpeg(pixels: np.ndarray, orientation: int | None = None) -> bytes:
    content = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(content, "JPEG", quality=95, exif=exif)
    return content.getvalue()


def _is_red(pixels: np.ndarray, y: float, x: float) -> bool:
    return bool(pixels[int(y * pixels.shape[0]), int(x * pixels.shape[1]), 0] > 200)


def test_the_preview_stands_for_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(jpeg(RED_LEFT)))
    photo = read_photo(photo_file(path))
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert _is_red(photo.pixels, 0.5, 0.2)
    assert not _is_red(photo.pixels, 0.5, 0.8)


@pytest.mark.parametrize(
    ("in_raw", "in_preview", "red_at"),
    [
        (6, None, (0.2, 0.5)),  # turned clockwise: left comes to the top
        (8, None, (0.8, 0.5)),
        (3, None, (0.5, 0.8)),
        (6, 8, (0.8, 0.5)),  # the preview's own word counts
    ],
)
def test_it_comes_out_upright(tmp_path: Path, in_raw: int, in_preview: int | None, red_at: tuple[float, float]) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(jpeg(RED_LEFT, in_preview), in_raw))
    pixels = read_photo(photo_file(path)).pixels
    assert _is_red(pixels, *red_at)
    assert not _is_red(pixels, 1 - red_at[0] if red_at[0] != 0.5 else 0.5, 1 - red_at[1] if red_at[1] != 0.5 else 0.5)


def test_a_preview_that_the_camera_has_turned_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(jpeg(np.rot90(RED_LEFT)), 6))
    assert read_photo(photo_file(path)).pixels.shape == (WIDTH, HEIGHT, 3)


def test_a_large_preview_is_reduced_like_any_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(jpeg(RED_LEFT)))
    photo = read_photo(photo_file(path), max_side_px=48)
    assert photo.pixels.shape == (32, 48, 3)
    assert photo.original_size_px == (WIDTH, HEIGHT)


def test_a_raw_photo_without_a_preview_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(None))
    with pytest.raises(
        PhotoError, match=r"is a RAW photo without a preview that can be read \(.+\): export it as JPEG"
    ):
        read_photo(photo_file(path))


def test_a_cut_off_raw_photo_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(jpeg(RED_LEFT))[:9000])
    with pytest.raises(PhotoError, match="is a RAW photo without a preview"):
        read_photo(photo_file(path))


def test_without_the_extra_the_reason_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    path = tmp_path / "a.dng"
    path.write_bytes(dng(jpeg(RED_LEFT)))
    with pytest.raises(PhotoError, match=r"an extra: pip install 'facesearch\[raw\]', or export it as JPEG"):
        read_photo(photo_file(path))


@pytest.mark.parametrize(
    "content", [b"FUJIFILMCCD-RAW 0201", b"II*\0\x10\0\0\0CR\x02\0", b"\0\0\0\x18ftypcrx \0\0\0\1"]
)
def test_raw_by_its_first_bytes_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content + bytes(500))
    with pytest.raises(PhotoError, match="is a RAW photo"):
        read_photo(photo_file(path))


def test_the_walk_lists_raw_photos(tmp_path: Path) -> None:
    for name in ("a.NEF", "b.dng", "c.cr3", "d.xmp"):
        (tmp_path / name).touch()
    assert [found.path.name for found in walk([tmp_path])] == ["a.NEF", "b.dng", "c.cr3"]
