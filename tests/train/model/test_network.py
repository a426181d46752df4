"""The tower is DenseNet-121 as published: counted, shaped and converted against keras.applications."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from facesearch_train.model.backend_layers import BatchNormalization
from facesearch_train.model.network import (
    DENSENET_121,
    DenseNetShape,
    build_siamese,
    build_tower,
    resize_layer,
)

SMALL = DenseNetShape(units=(2, 3), growth_rate=4)


@pytest.fixture(scope="module")
def keras_tower() -> keras.Model:
    return build_tower(112)


def counted_parameters(shape: DenseNetShape, embedding_size: int) -> int:
    """Huang et al.'s table counted by hand: convolutions without biases, four numbers a batch-normalised map."""
    k, channels = shape.growth_rate, 2 * shape.growth_rate
    total = 7 * 7 * 3 * channels + 4 * channels
    for block, units in enumerate(shape.units):
        for _ in range(units):
            total += 4 * channels + channels * 4 * k + 4 * 4 * k + 9 * 4 * k * k
            channels += k
        if block < len(shape.units) - 1:
            total += 4 * channels + channels * (channels // 2)
            channels //= 2
    return total + 4 * channels + (channels + 1) * embedding_size


def test_parameter_count(keras_tower: keras.Model) -> None:
    assert keras_tower.count_params() == counted_parameters(DENSENET_121, 32) == 7_037_504 + 1024 * 32 + 32


@pytest.mark.parametrize("size", [112, 56])
def test_output_is_32_numbers(size: int) -> None:
    small = build_tower(size, shape=SMALL)
    assert small.output_shape == (None, 32)
    assert small(np.zeros((3, size, size, 3), "float32")).shape == (3, 32)


def test_maps_halve_from_block_to_block(keras_tower: keras.Model) -> None:
    shapes = [
        keras_tower.get_layer(name).output.shape[1:]
        for name in ("conv1_relu", "pool1", "pool2_pool", "pool3_pool", "pool4_pool")
    ]
    assert shapes == [(56, 56, 64), (28, 28, 64), (14, 14, 128), (7, 7, 256), (3, 3, 512)]


def test_every_unit_sees_the_block_input_and_all_units_before_it(keras_tower: keras.Model) -> None:
    block_input = keras_tower.get_layer("pool2_pool").output.shape[-1]
    for unit in range(1, 13):
        assert keras_tower.get_layer(f"conv3_block{unit}_0_bn").input.shape[-1] == block_input + 32 * (unit - 1)
    first = keras_tower.get_layer("conv3_block1_concat")
    assert first.input[0] is keras_tower.get_layer("pool2_pool").output


def test_without_the_initial_pool_the_first_block_sees_twice_the_resolution() -> None:
    pooled, whole = (
        build_tower(56, shape=DenseNetShape(units=(2, 3), growth_rate=4, initial_pool=p)) for p in (True, False)
    )
    name = "conv2_block1_concat"
    assert pooled.get_layer(name).output.shape[1] * 2 == whole.get_layer(name).output.shape[1] == 28


def test_same_numbers_as_keras_applications_with_the_same_weights(keras_tower: keras.Model) -> None:
    theirs = keras.applications.DenseNet121(weights=None, include_top=False, pooling="avg", input_shape=(112, 112, 3))
    ours = keras.Model(keras_tower.input, keras_tower.get_layer("average_pool").output)
    rng = np.random.default_rng(3)
    theirs.set_weights([_plausible(weight, rng) for weight in theirs.weights])
    for layer in theirs.layers:
        if layer.weights:
            ours.get_layer(_our_name(layer.name)).set_weights(layer.get_weights())
    assert len(ours.weights) == len(theirs.weights)
    crops = rng.uniform(0, 255, (2, 112, 112, 3)).astype("float32")
    expected = np.asarray(theirs(crops / 127.5 - 1))
    np.testing.assert_allclose(np.asarray(ours(crops)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def _our_name(name: str) -> str:
    return "final_bn" if name == "bn" else name


def _plausible(weight: keras.Variable, rng: np.random.Generator) -> np.ndarray:
    if weight.path.endswith(("moving_variance", "gamma")):
        return rng.uniform(0.5, 1.5, weight.shape)
    if weight.path.endswith("kernel"):
        return rng.normal(0, 1 / np.sqrt(np.prod(weight.shape[:-1])), weight.shape)
    return rng.normal(0, 0.1, weight.shape)


def test_siamese_sides_share_one_tower() -> None:
    small = build_tower(32, shape=SMALL)
    siamese = build_siamese(small)
    assert siamese.count_params() == small.count_params()
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 255, (2, 4, 32, 32, 3)).astype("float32")
    pair = np.asarray(siamese([first, second]))
    np.testing.assert_allclose(pair[:, 0], np.asarray(small(first)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pair[:, 1], np.asarray(small(second)), rtol=1e-4, atol=1e-5)


def test_crops_shrink_by_the_mean_of_whole_blocks_where_the_sizes_allow() -> None:
    crop = np.arange(4 * 4 * 3, dtype="float32").reshape(1, 4, 4, 3)
    layer = resize_layer(4, 2)
    assert layer is not None
    expected = crop.reshape(1, 2, 2, 2, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(np.asarray(layer(crop)), expected)
    assert resize_layer(112, 112) is None
    assert resize_layer(112, 128)(np.zeros((1, 112, 112, 3), "float32")).shape == (1, 128, 128, 3)  # type: ignore[misc]


def test_weights_move_between_input_sizes() -> None:
    small, large = build_tower(56, shape=SMALL), build_tower(112, shape=SMALL, input_size_px=56)
    large.set_weights(small.get_weights())
    crops = np.random.default_rng(1).uniform(0, 255, (2, 112, 112, 3)).astype("float32")
    shrunk = crops.reshape(2, 56, 2, 56, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(np.asarray(large(crops)), np.asarray(small(shrunk)), rtol=1e-3, atol=1e-4)


def test_a_radius_gives_all_embeddings_one_length_and_leaves_their_direction() -> None:
    free, bound = (build_tower(32, shape=SMALL, radius=radius) for radius in (None, 1.5))
    bound.set_weights(free.get_weights())
    crops = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    before, after = (np.asarray(tower(crops)) for tower in (free, bound))
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1.5, rtol=1e-5)
    np.testing.assert_allclose(after, 1.5 * before / np.linalg.norm(before, axis=1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("radius", [None, 1.5], ids=["free", "one length"])
def test_a_mirrored_tower_embeds_the_mean_of_a_crop_and_its_mirror_image(radius: float | None) -> None:
    plain, mirrored = (build_tower(32, shape=SMALL, radius=radius, mirrored=both) for both in (False, True))
    mirrored.set_weights(plain.get_weights())
    crops = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    flipped = np.ascontiguousarray(crops[:, :, ::-1])
    features = keras.Model(plain.input, plain.get_layer("embedding").output)
    expected = (np.asarray(features(crops)) + np.asarray(features(flipped))) / 2
    if radius:
        expected *= radius / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(mirrored(crops)), expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.asarray(mirrored(flipped)), expected, rtol=1e-3, atol=1e-5)


def test_dropout_leaves_features_out_in_training_alone_and_adds_no_weight() -> None:
    plain, dropping = (build_tower(32, shape=SMALL, dropout=share) for share in (0.0, 0.5))
    dropping.set_weights(plain.get_weights())
    crops = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(dropping(crops), plain(crops), rtol=1e-5, atol=1e-6)
    first, second = (np.asarray(dropping(crops, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3


def trained_step(fused: bool, weights: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """What one training step sees: embeddings, gradients and the weights with their running statistics, in numpy."""
    import tensorflow as tf

    tower = build_tower(32, shape=SMALL, fused=fused)
    tower.set_weights(weights)
    crops = np.random.default_rng(5).uniform(0, 255, (12, 32, 32, 3)).astype("float32")
    with tf.GradientTape() as tape:
        embeddings = tower(crops, training=True)
        loss = tf.reduce_sum(embeddings[:, 0] * np.arange(12, dtype="float32"))
    gradients = [np.asarray(gradient) for gradient in tape.gradient(loss, tower.trainable_variables)]
    return np.asarray(embeddings), gradients, tower.get_weights()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fused kernel is TensorFlow's")
def test_a_fused_tower_trains_as_one_of_keras_own_layers() -> None:
    weights = build_tower(32, shape=SMALL).get_weights()
    (plain, gradients, after), (fused, fused_gradients, fused_after) = (trained_step(f, weights) for f in (False, True))
    np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(fused_after, after, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)
    # A value within rounding of zero passes a ReLU on one side only, and its gradient too: the direction must agree.
    for mine, theirs in zip(fused_gradients, gradients, strict=True):
        lengths = np.linalg.norm(mine) * np.linalg.norm(theirs)
        assert lengths < 1e-8 or np.sum(mine * theirs) / lengths > 0.95


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fused kernel is TensorFlow's")
def test_the_fused_layer_has_the_gradients_and_statistics_of_keras_own() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(7)
    maps = tf.constant(rng.normal(0.5, 2, (6, 5, 5, 8)).astype("float32"))
    slope = tf.constant(rng.normal(size=maps.shape).astype("float32"))
    seen = []
    for layer in (keras.layers.BatchNormalization(), BatchNormalization()):
        layer.build(maps.shape)
        layer.gamma.assign(np.linspace(0.5, 1.5, 8))
        layer.beta.assign(np.linspace(-1, 1, 8))
        with tf.GradientTape() as tape:
            tape.watch(maps)
            loss = tf.reduce_sum(layer(maps, training=True) * slope)
        gradients = tape.gradient(loss, [maps, *(variable.value for variable in layer.trainable_variables)])
        seen.append([np.asarray(value) for value in (loss, *gradients, *layer.get_weights())])
    for mine, theirs in zip(*seen, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_a_plain_tower_reads_the_weights_of_a_fused_one(tmp_path: Path) -> None:
    fused, plain = (build_tower(32, shape=SMALL, fused=f) for f in (True, False))
    fused.save_weights(tmp_path / "tower.weights.h5")
    plain.load_weights(tmp_path / "tower.weights.h5")
    for mine, theirs in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
