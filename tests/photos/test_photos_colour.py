"""Colours: every mode that a file can hold comes out as the 8-bit sRGB that a viewer would show."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import compress, crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from facesearch.errors import PhotoError
from facesearch.photos import photo_file, read_photo

RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 40), (40, 40, 210), (130, 130, 130)
WHITE = (255, 255, 255)
Colours = Sequence[tuple[int, ...]]


def blocks(*colours: Any) -> Image.Image:
    """A row of 16x16 blocks, RGB or RGBA."""
    return Image.fromarray(np.repeat(np.repeat(np.array([colours], np.uint8), 16, axis=0), 16, axis=1))


def seen(path: Path, blocks: int = 1) -> list[tuple[int, ...]]:
    """The colour in the middle of each block."""
    pixels = read_photo(photo_file(path)).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (16, 16 * blocks, 3)
    return [tuple(int(level) for level in pixels[8, 8 + 16 * block]) for block in range(blocks)]


def assert_near(colours: Colours, expected: Colours, tolerance: int) -> None:
    assert np.abs(np.array(colours) - np.array(expected)).max() <= tolerance, (colours, expected)


def grey_ramp(dtype: Any, white: float) -> NDArray[Any]:
    """Four blocks (16, 64): black, a quarter, a half, white."""
    levels = np.array([0, white / 4, white / 2, white])
    return np.repeat(levels[np.newaxis], 16, axis=0).repeat(16, axis=1).astype(dtype)


def tiff(values: NDArray[Any], bits: int, sample_format: int) -> bytes:
    """A minimal uncompressed TIFF 6.0, little endian, one strip: Pillow cannot write every kind that it can read."""
    height, width = values.shape
    data = values.tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    tags += [(279, len(data)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return header + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


RAMP = [(0, 0, 0), (64, 64, 64), (128, 128, 128), (255, 255, 255)]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "jp2"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    picture = Image.fromarray(grey_ramp(np.uint16, 65535))
    assert picture.mode == "I;16"
    picture.save(tmp_path / f"a.{suffix}")
    assert_near(seen(tmp_path / f"a.{suffix}", 4), RAMP, 1)


@pytest.mark.parametrize(
    ("values", "bits", "sample_format"),
    [
        (grey_ramp("<u2", 65535), 16, 1),
        (grey_ramp("<i4", 65535), 32, 2),
        (grey_ramp("<i4", 2_000_000_000), 32, 2),
        (grey_ramp("<i4", 2_000_000_000) - 1_000_000_000, 32, 2),
        (grey_ramp("<f4", 1.0), 32, 3),
        (grey_ramp("<f4", 255.0), 32, 3),
        (grey_ramp("<f4", 65535.0), 32, 3),
        (grey_ramp("<f4", 1e20), 32, 3),
    ],
    ids=["u16", "i32 of 16", "i32", "i32 signed", "float to 1", "float to 255", "float to 65535", "float huge"],
)
def test_deep_grey_tiff(tmp_path: Path, values: NDArray[Any], bits: int, sample_format: int) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(values, bits, sample_format))
    assert_near(seen(tmp_path / "a.tif", 4), RAMP, 1)


@pytest.mark.parametrize(("dtype", "white", "bits"), [("<u2", 65535, 16), ("u1", 255, 8)])
def test_grey_tiff_in_which_zero_is_white(tmp_path: Path, dtype: str, white: int, bits: int) -> None:
    content = tiff(grey_ramp(dtype, white)[:, ::-1], bits, 1)
    black_is_zero, white_is_zero = struct.pack("<HHII", 262, 4, 1, 1), struct.pack("<HHII", 262, 4, 1, 0)
    (tmp_path / "a.tif").write_bytes(content.replace(black_is_zero, white_is_zero))
    assert_near(seen(tmp_path / "a.tif", 4), [(0, 0, 0), (128, 128, 128), (192, 192, 192), WHITE], 1)


def test_dark_float_photo_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(grey_ramp(np.float32, 0.5)).save(tmp_path / "a.tif")
    assert_near(seen(tmp_path / "a.tif", 4), [(0, 0, 0), (32, 32, 32), (64, 64, 64), (128, 128, 128)], 1)


def test_floats_that_are_no_numbers(tmp_path: Path) -> None:
    values = grey_ramp("<f4", 1.0)
    values[0, :3] = np.nan, np.inf, -np.inf
    (tmp_path / "a.tif").write_bytes(tiff(values, 32, 3))
    assert_near(seen(tmp_path / "a.tif", 4), RAMP, 1)


def test_12_bit_grey_tiff_reaches_white(tmp_path: Path) -> None:
    """Two pixels in three bytes, as TIFF packs them (the first pixel's high bits first)."""
    ramp = grey_ramp(np.uint16, 4095).reshape(-1, 2).astype(int)
    first, second = ramp[:, 0], ramp[:, 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1).astype(np.uint8)
    content = tiff(packed.reshape(16, -1), 12, 1)
    entry = struct.pack("<HHI", 256, 4, 1)
    wide = content.replace(entry + struct.pack("<I", 96), entry + struct.pack("<I", 64))  # 96 bytes are 64 pixels
    (tmp_path / "a.tif").write_bytes(wide)
    assert_near(seen(tmp_path / "a.tif", 4), RAMP, 1)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("1", [(0, 0, 0), WHITE]),
        ("L", [(54, 54, 54), (184, 184, 184)]),
        ("LA", [(54, 54, 54), (184, 184, 184)]),
        ("P", [(90, 40, 30), (200, 180, 160)]),
        ("RGB", [(90, 40, 30), (200, 180, 160)]),
        ("RGBA", [(90, 40, 30), (200, 180, 160)]),
        ("CMYK", [(90, 40, 30), (200, 180, 160)]),
        ("YCbCr", [(90, 40, 30), (200, 180, 160)]),
        ("LAB", [(90, 40, 30), (200, 180, 160)]),
    ],
)
def test_every_mode(tmp_path: Path, mode: str, expected: list[tuple[int, ...]]) -> None:
    source = blocks((90, 40, 30), (200, 180, 160))
    if mode == "LAB":
        to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        converted = to_lab.apply(source)
    elif mode == "P":
        converted = source.quantize(4)
    else:
        converted = source.convert(mode, dither=Image.Dither.NONE)
    path = tmp_path / "a.tif"
    converted.save(path)
    with Image.open(path) as stored:
        assert mode in (stored.mode, "YCbCr")  # some releases of Pillow open that as RGB
    assert_near(seen(path, 2), expected, 3)


