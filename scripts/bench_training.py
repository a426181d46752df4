"""How fast a training step is: on one batch held in memory, fed from the cache of crops, and with all augmentations;
by a teacher, by one that sees the same views, and with two blocks frozen, whole and on what these give for each view;
with Keras' own batch normalisation in place of the fused one; in bfloat16 (all others in float32), and so with Keras'
own.

All take turns within each round, in one process, so that other work on the machine disturbs all alike; the median
over the rounds of each round's median step counts, and so does that of each round's ratio. The cache is a memmap on the
disk, larger than an epoch, and read by index as in training.

    python scripts/bench_training.py --input-size 64 --batch 128 --steps 6 --rounds 5
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from facesearch_train.config import TrainConfig

CHANGES = ("grey", "low_resolution", "erase", "occlusion", "blur", "motion", "jpeg")
CACHED_CROPS = 4096


def main() -> None:
    """Print milliseconds of a step of each kind, and what it costs beside the batch in memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input-size", type=int, default=64, help="px that the convolutions see (default 64)")
    parser.add_argument("--batch", type=int, default=128, help="photos in a batch (default 128)")
    parser.add_argument("--steps", type=int, default=6, help="steps of each kind in a round (default 6)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(Path(folder), options.input_size, options.batch, options.steps, options.rounds)
    import keras

    print(
        f"{options.batch} photos at {options.input_size} px, {keras.backend.backend()}, {os.cpu_count()} cores, "
        f"{platform.machine()}, {options.rounds} rounds of {options.steps} steps"
    )
    held = np.array(rounds["held"])
    for name, seconds in rounds.items():
        more = np.array(seconds) / held - 1
        print(
            f"{name:<17} {np.median(seconds) * 1e3:8.0f} ms a step  {np.median(more):+7.1%} "
            f"({np.percentile(more, 25):+.1%} to {np.percentile(more, 75):+.1%})"
        )


def measure(folder: Path, input_size: int, batch: int, steps: int, rounds: int) -> dict[str, list[float]]:
    """Median seconds of a step in each round: held in memory, fed, and held with every augmentation."""
    import keras

    from facesearch_train.crop_data import CropData, epoch_data
    from facesearch_train.loop import KeepFreedMemory
    from facesearch_train.model.augment import Augmentation
    from facesearch_train.model.network import build_tower
    from facesearch_train.model.precision import training_precision
    from facesearch_train.model.training_heads import build_training_model
    from facesearch_train.presets import FULL

    stage = replace(FULL.stages[0], input_size_px=input_size)
    config = replace(FULL, stages=(stage,), batch_size=batch, photos_per_epoch=batch * (steps + 1))
    share: dict[str, Any] = dict.fromkeys(CHANGES, 0.2)
    everything = replace(config, augmentation=Augmentation(**share))
    people = np.repeat(np.arange(CACHED_CROPS // 4), 4).astype(np.int32)
    fed = epoch_data(CropData(write_crops(folder / "crops"), people), config, stage)

    class Held(keras.utils.PyDataset):
        """One batch again and again."""

        def __init__(self, content: object) -> None:
            super().__init__()
            self.content = content

        def __len__(self) -> int:
            return steps + 1

        def __getitem__(self, step: int) -> object:
            return self.content

    def model(used: TrainConfig, precision: str, fused: bool = True) -> Any:
        with training_precision(precision):
            tower = build_tower(input_size, shape=config.network, fused=fused)
            return build_training_model(tower, used, stage, seed=1, people=len(people))

    plain = model(config, "float32")
    kinds: dict[str, tuple[Any, Any]] = {
        "held": (plain, Held(fed[0])),
        "fed": (plain, fed),
        "augmented": (model(everything, "float32"), Held(fed[0])),
        "unfused": (model(config, "float32", fused=False), Held(fed[0])),
        "bfloat16": (model(config, "bfloat16"), Held(fed[0])),
        "bfloat16, unfused": (model(config, "bfloat16", fused=False), Held(fed[0])),
    }
    kinds |= taught_kinds(config, input_size, Held)
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds + 1):  # the first compiles and does not count
        fed.draw(number)
        for name, (trained, data) in kinds.items():
            ends: list[float] = []
            clock = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs, ends=ends: ends.append(time.perf_counter())
            )
            trained.fit(data, shuffle=False, verbose=0, callbacks=[KeepFreedMemory(), clock])
            if number:
                seconds[name].append(float(np.median(np.diff(ends))))
    return seconds


def taught_kinds(config: TrainConfig, input_size: int, held: Callable[[object], Any]) -> dict[str, tuple[Any, Any]]:
    """A stage by a teacher: all of the tower, two blocks frozen, and these computed beforehand."""
    from facesearch_train.model.network import build_tower, freeze_blocks, split_tower
    from facesearch_train.model.training_heads import build_training_model
    from facesearch_train.presets import TEACH, with_teacher

    batch, places = (
        config.batch_size,
        np.random.default_rng(1).normal(0, 0.3, (config.batch_size, 80)).astype("float32"),
    )
    people, target = np.arange(batch, dtype=np.int32), np.zeros(batch, "float32")
    crops = np.random.default_rng(2).integers(0, 256, (batch, 112, 112, 3), dtype=np.uint8)
    kinds: dict[str, tuple[Any, Any]] = {}
    for name, frozen, views in (("taught", 0, 0), ("same view", 0, 0), ("frozen", 2, 0), ("views", 2, 1)):
        preset = with_teacher(TEACH, same_view=name == "same view")
        stage = replace(preset.stages[0], input_size_px=input_size, frozen=frozen, views=views)
        tower = build_tower(input_size, shape=config.network, radius=stage.radius, fused=True)
        freeze_blocks(tower, frozen)
        trained = split_tower(tower, frozen)[1] if views else tower
        model = build_training_model(trained, config, stage, seed=1, people=batch, place_size=80)
        seen = np.zeros((batch, *trained.input_shape[1:]), np.float16) if views else crops
        kinds[name] = (model, held(((seen, people, places), target)))
    return kinds


def write_crops(path: Path) -> np.memmap:
    """Noise of as many crops as a cache may hold, on the disk."""
    crops = np.memmap(path, np.uint8, "w+", shape=(CACHED_CROPS, 112, 112, 3))
    crops[:] = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    crops.flush()
    return crops


if __name__ == "__main__":
    main()
