"""A small tower, saved by Keras and embedded by OpenVINO; the checks that stand before it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from facesearch import gpu_driver
from facesearch.errors import TowerError
from facesearch.vision.network_cache import CACHE_VARIABLE
from facesearch.vision.tower import keras_archive, networks
from facesearch.vision.tower.tower import TOWER_VARIABLE, Tower, TowerCard, weights_sha256, write_card

CROPS = np.random.default_rng(0).integers(0, 256, (37, 112, 112, 3), dtype=np.uint8)


def save_tower(folder: Path, side: int = 112, numbers: int = 32) -> keras.Model:
    inputs = keras.Input((side, side, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = layers.Conv2D(8, 7, strides=4, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same")(x)])
    model = keras.Model(inputs, layers.Dense(numbers)(layers.GlobalAveragePooling2D()(x)))
    folder.mkdir(parents=True)
    model.save(folder / "tower.keras")
    sha256 = weights_sha256(folder / "tower.keras")
    card = TowerCard(name="small", created="2026-11-23", sha256=sha256, margin=2.0, threshold=1.0, threshold_far=0.01)
    write_card(folder, card)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A tower's folder, and what Keras makes of CROPS."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("towers") / "small"
    model = save_tower(folder)
    return folder, np.asarray(model(CROPS.astype(np.float32), training=False))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("count", [1, 3, 16, 37])
def test_embeddings_are_those_of_keras(saved: tuple[Path, np.ndarray], count: int) -> None:
    folder, expected = saved
    embeddings = Tower.load(folder, device="cpu").embed(CROPS[:count])
    assert embeddings.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.01  # the crops differ
    np.testing.assert_allclose(embeddings, expected[:count], atol=1e-5 * np.abs(expected).max())


def test_batches_on_several_cores_equal_those_on_one(
    saved: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = np.random.default_rng(3).integers(0, 256, (83, 112, 112, 3), dtype=np.uint8)
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(networks, "available_cores", lambda cores=cores: cores)
        found.append(Tower.load(saved[0], device="cpu").embed(crops))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.ptp(found[0], axis=0).min() > 0


def test_the_network_of_batches_is_loaded_when_there_are_many_crops(
    saved: tuple[Path, np.ndarray], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, expected = saved
    tower = Tower.load(folder, device="cpu")
    for _ in range(4):  # photos with many faces
        one_by_one = tower.embed(CROPS[:30])
        assert len(list(cache.glob("*.blob"))) == 1
    in_batches = tower.embed(CROPS[:30])
    assert len(list(cache.glob("*.blob"))) == 2
    at_once = Tower.load(folder, device="cpu")
    monkeypatch.setattr(keras_archive, "read_keras_archive", None)
    at_once.embed(np.tile(CROPS[:32], (2, 1, 1, 1)))  # 64 crops have the network of batches, which is cached
    assert set(at_once._network._networks) == {1, 16}
    for embeddings in (one_by_one, in_batches):
        np.testing.assert_allclose(embeddings, expected[:30], atol=1e-5 * np.abs(expected).max())


def test_no_crops_give_no_embeddings(saved: tuple[Path, np.ndarray]) -> None:
    assert Tower.load(saved[0], device="cpu").embed(CROPS[:0]).shape == (0, 32)


@pytest.mark.parametrize("crops", [CROPS[:, :100], CROPS.astype(np.float32), CROPS[0]])
def test_crops_of_another_shape_or_type_are_refused(saved: tuple[Path, np.ndarray], crops: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"crops must be uint8 \(N, 112, 112, 3\)"):
        Tower.load(saved[0], device="cpu").embed(crops)


def test_the_second_load_reads_the_cache_not_the_archive(
    saved: tuple[Path, np.ndarray], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, expected = saved
    Tower.load(folder, device="cpu")
    assert len(list(cache.glob("*.blob"))) == 1
    monkeypatch.setattr(keras_archive, "read_keras_archive", None)
    np.testing.assert_allclose(Tower.load(folder, device="cpu").embed(CROPS[:1]), expected[:1], atol=1e-4)


def test_a_tower_knows_its_card_identity_and_device(saved: tuple[Path, np.ndarray]) -> None:
    tower = Tower.load(saved[0], device="cpu")
    assert tower.card.name == "small"
    assert tower.identity == weights_sha256(saved[0] / "tower.keras")
    assert tower.device == "cpu (OpenVINO)"


def test_the_environment_names_the_tower(saved: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOWER_VARIABLE, str(saved[0]))
    assert Tower.load(device="cpu").card.name == "small"
    monkeypatch.setenv(TOWER_VARIABLE, str(saved[0] / "nowhere"))
    with pytest.raises(TowerError, match=r"nowhere.*is missing"):
        Tower.load(device="cpu")


def test_weights_of_another_tower_are_refused(saved: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    shutil.copytree(saved[0], tmp_path / "mixed")
    (tmp_path / "mixed" / "tower.keras").write_bytes(b"another")
    with pytest.raises(TowerError, match="not the file that its card describes"):
        Tower.load(tmp_path / "mixed", device="cpu")
    (tmp_path / "mixed" / "tower.keras").unlink()
    with pytest.raises(TowerError, match=r"tower\.keras is missing"):
        Tower.load(tmp_path / "mixed", device="cpu")


@pytest.mark.parametrize(("side", "numbers"), [(96, 32), (112, 16)])
def test_a_network_of_another_size_than_its_card_is_refused(tmp_path: Path, side: int, numbers: int) -> None:
    save_tower(tmp_path / "odd", side, numbers)
    with pytest.raises(TowerError, match=r"its card says \[112, 112, 3\] into \[32\]"):
        Tower.load(tmp_path / "odd", device="cpu")


@pytest.mark.skipif(gpu_driver.asked() == "seen", reason="there is a GPU")
def test_without_a_gpu_auto_is_the_cpu_and_gpu_an_error(saved: tuple[Path, np.ndarray]) -> None:
    assert Tower.load(saved[0]).device == "cpu (OpenVINO)"
    with pytest.raises(TowerError, match=r"no GPU that TensorFlow, PyTorch or JAX can use.*--device cpu"):
        Tower.load(saved[0], device="gpu")


@pytest.mark.gpu
@pytest.mark.skipif(gpu_driver.asked() != "seen", reason="no GPU here")
def test_on_a_gpu_the_embeddings_are_the_same(saved: tuple[Path, np.ndarray]) -> None:
    folder, expected = saved
    tower = Tower.load(folder, device="gpu")
    assert tower.device.startswith("gpu (")
    # GPUs multiply in TF32: 10 bits of mantissa.
    np.testing.assert_allclose(tower.embed(CROPS), expected, atol=5e-3 * np.abs(expected).max())


def test_a_card_with_a_later_format_stops_before_the_weights(saved: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    later = dataclasses.replace(Tower.load(saved[0], device="cpu").card, format_version=99)
    write_card(tmp_path, later)
    with pytest.raises(TowerError, match="format_version 99"):
        Tower.load(tmp_path, device="cpu")


def test_embedding_loads_neither_tensorflow_nor_keras(saved: tuple[Path, np.ndarray]) -> None:
    program = (
        "import sys, numpy; from pathlib import Path; from facesearch.vision.tower.tower import Tower;"
        "Tower.load(Path(sys.argv[1])).embed(numpy.zeros((1, 112, 112, 3), numpy.uint8));"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    arguments = [sys.executable, "-c", program, str(saved[0])]
    assert (
        gpu_driver.asked() == "seen"
        or subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == "[]\n"
    )
