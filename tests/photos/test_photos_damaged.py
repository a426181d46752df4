"""Files that are broken, hostile or no photos: each is a PhotoError that names the file and says what to do."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pillow_heif import from_pillow

from facesearch.errors import PhotoError
from facesearch.photos import MEGAPIXEL_LIMITS, photo_file, read_photo, walk
from facesearch.records import PhotoFile

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "HEIF", "AVIF"]
PROGRESSIVE, DEFLATED = "JPEG progressive", "TIFF deflated"
ANIMATED = ["WEBP animated", "GIF animated", "PNG animated"]


@cache
def intact(kind: str) -> bytes:
    """A small photo with detail and an Exif orientation."""
    rng = np.random.default_rng(5)
    picture = Image.fromarray(rng.integers(0, 256, (20, 28, 3), dtype=np.uint8)).resize((84, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    if kind == "HEIF":
        from_pillow(picture).save(content)
        return content.getvalue()
    frames = {"save_all": True, "append_images": [picture.rotate(90)]}
    options: dict[str, dict[str, Any]] = {
        PROGRESSIVE: {"progressive": True},
        DEFLATED: {"compression": "tiff_adobe_deflate"},
        **dict.fromkeys(ANIMATED, frames),
    }
    picture.save(content, kind.partition(" ")[0], exif=exif, **options.get(kind, {}))
    return content.getvalue()


def error_of(path: Path) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        read_photo(photo_file(path))
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    return caught.value


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert error_of(tmp_path / "a.jpg").reason == "is empty (0 bytes): copy it again from the original"


NO_PHOTOS = {
    "text": b"Dear diary, this is no photo.\n" * 20,
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "one byte": b"\0",
    "two bytes of a JPEG": b"\xff\xd8",
}


OTHERS = {
    "is a web page, not a photo: download the photo again": b"\n<!DOCTYPE html><html>404</html>",
    "is a video, not a photo: facesearch index reads those": b"\0\0\0\x18ftypisom\0\0\0\0",
    "is a JPEG XL photo, which facesearch does not read: convert it to JPEG": b"\xff\x0a" + b"x" * 60,
    "is a Photoshop document, which facesearch does not read: export it as JPEG": b"8BPS" + b"x" * 60,
    "is a PDF document, which facesearch does not read: export its photos as JPEG": b"%PDF-1.7",
    "is a drawing in SVG, not a photo: export it as PNG": b"<?xml version='1.0'?>\n<!-- a -->\n<svg/>",
    "holds nothing but zeros: copy it again from the original": bytes(100_000),
}


@pytest.mark.parametrize(("reason", "content"), OTHERS.items(), ids=[reason[:24] for reason in OTHERS])
def test_what_a_file_is_instead_is_said(tmp_path: Path, reason: str, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert error_of(tmp_path / "a.jpg").reason == reason


def test_a_jpeg_xl_is_named_rather_than_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + b"x" * 60)
    (listed,) = walk([tmp_path])
    assert isinstance(listed, PhotoFile)


def test_a_jpeg_of_12_bits_is_called_that(tmp_path: Path) -> None:
    content = bytearray(intact("JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 1], content[frame + 4] = 0xC1, 12  # extended sequential, bits a sample
    (tmp_path / "a.jpg").write_bytes(content)
    reason = "is a JPEG with 12 bits a sample, which facesearch does not read: export it with 8"
    assert error_of(tmp_path / "a.jpg").reason == reason


@pytest.mark.parametrize("content", NO_PHOTOS.values(), ids=NO_PHOTOS.keys())
def test_not_a_photo(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    reason = error_of(tmp_path / "a.jpg").reason
    assert reason.startswith("is not in a format that facesearch reads (JPEG, PNG, ")
    assert reason.endswith("): convert it")


def test_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_text("hello")
    reason = error_of(tmp_path / "a.avi").reason
    assert reason == "is not in a format that facesearch reads (MP4, MOV, MKV, AVI, WEBM): convert it"


@pytest.mark.parametrize("kind", [*FORMATS, PROGRESSIVE])
def test_every_format_cut_off_anywhere(tmp_path: Path, kind: str) -> None:
    content = intact(kind)
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert read_photo(photo_file(path)).damage is None
    for part in (0.02, 0.3, 0.6, 0.9):
        path.write_bytes(content[: max(16, int(len(content) * part))])
        try:
            assert "missing" in (read_photo(photo_file(path)).damage or "")
        except PhotoError as error:
            assert error.reason.endswith(": copy it again from the original")


def test_a_cut_off_photo_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(intact(PROGRESSIVE)[:700])
    assert error_of(tmp_path / "a.jpg").reason.startswith("is cut off: its JPEG data ends too early (")


def test_a_file_that_is_gone_since_the_walk(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(intact("JPEG"))
    (listed,) = walk([tmp_path])
    assert isinstance(listed, PhotoFile)
    path.unlink()
    with pytest.raises(PhotoError, match=r"a\.jpg: does not exist: check the name"):
        read_photo(listed)


def test_the_files_name_is_shown_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb.jpg"
    path.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"/a\\nb\.jpg: is not in a format"):
        read_photo(photo_file(path))


def huge_png(color_type: int, bits: int, row_bytes: int) -> bytes:
    """A valid PNG of 20,000 x 20,000 zeros, with as much of its data as 60 MB of rows."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, bits, color_type, 0, 0, 0)
    rows = zlib.compress(bytes(min(20_000 * (row_bytes + 1), 60_000_000)), 1)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def test_a_png_of_400_megapixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(huge_png(0, 1, 2500))
    size = "is 400 megapixels (20000 x 20000)"
    assert error_of(tmp_path / "a.png").reason == f"{size}; the limit for PNG is 150: export a smaller copy"


