"""Networks that Keras saved give in OpenVINO what they give in Keras; others are refused by name."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from facesearch.errors import TowerError
from facesearch.vision.tower.keras_archive import read_keras_archive

RNG = np.random.default_rng(0)


def in_openvino(path: Path, images: np.ndarray) -> np.ndarray:
    import openvino

    model = read_keras_archive(path)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([images])[0])


def with_random_weights(model: keras.Model) -> keras.Model:
    """Every weight redrawn, the running statistics too: nothing may depend on zeros and ones."""
    values = []
    for weight in model.weights:
        shape = tuple(weight.shape)
        positive = "variance" in weight.path or "gamma" in weight.path
        spread = 1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.3
        values.append(RNG.uniform(0.5, 1.5, shape) if positive else RNG.standard_normal(shape, np.float32) * spread)
    model.set_weights(values)
    return model


def assert_same(model: keras.Model, path: Path, images: np.ndarray) -> None:
    expected = np.asarray(model(images, training=False))
    model.save(path)
    found = in_openvino(path, images)
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4


def images(count: int, side: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, side, side, 3)).astype(np.float32)


def many_kinds(inputs: Any) -> Any:
    x = layers.Rescaling([1 / 64, 1 / 128, 1 / 255], offset=[-1.0, 0.0, 0.5])(inputs)
    x = layers.ZeroPadding2D(((1, 2), (3, 0)))(x)
    x = layers.Conv2D(6, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization(epsilon=0.01)(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    y = layers.Conv2D(4, 3, padding="same", dilation_rate=2, use_bias=False)(x)
    y = layers.BatchNormalization(scale=False, center=False)(y)
    y = layers.ReLU()(y)
    x = layers.Concatenate()([x, y, x])
    x = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    x = layers.Dropout(0.5)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(8, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dense(5, use_bias=False)(x)
    return layers.UnitNormalization()(x)


@pytest.mark.parametrize("side", [31, 32])
def test_every_kind_of_layer(tmp_path: Path, side: int) -> None:
    inputs = keras.Input((side, side, 3))
    assert_same(with_random_weights(keras.Model(inputs, many_kinds(inputs))), tmp_path / "kinds.keras", images(3, side))


@pytest.mark.parametrize(("new_side", "antialias"), [(20, True), (20, False), (45, True), (45, False), (32, True)])
def test_resizing(tmp_path: Path, new_side: int, antialias: bool) -> None:
    inputs = keras.Input((32, 32, 3))
    resized = layers.Resizing(new_side, new_side, antialias=antialias)(inputs)
    outputs = layers.Conv2D(2, new_side - 1)(resized)
    model = with_random_weights(keras.Model(inputs, layers.GlobalAveragePooling2D()(outputs)))
    assert_same(model, tmp_path / "resizing.keras", images(2, 32))


def test_mirror_images_beside_the_images(tmp_path: Path) -> None:
    inputs = keras.Input((24, 24, 3))
    both = keras.ops.stack([inputs, keras.ops.flip(inputs, axis=2)], axis=1)
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 7, strides=3)(keras.ops.reshape(both, (-1, 24, 24, 3))))
    mean = keras.ops.mean(keras.ops.reshape(features, (-1, 2, 5)), axis=1)
    model = with_random_weights(keras.Model(inputs, layers.Dense(4)(mean)))
    assert_same(model, tmp_path / "mirrored.keras", images(3, 24))


def test_densenet_121(tmp_path: Path) -> None:
    model = keras.applications.DenseNet121(weights=None, include_top=False, pooling="avg", input_shape=(112, 112, 3))
    assert_same(with_random_weights(model), tmp_path / "densenet.keras", images(2, 112) / 64 - 2)


def test_float16_weights(tmp_path: Path) -> None:
    """A tower is shipped with its weights rounded to float16 in the same archive."""
    import h5py

    inputs = keras.Input((24, 24, 3))
    model = with_random_weights(keras.Model(inputs, many_kinds(inputs)))
    for weight in model.weights:
        weight.assign(np.asarray(weight).astype(np.float16))
    model.save(tmp_path / "full.keras")
    with zipfile.ZipFile(tmp_path / "full.keras") as full, zipfile.ZipFile(tmp_path / "half.keras", "w") as half:
        (tmp_path / "weights.h5").write_bytes(full.read("model.weights.h5"))
        with h5py.File(tmp_path / "weights.h5", "r+") as file:
            found: list[str] = []
            file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
            for name in found:
                values = file[name][()].astype(np.float16)
                del file[name]
                file[name] = values
        half.writestr("config.json", full.read("config.json"))
        half.writestr("metadata.json", full.read("metadata.json"))
        half.write(tmp_path / "weights.h5", "model.weights.h5")
    batch = images(2, 24)
    np.testing.assert_allclose(in_openvino(tmp_path / "half.keras", batch), np.asarray(model(batch)), atol=1e-5)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (layers.LayerNormalization(name="odd"), "layer 'odd' .LayerNormalization. is of a kind"),
        (layers.Activation("gelu", name="odd"), "layer 'odd' .Activation. has activation='gelu'"),
        (layers.Conv2D(3, 1, groups=3, name="odd"), "layer 'odd' .Conv2D. has groups=3"),
        (layers.ReLU(max_value=6, name="odd"), "layer 'odd' .ReLU. has max_value=6"),
        (lambda x: layers.Concatenate(axis=1, name="odd")([x, x]), "layer 'odd' .Concatenate. has axis=1"),
        (layers.BatchNormalization(axis=1, name="odd"), "layer 'odd' .BatchNormalization. has axis=1"),
        (lambda x: keras.ops.flip(x, axis=1), "layer 'flip[_0-9]*' .Flip. flips axis=1"),
        (lambda x: keras.ops.stack([x, x], axis=2), "layer 'stack[_0-9]*' .Stack. has axis=2"),
        (lambda x: keras.ops.reshape(x, (-1, 64, 3)), "layer 'reshape[_0-9]*' .Reshape. reshapes .3, 8, 8. to"),
        (lambda x: keras.ops.mean(x, axis=1), "layer 'mean[_0-9]*' .Mean. takes the mean over axis=1"),
    ],
)
def test_other_layers_are_refused_by_name(tmp_path: Path, build: Callable[[Any], Any], reason: str) -> None:
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, build(inputs)).save(tmp_path / "odd.keras")
    with pytest.raises(TowerError, match=reason):
        read_keras_archive(tmp_path / "odd.keras")


def test_inputs_of_any_size_are_refused(tmp_path: Path) -> None:
    inputs = keras.Input((None, None, 3), name="crop")
    keras.Model(inputs, layers.GlobalAveragePooling2D()(inputs)).save(tmp_path / "any.keras")
    with pytest.raises(TowerError, match="layer 'crop'"):
        read_keras_archive(tmp_path / "any.keras")


def test_a_sequential_model_is_refused(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten()]).save(tmp_path / "sequential.keras")
    with pytest.raises(TowerError, match="Sequential"):
        read_keras_archive(tmp_path / "sequential.keras")


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tower.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TowerError, match=r"tower\.keras"):
        read_keras_archive(path)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, layers.GlobalAveragePooling2D()(inputs)).save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    for length in (len(whole) // 3, len(whole) - 40):
        (tmp_path / "cut.keras").write_bytes(whole[:length])
        with pytest.raises(TowerError, match=r"cut\.keras"):
            read_keras_archive(tmp_path / "cut.keras")


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    import h5py

    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, layers.Conv2D(2, 3)(inputs)).save(tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as whole, zipfile.ZipFile(tmp_path / "bare.keras", "w") as bare:
        with h5py.File(tmp_path / "empty.h5", "w") as file:
            file.create_group("layers")
        bare.writestr("config.json", whole.read("config.json"))
        bare.write(tmp_path / "empty.h5", "model.weights.h5")
    with pytest.raises(TowerError, match=r"bare\.keras"):
        read_keras_archive(tmp_path / "bare.keras")
