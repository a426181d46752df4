"""JPEG on the accelerator against Pillow's, which writes and reads real files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from facesearch.demo import draw_portrait, random_people
from facesearch_train.model.jpeg import jpeg


def portraits(side: int, count: int = 3) -> np.ndarray:
    """Drawn faces: uint8 (count, side, side, 3)."""
    rng = np.random.default_rng(4)
    drawn = [Image.fromarray(draw_portrait(person, rng).pixels) for person in random_people(count, seed=7)]
    return np.stack([np.asarray(photo.resize((side, side))) for photo in drawn])


def saved(pixels: np.ndarray, quality: int) -> np.ndarray:
    """What Pillow reads back of the JPEG that it wrote."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32)


@pytest.mark.parametrize("quality", [10, 20, 49, 50, 75, 95])
@pytest.mark.parametrize("side", [56, 112])  # chroma halves to 28 px, which is no whole number of blocks, and to 56
def test_what_is_lost_is_what_pillow_loses(side: int, quality: int) -> None:
    pixels = portraits(side)
    expected = np.stack([saved(crop, quality) for crop in pixels])
    out = np.asarray(jpeg(pixels.astype("float32"), np.full(len(pixels), quality, "float32")))
    # 1.4 to 8.6 are lost. Pillow rounds to whole numbers three times on the way, once more than this does.
    assert np.abs(out - expected).mean() < 0.8
    assert np.abs(expected - pixels).mean() > 1.2


@pytest.mark.parametrize("side", [9, 28, 30])
def test_sides_that_are_no_whole_blocks_are_saved_too(side: int) -> None:
    pixels = portraits(side)
    out = np.asarray(jpeg(pixels.astype("float32"), np.full(len(pixels), 60, "float32")))
    expected = np.stack([saved(crop, 60) for crop in pixels])
    assert out.shape == pixels.shape
    assert np.abs(out - expected).mean() < 0.3 * np.abs(expected - pixels).mean()


def test_each_crop_has_a_quality_of_its_own() -> None:
    pixels = np.repeat(portraits(56, count=1), 3, axis=0).astype("float32")
    low, middle, high = np.abs(np.asarray(jpeg(pixels, np.array([10, 50, 95], "float32"))) - pixels).mean(
        axis=(1, 2, 3)
    )
    assert low > 1.5 * middle > 3 * high
