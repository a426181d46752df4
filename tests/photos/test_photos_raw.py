"""RAW photos: a DNG that is written here, byte by byte, with a preview in it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support.raw_photos import HEIGHT, RED_LEFT, WIDTH, dng, jpeg

from facesearch.errors import PhotoError
from facesearch.photos import photo_file, read_photo, walk
from facesearch.records import Pixels


def _is_red(pixels: Pixels, y: float, x: float) -> bool:
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
    with pytest.raises(PhotoError, match=r"an extra: pip install .rawpy.*, or export it as JPEG"):
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
