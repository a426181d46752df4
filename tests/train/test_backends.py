"""Two training steps under each Keras backend that is installed, each in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path
import keras
from tiny import STAGE, coloured_people, tiny_config
from facesearch_train.loop import Run

for sampling in ("people", "pairs"):
    stage = replace(STAGE, epochs=1)
    config = tiny_config(stages=(stage,), sampling=sampling, photos_per_epoch=16)
    run = Run(config, Path(sys.argv[1]) / sampling, coloured_people(8), coloured_people(3, seed=1))
    reports = []
    run.train(on_epoch=reports.append)
    steps, figures = int(run.model.optimizer.iterations), reports[0].figures()
    print(json.dumps({"backend": keras.backend.backend(), "steps": steps, "sampling": sampling, **figures}))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_two_steps_train(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    trained = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
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