def test_jpeg_with_adobes_inverted_cmyk(tmp_path: Path) -> None:
    blocks(RED, WHITE).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    assert_near(seen(tmp_path / "a.jpg", 2), [RED, WHITE], 4)


def test_grey_jpeg(tmp_path: Path) -> None:
    blocks(GREY).convert("L").save(tmp_path / "grey.jpg")
    assert_near(seen(tmp_path / "grey.jpg"), [GREY], 1)


def test_16_bit_colour_png(tmp_path: Path) -> None:
    # Pillow reads 16-bit colour and writes none.
    row = b"\0" + struct.pack(">3H", 0xDC00, 0x1E80, 0x1E00) * 16
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)), (b"IDAT", compress(row * 16)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + name + d + struct.pack(">I", crc32(name + d)) for name, d in chunks)
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert_near(seen(tmp_path / "deep.png"), [RED], 1)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha_lies_over_white(tmp_path: Path, suffix: str) -> None:
    picture = blocks((*RED, 255), (*RED, 0), (*RED, 128))
    picture.save(tmp_path / f"a.{suffix}", lossless=True)  # WebP's option; the others have no such choice
    assert_near(seen(tmp_path / f"a.{suffix}", 3), [RED, WHITE, (237, 142, 142)], 1)


def test_transparent_palette_entries_lie_over_white(tmp_path: Path) -> None:
    picture = blocks(RED, GREEN).quantize(2)
    red = picture.getpixel((8, 8))
    picture.save(tmp_path / "a.gif", transparency=red)
    picture.save(tmp_path / "a.png", transparency=red)
    picture.save(tmp_path / "b.png", transparency=bytes(128 if entry == red else 255 for entry in range(2)))
    assert_near(seen(tmp_path / "a.gif", 2), [WHITE, GREEN], 1)
    assert_near(seen(tmp_path / "a.png", 2), [WHITE, GREEN], 1)
    assert_near(seen(tmp_path / "b.png", 2), [(237, 142, 142), GREEN], 1)


def test_one_transparent_colour_lies_over_white(tmp_path: Path) -> None:
    blocks(RED, GREEN).save(tmp_path / "rgb.png", transparency=RED)
    blocks(GREY, (9, 9, 9)).convert("L").save(tmp_path / "grey.png", transparency=130)
    assert seen(tmp_path / "rgb.png", 2) == [WHITE, GREEN]
    assert seen(tmp_path / "grey.png", 2) == [WHITE, (9, 9, 9)]


def test_half_transparent_grey(tmp_path: Path) -> None:
    Image.merge("LA", [Image.new("L", (16, 16), 100), Image.new("L", (16, 16), 51)]).save(tmp_path / "a.png")
    assert_near(seen(tmp_path / "a.png"), [(224, 224, 224)], 1)  # 0.2 x 100 + 0.8 x 255


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def display_p3_profile() -> bytes:
    """The sRGB profile with Display P3's primaries (its published rXYZ, gXYZ and bXYZ, adapted to D50): what
    phones embed. Both share the tone curve."""
    primaries = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2920, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    }
    profile = bytearray(srgb_profile())
    (count,) = struct.unpack_from(">I", profile, 128)
    for entry in range(count):
        name, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * entry)
        if name in primaries:
            struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in primaries[name]))
    return bytes(profile)


