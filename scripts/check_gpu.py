"""Check and measure everything that facesearch does on a GPU, in less than six minutes and without a network.

python scripts/check_gpu.py --json gpu.json
python scripts/check_gpu.py --cpu --json cpu.json

Prints a table, and writes one JSON with the card, its driver and all versions: whether faces and distances are those of
the CPU; photos and crops a second by batch size, beside the rate of a large product of matrices in the same backend;
FAISS beside the bandwidth of the card's memory; training steps; and `index` from files to rows. KERAS_BACKEND chooses
among TensorFlow, PyTorch and JAX. `--cpu` runs the same at small sizes, with the CPU in the place of the GPU. What
there was no time for is listed as left out. Exit code 1: no GPU, a part that failed, or faces or distances that differ
beyond the bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from bench_limit import median_s, operations_a_crop
from check_gpu_faces import compare_faces, drawn_photos
from check_gpu_search import search, timed

from facesearch.api.library import open_library
from facesearch.photos import read_photo, walk
from facesearch.records import PhotoFile, Pixels
from facesearch.vision import accelerator
from facesearch.vision.accelerator import NO_GPU, Accelerator, find_accelerator
from facesearch.vision.detector.keras_centerface import build_centerface
from facesearch.vision.runtime import available_cores
from facesearch.vision.tower.tower import SHIPPED_TOWER, WEIGHTS_NAME

PACKAGES = ("facesearch", "keras", "tensorflow", "torch", "jax", "faiss-gpu", "faiss-cpu", "openvino", "numpy")
MOST_OFF_PX, MOST_OFF_DISTANCE = 1.0, 0.01  # of a face's sides, and as a share of the mean distance of two faces


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    photos: int
    crop_batches: tuple[int, ...]
    view_batches: tuple[int, ...]
    views_px: tuple[tuple[int, int], ...]  # height and width
    faces: tuple[int, ...]  # of the libraries that are searched
    product: int  # side of the matrices
    copy_mb: int
    train_px: int
    train_batch: int


ON_GPU = Sizes(
    200, (16, 64, 256, 1024), (1, 8, 32), ((480, 640), (768, 1024)), (10**6, 10**7, 10**8), 8192, 4000, 112, 256
)
ON_CPU = Sizes(4, (1, 4), (1, 2), ((192, 256),), (20_000,), 512, 64, 48, 8)


class Check:
    """What was measured, and how much time is left."""

    def __init__(self, sizes: Sizes, seconds: float, gpu: Accelerator, file: Path | None, *, is_cpu: bool) -> None:
        self.sizes, self.gpu, self.file, self.is_cpu = sizes, gpu, file, is_cpu
        self.machine = machine(gpu, is_cpu=is_cpu)
        self.figures: dict[str, Any] = {}
        self.left_out: list[str] = []
        self._ends = time.monotonic() + seconds

    def part(self, name: str, run: Callable[[Check], dict[str, Any]], takes_s: float = 20.0) -> None:
        """Run a part if there is time for it."""
        if time.monotonic() + takes_s > self._ends:
            self.left_out.append(name)
            return
        print(f"{name} ...", file=sys.stderr, flush=True)
        started, worked = time.monotonic(), time.process_time()
        try:
            self.figures[name] = run(self)
        except Exception as error:  # noqa: BLE001 - a lent GPU has no second try: the other parts are measured all the same
            traceback.print_exc()
            self.figures[name] = {"failed": f"{type(error).__name__}: {error}"}
        self.figures[name]["took_s"] = round(time.monotonic() - started, 1)
        self.figures[name]["processor_s"] = round(time.process_time() - worked, 1)
        self.write()

    @property
    def is_equal(self) -> bool:
        """Whether the faces and distances are the CPU's, as far as they are known."""
        compared = self.figures.get("faces and distances", {})
        return (
            "most_off_distance" in compared
            and compared["faces_cpu"] == compared["faces_gpu"] == compared["faces_in_both"]
            and compared["most_off_px"] <= MOST_OFF_PX
            and compared["most_off_distance"] <= MOST_OFF_DISTANCE
            and not self.gpu.is_lost
        )

    def all_of_it(self) -> dict[str, Any]:
        """What goes to the JSON, and into the table."""
        judged = {"machine": self.machine, "equal": self.is_equal, "lost": self.gpu.is_lost}
        return judged | {"left_out": self.left_out, **self.figures}

    def write(self) -> None:
        """The JSON, after each part: who lent the GPU may take it back at any time."""
        if self.file is not None:
            self.file.write_text(json.dumps(self.all_of_it(), indent=1) + "\n", encoding="utf-8")


def limits(check: Check) -> dict[str, Any]:
    """What the device can do at most: operations a second of a product in float32, bytes a second of a copy."""
    from keras import ops

    side, mega = check.sizes.product, check.sizes.copy_mb
    matrix, column = ops.ones((side, side)), ops.ones((mega * 250_000,))
    product_s = median_s(lambda: np.asarray(ops.convert_to_numpy(ops.sum(ops.matmul(matrix, matrix)))), 5)
    sum_s = median_s(lambda: np.asarray(ops.convert_to_numpy(ops.max(column))), 5)
    return {"tflops": round(2 * side**3 / product_s / 1e12, 4), "memory_gb_s": round(mega / 1000 / sum_s, 1)}


