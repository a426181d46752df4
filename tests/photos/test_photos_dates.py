"""When a photo was taken, as its camera wrote it down."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from facesearch.photos import date_in_name, date_taken, photo_file, when_taken
from facesearch.records import PhotoFile


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


def taken(path: Path) -> tuple[str, int | None, str]:
    found = when_taken(photo_file(path))
    return found.at, found.zone_min, found.source


def packet(text: str) -> bytes:
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>{text}</rdf:RDF></x:xmpmeta>".encode()


def test_the_time_zone_of_the_camera_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    values = exif.get_ifd(ExifTags.IFD.Exif)
    values[ExifTags.Base.DateTimeOriginal] = "2019:07:04 15:30:12"
    for number, (zone, minutes) in enumerate([("+02:00", 120), ("-03:30", -210), ("+25:00", None), ("", None)]):
        values[ExifTags.Base.OffsetTimeOriginal] = zone
        Image.new("RGB", (30, 20)).save(tmp_path / f"{number}.jpg", exif=exif.tobytes())
        assert taken(tmp_path / f"{number}.jpg") == ("2019-07-04T15:30:12", minutes, "exif")


def test_each_source_stands_in_for_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "IMG_20190704_153012.jpg"
    said = packet("<rdf:Description photoshop:DateCreated='2018-05-06T07:08:09.25+02:00'/>")
    Image.new("RGB", (30, 20)).save(path, xmp=said)
    assert taken(path) == ("2018-05-06T07:08:09", 120, "xmp")
    Image.new("RGB", (30, 20)).save(path)
    beside = packet("<rdf:Description><exif:DateTimeOriginal>2017-01-02</exif:DateTimeOriginal></rdf:Description>")
    (tmp_path / "IMG_20190704_153012.xmp").write_bytes(beside)
    assert taken(path) == ("2017-01-02T12:00:00", None, "xmp")
    (tmp_path / "IMG_20190704_153012.xmp").write_bytes(packet("<a exif:DateTimeOriginal='2017-02-31'/>"))
    assert taken(path) == ("2019-07-04T15:30:12", None, "name")
    os.utime(path.rename(tmp_path / "a.jpg"), ns=(0, 1_500_000_000_000_000_000))
    at, zone_min, source = taken(tmp_path / "a.jpg")
    assert (datetime.fromisoformat(at) - timedelta(minutes=zone_min or 0), source) == (
        datetime(2017, 7, 14, 2, 40),
        "file",
    )


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("PXL_20201112_123456789.jpg", "2020-11-12T12:34:56"),
        ("IMG-20190704-WA0001.jpg", "2019-07-04T12:00:00"),
        ("2019-07-04 15.30.12.jpg", "2019-07-04T15:30:12"),
        ("Screenshot 2019-07-04 at 15.30.12.png", "2019-07-04T15:30:12"),
        ("signal-2019-07-04-153012.jpg", "2019-07-04T15:30:12"),
        ("2019.07.04 beach.jpg", "2019-07-04T12:00:00"),
        ("20190230_120000.jpg", None),
        ("120190704.jpg", None),
        ("20191304.jpg", None),
        ("DSC_2019.jpg", None),
        ("IMG_2019-0704.jpg", None),
    ],
)
def test_dates_in_names(name: str, at: str | None) -> None:
    found = date_in_name(name)
    assert (None if found is None else found.at) == at


def test_a_time_that_no_calendar_reaches_is_no_error(tmp_path: Path) -> None:
    assert when_taken(PhotoFile(tmp_path / "gone.jpg", 1, 10**30)).source == "file"
