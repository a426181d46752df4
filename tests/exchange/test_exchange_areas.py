"""Boxes on upright photos and areas on stored ones, held against pictures that Pillow turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from facesearch.exchange.areas import Area, Frame, pair_up
from facesearch.photos import photo_file, read_embedded, read_photo

pillow_heif.register_heif_opener()

SIZE = (120, 80)  # of the stored picture
STORED = (30, 8, 54, 24)  # the red rectangle on it, x1 y1 x2 y2
AREA = Area(0.35, 0.2, 0.2, 0.2)  # the same by hand: centre 42 of 120, 16 of 80; 24 of 120 and 16 of 80


def photo(folder: Path, orientation: int, suffix: str = ".png") -> Path:
    """A picture with a red rectangle, which says of itself that it is turned."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    x1, y1, x2, y2 = STORED
    pixels[y1:y2, x1:x2, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"{orientation}{suffix}"
    if suffix == ".heic":  # turned by HEIF's own properties, as phones do
        pillow_heif.encode("RGB", SIZE, pixels.tobytes(), path, quality=95, exif=exif.tobytes())
    else:
        Image.fromarray(pixels).save(path, exif=exif)
    return path


def red_box(path: Path) -> list[int]:
    """Where the rectangle is on the upright photo, as facesearch decodes it."""
    rows, columns = np.nonzero(read_photo(photo_file(path)).pixels[:, :, 0] > 128)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".heic", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_area_of_the_stored_photo_is_a_box_of_the_upright_one(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = photo(tmp_path, orientation, suffix)
    upright = read_photo(photo_file(path))
    assert read_embedded(path).orientation == orientation
    frame = Frame(upright.width_px, upright.height_px, orientation)
    assert frame.stored_size_px == SIZE
    assert frame.box_of(AREA).tolist() == pytest.approx(red_box(path), abs=0 if suffix in {".png", ".tif"} else 2)
    area = frame.area_of(frame.box_of(AREA))
    assert (area.x, area.y, area.w, area.h) == pytest.approx((AREA.x, AREA.y, AREA.w, AREA.h))


def test_what_lies_outside_of_the_photo_is_cut_off() -> None:
    area = Frame(100, 100).area_of([-20, -10, 50, 120])
    assert (area.x, area.y, area.w, area.h) == pytest.approx((0.25, 0.5, 0.5, 1.0))


def test_boxes_are_paired_one_to_one_the_surest_first() -> None:
    boxes = np.array([[0, 0, 100, 100], [60, 0, 160, 100], [500, 500, 600, 600]], np.float32)
    others = np.array([[70, 0, 170, 100], [0, 0, 200, 200], [505, 500, 605, 600]], np.float32)
    assert sorted(pair_up(list(boxes), list(others))) == [(0, 1), (1, 0), (2, 2)]
    assert pair_up(list(boxes), []) == []
    assert pair_up([boxes[0]], [boxes[1] + 20]) == []  # a fifth in common is a neighbour