def crops_a_second(check: Check) -> dict[str, Any]:
    """Embedding by batch size, from the CPU's memory and back, beside the limit."""
    import keras

    network = check.gpu.compiled(keras.saving.load_model(SHIPPED_TOWER / WEIGHTS_NAME, compile=False))
    operations, tflops = operations_a_crop(), check.figures.get("limits", {}).get("tflops")
    rates = {}
    for size in check.sizes.crop_batches:
        crops = noise(size, 112, 112)
        rates[size] = size / median_s(lambda crops=crops: network(crops), 3)  # type: ignore[misc]
    return {f"batch_{size}": round(rate, 1) for size, rate in rates.items()} | {
        "gflop_a_crop": round(operations / 1e9, 3),
        "share_of_limit": tflops and round(max(rates.values()) * operations / (tflops * 1e12), 3),
    }


def views_a_second(check: Check) -> dict[str, Any]:
    """The detector's network by size of the view and of the batch."""
    network = check.gpu.compiled(build_centerface())
    rates = {}
    for height, width in check.sizes.views_px:
        for size in check.sizes.view_batches:
            views = noise(size, height, width)
            seconds = median_s(lambda views=views: network(views), 3)  # type: ignore[misc]
            rates[f"{width}x{height}_batch_{size}"] = round(size / seconds, 1)
    return rates


def noise(count: int, height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def searching(check: Check, count: int) -> dict[str, Any]:
    """FAISS over so many faces."""
    return search(count, check.figures.get("limits", {}).get("memory_gb_s"), on_gpu=not check.is_cpu)


def training(check: Check) -> dict[str, Any]:
    """Steps of the preset `full` on one batch in memory."""
    import keras

    from facesearch_train.crop_data import CropData, epoch_data
    from facesearch_train.model.network import build_tower
    from facesearch_train.model.precision import training_precision
    from facesearch_train.model.training_heads import build_training_model
    from facesearch_train.presets import FULL

    side, batch, steps = check.sizes.train_px, check.sizes.train_batch, 6
    stage = replace(FULL.stages[0], input_size_px=side)
    config = replace(FULL, stages=(stage,), batch_size=batch, photos_per_epoch=batch * steps)
    people = np.repeat(np.arange(batch), 4).astype(np.int32)
    data = epoch_data(CropData(noise(len(people), 112, 112), people), config, stage)
    with training_precision("auto") as policy:
        tower = build_tower(side, shape=config.network, fused=True)
        model = build_training_model(tower, config, stage, seed=1, people=len(people))
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(data, shuffle=False, verbose=0, callbacks=[clock])
    step_s = float(np.median(np.diff(ends[1:])))
    rates = {"steps_a_second": round(1 / step_s, 3), "photos_a_second": round(batch / step_s, 1)}
    return {"px": side, "batch": batch, "precision": policy, **rates}


def indexing(folder: Path) -> dict[str, Any]:
    """`index --device gpu` over the photos' files, after one run that loads and compiles."""
    files = [file for file in walk([folder]) if isinstance(file, PhotoFile)]
    with ThreadPoolExecutor(available_cores()) as pool:
        seconds = timed(lambda: list(pool.map(read_photo, files)))
    figures: dict[str, Any] = {"decoding_photos_a_second": round(len(files) / seconds, 1)}
    for name in ("first", "second"):
        with tempfile.TemporaryDirectory() as library, open_library(Path(library) / "library", device="gpu") as opened:
            summary = opened.index(folder)
            figures[f"{name}_photos_a_second"] = round(summary.photos_new / summary.elapsed_s, 1)
            figures |= {"photos": summary.photos_new, "faces": summary.faces_new, "runs_on": opened.tower.device}
    return figures | {"processes": available_cores()}


def machine(gpu: Accelerator, *, is_cpu: bool) -> dict[str, Any]:
    """Card, driver, versions."""
    card = None
    if not is_cpu:
        with suppress(OSError, subprocess.CalledProcessError):
            asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
            card = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    system = {"system": platform.platform(), "python": platform.python_version(), "cores": available_cores()}
    return {"card, driver, memory": card, "backend": gpu.backend, **system, "versions": found}


def main() -> int:
    """Parse, measure, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="the CPU in the place of the GPU, at small sizes")
    parser.add_argument("--photos", type=Path, help="a folder of photos; by default drawn people")
    parser.add_argument("--seconds", type=float, default=330, help="begin nothing that would end later (330)")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.cpu:  # any backend will do
        accelerator._sees_gpu = lambda backend: True
    gpu = find_accelerator("gpu")
    if gpu is None:
        print(NO_GPU, file=sys.stderr)
        return 1
    check = Check(ON_CPU if options.cpu else ON_GPU, options.seconds, gpu, options.json, is_cpu=options.cpu)
    with tempfile.TemporaryDirectory() as drawn:
        folder = options.photos or Path(drawn)
        if options.photos is None:
            drawn_photos(folder, check.sizes.photos)
        check.part("faces and distances", lambda check: compare_faces(folder, check.sizes.photos))
        check.part("limits", limits)
        check.part("crops a second", crops_a_second)
        check.part("views a second", views_a_second)
        check.part("index", lambda _: indexing(folder), 40)
        for count in check.sizes.faces:
            check.part(f"search of {count:,}", partial(searching, count=count), 10 + count / 1e6)
        check.part("training", training, 60)
    return report(check)


def report(check: Check) -> int:
    """Print the table, write the JSON, and judge; returns the exit code."""
    check.write()
    print("| part | figures |\n| --- | --- |")
    for name, value in check.all_of_it().items():
        print(f"| {name} | {in_words(value)} |")
    has_failed = any("failed" in each for each in check.figures.values())
    return 0 if check.is_equal and not has_failed else 1


def in_words(value: Any) -> str:
    """A cell of the table."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {in_words(each)}" for key, each in value.items() if each is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.exit(main())