P3_COLOUR = (200, 100, 50)


def to_srgb_by_hand(colour: tuple[int, ...]) -> tuple[int, ...]:
    """Decode the tone curve of IEC 61966-2-1, change from Display P3's primaries to sRGB's, encode again."""
    levels = np.array(colour) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0421, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    light = (matrix @ light).clip(0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return tuple(round(level * 255) for level in encoded)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_wide_gamut_photos_are_converted(tmp_path: Path, suffix: str) -> None:
    expected = to_srgb_by_hand(P3_COLOUR)
    assert max(abs(one - other) for one, other in zip(expected, P3_COLOUR, strict=True)) > 10
    blocks(P3_COLOUR, GREY).save(tmp_path / f"a.{suffix}", icc_profile=display_p3_profile(), quality=95)
    assert_near(seen(tmp_path / f"a.{suffix}", 2), [expected, GREY], 4)


def test_a_transparent_wide_gamut_photo_still_lies_over_white(tmp_path: Path) -> None:
    picture = blocks((*P3_COLOUR, 255), (*P3_COLOUR, 0))
    picture.save(tmp_path / "a.png", icc_profile=display_p3_profile())
    assert_near(seen(tmp_path / "a.png", 2), [to_srgb_by_hand(P3_COLOUR), WHITE], 2)


def test_an_srgb_photo_keeps_its_numbers(tmp_path: Path) -> None:
    blocks(RED, GREEN, BLUE).save(tmp_path / "a.png", icc_profile=srgb_profile())
    assert seen(tmp_path / "a.png", 3) == [RED, GREEN, BLUE]


@pytest.mark.parametrize(
    "profile", [b"no profile", srgb_profile()[:200], srgb_profile()[:16] + b"GR\xc3\xa9" + srgb_profile()[20:]]
)
def test_a_damaged_profile_leaves_the_numbers_as_they_are(tmp_path: Path, profile: bytes) -> None:
    blocks(RED, GREEN).save(tmp_path / "a.png", icc_profile=profile)
    assert seen(tmp_path / "a.png", 2) == [RED, GREEN]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_for_another_kind_of_colour_is_not_used(tmp_path: Path, mode: str) -> None:
    plain, profiled = tmp_path / "plain.tif", tmp_path / "profiled.tif"
    picture = blocks(P3_COLOUR).convert(mode)
    picture.save(plain)
    picture.save(profiled, icc_profile=display_p3_profile())
    assert seen(profiled) == seen(plain)


def _tiff(bits: int, samples: int, *, planar: int = 1, kind: int = 1, photometric: int = 2) -> bytes:
    """An uncompressed TIFF of 2 x 2 pixels, by byte. kind: of the samples, 1 for integers, 3 for floating point."""
    size = 2 * 2 * samples * bits // 8
    tags = [
        (256, 3, [2]), (257, 3, [2]), (258, 3, [bits] * samples), (259, 3, [1]), (262, 3, [photometric]),
        (273, 4, [8 + size // samples * plane for plane in range(samples)] if planar == 2 else [8]),
        (277, 3, [samples]), (278, 3, [2]),
        (279, 4, [size // samples] * samples if planar == 2 else [size]),
        (284, 3, [planar]), (339, 3, [kind] * samples),
    ]  # fmt: skip
    start = 8 + size
    behind = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, type_, numbers in tags:
        data = b"".join(number.to_bytes({3: 2, 4: 4}[type_], "little") for number in numbers)
        if len(data) > 4:
            place, values = behind + len(values), values + data
            data = place.to_bytes(4, "little")
        entries += struct.pack("<HHI", tag, type_, len(numbers)) + data.ljust(4, b"\0")
    ifd = len(tags).to_bytes(2, "little") + entries + b"\0\0\0\0"
    return b"II*\0" + start.to_bytes(4, "little") + b"\x40" * size + ifd + values


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (_tiff(16, 3, planar=2), "more than 8 bits a sample in separate planes"),
        (_tiff(32, 3, kind=3), "samples of a kind that facesearch does not read"),
        (_tiff(16, 2, photometric=1), "samples of a kind that facesearch does not read"),
    ],
)
def test_a_tiff_that_would_be_misread_is_refused_by_its_name(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(PhotoError, match=problem) as raised:
        read_photo(photo_file(tmp_path / "a.tif"))
    assert "damaged" not in str(raised.value)


@pytest.mark.parametrize("content", [_tiff(8, 3, planar=2), _tiff(16, 3), _tiff(8, 3), _tiff(16, 1, photometric=1)])
def test_tiffs_beside_those_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert (read_photo(photo_file(tmp_path / "a.tif")).pixels == 0x40).all()
