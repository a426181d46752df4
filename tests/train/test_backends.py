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
