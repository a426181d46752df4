"""The loop on tiny networks: it resumes to the same numbers, keeps the best tower, and stops where training is lost."""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from support.tiny_training import NETWORK, STAGE, TWO_BLOCKS, coloured_people, tiny_config, without_graph

from facesearch.errors import TowerError, TrainingCollapsedError, TrainingDataError, UsageError
from facesearch_train.config import TrainConfig
from facesearch_train.crop_data import CropData, check_crop_data
from facesearch_train.loop import EpochReport, Run
from facesearch_train.model.network import DenseNetShape, build_tower
from facesearch_train.model.training_heads import build_training_model
from facesearch_train.presets import PRESETS, TAUGHT
from facesearch_train.runlog import FIELDS, RunLog
from facesearch_train.schedule import CyclicalSchedule

CONFIG = tiny_config()
TAUGHT_STAGE = replace(STAGE, softmax=0.0, identity=0.0, lessons=TAUGHT, frozen=1, average=0.9)
TAUGHT_CONFIG = tiny_config(
    stages=(TAUGHT_STAGE, replace(TAUGHT_STAGE, epochs=1, frozen=0)), memory=0, network=TWO_BLOCKS
)
TRAINING, VALIDATION = coloured_people(8), coloured_people(5, seed=1)


@dataclass(frozen=True)
class Finished:
    """An uninterrupted run, and its folder as it was after each epoch."""

    run: Run
    folder: Path
    reports: list[EpochReport]
    snapshots: list[Path]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("run") / "run"
    run = Run(CONFIG, folder, TRAINING, VALIDATION)
    result = Finished(run, folder, [], [])

    def keep(report: EpochReport) -> None:
        result.reports.append(report)
        snapshot = folder.with_name(f"after-{report.epoch}")
        result.snapshots.append(Path(shutil.copytree(folder, snapshot)))

    run.train(on_epoch=keep)
    return result


