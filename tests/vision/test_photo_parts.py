"""What the detector looks at: sizes, stretching, padding, and the way back to the photo's pixels."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.vision.detector.photo_parts import Region, fitted, view

STEP_PX = 32


def photo(width: int, height: int) -> np.ndarray:
    """Red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width).round()
    pixels[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return pixels


@pytest.mark.parametrize(
    ("size", "side_px", "nearest", "expected"),
    [
        ((1024, 683), 640, True, (640, 416)),  # 427: 2.6 % less
        ((1024, 683), 640, False, (640, 427)),  # 4.9 % more would be too much
        ((683, 1024), 1024, False, (704, 1024)),
        ((1024, 768), 640, True, (640, 480)),
        ((250, 250), 250, False, (256, 256)),
        ((640, 360), 640, True, (640, 352)),
        ((640, 40), 640, True, (640, 40)),
    ],
)
def test_sides_go_to_a_multiple_of_the_step_where_that_takes_little(
    size: tuple[int, int], side_px: int, nearest: bool, expected: tuple[int, int]
) -> None:
    assert fitted(photo(*size), side_px, STEP_PX, nearest=nearest).shape[1::-1] == expected


def test_a_stretched_view_is_filled_and_knows_where_its_points_are_in_the_photo() -> None:
    pixels = photo(700, 500)
    look = view(pixels, Region(100, 50, 600, 420), 500, STEP_PX, stretched=True)
    height, width = look.pixels.shape[:2]
    assert (width, height) == (512, 384)
    assert look.border_px == 0
    np.testing.assert_allclose(look.in_photo(np.array([[0, 0], [width, height]])), [[100, 50], [600, 420]])
    x, y = 300, 200
    at_x, at_y = look.in_photo(np.array([x + 0.5, y + 0.5]))
    assert look.pixels[y, x, 0] == pytest.approx(255 * at_x / 700, abs=1)
    assert look.pixels[y, x, 1] == pytest.approx(255 * at_y / 500, abs=1)


def test_what_is_not_stretched_is_padded_and_keeps_its_pixels() -> None:
    pixels = photo(500, 400)
    look = view(pixels, Region(0, 0, 500, 370), 500, STEP_PX)
    assert look.pixels.shape == (384, 512, 3)
    np.testing.assert_array_equal(look.pixels[:370, :500], pixels[:370])
    assert (look.pixels[370:] == 128).all()
    assert (look.pixels[:, 500:] == 128).all()


def test_a_border_lies_around_what_is_shown() -> None:
    look = view(photo(128, 96), Region(0, 0, 128, 96), 128, STEP_PX, 0.25)
    assert look.pixels.shape == (160, 192, 3)
    assert look.border_px == 32
    np.testing.assert_array_equal(look.in_photo(np.array([32, 32])), [0, 0])
