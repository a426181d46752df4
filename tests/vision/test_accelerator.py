"""Networks on a GPU: the CPU's faces and distances with each backend of Keras, and what happens when it fails."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.stand_in_gpu import StandInGpu

from facesearch import gpu_driver
from facesearch.errors import TowerError
from facesearch.records import Floats, Pixels
from facesearch.vision import accelerator
from facesearch.vision.accelerator import AcceleratedNetwork, Network, find_accelerator, is_out_of_memory

# What the CPU gives, beside what a backend gives that takes the same processor for a GPU.
ON_BACKEND = """
import json, sys
import numpy as np
from facesearch.demo.drawing import draw_group
from facesearch.demo.person import random_people
from facesearch.vision import accelerator
from facesearch.vision.alignment import align_faces
from facesearch.vision.detector.detector import DEFAULT_SETTINGS, Detector, load_detector
from facesearch.vision.runtime import RuntimeSettings
from facesearch.vision.detector import centerface
from facesearch.vision.tower.tower import Tower

if sys.argv[2] == "pretend":
    accelerator._sees_gpu = lambda backend: backend == sys.argv[1]
photo = draw_group(random_people(3, seed=5), np.random.default_rng(5), face_px=70).pixels
on_cpu = Detector(DEFAULT_SETTINGS, network=centerface.load(RuntimeSettings(precision="f32")))
on_gpu = load_detector(device="gpu")
expected, found = on_cpu.detect(photo), on_gpu.detect(photo)
crops = np.stack([face.crop for face in align_faces(photo, expected)])
tower = Tower.load(device="gpu")
plain, given = Tower.load(device="cpu").embed(crops), tower.embed(crops)
import keras
distances = [np.linalg.norm(each[:, None] - each, axis=2) for each in (plain, given)]
def off(part):
    return float(max(np.abs(getattr(a, part) - getattr(b, part)).max() for a, b in zip(expected, found, strict=True)))
print(json.dumps({
    "backend": keras.backend.backend(), "devices": [on_gpu.network.device, tower.device], "faces": len(expected),
    "box_px": off("box"), "landmarks_px": off("landmarks"), "score": off("score"),
    "distance": float(np.abs(distances[0] - distances[1]).max()), "between": float(distances[0].max()),
}))
"""


with_each_backend = pytest.mark.parametrize(
    ("backend", "name"), [("tensorflow", "TensorFlow"), ("torch", "PyTorch"), ("jax", "JAX")]
)


def compared_on(backend: str, name: str, how: str) -> dict[str, Any]:
    """What ON_BACKEND prints. Skips where the backend is not installed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    program = [sys.executable, "-c", ON_BACKEND, backend, how]
    environment = {**os.environ, "KERAS_BACKEND": "" if how == "pretend" else backend}
    ran = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert found["backend"] == backend
    assert found["devices"] == [f"gpu ({name})"] * 2
    assert found["faces"] == 3
    assert found["between"] > 0.1
    return found


@with_each_backend
def test_faces_and_distances_are_the_cpus_with_each_backend(backend: str, name: str) -> None:
    found = compared_on(backend, name, "pretend")
    assert max(found["box_px"], found["landmarks_px"]) < 0.01
    assert found["score"] < 1e-4
    assert found["distance"] < 1e-3 * found["between"]


@pytest.mark.gpu
@pytest.mark.skipif(gpu_driver.asked() != "seen", reason="no GPU here")
@with_each_backend
def test_faces_and_distances_are_the_cpus_on_a_gpu(backend: str, name: str) -> None:
    """GPUs multiply in TF32: 10 bits of mantissa."""
    found = compared_on(backend, name, "ask")
    assert max(found["box_px"], found["landmarks_px"]) < 1
    assert found["score"] < 0.01
    assert found["distance"] < 0.01 * found["between"]


class Brightness(StandInGpu):
    """Answers with the mean of each picture, and knows no Keras."""

    def answering(self, model: object) -> Network:
        return mean


def mean(pictures: Pixels) -> Floats:
    return np.asarray(pictures.mean(axis=(1, 2)), np.float32)


def network_on(gpu: StandInGpu) -> AcceleratedNetwork:
    return gpu.network(lambda: None, lambda: mean)