@pytest.mark.parametrize("epochs_done", [1, 2], ids=["within a stage", "across a stage's end"])
def test_a_resumed_run_goes_on_to_the_same_numbers(finished: Finished, tmp_path: Path, epochs_done: int) -> None:
    folder = Path(shutil.copytree(finished.snapshots[epochs_done - 1], tmp_path / "run"))
    run = Run(TrainConfig.from_json(json.loads((folder / "config.json").read_text())), folder, TRAINING, VALIDATION)

    reports: list[EpochReport] = []

    def stop(report: EpochReport) -> None:
        reports.append(report)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(resume=True, on_epoch=stop)
    expected = finished.reports[epochs_done]
    assert reports[0].epoch == expected.epoch == epochs_done + 1
    assert reports[0].best == expected.best
    assert reports[0].figures() == pytest.approx(expected.figures(), rel=1e-5)
    assert [row["epoch"] for row in history(folder)] == [str(number + 1) for number in range(epochs_done + 1)]


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_history_has_every_figure_of_every_epoch(finished: Finished) -> None:
    rows = history(finished.folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, report in zip(rows, finished.reports, strict=True):
        assert tuple(row) == FIELDS
        for name, value in report.figures().items():
            assert float(row[name]) == pytest.approx(value, rel=1e-6)
        assert float(row["val_gap"]) == pytest.approx(
            float(row["val_impostor_distance"]) - float(row["val_genuine_distance"])
        )


def test_tensorboard_reads_the_scalars_back(finished: Finished) -> None:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    scalars: dict[str, dict[int, float]] = defaultdict(dict)
    for path in sorted((finished.folder / "tensorboard").iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                number = value.tensor.float_val[0] if value.HasField("tensor") else value.simple_value
                scalars[value.tag][event.step] = number
    for name in ("loss", "rate", "beta1", "genuine_distance", "impostor_distance", "val_loss", "val_gap"):
        expected = {report.epoch: report.figures()[name] for report in finished.reports}
        assert scalars[name] == pytest.approx(expected, rel=1e-5), name


def test_the_best_weights_are_those_of_the_last_stages_lowest_validation_loss(finished: Finished) -> None:
    tower = build_tower(28, shape=NETWORK)
    tower.load_weights(finished.folder / "best.weights.h5")
    finished.run.tower.set_weights(tower.get_weights())
    measured = finished.run.validation.measure(finished.run.embed)
    best = min(report.validation.loss for report in finished.reports[2:])
    assert measured.loss == pytest.approx(best, rel=1e-5)
    assert finished.run.best is not None
    assert finished.run.best.epoch == 3


@pytest.mark.parametrize("keep", ["best", "last"])
def test_an_epoch_that_is_not_the_best_is_kept_only_as_the_last(
    finished: Finished, tmp_path: Path, keep: Literal["best", "last"]
) -> None:
    run = copy(finished.run)
    run.config, run.folder = tiny_config(keep=keep), tmp_path
    run._keep(replace(finished.reports[-1], best=False))
    assert (tmp_path / "last.json").exists()
    assert (tmp_path / "best.weights.h5").exists() == (keep == "last")
    if keep == "last":
        tower = build_tower(28, shape=NETWORK)
        tower.load_weights(tmp_path / "best.weights.h5")
        for kept, ended in zip(tower.get_weights(), run.tower.get_weights(), strict=True):
            np.testing.assert_array_equal(kept, ended)


def test_an_epoch_is_the_best_only_where_its_loss_is_the_lowest(finished: Finished) -> None:
    lowest = [float("inf")] * len(CONFIG.stages)
    for report in finished.reports:
        stage, _, _ = CONFIG.stage_at(report.epoch - 1)
        assert report.best == (report.validation.loss < lowest[stage])
        lowest[stage] = min(report.validation.loss, lowest[stage])


@without_graph()
def test_a_stage_begins_with_the_weights_and_prototypes_of_the_one_before_and_has_its_own_batches(
    tmp_path: Path,
) -> None:
    stage = replace(STAGE, epochs=1)
    still = replace(stage, schedule=CyclicalSchedule(max_rate=0.0), batch_size=16)
    config = tiny_config(stages=(stage, still), photos_per_epoch=32)
    run = Run(config, tmp_path, TRAINING, VALIDATION)
    prototypes: list[np.ndarray] = []
    kernels: list[np.ndarray] = []
    batches: list[tuple[int, int, int]] = []

    def keep(report: EpochReport) -> None:
        prototypes.append(np.array(run.model.get_layer("head").prototypes))
        kernels.append(run.tower.get_layer("embedding").get_weights()[0])
        batches.append((len(run.data), len(run.data[0][1]), run.model.inputs[0].shape[0]))

    run.train(on_epoch=keep)
    assert prototypes[0].shape == (8, 32)
    assert prototypes[0].std() > 0
    np.testing.assert_array_equal(prototypes[1], prototypes[0])
    np.testing.assert_array_equal(kernels[1], kernels[0])
    assert batches == [(4, 8, 8), (2, 16, 16)]
    assert TrainConfig.from_json(config.to_json()).batch_sizes == (8, 16)
    too_large = replace(config, stages=(stage, replace(stage, batch_size=len(TRAINING.identities) + 1)))
    with pytest.raises(TrainingDataError, match="fewer than one batch"):
        check_crop_data(TRAINING, too_large)


def test_only_the_newest_checkpoint_is_kept(finished: Finished) -> None:
    assert [path.name for path in finished.folder.glob("last-*")] == ["last-0003.weights.h5"]
    assert not list(finished.folder.glob("new-*"))


def test_the_schedule_of_each_stage_is_drawn(finished: Finished) -> None:
    from PIL import Image

    for number in (1, 2):
        with Image.open(finished.folder / f"schedule-{number}.png") as picture:
            assert np.ptp(np.asarray(picture)) > 100


def test_a_run_at_its_end_is_left_as_it_is(finished: Finished) -> None:
    before = {path: path.read_bytes() for path in finished.folder.glob("*.h5")}
    reports: list[EpochReport] = []
    Run(CONFIG, finished.folder, TRAINING, VALIDATION).train(resume=True, on_epoch=reports.append)
    assert not reports
    assert {path: path.read_bytes() for path in finished.folder.glob("*.h5")} == before


def test_a_run_never_begun_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        Run(CONFIG, tmp_path / "none", TRAINING, VALIDATION).train(resume=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("config", [CONFIG, *PRESETS.values()], ids=lambda config: config.name)
def test_a_config_is_the_same_read_back(config: TrainConfig) -> None:
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_stage_has_its_own_changes_of_crops_and_memory_or_the_runs() -> None:
    gentle = replace(CONFIG.augmentation, rotation_rad=0.01, scale=(0.99, 1.01))
    config = replace(CONFIG, stages=(replace(STAGE, augmentation=gentle, memory=0), STAGE))
    read_back = TrainConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert read_back == config
    tower = build_tower(STAGE.input_size_px, config.embedding_size, config.network)
    models = [build_training_model(tower, read_back, stage, seed=1, people=8) for stage in read_back.stages]
    assert [model.get_layer("augment").augmentation for model in models] == [gentle, CONFIG.augmentation]
    assert [model.get_layer("head").remembered.shape[0] for model in models] == [0, CONFIG.memory]


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(UsageError, match="colour_of_the_sky"):
        TrainConfig.from_json({**CONFIG.to_json(), "colour_of_the_sky": 1})


def test_epochs_belong_to_stages() -> None:
    assert [CONFIG.stage_at(epoch)[::2] for epoch in range(3)] == [(0, 0), (0, 0), (1, 2)]
    with pytest.raises(UsageError, match="end of the run"):
        CONFIG.stage_at(3)


@without_graph()
def test_people_who_all_look_alike_collapse_with_advice(tmp_path: Path) -> None:
    alike = CropData(np.full_like(VALIDATION.crops, 90), VALIDATION.identities)
    with pytest.raises(TrainingCollapsedError, match=r"epoch 1: .* all alike .*Lower the learning rate"):
        Run(CONFIG, tmp_path, TRAINING, alike).train()
    assert not (tmp_path / "best.weights.h5").exists()


@without_graph()
def test_a_rate_that_breaks_the_numbers_collapses_with_advice(tmp_path: Path) -> None:
    stage = replace(STAGE, schedule=CyclicalSchedule(max_rate=1e30))
    with pytest.raises(TrainingCollapsedError, match=r"epoch 1: .* are no longer numbers.*Lower the learning rate"):
        Run(tiny_config(stages=(stage,)), tmp_path, TRAINING, VALIDATION).train()
    assert not (tmp_path / "best.weights.h5").exists()
    assert not (tmp_path / "last.json").exists()


@pytest.mark.parametrize(
    ("identities", "message"),
    [([0] * 8, "at least two people"), (range(8), "No person has two photos"), ([0, 0, 1, 1], "fewer than one batch")],
)
def test_data_without_pairs_is_refused_and_nothing_written(tmp_path: Path, identities: list[int], message: str) -> None:
    numbers = np.array(identities, np.int32)
    data = CropData(TRAINING.crops[: len(numbers)], numbers)
    with pytest.raises(TrainingDataError, match=message):
        check_crop_data(data, CONFIG)
    with pytest.raises(TrainingDataError, match=message):
        Run(CONFIG, tmp_path / "run", data, VALIDATION)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = build_tower(28, shape=DenseNetShape(units=(1, 1), growth_rate=8)).get_weights()
    with pytest.raises(TowerError, match="another network"):
        Run(CONFIG, tmp_path, TRAINING, VALIDATION).train(initial_weights=other)


def test_epochs_whose_weights_were_never_kept_leave_the_history(tmp_path: Path) -> None:
    for epochs_done, epochs in ((0, (1, 2, 3)), (2, (3,))):
        with RunLog(tmp_path, epochs_done) as log:
            for epoch in epochs:
                log.write(epoch, {"loss": epoch + epochs_done / 10})
    assert [(row["epoch"], row["loss"]) for row in history(tmp_path)] == [("1", "1.0"), ("2", "2.0"), ("3", "3.2")]


def test_the_history_is_whole_before_the_first_epoch_of_a_resumed_run(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        log.write(1, {"loss": 1.0})
    with RunLog(tmp_path, 1):  # what a run that is killed now leaves
        assert [row["epoch"] for row in history(tmp_path)] == ["1"]


def taught_people() -> CropData:
    """The training data with the places of a teacher that is sure who is who."""
    people = np.random.default_rng(5).normal(0, 0.3, (8, 12)).astype("float32")
    noise = np.random.default_rng(6).normal(0, 0.02, (len(TRAINING.identities), 12)).astype("float32")
    return replace(TRAINING, places=people[TRAINING.identities] + noise)


@dataclass(frozen=True)
class Taught:
    """A run that a teacher taught, begun with `start`, and its folder as it was after the first epoch of three."""

    config: TrainConfig
    start: Any
    reports: list[EpochReport]
    after_one: Path
    frozen: list[Any]  # the tower's layers' weights at the end of the stage in which blocks stand still


@pytest.fixture(scope="module", params=[0, 2], ids=lambda views: f"{views} views")
def taught(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    folder = tmp_path_factory.mktemp("taught")
    first, last = TAUGHT_CONFIG.stages
    config = replace(TAUGHT_CONFIG, stages=(replace(first, views=request.param), last))
    start = build_tower(28, shape=TWO_BLOCKS, radius=TAUGHT_STAGE.radius)
    run = Run(config, folder / "whole", taught_people(), VALIDATION)
    result = Taught(config, start, [], folder / "after-1", [])

    def keep(report: EpochReport) -> None:
        result.reports.append(report)
        if report.epoch == 1:
            shutil.copytree(run.folder, result.after_one)
        if report.epoch == first.epochs:
            result.frozen.extend((layer.name, layer.get_weights()) for layer in run.tower.layers)

    run.train(initial_weights=start.get_weights(), on_epoch=keep)
    return result


def test_a_taught_run_resumes_to_the_same_numbers_within_its_first_stage(taught: Taught, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(taught.after_one, tmp_path / "run"))
    rest: list[EpochReport] = []
    with without_graph():
        Run(taught.config, folder, taught_people(), VALIDATION).train(resume=True, on_epoch=rest.append)
    assert [report.epoch for report in rest] == [2, 3]
    for before, after in zip(taught.reports[1:], rest, strict=True):
        assert after.logs["loss"] == pytest.approx(before.logs["loss"], rel=1e-3)
        assert after.validation.loss == pytest.approx(before.validation.loss, rel=1e-2, abs=1e-4)


def test_blocks_that_are_frozen_stand_still_and_the_others_learn(taught: Taught) -> None:
    for name, after in taught.frozen:
        before = taught.start.get_layer(name).get_weights()
        same = all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
        if name.startswith(("conv1_", "conv2_", "pool2_")):
            assert same, name
        elif name.endswith("_conv") or name == "embedding":
            assert not same, name


@without_graph()
def test_the_tower_to_keep_is_the_running_mean_of_the_weights(tmp_path: Path) -> None:
    stage = replace(TAUGHT_STAGE, epochs=1)
    run = Run(replace(TAUGHT_CONFIG, stages=(stage,), keep="last"), tmp_path, taught_people(), VALIDATION)
    run.train()
    kept = build_tower(28, shape=TWO_BLOCKS)
    kept.load_weights(tmp_path / "best.weights.h5")
    last = run.tower.get_layer("embedding").get_weights()[0]
    mean = next(mean for variable, mean in run.model.optimizer.averages if variable.path.endswith("embedding/kernel"))
    np.testing.assert_allclose(kept.get_layer("embedding").get_weights()[0], np.asarray(mean), rtol=1e-5)
    assert np.abs(last - np.asarray(mean)).max() > 1e-5  # the tower itself goes on from where it was


def test_a_taught_stage_without_a_teacher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="learns from a teacher"):
        Run(TAUGHT_CONFIG, tmp_path / "run", TRAINING, VALIDATION)
    assert not (tmp_path / "run").exists()
