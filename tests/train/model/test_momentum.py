"""The momentum tower: it follows slowly, fills the memory from unchanged crops, and no gradient moves it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support.tiny_training import NETWORK, STAGE, coloured_people, tiny_config, without_graph

from facesearch.records import CROP_SIZE_PX
from facesearch_train.config import TrainConfig
from facesearch_train.loop import EpochReport, Run
from facesearch_train.model.momentum import MomentumTower, momentum_tower
from facesearch_train.model.network import build_tower, resize_layer
from facesearch_train.model.training_heads import build_training_model
from facesearch_train.schedule import CyclicalSchedule

TRAINING, VALIDATION = coloured_people(8), coloured_people(5, seed=1)
SLOW = replace(STAGE, momentum=0.9, memory=24)


def weights(model: Any) -> list[np.ndarray]:
    """Without the states of random numbers."""
    return [values for values in map(np.array, model.get_weights()) if values.dtype.kind == "f"]


def copied(run: Run) -> list[np.ndarray]:
    slow = momentum_tower(run.model)
    assert slow is not None
    return weights(slow.copy)


def test_it_goes_a_tenth_of_the_way() -> None:
    tower = build_tower(28, shape=NETWORK)
    slow = MomentumTower(tower, 0.9)
    before = weights(slow.copy)
    for values, expected in zip(before, weights(tower), strict=True):
        np.testing.assert_array_equal(values, expected)
    tower.set_weights([values + 1.0 for values in before])
    slow.follow()
    for values, old in zip(weights(slow.copy), before, strict=True):
        np.testing.assert_allclose(values, old + 0.1, rtol=1e-5, atol=1e-6)


def test_only_in_training_does_it_follow() -> None:
    tower = build_tower(28, shape=NETWORK)
    slow = MomentumTower(tower, 0.9)
    tower.set_weights([values + 1.0 for values in weights(tower)])
    before = weights(slow.copy)
    crops = np.zeros((2, 28, 28, 3), "float32")
    slow(crops)
    for values, old in zip(weights(slow.copy), before, strict=True):
        np.testing.assert_array_equal(values, old)
    slow(crops, training=True)
    assert all((values != old).any() for values, old in zip(weights(slow.copy), before, strict=True))


@dataclass(frozen=True)
class Followed:
    """A run in which a momentum tower follows from the second epoch on, one step an epoch."""

    reports: list[EpochReport]
    towers: list[list[np.ndarray]]  # the tower's weights after each epoch
    copies: list[list[np.ndarray]]  # the momentum tower's, from the second epoch on
    learnt: list[bool]  # which of the weights gradients move
    after_five: Path  # the run's folder as it was after five of its six epochs


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("momentum")
    config = tiny_config(stages=(replace(STAGE, epochs=1), replace(SLOW, epochs=5, dropout=0.3)), photos_per_epoch=8)
    run = Run(config, folder / "run", TRAINING, VALIDATION)
    result = Followed([], [], [], [], folder / "after-5")

    def keep(report: EpochReport) -> None:
        result.reports.append(report)
        result.towers.append(weights(run.tower))
        if momentum_tower(run.model):
            result.copies.append(copied(run))
        if report.epoch == 5:
            shutil.copytree(run.folder, result.after_five)

    run.train(on_epoch=keep)
    assert len(run.data) == 1
    result.learnt.extend(
        not variable.name.startswith("moving") for variable in run.tower.weights if "float" in variable.dtype
    )
    return result


def test_each_step_moves_it_by_its_share_and_gradients_not_at_all(followed: Followed) -> None:
    """After the first step it has not moved, for it follows before it embeds; after the second it has, by a tenth."""
    initial, fast = followed.towers[:2]
    slow, later = followed.copies[:2]
    assert max(np.abs(now - then).max() for now, then in zip(fast, initial, strict=True)) > 1e-4
    for is_learnt, then, after_one, after_two, towers in zip(followed.learnt, initial, slow, later, fast, strict=True):
        if is_learnt:
            np.testing.assert_allclose(after_one, then, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(after_two, 0.9 * then + 0.1 * towers, rtol=1e-4, atol=1e-6)


@without_graph()
def test_the_memory_holds_what_the_copy_gave_for_unchanged_crops(tmp_path: Path) -> None:
    still = replace(SLOW, epochs=1, momentum=1.0, schedule=CyclicalSchedule(max_rate=0.0))
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


def test_a_run_with_a_momentum_tower_resumes_to_the_same_numbers(followed: Followed, tmp_path: Path) -> None:
    """Its memory of 24 is full by then, and its oldest embeddings are gone."""
    folder = Path(shutil.copytree(followed.after_five, tmp_path / "run"))
    read_back = TrainConfig.from_json(json.loads((folder / "config.json").read_text()))
    again: list[EpochReport] = []
    with without_graph():
        Run(read_back, folder, TRAINING, VALIDATION).train(resume=True, on_epoch=again.append)
    assert [report.epoch for report in again] == [6]
    assert again[0].figures() == pytest.approx(followed.reports[5].figures(), rel=1e-5)


def test_a_stage_begins_with_the_copy_where_the_tower_is(followed: Followed) -> None:
    """Statistics move within the step, before the copy follows: they have gone a tenth of the way."""
    weights_of = (followed.learnt, followed.copies[0], followed.towers[0], followed.towers[1])
    for is_learnt, slow, then, now in zip(*weights_of, strict=True):
        expected = then if is_learnt else 0.9 * then + 0.1 * now
        np.testing.assert_allclose(slow, expected, rtol=1e-5, atol=1e-6)


def test_a_stage_has_its_own_temperature_or_the_runs() -> None:
    config = tiny_config(temperature=0.2)
    tower = build_tower(STAGE.input_size_px, config.embedding_size, config.network)
    stages = (replace(STAGE, temperature=0.05), STAGE)
    models = [build_training_model(tower, config, stage, seed=1, people=8) for stage in stages]
    assert [model.get_layer("head").temperature for model in models] == [0.05, 0.2]
