"""Changes of a crop against pixels worked out by hand, and how far faces move under a tower that is known."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.records import Floats, Pixels
from facesearch_train.evaluation.sensitivity import (
    CHANGES,
    Change,
    blur,
    brighten,
    enlarge,
    measure_sensitivity,
    occlude,
    raise_contrast,
    rotate,
)


def dot(row: int, column: int, side: int = 112) -> Pixels:
    """A black crop with a white square of five pixels around a place."""
    crop = np.zeros((side, side, 3), dtype=np.uint8)
    crop[row - 2 : row + 3, column - 2 : column + 3] = 255
    return crop


def centre_of(crop: Pixels) -> tuple[float, float]:
    """Row and column of the light's centre."""
    weight = crop[..., 0].astype(float)
    rows, columns = np.indices(weight.shape)
    return float((rows * weight).sum() / weight.sum()), float((columns * weight).sum() / weight.sum())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_no_strength_leaves_a_crop_as_it_is_and_any_other_changes_it(change: Change) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    before = crop.copy()
    assert list(change.strengths) == sorted(change.strengths)
    np.testing.assert_array_equal(change.apply(crop, 0.0), crop)
    for strength in change.strengths:
        changed = change.apply(crop, strength)
        assert (changed.shape, changed.dtype) == (crop.shape, np.uint8)
        assert (changed != crop).any() == (strength != 0)
    np.testing.assert_array_equal(crop, before)


def test_light_and_contrast_by_hand() -> None:
    crop = np.array([[[100, 100, 100], [200, 200, 200]]], dtype=np.uint8)
    assert brighten(crop, 0.5)[0, :, 0].tolist() == [150, 255]
    assert brighten(crop, -0.5)[0, :, 0].tolist() == [50, 100]
    assert raise_contrast(crop, 0.5)[0, :, 0].tolist() == [75, 225]
    assert raise_contrast(crop, -1.0)[0, :, 0].tolist() == [150, 150]


def test_a_quarter_turn_moves_the_top_to_the_right() -> None:
    row, column = centre_of(rotate(dot(20, 55), 90.0))
    assert (row, column) == (pytest.approx(55, abs=0.6), pytest.approx(91, abs=0.6))


def test_larger_means_farther_from_the_centre() -> None:
    row, column = centre_of(enlarge(dot(76, 36), 0.5))
    assert (row, column) == (pytest.approx(55.5 + 20.5 * 1.5, abs=0.3), pytest.approx(55.5 - 19.5 * 1.5, abs=0.3))


def test_blur_spreads_and_keeps_the_light() -> None:
    crop = dot(56, 56)
    blurred = blur(crop, 2.0)
    assert blurred.max() < 255
    assert blurred.sum() == pytest.approx(crop.sum(), rel=0.05)
    assert (blurred > 0).sum() > (crop > 0).sum()


def test_occlusion_covers_a_share_from_below() -> None:
    crop = dot(20, 56)
    covered = occlude(crop, 0.25)
    mean = round(crop.mean())
    np.testing.assert_array_equal(covered[84:], np.full((28, 112, 3), mean))
    np.testing.assert_array_equal(covered[:84], crop[:84])


def test_movement_is_the_distance_from_the_unchanged_face() -> None:
    def embed(crops: Pixels) -> Floats:
        return crops[:, 0, 0, :2].astype(np.float32) / 10

    crops = np.stack([np.full((8, 8, 3), value, dtype=np.uint8) for value in range(10, 120, 10)])
    halve = Change("darkness", "share", (0.0, 0.5), lambda crop, strength: (crop * (1 - strength)).astype(np.uint8))
    (movement,) = measure_sensitivity(crops, embed, [halve])
    moved = np.sqrt(2) * np.arange(10, 120, 10) / 20
    assert movement.mean.tolist() == [0, pytest.approx(moved.mean())]
    assert movement.low[1] == pytest.approx(np.percentile(moved, 10))
    assert movement.high[1] == pytest.approx(np.percentile(moved, 90))
    assert [int(face.mean()) for face in movement.example] == [10, 5]
