"""The momentum tower: it follows slowly, fills the memory from unchanged crops, and no gradient moves it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import NETWORK, STAGE, coloured_people, tiny_config

from facesearch.records import CROP_SIZE_PX
from facesearch_train.config import TrainConfig
from facesearch_train.heads import build_training_model
from facesearch_train.loop import EpochReport, Run
from facesearch_train.momentum import FollowTower, momentum_copy, momentum_tower
from facesearch_train.network import build_tower, resize_layer
from facesearch_train.schedule import CyclicalSchedule

TRAINING, VALIDATION = coloured_people(8), coloured_people(5, seed=1)
SLOW = replace(STAGE, momentum=0.9, memory=24)


def weights(model: Any) -> list[np.ndarray]:
    return [np.array(values) for values in model.get_weights()]


def test_after_a_step_the_copy_has_gone_a_tenth_of_the_way() -> None:
    tower = build_tower(28, shape=NETWORK)
    copy = momentum_copy(tower)
    before = weights(copy)
    for values, expected in zip(weights(copy), weights(tower), strict=True):
        np.testing.assert_array_equal(values, expected)
    tower.set_weights([values + 1.0 for values in before])
    follow = FollowTower(tower, copy, 0.9)
    follow.set_model(tower)
    follow.on_train_batch_end(0)
    for values, old in zip(weights(copy), before, strict=True):
        np.testing.assert_allclose(values, old + 0.1, rtol=1e-5, atol=1e-6)


def test_a_step_moves_the_copy_by_its_share_and_gradients_not_at_all(tmp_path: Path) -> None:
    run = Run(tiny_config(stages=(replace(SLOW, epochs=1),), photos_per_epoch=8), tmp_path, TRAINING, VALIDATION)
    initial = build_tower(28, shape=NETWORK, radius=STAGE.radius).get_weights()
    run.train(initial_weights=initial)
    copy = weights(momentum_tower(run.model))
    moved = [np.abs(now - then).max() for now, then in zip(weights(run.tower), initial, strict=True)]
    assert max(moved) > 1e-4
    assert len(run.data) == 1
    for slow, fast, then in zip(copy, weights(run.tower), initial, strict=True):
        np.testing.assert_allclose(slow, 0.9 * then + 0.1 * fast, rtol=1e-4, atol=1e-6)


def test_the_memory_holds_what_the_copy_gave_for_unchanged_crops(tmp_path: Path) -> None:
    still = replace(SLOW, epochs=1, schedule=CyclicalSchedule(max_rate=0.0))
    run = Run(tiny_config(stages=(still,), photos_per_epoch=8), tmp_path, TRAINING, VALIDATION)
    initial = build_tower(28, shape=NETWORK, radius=STAGE.radius)
    run.train(initial_weights=initial.get_weights())
    (crops, ids), _ = run.data[0]
    head = run.model.get_layer("head")
    np.testing.assert_array_equal(np.array(head.remembered_ids), [*ids, *[-1] * (24 - len(ids))])
    resize = resize_layer(CROP_SIZE_PX, STAGE.input_size_px)
    expected = initial.predict_on_batch(resize(keras.ops.cast(crops, "float32")) if resize else crops)
    np.testing.assert_allclose(np.array(head.remembered)[: len(ids)], expected, rtol=1e-3, atol=1e-4)
    assert not np.array(head.remembered)[len(ids) :].any()


def test_a_run_with_a_momentum_tower_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    config = tiny_config(stages=(replace(STAGE, epochs=1), replace(SLOW, epochs=2)))
    reports: list[EpochReport] = []

    def keep(report: EpochReport) -> None:
        reports.append(report)
        if report.epoch == 2:
            shutil.copytree(tmp_path / "run", tmp_path / "after-2")

    Run(config, tmp_path / "run", TRAINING, VALIDATION).train(on_epoch=keep)
    again: list[EpochReport] = []
    read_back = TrainConfig.from_json(json.loads((tmp_path / "after-2" / "config.json").read_text()))
    Run(read_back, tmp_path / "after-2", TRAINING, VALIDATION).train(resume=True, on_epoch=again.append)
    assert [report.epoch for report in again] == [3]
    assert again[0].figures() == pytest.approx(reports[2].figures(), rel=1e-5)


def test_a_stage_begins_with_the_copy_where_the_tower_is(tmp_path: Path) -> None:
    still = replace(SLOW, epochs=1, momentum=1.0)
    run = Run(tiny_config(stages=(replace(STAGE, epochs=1), still)), tmp_path, TRAINING, VALIDATION)
    ended: list[list[np.ndarray]] = []
    run.train(on_epoch=lambda _: ended.append(weights(run.tower)))
    for slow, expected in zip(weights(momentum_tower(run.model)), ended[0], strict=True):
        np.testing.assert_array_equal(slow, expected)
    assert any((fast != then).any() for fast, then in zip(ended[1], ended[0], strict=True))


def test_a_stage_has_its_own_temperature_or_the_runs() -> None:
    config = tiny_config(temperature=0.2)
    tower = build_tower(STAGE.input_size_px, config.embedding_size, config.network)
    stages = (replace(STAGE, temperature=0.05), STAGE)
    models = [build_training_model(tower, config, stage, seed=1, people=8) for stage in stages]
    assert [model.get_layer("head").temperature for model in models] == [0.05, 0.2]
