"""Decoding: which way up, which frame, how large. Colours are in test_photos_colour.py."""

from __future__ import annotations

import hashlib
import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from pillow_heif import HeifImageFile, encode, from_pillow

from facesearch.photos import photo_file, read_embedded, read_photo, walk
from facesearch.photos.decoding import decode
from facesearch.photos.decoding.formats import opener
from facesearch.records import Photo, PhotoFile

ORIENTATION = 0x0112
RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 40), (40, 40, 210), (130, 130, 130)


def four_corners(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """(H, W, 3): another colour in every corner, so that each turn and each mirroring shows."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return picture


def stored_as(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The rows and columns that a camera writes with this orientation, from Exif's words, e.g. for 6: row 0 is the
    photo's right side, column 0 its top. Written as index arithmetic, so that it shares nothing with the decoder."""
    height, width, _ = upright.shape
    turned = orientation >= 5
    stored = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            left, right, top, bottom = x, width - 1 - x, y, height - 1 - y
            row, column = {
                1: (top, left), 2: (top, right), 3: (bottom, right), 4: (bottom, left),
                5: (left, top), 6: (right, top), 7: (right, bottom), 8: (left, bottom),
            }[orientation]  # fmt: skip
            stored[row, column] = upright[y, x]
    return stored


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def read(path: Path, max_side_px: int = 4096) -> Photo:
    return read_photo(photo_file(path), max_side_px)


def assert_same_corners(photo: Photo, upright: NDArray[np.uint8], tolerance: int = 12) -> None:
    """Compare the middles of the four quarters: compression smears the borders between them."""
    assert photo.pixels.shape == upright.shape
    height, width, _ = upright.shape
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            difference = np.abs(photo.pixels[y, x].astype(int) - upright[y, x])
            assert difference.max() <= tolerance, (x, y, photo.pixels[y, x], upright[y, x])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = four_corners()
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(stored_as(upright, orientation)).save(path, exif=exif(orientation), quality=95)
    assert_same_corners(read(path), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(tmp_path: Path, orientation: int) -> None:
    """Phones write the turn twice into a HEIC: as HEIF's own property, which libheif obeys, and in EXIF."""
    upright = four_corners()
    path = tmp_path / "photo.heic"
    stored = stored_as(upright, orientation)
    encode("RGB", stored.shape[1::-1], stored.tobytes(), path, quality=95, exif=exif(orientation).tobytes())
    with HeifImageFile(path) as written:
        assert (written.info["original_orientation"] or 1) == orientation  # the trap is set
        assert written.size == (96, 64)  # libheif has turned it
    assert_same_corners(read(path), upright, tolerance=16)


def test_orientation_in_xmp_alone_is_obeyed(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(stored_as(four_corners(), 6)).save(tmp_path / "a.jpg", xmp=xmp, quality=95)
    assert_same_corners(read(tmp_path / "a.jpg"), four_corners())


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_nonsense_orientation_leaves_the_photo_as_it_is(tmp_path: Path, orientation: int) -> None:
    Image.fromarray(four_corners()).save(tmp_path / "a.jpg", exif=exif(orientation), quality=95)
    assert_same_corners(read(tmp_path / "a.jpg"), four_corners())


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_costs_neither_the_photo_nor_a_warning(
    tmp_path: Path, damage: bytes, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(four_corners()).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + damage, quality=95)
    assert_same_corners(read(tmp_path / "a.jpg"), four_corners())
    assert not recwarn.list
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "bmp", "heic", "avif", "ppm", "jp2"])
def test_every_format_by_its_content_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    if suffix == "heic":
        from_pillow(Image.fromarray(four_corners())).save(path, quality=95)
    else:
        Image.fromarray(four_corners()).save(path)
    renamed = path.rename(tmp_path / "no suffix at all")
    photo = read(renamed)
    assert_same_corners(photo, four_corners(), tolerance=16)
    assert photo.pixels.dtype == np.uint8
    assert photo.sha256 == hashlib.sha256(renamed.read_bytes()).hexdigest()
    assert photo.file == photo_file(renamed)
    assert (photo.original_size_px, photo.scale) == (None, 1.0)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_several(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"frames.{suffix}"
    second = Image.new("RGB", (96, 64), "white")
    Image.fromarray(four_corners()).save(path, save_all=True, append_images=[second, second], duration=100)
    with Image.open(path) as stored:
        assert getattr(stored, "n_frames", 1) > 1
    assert_same_corners(read(path), four_corners())


def test_the_primary_picture_of_a_heic_with_several(tmp_path: Path) -> None:
    several = from_pillow(Image.new("RGB", (96, 64), "white"))
    several.add_from_pillow(Image.fromarray(four_corners()))
    several.save(tmp_path / "a.heic", quality=95, primary_index=1)
    assert_same_corners(read(tmp_path / "a.heic"), four_corners(), tolerance=16)


def test_the_first_jpeg_of_an_mpo(tmp_path: Path) -> None:
    white = Image.new("RGB", (96, 64), "white")
    Image.fromarray(four_corners()).save(tmp_path / "a.mpo", save_all=True, append_images=[white], quality=95)
    assert_same_corners(read(tmp_path / "a.mpo"), four_corners())


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_smallest_photos(tmp_path: Path, size: tuple[int, int], suffix: str) -> None:
    Image.new("RGB", size, RED).save(tmp_path / f"a.{suffix}")
    photo = read(tmp_path / f"a.{suffix}", max_side_px=100)
    assert photo.pixels.shape == (min(size[1], 100), min(size[0], 100), 3)
    assert np.abs(photo.pixels.astype(int) - RED).max() < 12


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize(
    ("width", "height", "reduced"), [(800, 600, (100, 75)), (801, 40, (100, 5)), (101, 201, (50, 100))]
)
def test_large_photos_are_reduced_to_the_longer_side(
    tmp_path: Path, suffix: str, width: int, height: int, reduced: tuple[int, int]
) -> None:
    Image.fromarray(four_corners(width, height)).save(tmp_path / f"a.{suffix}", quality=95)
    photo = read(tmp_path / f"a.{suffix}", max_side_px=100)
    assert (photo.width_px, photo.height_px) == reduced
    assert photo.original_size_px == (width, height)
    assert photo.scale == 100 / max(width, height)
    assert_same_corners(photo, four_corners(*reduced))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "avif"])