READ_WITHIN_256_MB = """
import resource, sys
from pathlib import Path
from facesearch.errors import PhotoError
from facesearch.photos import photo_file, read_photo
from PIL import PngImagePlugin
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (256 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    read_photo(photo_file(Path(sys.argv[1])))
except PhotoError as error:
    print(error.reason)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_a_huge_png_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(huge_png(2, 8, 60_000))  # 1.6 GB if it were decoded
    command = [sys.executable, "-c", READ_WITHIN_256_MB, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("is 400 megapixels")


def with_size(kind: str, width: int, height: int) -> bytes:
    """The intact photo with another size in its header."""
    content = bytearray(intact(kind))
    if kind == "JPEG":
        frame = content.index(b"\xff\xc0")
        struct.pack_into(">HH", content, frame + 5, height, width)
    elif kind == "GIF":
        struct.pack_into("<HH", content, 6, width, height)
    elif kind == "BMP":
        struct.pack_into("<ii", content, 18, width, height)
    return bytes(content)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP"])
def test_every_format_has_its_limit(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(with_size(kind, 60_000, 60_000))
    limit = MEGAPIXEL_LIMITS.get(kind, 150)
    size = "is 3600 megapixels (60000 x 60000)"
    assert error_of(tmp_path / "a").reason == f"{size}; the limit for {kind} is {limit}: export a smaller copy"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "HEIF"])
def test_pillows_own_limit_does_not_apply(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """It is one number for the whole process, and less than the 200 megapixels of a phone."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (tmp_path / "a").write_bytes(intact(kind))
    assert read_photo(photo_file(tmp_path / "a")).pixels.size == 84 * 60 * 3
    assert not recwarn.list


def test_a_palette_photo_without_its_palette(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("P", (9, 9), 1).save(content, "PNG")
    start = content.getvalue().index(b"PLTE") - 4
    (length,) = struct.unpack_from(">I", content.getvalue(), start)
    (tmp_path / "a.png").write_bytes(content.getvalue()[:start] + content.getvalue()[start + 12 + length :])
    assert "a palette photo without a palette" in error_of(tmp_path / "a.png").reason


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, overwritten in a few places, or with a piece taken out; half of the time near the beginning."""
    changed = bytearray(content)
    reach = len(changed) if rng.random() < 0.5 else min(len(changed), 200)
    match rng.integers(4):
        case 0:
            return bytes(changed[: rng.integers(1, len(changed))])
        case 1:
            for place in rng.integers(reach, size=rng.integers(1, 8)):
                changed[place] = rng.integers(256)
        case 2:
            start = int(rng.integers(reach))
            del changed[start : start + int(rng.integers(1, 64))]
        case _:
            start, length = int(rng.integers(reach)), int(rng.integers(1, 9))
            changed[start : start + length] = bytes(rng.choice([0, 127, 128, 255], length).tolist())
    return bytes(changed)


@pytest.mark.parametrize("kind", [*FORMATS, PROGRESSIVE, DEFLATED, *ANIMATED])
def test_mutated_photos_are_a_photo_or_a_photo_error(
    tmp_path: Path, kind: str, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng([1, *kind.encode()])
    path = tmp_path / "a.jpg"
    harmed = 0
    for _ in range(60):
        path.write_bytes(mutated(intact(kind), rng))
        try:
            photo = read_photo(photo_file(path))
        except PhotoError as error:
            harmed += 1
            assert error.reason.isprintable()
        else:
            harmed += photo.damage is not None
            assert photo.pixels.dtype == np.uint8
            assert photo.pixels.shape == (photo.height_px, photo.width_px, 3)
    assert harmed > 10  # the mutations do harm
    assert not recwarn.list
    if not kind.startswith("TIFF"):  # libtiff itself writes a line about damaged compressed data
        assert capfd.readouterr().err == ""
