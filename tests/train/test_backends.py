"""Training under each Keras backend that is installed: two steps, a run that is cut off and resumed, its export, and
two devices at once. A backend other than that of the tests has a process of its own."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import keras
import pytest

PROGRAM = """
import json
from dataclasses import replace
import keras
from support.tiny_training import STAGE, coloured_people, tiny_config
from facesearch_train.loop import Run

for sampling in ("people", "pairs"):
    stage = replace(STAGE, epochs=1, momentum=0.9)
    config = tiny_config(stages=(stage,), sampling=sampling, photos_per_epoch=16, precision="auto")
    run = Run(config, FOLDER / sampling, coloured_people(8), coloured_people(3, seed=1))
    reports = []
    run.train(on_epoch=reports.append)
    steps, figures = int(run.model.optimizer.iterations), reports[0].figures()
    print(json.dumps({"backend": keras.backend.backend(), "steps": steps, "sampling": sampling, **figures}))
"""


BACKENDS = ("tensorflow", "jax", "torch")


def run_program(program: str, backend: str, folder: Path, **environment: str) -> list[dict[str, Any]]:
    """The JSON lines that a program prints under a backend. Skips where that is not installed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if backend == keras.backend.backend() and not environment:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(program, "<program>", "exec"), {"FOLDER": folder})
        return _json_lines(printed.getvalue())
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    variables = {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment}
    done = subprocess.run(
        [sys.executable, "-c", f"import pathlib\nFOLDER = pathlib.Path({str(folder)!r})\n{program}"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return _json_lines(done.stdout)


def _json_lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_steps_train(backend: str, tmp_path: Path) -> None:
    trained = run_program(PROGRAM, backend, tmp_path)
    assert [run["sampling"] for run in trained] == ["people", "pairs"]
    for run in trained:
        assert run["backend"] == backend
        assert run["steps"] == 2
        assert math.isfinite(run["loss"])
        assert run["loss"] > 0
        assert run["genuine_distance"] > 0
        assert run["impostor_distance"] > 0
        assert run["val_spread"] > 0
        # The rate of the second of two steps, half-way through the only epoch of a two-epoch cycle.
        assert run["rate"] == pytest.approx(2e-3 * (0.04 + 0.96 * 0.5))


WHOLE_RUN = """
import json, shutil
import numpy as np
from support.tiny_training import coloured_people, tiny_config
from facesearch.vision.tower.tower import Tower
from facesearch_train.tower_export import export_tower, serving_tower
from facesearch_train.loop import Run

people = coloured_people(8)
validation = coloured_people(6, seed=1)
config = tiny_config(photos_per_epoch=16, accumulate=2)

def keep(report):
    if report.epoch == 1:
        shutil.copytree(FOLDER / "whole", FOLDER / "cut")

for name in ("whole", "cut"):
    Run(config, FOLDER / name, people, validation).train(resume=name == "cut", on_epoch=keep)
    rows = (FOLDER / name / "history.csv").read_text().splitlines()
    print(json.dumps({"rows": rows}))
serving = serving_tower(config, FOLDER / "whole" / "best.weights.h5")
export_tower(serving, FOLDER / "tower", config, validation, {})
served = Tower.load(FOLDER / "tower", device="cpu").embed(validation.crops)
trained = np.asarray(serving.predict_on_batch(validation.crops.astype("float32")))
print(json.dumps({"off": float(np.abs(served - trained).max()), "spread": float(trained.std(axis=0).mean())}))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_is_resumed_to_the_same_numbers_and_its_export_is_served(backend: str, tmp_path: Path) -> None:
    """What OpenVINO serves is what the backend trained, gradient accumulation, stages and all."""
    whole, cut, tower = run_program(WHOLE_RUN, backend, tmp_path)
    header = whole["rows"][0].split(",")
    assert len(whole["rows"]) == len(cut["rows"]) == 4
    for one, other in zip(whole["rows"][1:], cut["rows"][1:], strict=True):
        for name, first, second in zip(header, one.split(","), other.split(","), strict=True):
            if name != "elapsed_s":
                assert float(first) == pytest.approx(float(second), rel=1e-3, abs=1e-4), name
    assert tower["off"] < 0.01 * tower["spread"]


FUSED = """
import json
import numpy as np
import keras, torch
from facesearch_train.model.backend_layers import BatchNormalization
from facesearch_train.model.momentum import MomentumTower
from facesearch_train.model.network import DenseNetShape, build_tower
from facesearch_train.schedule import CyclicalAdam

rng = np.random.default_rng(7)
shape = DenseNetShape(units=(2, 3), growth_rate=4)
weights = build_tower(32, shape=shape).get_weights()
crops = rng.uniform(0, 255, (12, 32, 32, 3)).astype("float32")
seen = []
for fused in (False, True):
    tower = build_tower(32, shape=shape, fused=fused)
    tower.set_weights(weights)
    embeddings = tower(crops, training=True)
    torch.sum(embeddings[:, 0] * torch.arange(12.0)).backward()
    gradients = [variable.value.grad.flatten() for variable in tower.trainable_variables]
    seen.append((embeddings.detach().numpy(), tower.get_weights(), gradients, tower(crops).detach().numpy()))
plain, fused = seen
cosines = [
    float(torch.nn.functional.cosine_similarity(mine, its, dim=0)) for mine, its in zip(plain[2], fused[2])
    if mine.norm() * its.norm() > 1e-8
]
print(json.dumps({
    "embeddings": float(np.abs(plain[0] - fused[0]).max()),
    "weights": max(float(np.abs(mine - its).max()) for mine, its in zip(plain[1], fused[1])),
    "served": float(np.abs(plain[3] - fused[3]).max()),
    "cosine": min(cosines),
}))

maps, slope = rng.normal(0.5, 2, (6, 5, 5, 8)).astype("float32"), torch.tensor(rng.normal(size=(6, 5, 5, 8)))
for policy in ("float32", "mixed_bfloat16"):
    seen = []
    for kind in (keras.layers.BatchNormalization, BatchNormalization):
        layer = kind(dtype=policy)
        layer.build(maps.shape)
        layer.gamma.assign(np.linspace(0.5, 1.5, 8))
        layer.beta.assign(np.linspace(-1, 1, 8))
        inputs = torch.tensor(maps, requires_grad=True)
        outputs = layer(inputs, training=True)
        torch.sum(outputs * slope).backward()
        gradients = [inputs.grad, *(variable.value.grad for variable in layer.trainable_variables)]
        arrays = [*(each.float().detach().numpy() for each in (outputs, *gradients)), *layer.get_weights()]
        seen.append((str(outputs.dtype), arrays))
    off = [float(np.abs(mine - its).max() / np.abs(its).max()) for its, mine in zip(seen[0][1], seen[1][1])]
    print(json.dumps({"policy": policy, "dtypes": [dtype for dtype, _ in seen], "off": max(off)}))

steps = [rng.normal(size=(3, 4)).astype("float32") for _ in range(3)]
variables = []
for optimizer in (keras.optimizers.Adam(1e-2, beta_1=0.95, beta_2=0.99), CyclicalAdam(1e-2)):
    variable = keras.Variable(np.ones((3, 4), "float32"))
    with torch.no_grad():
        for step in steps:
            optimizer.apply([torch.tensor(step)], [variable])
    variables.append(variable.numpy())
follower = MomentumTower(tower, 0.9)
before = follower.copy.get_weights()
tower.set_weights([weight + 1 for weight in tower.get_weights()])
follower.follow()
moved = [after - start for after, start in zip(follower.copy.get_weights(), before)]
print(json.dumps({
    "adam": float(np.abs(variables[0] - variables[1]).max()),
    "followed": max(float(np.abs(way - 0.1).max()) for way in moved),
}))
"""


def test_under_torch_the_faster_layers_and_steps_have_the_numbers_of_keras_own(tmp_path: Path) -> None:
    tower, single, half, step = run_program(FUSED, "torch", tmp_path)
    assert max(tower["embeddings"], tower["weights"], tower["served"]) < 1e-3
    # A value within rounding of zero passes a ReLU on one side only, and its gradient too: the direction must agree.
    assert tower["cosine"] > 0.95
    assert single["off"] < 1e-4
    assert half["dtypes"] == ["torch.bfloat16", "torch.bfloat16"]
    assert half["off"] < 0.02
    assert max(step["adam"], step["followed"]) < 1e-5


TWO_DEVICES = """
import json
import jax, keras
from support.tiny_training import STAGE, coloured_people, tiny_config
from facesearch_train.loop import Run

config = tiny_config(stages=(STAGE,), photos_per_epoch=32, memory=0)
reports = []
run = Run(config, FOLDER, coloured_people(8), coloured_people(3, seed=1))
run.train(on_epoch=reports.append)
kernel = run.tower.trainable_variables[0].value
print(json.dumps({
    "devices": len(jax.devices()),
    "holding": len(kernel.sharding.device_set),
    "loss": [report.logs["loss"] for report in reports],
    "after": keras.distribution.distribution() is None,
}))
"""


def test_two_devices_train_to_the_numbers_of_one(tmp_path: Path) -> None:
    losses = []
    for devices in (1, 2):
        flags = f"--xla_force_host_platform_device_count={devices}"
        (trained,) = run_program(TWO_DEVICES, "jax", tmp_path / str(devices), XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
        assert (trained["devices"], trained["holding"], trained["after"]) == (devices, devices, True)
        losses.append(trained["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[0][1] != losses[0][0]
