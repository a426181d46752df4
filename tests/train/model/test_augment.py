"""Augmentation: nothing in use, bounded changes in training, and the same numbers eagerly and in a compiled step."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from facesearch_train.model.augment import Augment, Augmentation, sample_bilinear

STILL = Augmentation(
    flip=False, rotation_rad=0, scale=(1.0, 1.0), shift=0, brightness=0, contrast=0, saturation=0, hue_rad=0
)


def crops(seed: int = 0, count: int = 4, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (count, side, side, 3)).astype("float32")


def changed(pixels: np.ndarray, **settings: object) -> np.ndarray:
    augmentation = Augmentation(**{**vars(STILL), **settings})  # type: ignore[arg-type]
    return np.asarray(Augment(augmentation, seed=5)(pixels, training=True))


def test_in_use_crops_pass_untouched() -> None:
    pixels = crops()
    np.testing.assert_array_equal(np.asarray(Augment(Augmentation())(pixels, training=False)), pixels)


def test_with_every_range_at_zero_crops_pass_untouched_in_training() -> None:
    pixels = crops()
    np.testing.assert_allclose(changed(pixels), pixels, atol=0.02)


def test_a_flip_mirrors_some_crops_and_leaves_the_others() -> None:
    pixels = crops(count=32)
    flipped = changed(pixels, flip=True)
    is_mirrored = [np.allclose(out, crop[:, ::-1], atol=0.02) for out, crop in zip(flipped, pixels, strict=True)]
    is_same = [np.allclose(out, crop, atol=0.02) for out, crop in zip(flipped, pixels, strict=True)]
    assert all(a != b for a, b in zip(is_mirrored, is_same, strict=True))
    assert 4 < sum(is_mirrored) < 28


def test_a_bright_dot_turns_no_farther_than_the_rotation_allows() -> None:
    side = 41
    pixels = np.zeros((64, side, side, 3), "float32")
    pixels[:, 20, 36] = 255.0
    angles = []
    for turned in changed(pixels, rotation_rad=0.2)[..., 0]:
        y, x = np.unravel_index(turned.argmax(), turned.shape)
        angles.append(math.atan2(y - 20, x - 20))
    assert max(angles) < 0.24
    assert min(angles) > -0.24
    assert max(angles) - min(angles) > 0.2


def test_zoom_and_shift_stay_in_their_ranges() -> None:
    side = 101
    pixels = np.zeros((64, side, side, 3), "float32")
    pixels[:, 50, 50] = 255.0
    for moved in changed(pixels, shift=0.05)[..., 0]:
        y, x = np.unravel_index(moved.argmax(), moved.shape)
        assert abs(y - 50) <= 6
        assert abs(x - 50) <= 6
    pixels[:, 50, 90] = 255.0
    edges = [int(zoomed[50, 60:].argmax()) + 60 - 50 for zoomed in changed(pixels, scale=(0.9, 1.1))[..., 0]]
    assert 35 <= min(edges) < 40 < max(edges) <= 45


def test_brightness_is_a_factor() -> None:
    pixels = np.full((64, 8, 8, 3), 100.0, "float32")
    levels = changed(pixels, brightness=0.2).mean(axis=(1, 2, 3))
    assert 80 <= levels.min() < 90
    assert 110 < levels.max() <= 120.01


def test_contrast_keeps_the_mean() -> None:
    pixels = crops() * 0.5 + 60
    out = changed(pixels, contrast=0.2)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), pixels.mean(axis=(1, 2, 3)), rtol=1e-3)
    factors = out.std(axis=(1, 2, 3)) / pixels.std(axis=(1, 2, 3))
    assert ((factors > 0.79) & (factors < 1.21)).all()


def test_grey_crops_have_three_equal_channels_and_keep_their_luma() -> None:
    pixels = crops()
    grey = changed(pixels, grey=1.0)
    np.testing.assert_allclose(grey[..., 0], grey[..., 1], atol=0.5)
    np.testing.assert_allclose(grey[..., 1], grey[..., 2], atol=0.5)
    np.testing.assert_allclose(grey[..., 0], pixels @ np.array([0.299, 0.587, 0.114], "float32"), atol=0.5)


def test_hue_turns_colour_but_not_luma() -> None:
    pixels = crops() * 0.3 + 90
    turned = changed(pixels, hue_rad=0.3)
    luma = np.array([0.299, 0.587, 0.114], "float32")
    np.testing.assert_allclose(turned @ luma, pixels @ luma, atol=0.5)
    assert np.abs(turned - pixels).max() > 1.0


def test_low_resolution_loses_detail() -> None:
    board = np.indices((112, 112)).sum(axis=0) % 2 * 255.0
    pixels = np.repeat(board[None, :, :, None], 3, axis=-1).repeat(8, axis=0).astype("float32")
    assert changed(pixels, low_resolution=1.0).std() < 0.4 * pixels.std()


def test_erased_patches_cover_a_rectangle_of_one_shade() -> None:
    pixels = crops(count=16, side=32)
    out = changed(pixels, erase=1.0)
    for before, after in zip(pixels, out, strict=True):
        differs = np.abs(before - after).max(axis=-1) > 0.05
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        patch = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(patch) < 0.1
        assert differs.mean() < 0.25


@pytest.mark.parametrize("seed", range(3))
def test_bilinear_sampling_equals_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = crops(seed, count=2, side=5)
    x, y = rng.uniform(-1, 6, (2, 2, 3, 3)).astype("float32")
    out = np.asarray(sample_bilinear(pixels, x, y))
    for index in np.ndindex(2, 3, 3):
        column, row = min(max(float(x[index]), 0), 4), min(max(float(y[index]), 0), 4)
        left, top = int(column), int(row)
        right, lower = min(left + 1, 4), min(top + 1, 4)
        a, b = column - left, row - top
        photo = pixels[index[0]]
        upper_line = photo[top, left] * (1 - a) + photo[top, right] * a
        lower_line = photo[lower, left] * (1 - a) + photo[lower, right] * a
        np.testing.assert_allclose(out[index], upper_line * (1 - b) + lower_line * b, atol=1e-2)


def changed_share(pixels: np.ndarray, **settings: object) -> float:
    """The share of crops that are not what they were."""
    return float((np.abs(changed(pixels, **settings) - pixels).max(axis=(1, 2, 3)) > 0.5).mean())


@pytest.mark.parametrize("name", ["occlusion", "blur", "motion", "low_resolution", "jpeg", "erase", "grey"])
def test_about_the_share_of_crops_that_is_asked_for_is_changed(name: str) -> None:
    pixels = crops(count=256, side=40)
    assert changed_share(pixels, **{name: 0.0}) == 0.0
    assert 0.15 < changed_share(pixels, **{name: 0.3}) < 0.4
    assert changed_share(pixels, **{name: 1.0}) > 0.9


@pytest.mark.parametrize("name", ["blur", "motion", "low_resolution", "jpeg"])
def test_the_strength_is_another_for_each_crop(name: str) -> None:
    pixels = crops(count=1, side=64).repeat(24, axis=0)
    left = changed(pixels, **{name: 1.0}).std(axis=(1, 2, 3))
    assert left.max() - left.min() > 1.0
    assert left.min() > 5.0


def test_low_resolution_leaves_thirty_samples_and_smaller_crops_alone() -> None:
    small = crops(count=8, side=28)
    np.testing.assert_allclose(changed(small, low_resolution=1.0), small, atol=0.05)
    waves = np.cos(np.arange(64) * 2 * np.pi / 8)  # eight a crop: thirty samples still show them
    pixels = np.tile(128 + 100 * waves[None, None, :, None], (16, 64, 1, 3)).astype("float32")
    assert changed(pixels, low_resolution=1.0).std(axis=(1, 2, 3)).min() > 0.4 * pixels.std()


def test_what_hides_a_face_turns_with_it() -> None:
    """On crops of one shade only the thing is seen: without geometry it lies straight, in a corner never."""
    pixels = np.full((64, 64, 64, 3), 150.0, "float32")
    straight = np.abs(changed(pixels, occlusion=1.0) - 150).max(axis=-1) > 1
    turned = np.abs(changed(pixels, occlusion=1.0, rotation_rad=0.5) - 150).max(axis=-1) > 1
    assert straight[:, 0, 0].sum() == 0
    wide = [mask for mask in straight if mask.any() and mask.any(axis=0).sum() > 2.2 * mask.any(axis=1).sum()]
    assert len(wide) > 5  # glasses
    heights = [mask.any(axis=1).sum() for mask in wide]
    turned_heights = [mask.any(axis=1).sum() for mask in turned if mask.any(axis=0).sum() > 35]
    assert max(turned_heights) > max(heights) + 5


ADDED = {"low_resolution": 0.5, "occlusion": 0.5, "blur": 0.5, "motion": 0.5, "jpeg": 0.5}


def test_what_is_switched_off_draws_nothing() -> None:
    """The published recipe's changes are the same numbers as before there was more to switch on."""
    pixels = crops()
    augment = Augment(Augmentation(), seed=9)
    augment.begin_epoch(3)
    augment(pixels, training=True)
    state = np.asarray(augment.random.state)
    everything = Augment(Augmentation(**ADDED), seed=9)
    everything.begin_epoch(3)
    everything(pixels, training=True)
    assert np.asarray(everything.random.state)[1] > state[1]
    assert int(state[1]) == 10  # draws: angle, zoom, mirror, two shifts; brightness, contrast, grey, saturation, hue


