"""Hints: the teacher's maps are read where they lie on a face, and a tower learns to predict them."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from support.tiny_training import TWO_BLOCKS

from facesearch_train.config import Lessons
from facesearch_train.model import training_heads
from facesearch_train.model.hints import Hints, hinted_tower, interpolation, map_strides
from facesearch_train.model.network import DENSENET_121, build_tower
from facesearch_train.presets import SMOKE, TEACH, with_teacher


def test_a_cell_of_the_teacher_is_read_where_it_lies_on_the_crop() -> None:
    rows, columns = interpolation(teacher_cells=8, tower_cells=7, stride=16 / 112)
    # dlib's first cell has its centre at 17 px of a chip whose 150 px are 100 px of the crop, from (6, 22) on: that is
    # (17.33, 33.33) px, and the tower's cells have their centres at 8, 24, 40 px.
    np.testing.assert_allclose(rows[0, :4], [0, 1 - 9.333 / 16, 9.333 / 16, 0], atol=1e-3)
    np.testing.assert_allclose(columns[0, :3], [1 - 9.333 / 16, 9.333 / 16, 0], atol=1e-3)
    for weights in (*interpolation(8, 7, 16 / 112), *interpolation(4, 3, 32 / 112)):
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_strides_are_those_of_the_towers_maps() -> None:
    assert map_strides(DENSENET_121) == (16, 32)
    shape = SMOKE.network  # three blocks, and no pool behind the first convolution
    size = SMOKE.stages[0].input_size_px
    middle, last = (maps.shape[1] for maps in hinted_tower(build_tower(size, 32, shape), shape).outputs[1:])
    assert (size // map_strides(shape)[0], size // map_strides(shape)[1]) == (middle, last)


def test_who_foretells_nothing_is_wrong_by_1_and_who_foretells_all_by_nothing() -> None:
    rng = np.random.default_rng(0)
    middle, last = (rng.normal(size=(64, side, side, 6)).astype("float32") for side in (7, 3))
    rows_and_columns = [interpolation(8, 7, 16 / 112), interpolation(4, 3, 32 / 112)]
    taught = [
        np.einsum("yh,xw,bhwc->byxc", *weights, maps)[..., :4] * 5 + 2
        for weights, maps in zip(rows_and_columns, (middle, last), strict=True)
    ]
    embedding = last.mean(axis=(1, 2))[:, :3] * 0.1
    hints = Hints((16, 32), 112)
    inputs = [middle, last, embedding, *taught]
    hints(inputs)
    for layer in (hints.embedding, *hints.foretold):
        layer.set_weights([np.zeros_like(each) for each in layer.get_weights()])
    assert np.asarray(hints(inputs)).mean() == pytest.approx(1, abs=0.05)
    scaled = [
        (each - (mean := each.mean(axis=tuple(range(each.ndim - 1))))) / each.std(axis=tuple(range(each.ndim - 1)))
        for each in (embedding, *taught)
    ]
    assert mean.shape == (4,)
    for layer, maps, wanted, places in zip(
        (hints.embedding, *hints.foretold),
        (last.mean(axis=(1, 2)), middle, last),
        scaled,
        (None, *rows_and_columns),
        strict=True,
    ):
        seen = maps if places is None else np.einsum("yh,xw,bhwc->byxc", *places, maps)
        columns = np.concatenate([seen.reshape(-1, 6), np.ones((seen[..., 0].size, 1))], axis=1)
        solved = np.linalg.lstsq(columns, wanted.reshape(len(columns), -1), rcond=None)[0]
        layer.set_weights([solved[:-1], solved[-1]])
    assert np.asarray(hints(inputs)).max() < 0.02


def test_hints_move_the_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    image = keras.Input((28, 28, 3))
    small = keras.layers.Rescaling(1 / 255)(keras.layers.AveragePooling2D(7)(image))
    embedding = keras.layers.Flatten()(small)
    teacher = keras.Model(image, [embedding, keras.layers.UpSampling2D(2)(small), small])
    monkeypatch.setattr(training_heads, "_teacher", lambda stage, **_: teacher)
    lessons = Lessons(hints=1.0, same_view=True)
    stage = replace(with_teacher(SMOKE, same_view=True).stages[0], contrastive=0.0, lessons=lessons, memory=16)
    config = replace(SMOKE, stages=(stage,), batch_size=8, network=TWO_BLOCKS)
    tower = build_tower(28, 32, config.network, fused=True)
    before = tower.get_layer("conv2_block1_1_conv").get_weights()[0]
    model = training_heads.build_training_model(tower, config, stage, seed=1, people=3, place_size=5)
    model.optimizer.build(model.trainable_variables)  # or the step is traced twice
    model.optimizer.learning_rate = 3e-3
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (8, 112, 112, 3), dtype=np.uint8)
    ids, places = np.arange(8, dtype=np.int32) // 3, np.zeros((8, 5), "float32")
    losses = [float(model.train_on_batch([crops, ids, places], np.zeros(8, "float32"))[0]) for _ in range(15)]
    assert losses[-1] < losses[0]
    assert np.abs(tower.get_layer("conv2_block1_1_conv").get_weights()[0] - before).max() > 0


def test_hints_need_a_teacher_that_sees_the_same_views() -> None:
    assert TEACH.stages[0].lessons is not None
    with pytest.raises(ValueError, match="hints need"):
        replace(TEACH.stages[0].lessons, hints=1.0)
