"""The pyramid's geometry, and patches against a naive bilinear loop."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.vision.detector.pyramid import (
    CELL_PX,
    SCALE_STEP,
    PatchSource,
    build_pyramid,
    pack,
    pyramid_scales,
    shrink,
)


def test_scales_reach_from_the_smallest_face_to_the_shorter_side() -> None:
    scales = pyramid_scales(1024, 768, min_face_px=20)
    assert scales[0] == pytest.approx(CELL_PX / 20)
    np.testing.assert_allclose(np.divide(scales[1:], scales[:-1]), SCALE_STEP)
    assert 768 * scales[-1] >= CELL_PX > 768 * scales[-1] * SCALE_STEP


@pytest.mark.parametrize(("width", "height"), [(0, 0), (11, 11), (19, 500), (500, 19)])
def test_no_scale_for_photos_smaller_than_a_face(width: int, height: int) -> None:
    assert pyramid_scales(width, height, min_face_px=20) == []


@pytest.mark.parametrize("size", [(1024, 768), (300, 1000), (24, 2000), (201, 203)])
def test_levels_do_not_overlap_and_fill_most_of_the_canvas(size: tuple[int, int]) -> None:
    sizes = [(int(size[0] * scale), int(size[1] * scale)) for scale in pyramid_scales(*size, 20)]
    places, (width, height) = pack(sizes)
    covered = np.zeros((height, width), dtype=int)
    for (w, h), (left, top) in zip(sizes, places, strict=True):
        assert left + w <= width
        assert top + h <= height
        covered[top : top + h, left : left + w] += 1
    assert covered.max() == 1
    assert covered.mean() > 0.85


def test_each_level_shows_the_photo_at_an_even_place() -> None:
    ramp = np.linspace(0, 255, 203)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], 40.0), axis=-1).astype(np.uint8)
    canvas, levels = build_pyramid(pixels, pyramid_scales(203, 203, 20))
    assert canvas.shape[0] % 32 == canvas.shape[1] % 32 == 0
    for level in levels:
        shown = canvas[level.top : level.top + level.height, level.left : level.left + level.width].astype(float)
        assert level.left % 2 == level.top % 2 == 0
        expected = np.interp((np.arange(level.width) + 0.5) * 203 / level.width - 0.5, np.arange(203), ramp)
        assert np.abs(shown[:, level.width // 2, 0] - expected).max() < 2.5  # down: red rises
        assert np.abs(shown[level.height // 2, :, 1] - expected).max() < 2.5  # across: green rises
        assert np.all(shown[..., 2] == 40)


def test_an_odd_side_is_repeated_once() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (211, 157, 3), dtype=np.uint8)
    canvas, levels = build_pyramid(pixels, pyramid_scales(157, 211, 20))
    odd = [level for level in levels if level.width % 2 and level.height % 2]
    assert odd
    for level in odd:
        right, bottom = level.left + level.width, level.top + level.height
        np.testing.assert_array_equal(canvas[level.top : bottom, right], canvas[level.top : bottom, right - 1])
        across = slice(level.left, right + 1)
        np.testing.assert_array_equal(canvas[bottom, across], canvas[bottom - 1, across])
        assert np.ptp(canvas[bottom, across]) > 0


def test_shrinking_keeps_the_shape_and_leaves_small_photos_alone() -> None:
    pixels = np.full((300, 4000, 3), 77, dtype=np.uint8)
    assert shrink(pixels, 1000).shape == (75, 1000, 3)
    assert np.all(shrink(pixels, 1000) == 77)
    assert shrink(pixels, 4000) is pixels
    assert shrink(np.zeros((1, 5000, 3), np.uint8), 1000).shape == (1, 1000, 3)


def naive_patch(pixels: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """TensorFlow's crop_and_resize as its documentation defines it, for corners box / (width, height)."""
    height, width = pixels.shape[:2]
    patch = np.full((size, size, 3), 127.5)
    for i in range(size):
        for j in range(size):
            y = box[1] / height * (height - 1) + i * (box[3] - box[1]) / height * (height - 1) / (size - 1)
            x = box[0] / width * (width - 1) + j * (box[2] - box[0]) / width * (width - 1) / (size - 1)
            if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
                continue
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = pixels[top, left] * (1 - (x - left)) + pixels[top, right] * (x - left)
            lower = pixels[bottom, left] * (1 - (x - left)) + pixels[bottom, right] * (x - left)
            patch[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return patch


@pytest.mark.parametrize(
    "box", [[3.2, 4.7, 20.1, 22.3], [-5, -8, 9, 6], [30, 20, 60, 50], [-20, -20, 70, 70], [80, 80, 90, 90]]
)
def test_patches_equal_a_naive_loop(box: list[float]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    boxes = np.array([box, [0, 0, 53, 37]], dtype=np.float32)
    patches = PatchSource(pixels).patches(boxes, 12)
    assert patches.dtype == np.float32
    for patch, each in zip(patches, boxes, strict=True):
        np.testing.assert_allclose(patch, naive_patch(pixels.astype(float), each, 12), atol=0.01)
