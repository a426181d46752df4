"""bfloat16: the network computes with it, what is compared and minimised does not; accumulation and decay: what a step
is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support.tiny_training import STAGE, coloured_people, tiny_config, without_graph

from facesearch_train.loop import EpochReport, Run
from facesearch_train.model.network import build_tower
from facesearch_train.model.precision import training_precision
from facesearch_train.model.training_heads import build_training_model
from facesearch_train.schedule import CyclicalAdam


def test_two_steps_train_in_bfloat16_with_embeddings_and_loss_in_float32(tmp_path: Path) -> None:
    config = tiny_config(stages=(replace(STAGE, epochs=1),), photos_per_epoch=16, precision="bfloat16")
    reports: list[EpochReport] = []
    run = Run(config, tmp_path, coloured_people(8), coloured_people(3, seed=1))
    run.train(on_epoch=reports.append)
    assert int(run.model.optimizer.iterations) == 2
    assert np.isfinite(reports[0].logs["loss"])
    convolutions = [layer for layer in run.tower._flatten_layers() if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    assert {weight.dtype for weight in run.tower.weights} == {"float32"}
    assert keras.backend.standardize_dtype(run.tower.output.dtype) == "float32"
    assert keras.backend.standardize_dtype(run.model.output.dtype) == "float32"
    assert keras.config.dtype_policy().name == "float32"  # as it was before


def test_bfloat16_embeddings_are_those_of_float32_but_for_rounding() -> None:
    crops = coloured_people(4, 2).crops[:, ::4, ::4].astype("float32")
    embeddings = []
    for precision in ("float32", "bfloat16"):
        keras.utils.set_random_seed(1)
        with training_precision(precision):
            tower = build_tower(28, 32, tiny_config().network)
        embeddings.append(np.asarray(tower.predict_on_batch(crops), np.float32))
    difference = np.abs(embeddings[0] - embeddings[1]).max() / embeddings[0].std()
    assert 0 < difference < 0.1


def test_accumulated_gradients_move_the_weights_once_by_their_mean() -> None:
    """Keras' words: gradients of N steps are averaged, and the variables change at every Nth step only."""
    first, second = np.array([1.0, -2.0], "float32"), np.array([3.0, 4.0], "float32")
    moved = []
    for gradients, accumulate in (((first, second), 2), (((first + second) / 2,), None)):
        variable = keras.Variable(np.array([0.5, 0.5], "float32"))
        optimizer = CyclicalAdam(0.01, gradient_accumulation_steps=accumulate)
        optimizer.build([variable])
        for number, gradient in enumerate(gradients, start=1):
            optimizer.apply([keras.ops.convert_to_tensor(gradient)])
            if number < len(gradients):
                np.testing.assert_array_equal(np.asarray(variable), [0.5, 0.5])
        moved.append(np.asarray(variable))
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-6)
    # Adam's first step is the rate in the direction of the mean gradient, [2, 1], whatever its size.
    np.testing.assert_allclose(moved[0], [0.49, 0.49], atol=1e-5)


def test_a_models_weights_move_at_every_second_batch_only_and_its_step_is_traced_once() -> None:
    config = tiny_config(stages=(STAGE,), accumulate=2, memory=0)
    data = coloured_people(4, 2)
    model = build_training_model(build_tower(28, 32, config.network), config, STAGE, seed=1, people=4)
    model.optimizer.build(model.trainable_variables)
    step, traced = model.train_step, []

    def counted(batch: Any) -> Any:
        traced.append(batch)
        return step(batch)

    model.train_step = counted
    kernels = [[np.asarray(weight) for weight in model.trainable_weights]]
    for _ in range(4):
        model.train_on_batch((data.crops, data.identities), np.zeros(8, "float32"))
        kernels.append([np.asarray(weight) for weight in model.trainable_weights])

    def moved(step: int) -> bool:
        return any((old != new).any() for old, new in zip(kernels[step], kernels[step + 1], strict=True))

    assert [moved(step) for step in range(4)] == [False, True, False, True]
    assert len(traced) == 1


@without_graph()
def test_decay_takes_its_share_of_kernels_and_leaves_everything_else() -> None:
    """With a loss of nothing a step is the decay alone."""
    stage = replace(STAGE, contrastive=0.0, softmax=0.0, identity=0.0, weight_decay=0.5)
    config = tiny_config(stages=(stage,), memory=0)
    data = coloured_people(4, 2)
    model = build_training_model(build_tower(28, 32, config.network), config, stage, seed=1, people=4)
    before = {weight.path: np.asarray(weight) for weight in model.trainable_weights}
    rate = float(model.optimizer.learning_rate.numpy())
    model.train_on_batch((data.crops, data.identities), np.zeros(8, "float32"))
    for weight in model.trainable_weights:
        kept = 1 - rate * 0.5 if weight.name == "kernel" else 1.0
        np.testing.assert_allclose(np.asarray(weight), before[weight.path] * kept, rtol=1e-6, err_msg=weight.path)
    assert {weight.name for weight in model.trainable_weights} >= {"kernel", "gamma", "beta", "bias"}


def test_a_run_that_accumulates_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    """Three batches an epoch: the first epoch ends with gradients that no step has used yet."""
    config = tiny_config(stages=(replace(STAGE, epochs=3),), photos_per_epoch=24, accumulate=2)
    people, strangers = coloured_people(8), coloured_people(3, seed=1)

    def keep(report: EpochReport) -> None:
        if report.epoch == 1:
            shutil.copytree(tmp_path / "whole", tmp_path / "cut")

    Run(config, tmp_path / "whole", people, strangers).train(on_epoch=keep)
    with without_graph():
        Run(config, tmp_path / "cut", people, strangers).train(resume=True)
    whole, cut = (
        (tmp_path / name / "history.csv").read_text(encoding="utf-8").splitlines() for name in ("whole", "cut")
    )
    assert len(whole) == len(cut) == 4
    header = whole[0].split(",")
    for one, other in zip(whole[1:], cut[1:], strict=True):
        figures = [dict(zip(header, map(float, line.split(",")), strict=True)) for line in (one, other)]
        for row in figures:
            del row["elapsed_s"]
        assert figures[0] == pytest.approx(figures[1], rel=2e-4)
