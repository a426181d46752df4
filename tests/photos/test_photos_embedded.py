"""Orientation and XMP inside photos, in every format and behind any damage."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin
from support import raw_photos

from facesearch.errors import PhotoError
from facesearch.photos import photo_file, read_embedded, read_photo

PACKET = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a/></x:xmpmeta>"

pillow_heif.register_heif_opener()


def photo(path: Path, orientation: int | None = None, packet: bytes = PACKET) -> Path:
    """A photo with a packet, which says of itself how it is turned. The format follows the suffix."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    picture = Image.fromarray(np.arange(96 * 64 * 3, dtype=np.uint8).reshape(64, 96, 3))
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        picture.save(path, pnginfo=info, exif=exif)
    elif path.suffix == ".tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = packet
        tags.tagtype[700] = 1
        if orientation is not None:
            tags[0x0112] = orientation
        picture.save(path, tiffinfo=tags)
    elif path.suffix == ".heic":  # turned by HEIF's own properties, as phones do
        pillow_heif.encode("RGB", picture.size, picture.tobytes(), path, xmp=packet, exif=exif.tobytes())
    else:
        picture.save(path, xmp=packet, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".heic", ".avif"])
def test_every_format_says_how_it_is_turned_and_has_its_packet(tmp_path: Path, suffix: str) -> None:
    for orientation in (*range(1, 9), None):
        path = photo(tmp_path / f"a{suffix}", orientation)
        before = path.read_bytes()
        found = read_embedded(path)
        assert found.orientation == (orientation or 1)
        assert [packet.rstrip(b"\0") for packet in found.packets] == [PACKET]
        assert path.read_bytes() == before


def test_a_heic_that_only_its_exif_calls_turned_is_not(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (96, 64)).save(tmp_path / "a.heic", exif=exif)
    assert read_photo(photo_file(tmp_path / "a.heic")).width_px == 96
    assert read_embedded(tmp_path / "a.heic").orientation == 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_nonsense_orientation_is_none(tmp_path: Path, orientation: int) -> None:
    assert read_embedded(photo(tmp_path / "a.jpg", orientation)).orientation == 1


def test_a_packet_in_pieces_is_put_together(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    text = bytes(range(32, 127)) * 20
    segments = b""
    for start in (1600, 800, 0):  # in any order
        body = b"http://ns.adobe.com/xmp/extension/\0" + b"D" * 32 + len(text).to_bytes(4, "big")
        body += start.to_bytes(4, "big") + text[start : start + 800]
        segments += b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    content = path.read_bytes()
    path.write_bytes(content[:2] + segments + content[2:])
    assert read_embedded(path).packets == (PACKET, text)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_photo_is_turned_as_its_own_exif_says(tmp_path: Path, orientation: int) -> None:
    (tmp_path / "a.dng").write_bytes(raw_photos.dng(raw_photos.jpeg(raw_photos.RED_LEFT), orientation) + PACKET)
    found = read_embedded(tmp_path / "a.dng")
    assert (found.orientation, found.packets) == (orientation, (PACKET,))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".heic", ".avif"])
def test_damage_is_an_error_with_the_files_name_or_none(tmp_path: Path, suffix: str) -> None:
    whole = photo(tmp_path / f"a{suffix}", 6).read_bytes()
    chance = random.Random(suffix)
    path = tmp_path / f"damaged{suffix}"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(min(len(data), 400))] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(len(data)) if chance.random() < 0.3 else len(data)])
        try:
            assert 1 <= read_embedded(path).orientation <= 8
        except PhotoError as error:
            assert path.name in str(error)


def test_what_is_no_photo_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(PhotoError, match=r"a\.jpg: has no header that can be read"):
        read_embedded(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="does not exist"):
        read_embedded(tmp_path / "none.jpg")
