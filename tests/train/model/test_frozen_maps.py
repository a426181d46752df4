"""What frozen blocks give, computed once: the same as the blocks themselves, and the same again from the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from support.tiny_training import STAGE, TWO_BLOCKS, coloured_people, tiny_config
from support.windows_files import refuse_open_files

from facesearch_train.model.frozen_maps import frozen_maps
from facesearch_train.model.network import build_tower, split_tower

CROPS = coloured_people(9, photos=5).crops  # more than one batch, the last one not whole
STILL = replace(STAGE, frozen=1, views=2)
CONFIG = tiny_config(stages=(STILL,), network=TWO_BLOCKS)


@pytest.fixture(scope="module")
def trunk_tower() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_tower(STAGE.input_size_px, shape=TWO_BLOCKS)


def test_a_tower_cut_in_two_gives_the_same_embeddings(trunk_tower: keras.Model) -> None:
    small = np.random.default_rng(0).uniform(0, 255, (3, 28, 28, 3)).astype("float32")
    trunk, tail = split_tower(trunk_tower, 1)
    whole = trunk_tower.predict_on_batch(small)
    np.testing.assert_allclose(tail.predict_on_batch(trunk.predict_on_batch(small)), whole, rtol=1e-5, atol=1e-5)
    assert not {layer.name for layer in trunk.layers} & {layer.name for layer in tail.layers if layer.weights}


def test_the_first_view_is_what_the_blocks_give_for_the_crops_as_they_are(
    trunk_tower: keras.Model, tmp_path: Path
) -> None:
    maps = frozen_maps(tmp_path, trunk_tower, CROPS, CONFIG, STILL)
    trunk, _ = split_tower(trunk_tower, 1)
    small = CROPS.reshape(-1, 28, 4, 28, 4, 3).mean(axis=(2, 4)).astype("float32")
    expected = trunk.predict_on_batch(small)
    rows = np.array([44, 0, 17])
    error = np.abs(maps[rows].astype("float32") - expected[rows]).max()
    assert error < 0.02 * np.abs(expected).max()  # bfloat16, where the processor has it
    assert len(maps) == 2 * len(CROPS)
    other = maps[rows + len(CROPS)].astype("float32")
    assert other.shape == maps[rows].shape
    assert np.abs(other - expected[rows]).max() > 5 * error  # augmented


def test_rows_of_several_views_come_in_the_order_in_which_they_are_asked_for(
    trunk_tower: keras.Model, tmp_path: Path
) -> None:
    maps = frozen_maps(tmp_path, trunk_tower, CROPS, CONFIG, STILL)
    rows = np.array([50, 3, 89, 44, 45, 3])
    one_by_one = np.concatenate([maps[rows[place : place + 1]] for place in range(len(rows))])
    np.testing.assert_array_equal(maps[rows], one_by_one)


def test_finished_views_are_taken_again_for_the_same_tower_and_made_anew_for_another(
    trunk_tower: keras.Model, tmp_path: Path
) -> None:
    before = frozen_maps(tmp_path, trunk_tower, CROPS, CONFIG, STILL)[np.arange(90)]
    files = sorted((tmp_path / "maps").iterdir())
    assert len(files) == 2
    marked = np.load(files[0], mmap_mode="r+")
    marked[0] = 7.0
    marked.flush()
    files[1].unlink()  # interrupted in the second view
    again = frozen_maps(tmp_path, trunk_tower, CROPS, CONFIG, STILL)[np.arange(90)]
    assert (again[0] == 7.0).all()
    np.testing.assert_array_equal(again[1:], before[1:])
    other = build_tower(STAGE.input_size_px, shape=TWO_BLOCKS)
    frozen_maps(tmp_path, other, CROPS, CONFIG, STILL)
    assert len(list((tmp_path / "maps").iterdir())) == 4


def test_maps_are_finished_where_no_open_file_can_be_renamed(
    trunk_tower: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refuse_open_files(monkeypatch)
    assert len(frozen_maps(tmp_path, trunk_tower, CROPS, CONFIG, STILL)) == 90
    assert [path.suffix for path in asked if path.parent.name == "maps"] == [".writing"] * 2