def test_a_reduced_photo_that_lay_on_its_side_reports_its_upright_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored_as(four_corners(300, 200), 6)).save(path, exif=exif(6), quality=95)
    photo = read(path, max_side_px=150)
    assert photo.original_size_px == (300, 200)
    assert_same_corners(photo, four_corners(150, 100))


def test_jpeg_is_never_scaled_below_the_side_asked_for(tmp_path: Path) -> None:
    """399 / 100 would allow 1/3; libjpeg has 1/2 and 1/4, and only 1/2 keeps 100 px of detail."""
    stripes = np.zeros((64, 399, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 255  # period 8 px: 2 px at 1/4
    Image.fromarray(stripes).save(tmp_path / "a.jpg", quality=100, subsampling=0)
    photo = read(tmp_path / "a.jpg", max_side_px=100)
    assert photo.width_px == 100
    assert photo.pixels[8].std() > 60  # the stripes are still there


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("a.jpg", (4000, 3000), (2000, 1500)),
        ("a.jpg", (3000, 6400), (750, 1600)),
        ("a.jpg", (3199, 2000), (3199, 2000)),  # half of it would be less than a draft needs
        ("a.png", (4000, 3000), (4000, 3000)),
    ],
)
def test_a_draft_is_a_jpeg_decoded_smaller(
    tmp_path: Path, name: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    Image.new("RGB", size, (200, 90, 30)).save(tmp_path / name)
    photo = read_photo(photo_file(tmp_path / name), draft=True)
    assert (photo.width_px, photo.height_px) == expected
    assert photo.original_size_px == (None if expected == size else size)


def test_the_photo_as_it_was_read_not_as_it_was_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (2, 2), RED).save(path)
    listed = photo_file(path)
    Image.fromarray(four_corners()).save(path)
    photo = read_photo(listed)
    assert photo.file == photo_file(path) != listed
    assert_same_corners(photo, four_corners())


