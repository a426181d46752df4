"""When a photo was taken, as its camera wrote it down."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from facesearch.photos import date_taken


def photo(path: Path, original: str | None = None, changed: str | None = None) -> Path:
    exif = Image.Exif()
    if changed is not None:
        exif[ExifTags.Base.DateTime] = changed
    if original is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = original
    Image.new("RGB", (30, 20), "red").save(path, exif=exif.tobytes())
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif", "heic"])
def test_the_shutter_comes_before_the_last_change(tmp_path: Path, suffix: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    found = date_taken(photo(tmp_path / f"a.{suffix}", "1998:07:04 18:30:05", "2020:01:01 00:00:00"))
    assert found == datetime(1998, 7, 4, 18, 30, 5)


def test_the_last_change_stands_in(tmp_path: Path) -> None:
    nonsense = photo(tmp_path / "a.jpg", "0000:00:00 00:00:00", "2020:01:02 03:04:05")
    assert date_taken(nonsense) == datetime(2020, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("said", [None, "yesterday", "    :  :     :  :  ", "2020-01-02"])
def test_no_date_is_none(tmp_path: Path, said: str | None) -> None:
    assert date_taken(photo(tmp_path / "a.jpg", said)) is None


def test_what_cannot_be_read_has_no_date(tmp_path: Path) -> None:
    whole = photo(tmp_path / "a.jpg", "1998:07:04 18:30:05").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:30])
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("cut.jpg", "text.jpg", "empty.jpg", "pipe.jpg", "gone.jpg"):
        assert date_taken(tmp_path / name) is None