EVERYTHING = Augmentation(erase=0.5, grey=0.5, **ADDED)


class InTraining(keras.Model):
    """Augmentation alone, changing crops in `predict` too, which a functional model forbids."""

    def __init__(self, augment: Augment) -> None:
        super().__init__()
        self.augment = augment

    def call(self, inputs: object) -> object:
        return self.augment(inputs, training=True)


def test_a_compiled_step_gets_what_an_eager_call_gets() -> None:
    pixels = crops(side=40)
    augment = Augment(EVERYTHING, seed=9)
    augment.begin_epoch(3)
    eager = np.asarray(augment(pixels, training=True))
    assert np.abs(eager - pixels).mean() > 5
    model = InTraining(augment)
    model.compile()
    augment.begin_epoch(3)
    np.testing.assert_allclose(np.asarray(model.predict_on_batch(pixels)), eager, atol=0.05)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data traces layers of the TensorFlow backend")
def test_an_input_pipeline_gets_what_an_eager_call_gets() -> None:
    import tensorflow as tf

    pixels = crops()
    augment = Augment(EVERYTHING, seed=9)
    augment.begin_epoch(3)
    eager = [np.asarray(augment(pixels[rows], training=True)) for rows in (slice(0, 2), slice(2, 4))]
    augment.begin_epoch(3)
    pipeline = tf.data.Dataset.from_tensor_slices(pixels).batch(2).map(lambda batch: augment(batch, training=True))
    for piped, expected in zip(pipeline, eager, strict=True):
        np.testing.assert_allclose(np.asarray(piped), expected, atol=0.05)


def test_an_epoch_repeats_itself_and_differs_from_the_next() -> None:
    pixels = crops()
    augment = Augment(EVERYTHING, seed=9)
    drawn = []
    for epoch in (1, 2, 1):
        augment.begin_epoch(epoch)
        drawn.append([np.asarray(augment(pixels, training=True)) for _ in range(2)])
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert np.abs(drawn[0][0] - drawn[0][1]).mean() > 5
    assert np.abs(drawn[0][0] - drawn[1][0]).mean() > 5