def pictures(count: int, side: int = 8, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 5, 64, 700])
def test_any_number_is_answered_in_batches_of_powers_of_two(count: int) -> None:
    gpu = Brightness()
    given = pictures(count, side=112)
    np.testing.assert_array_equal(network_on(gpu)(given), mean(given))
    sizes = [shape[0] for shape in gpu.batches]
    assert all(size & (size - 1) == 0 for size in sizes)
    assert max(sizes) <= 256
    assert sum(sizes) < 2 * count


def test_a_batch_that_memory_does_not_hold_is_halved_and_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    gpu = Brightness(room=5)
    network, given = network_on(gpu), pictures(37)
    for _ in range(2):
        np.testing.assert_array_equal(network(given), mean(given))
    assert {shape[0] for shape in gpu.batches} == {4, 1}  # 37 are nine times four and one
    assert not gpu.is_lost
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_gpu_that_is_lost_half_way_hands_over_to_the_cpu_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    gpu = Brightness(room=4, works_for=2)
    one, other = network_on(gpu), network_on(gpu)
    given = pictures(20)
    np.testing.assert_array_equal(one(given), mean(given))
    np.testing.assert_array_equal(other(given), mean(given))
    assert one.device == other.device == "cpu, after the GPU was lost"
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line == (
        "the GPU failed (CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered): going on with the CPU"
    )


def test_a_gpu_without_memory_for_one_input_is_lost() -> None:
    gpu = Brightness(room=0)
    given = pictures(3)
    np.testing.assert_array_equal(network_on(gpu)(given), mean(given))
    assert gpu.is_lost


def test_threads_share_batches_and_each_gets_its_own() -> None:
    gpu = Brightness()
    held = threading.Event()
    gpu.owned(lambda: held.wait(30) and None)  # until all have asked
    network = network_on(gpu)
    given = [pictures(1 + number % 3, side=8 if number % 2 else 16, seed=number) for number in range(12)]
    with ThreadPoolExecutor(len(given)) as pool:
        answers = [pool.submit(network, each) for each in given]
        while len(network._waiting) < len(given):
            threading.Event().wait(0.01)
        held.set()
        for each, answer in zip(given, answers, strict=True):
            np.testing.assert_array_equal(answer.result(), mean(each))
    assert len(gpu.batches) == 2  # of two shapes


def test_a_network_that_cannot_be_built_says_why_to_everybody() -> None:
    def build() -> None:
        raise TowerError("export the tower again")

    gpu = Brightness()
    network = gpu.network(build, lambda: mean)
    for call in (network.prepare, lambda: network(pictures(1)), lambda: network(pictures(1))):
        with pytest.raises(TowerError, match="export the tower again"):
            call()
    assert not gpu.is_lost


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ResourceExhaustedError", "OOM when allocating tensor"),  # TensorFlow
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 MiB"),  # PyTorch
        ("JaxRuntimeError", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 3743729664 bytes."),
    ],
)
def test_each_backends_lack_of_memory_is_known(name: str, text: str) -> None:
    assert is_out_of_memory(type(name, (RuntimeError,), {})(text))
    assert not is_out_of_memory(RuntimeError("CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure"))


def test_auto_asks_the_backends_only_where_the_driver_sees_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(gpu_driver, "asked", lambda: "none")
    monkeypatch.setattr(accelerator, "_sees_gpu", lambda backend: asked.append(backend) or False)
    accelerator._accelerator.cache_clear()
    try:
        assert find_accelerator("cpu") is None
        assert find_accelerator("auto") is None
        assert asked == []
        assert find_accelerator("gpu") is None
        assert asked  # at least the backend that Keras has loaded here
    finally:
        accelerator._accelerator.cache_clear()


def test_tensorflow_is_asked_without_a_word_of_its_own() -> None:
    program = "from facesearch.vision.accelerator import find_accelerator; find_accelerator('gpu')"
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    environment["KERAS_BACKEND"] = "tensorflow"
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stderr == ""


def test_the_environment_chooses_the_backend(tmp_path: Path) -> None:
    """In a process that has not loaded Keras yet."""
    program = (
        "from facesearch.vision import accelerator\n"
        "accelerator.util.find_spec = lambda name: True\n"
        "print([one for one in ('tensorflow', 'torch', 'jax') if one in accelerator._candidates()])"
    )
    for chosen, expected in (("", "['tensorflow', 'torch', 'jax']"), ("jax", "['jax']"), ("numpy", "[]")):
        environment = {**os.environ, "KERAS_BACKEND": chosen}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip() == expected
