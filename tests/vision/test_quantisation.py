"""Convolutions in 8 bits: the right inputs, rounded as the definition says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from support.small_tower import write_small_tower

from facesearch.errors import TowerError
from facesearch.vision.runtime import RuntimeSettings, compile_network
from facesearch.vision.tower import quantisation
from facesearch.vision.tower.keras_archive import read_keras_archive
from facesearch.vision.tower.quantisation import observe_ranges, quantise
from facesearch.vision.tower.tower import Tower, read_card, write_card

CROPS = np.random.default_rng(0).integers(0, 256, (37, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pointwise(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A network that is one 1x1 convolution behind a factor, and its kernel (3, 5)."""
    path = tmp_path_factory.mktemp("network") / "pointwise.keras"
    crops = keras.Input((8, 8, 3))
    convolution = keras.layers.Conv2D(5, 1, use_bias=False, name="mixing")
    keras.Model(crops, convolution(keras.layers.Rescaling(1 / 64, offset=-1.0)(crops))).save(path)
    return path, np.asarray(convolution.kernel)[0, 0].astype(np.float64)


def test_the_ranges_are_those_of_what_goes_in(pointwise: tuple[Path, np.ndarray]) -> None:
    crops = np.random.default_rng(1).integers(30, 200, (40, 8, 8, 3), dtype=np.uint8)
    crops[39, 4, 2, 1] = 250  # in the last, unfilled batch
    assert observe_ranges(read_keras_archive(pointwise[0]), crops) == {
        "mixing": [pytest.approx(crops.min() / 64 - 1, abs=1e-5), pytest.approx(250 / 64 - 1, abs=1e-5)]
    }


def test_values_and_kernel_are_rounded_to_8_bits_and_clamped(pointwise: tuple[Path, np.ndarray]) -> None:
    path, kernel = pointwise
    network = read_keras_archive(path)
    quantise(network, {"mixing": [-0.5, 2.0]})
    network.reshape([4, 8, 8, 3])
    crops = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
    found = compile_network(network, RuntimeSettings())(crops)[0]
    step = 2.5 / 255
    values = np.round((np.clip(crops / 64 - 1, -0.5, 2.0) + 0.5) / step) * step - 0.5
    kernel_steps = np.abs(kernel).max(axis=0) / 127
    expected = values @ (np.round(kernel / kernel_steps) * kernel_steps)
    np.testing.assert_allclose(np.moveaxis(found, 1, -1) if found.shape[1] == 5 else found, expected, atol=0.02)
    exact = (crops / 64 - 1) @ kernel
    assert np.abs(expected - exact).max() > 0.1  # what was clamped


def test_without_8_bit_instructions_large_sums_do_not_overflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """288 products of the largest values: in 16 bits, as AVX2 alone adds them up, they are cut off at 32,767."""
    monkeypatch.setattr(quantisation, "has_int8", lambda: False)
    crops = keras.Input((8, 8, 32))
    kernel = keras.initializers.Constant(0.5)
    keras.Model(crops, keras.layers.Conv2D(4, 3, use_bias=False, kernel_initializer=kernel, name="sum")(crops)).save(
        tmp_path / "sum.keras"
    )
    network = read_keras_archive(tmp_path / "sum.keras")
    quantise(network, {"sum": [0.0, 255.0]})
    network.reshape([1, 8, 8, 32])
    sums = compile_network(network, RuntimeSettings())(np.full((1, 8, 8, 32), 255, np.float32))[0]
    np.testing.assert_allclose(sums, 288 * 255 * 0.5, rtol=1e-5)


def test_a_layer_without_a_range_is_named(pointwise: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(TowerError, match="'mixing'"):
        quantise(read_keras_archive(pointwise[0]), {"other": [0.0, 1.0]})


def test_a_tower_in_int8_gives_nearly_its_embeddings_alone_and_in_batches(tmp_path: Path) -> None:
    folder = write_small_tower(tmp_path / "tower", int8=True)
    exact = Tower.load(folder, device="cpu").embed(CROPS)
    tower = Tower.load(folder, device="cpu", precision="int8")
    assert tower.precision == "int8"
    rough = tower.embed(CROPS)
    many = tower.embed(np.tile(CROPS, (2, 1, 1, 1)))[: len(CROPS)]
    for embeddings in (rough, many):
        assert 0 < np.linalg.norm(embeddings - exact) < 0.03 * np.linalg.norm(exact)


def test_a_tower_whose_card_has_no_ranges_takes_another_precision(tmp_path: Path) -> None:
    folder = write_small_tower(tmp_path / "tower")
    assert read_card(folder).int8_ranges is None
    assert Tower.load(folder, device="cpu", precision="int8").precision != "int8"


def test_other_ranges_are_another_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of compiled networks tells them apart, though the weights are the same."""
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    folder = write_small_tower(tmp_path / "tower", int8=True)
    first = Tower.load(folder, device="cpu", precision="int8").embed(CROPS[:2])
    card = read_card(folder)
    assert card.int8_ranges is not None
    narrow = {name: [low / 4, high / 4] for name, (low, high) in card.int8_ranges.items()}
    write_card(folder, dataclasses.replace(card, int8_ranges=narrow))
    assert np.abs(Tower.load(folder, device="cpu", precision="int8").embed(CROPS[:2]) - first).max() > 1e-3
