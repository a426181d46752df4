"""Blur, motion, low resolution and occlusion: against Pillow, and against what a line of pixels shows by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from facesearch.vision.alignment import TEMPLATE_112
from facesearch_train.model.degradation import (
    OCCLUSIONS,
    filtered,
    gaussian_matrix,
    motion_matrix,
    occlusion,
    shrink_matrix,
)


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 255, (2, side, side, 3)).astype("float32")


def array(tensor: object) -> np.ndarray:
    return np.asarray(tensor)


@pytest.mark.parametrize("samples", [16, 8])
def test_shrinking_to_whole_numbers_is_what_pillow_does(samples: int) -> None:
    pixels = noise(32)
    matrix = shrink_matrix(32, np.full(2, samples, "float32"))
    out = array(filtered(pixels, matrix, matrix))
    for before, after in zip(pixels, out, strict=True):
        for channel in range(3):
            plane = Image.fromarray(before[..., channel])
            small = plane.resize((samples, samples), Image.Resampling.BILINEAR)
            expected = np.asarray(small.resize((32, 32), Image.Resampling.BILINEAR))
            np.testing.assert_allclose(after[..., channel], expected, atol=0.05)


def test_a_fraction_of_samples_lies_between_its_neighbours_and_all_samples_change_nothing() -> None:
    samples = np.array([64, 48.5, 30.25, 30], "float32")
    matrices = array(shrink_matrix(64, samples))
    np.testing.assert_allclose(matrices[0], np.eye(64), atol=1e-5)
    np.testing.assert_allclose(matrices.sum(axis=-1), 1.0, atol=1e-5)
    line = np.random.default_rng(0).normal(size=64)
    left = [float((matrix @ line).std()) for matrix in matrices]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.8 * left[0]
    assert np.abs(matrices[2] - matrices[3]).max() < 0.15
    np.testing.assert_array_equal(array(shrink_matrix(64, np.array([90], "float32"))), matrices[:1])


def test_a_gaussian_spreads_a_dot_as_its_formula_says() -> None:
    matrices = array(gaussian_matrix(41, np.array([0.0, 2.0], "float32")))
    np.testing.assert_allclose(matrices[0], np.eye(41), atol=1e-6)
    spread = matrices[1][20]  # the line's middle, far from both edges
    for distance in range(4):
        expected = math.exp(-(distance**2) / 8) / sum(math.exp(-(k**2) / 8) for k in range(-20, 21))
        assert spread[20 + distance] == pytest.approx(expected, abs=1e-5)
        assert spread[20 - distance] == pytest.approx(expected, abs=1e-5)


def test_motion_smears_evenly_over_its_length_and_along_one_axis_only() -> None:
    matrices = array(motion_matrix(21, np.array([0.0, 1.0, 4.0, 5.0], "float32")))
    np.testing.assert_allclose(matrices[:2], np.eye(21)[None].repeat(2, axis=0), atol=1e-6)
    np.testing.assert_allclose(matrices[3][10, 8:13], 0.2, atol=1e-6)
    np.testing.assert_allclose(matrices[2][10, 8:13], [0.125, 0.25, 0.25, 0.25, 0.125], atol=1e-6)
    dot = np.zeros((1, 21, 21, 3), "float32")
    dot[0, 10, 10] = 5.0
    still, moving = motion_matrix(21, np.zeros(1, "float32")), motion_matrix(21, np.full(1, 5, "float32"))
    smeared = array(filtered(dot, still, moving))[0, :, :, 0]
    np.testing.assert_allclose(smeared[10, 8:13], 1.0, atol=1e-5)
    assert np.abs(np.delete(smeared, 10, axis=0)).max() < 1e-5
    np.testing.assert_allclose(array(filtered(dot, moving, still))[0, 8:13, 10, 0], 1.0, atol=1e-5)


def covers(kind: str, x: float, y: float) -> bool:
    """Whether a thing lies over a point of the template (in px of 112), with nothing left to chance."""
    number = list(OCCLUSIONS).index(kind)
    zero = np.zeros((1, 2), "float32")
    covered, _ = occlusion(112, np.array([number], "float32"), zero, zero, np.zeros(1, "float32"))
    return bool(array(covered)[0, round(y), round(x), 0] == 1.0)


def test_glasses_hide_the_eyes_and_a_mask_the_mouth() -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = TEMPLATE_112
    for eye in (left_eye, right_eye):
        assert covers("glasses", *eye)
        assert not covers("mask", *eye)
    for corner in (left_mouth, right_mouth):
        assert covers("mask", *corner)
        assert not covers("glasses", *corner)
    assert covers("hand", *nose)
    assert not covers("glasses", *nose)


def test_things_move_grow_and_have_a_shade_of_their_own() -> None:
    zero, right, wide = (np.array([pair], "float32") for pair in ((0, 0), (1, 0), (1, 0)))
    glasses, dark, light = np.zeros(1, "float32"), np.zeros(1, "float32"), np.ones(1, "float32")
    plain, shade = (array(part) for part in occlusion(200, glasses, zero, zero, dark))
    moved, _ = occlusion(200, glasses, right, zero, dark)
    grown, lighter = occlusion(200, glasses, zero, wide, light)
    columns = np.flatnonzero(plain[0, :, :, 0].any(axis=0))
    np.testing.assert_array_equal(np.flatnonzero(array(moved)[0, :, :, 0].any(axis=0)), columns + 4)  # 2 % of 200
    assert np.isclose(array(grown)[0, :, :, 0].any(axis=0).sum(), 1.25 * len(columns), atol=2)
    assert (float(shade.item()), float(array(lighter).item())) == (0.0, 80.0)