def test_pixels_are_read_only(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), RED).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="read-only"):
        read(tmp_path / "a.png").pixels[0, 0] = 0


def test_a_limit_of_nothing_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), RED).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="max_side_px is 0"):
        read(tmp_path / "a.png", max_side_px=0)


def test_threads_get_what_one_thread_gets(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(24):
        suffix = ("jpg", "png", "webp", "tif")[number % 4]
        picture = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        picture.save(tmp_path / f"{number}.{suffix}", exif=exif(1 + number % 8))
    paths = sorted(tmp_path.iterdir())
    alone = [read(path, 50).pixels for path in paths]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda path: read(path, 50).pixels, paths))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_pillow_is_left_as_it_was_found(tmp_path: Path) -> None:
    """A program that uses this library keeps its own limit, its own registered formats and its own warning filters."""
    before = Image.MAX_IMAGE_PIXELS, list(Image.ID), list(warnings.filters)
    Image.fromarray(four_corners()).save(tmp_path / "a.png")
    from_pillow(Image.fromarray(four_corners())).save(tmp_path / "a.heic")
    for name in ("a.png", "a.heic"):
        read(tmp_path / name)
    assert (Image.MAX_IMAGE_PIXELS, list(Image.ID), list(warnings.filters)) == before


@pytest.mark.photos
def test_every_photo_of_a_real_album(photos_dir: Path) -> None:
    found = list(walk([photos_dir / "album"]))
    photos = [read_photo(item) for item in found if isinstance(item, PhotoFile)]
    assert len(photos) == len(found) == 29
    assert all(100 < max(photo.width_px, photo.height_px) <= 1600 and photo.scale == 1 for photo in photos)


@pytest.mark.parametrize("size", [(400, 267), (401, 301), (267, 400), (397, 8), (3, 5), (17, 1)])
@pytest.mark.parametrize("max_side_px", [1, 7, 24, 50, 99, 100, 133, 200, 400])
def test_a_jpeg_with_an_odd_side_is_decoded_small_too_and_never_too_small(
    size: tuple[int, int], max_side_px: int
) -> None:
    content = io.BytesIO()
    Image.new("RGB", size).save(content, "JPEG")
    image = opener("JPEG")(io.BytesIO(content.getvalue()))
    assert decode._load(image, max_side_px) == size
    step = max((each for each in (1, 2, 4, 8) if max(size) >= each * max_side_px), default=1)
    if min(size) >= 8:
        assert image.size == tuple(-(-side // step) for side in size)
    assert max(image.size) >= min(max_side_px, max(size))


@pytest.mark.parametrize(
    ("suffix", "own"),  # HEIC's own turns: see above
    [(".heic", 1), (".avif", 1), (".avif", 6), (".webp", 1), (".webp", 6), (".tif", 1), (".tif", 6)],
)
def test_xmp_turns_no_photo_whose_container_says_how_it_is_turned(tmp_path: Path, suffix: str, own: int) -> None:
    """Wide as it is stored, red at the left; the XMP says 8, which would put red at the bottom."""
    pillow_heif.register_heif_opener()
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Xrientation="8"/></rdf:RDF></x:xmpmeta>'
    )
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48, 0] = 255
    exif = Image.Exif()
    if own != 1:
        exif[0x0112] = own
    path = tmp_path / f"a{suffix}"
    if suffix == ".tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700], tags[0x0112] = xmp, own
        tags.tagtype[700] = 1
        Image.fromarray(pixels).save(path, tiffinfo=tags)
    else:
        Image.fromarray(pixels).save(path, quality=95, xmp=xmp, exif=exif)
    content = path.read_bytes()
    assert content.count(b"tiff:Xrientation") == 1  # mended last: pillow_heif would turn the container by it
    path.write_bytes(content.replace(b"tiff:Xrientation", b"tiff:Orientation"))
    read = read_photo(photo_file(path)).pixels
    assert read.shape == ((64, 96, 3) if own == 1 else (96, 64, 3))
    assert read[8, 8, 0] > 200  # left, or once turned to the right: at the top
    assert read[-8, -8, 0] < 60
    embedded = read_embedded(path)
    assert (embedded.orientation, len(embedded.packets)) == (own, 1)
