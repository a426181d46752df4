"""What the frozen blocks of a tower give for each photo, computed once and kept in the run's folder.

Blocks that stand still give the same maps for the same crop. With `Stage.views` a stage trains the blocks behind them
on maps of so many fixed views of each crop: the first as it is, the others augmented. What a step then costs:
`scripts/bench_training.py`, row `views`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from facesearch.records import CROP_SIZE_PX
from facesearch.vision.runtime import RuntimeSettings, available_cores, compile_network, fastest_precision
from facesearch_train.config import Stage, TrainConfig
from facesearch_train.crop_data import CropArray
from facesearch_train.model.augment import Augment
from facesearch_train.model.dlib_teacher import openvino_graph
from facesearch_train.model.network import resize_layer, split_tower
from facesearch_train.model.precision import has_accelerator

BATCH = 32
# Crops that tell one set from another.
_SAMPLED = 64
Maps = NDArray[np.float16]


class FrozenMaps:
    """float16 (V * N, H, W, C): view 0 of all N crops, then view 1 and so on. Rows are read from the disk."""

    def __init__(self, views: list[Maps]) -> None:
        self.views = len(views)
        self.photos = len(views[0])
        self._files = views

    def __len__(self) -> int:
        return self.views * self.photos

    def __getitem__(self, rows: NDArray[np.integer[Any]]) -> Maps:
        view, photo = np.divmod(rows, self.photos)
        maps = np.empty((len(rows), *self._files[0].shape[1:]), np.float16)
        for number, file in enumerate(self._files):
            chosen = view == number
            maps[chosen] = file[photo[chosen]]
        return maps


def frozen_maps(folder: Path, tower: keras.Model, crops: CropArray, config: TrainConfig, stage: Stage) -> FrozenMaps:
    """The maps that `tower`'s first `stage.frozen` blocks give for all views of all crops.

    folder: the run's, in which `maps` keeps a file a view (25 kB a crop for two blocks of DenseNet-121 at 112 px). A
    file that an interrupted run has finished is taken again: its name says the tower, the crops and the changes.
    """
    trunk, _ = split_tower(tower, stage.frozen)
    name = _digest(trunk, crops, config, stage)
    kept = folder / "maps"
    kept.mkdir(parents=True, exist_ok=True)
    files = [kept / f"{name}-{view}.npy" for view in range(stage.views)]
    if not all(file.exists() for file in files):
        compute = _computed_by(trunk)
        shape = (len(crops), *trunk.output_shape[1:])
        for view, file in enumerate(files):
            if not file.exists():
                _write_view(file, shape, (compute(batch) for batch in _views(crops, config, stage, view)))
    return FrozenMaps([np.load(file, mmap_mode="r") for file in files])


def _digest(trunk: keras.Model, crops: CropArray, config: TrainConfig, stage: Stage) -> str:
    """What the maps depend on, in 16 letters: of the crops their number and some of them."""
    digest = hashlib.sha256()
    for weights in trunk.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    changes = config.of_stage(stage).augmentation
    digest.update(repr((len(crops), stage.input_size_px, stage.frozen, config.seed, changes)).encode())
    digest.update(np.asarray(crops[np.linspace(0, len(crops) - 1, _SAMPLED).astype(int)]).tobytes())
    return digest.hexdigest()[:16]


def _computed_by(trunk: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What runs the frozen blocks fastest here: the backend on an accelerator, else OpenVINO."""
    if has_accelerator():
        return lambda batch: keras.ops.convert_to_numpy(trunk.predict_on_batch(batch))
    network = compile_network(openvino_graph(trunk), RuntimeSettings(available_cores(), fastest_precision()))
    return lambda batch: network(batch)[0].transpose(0, 2, 3, 1)  # OpenVINO computes channels first


def _views(crops: CropArray, config: TrainConfig, stage: Stage, view: int) -> Iterator[NDArray[np.float32]]:
    """Batches of one view of all crops, of the stage's input size: float32 (B, S, S, 3)."""
    resize = resize_layer(CROP_SIZE_PX, stage.input_size_px)
    augment = Augment(config.of_stage(stage).augmentation, seed=config.seed)
    augment.begin_epoch(view)
    for start in range(0, len(crops), BATCH):
        batch = keras.ops.cast(np.asarray(crops[np.arange(start, min(start + BATCH, len(crops)))]), "float32")
        batch = augment(resize(batch) if resize else batch, training=view > 0)
        yield np.asarray(keras.ops.convert_to_numpy(batch))


def _write_view(file: Path, shape: tuple[int, ...], batches: Iterator[NDArray[np.float32]]) -> None:
    """Written beside and renamed, so that a file that is there is whole."""
    writing = file.with_suffix(".writing")
    maps = np.lib.format.open_memmap(writing, "w+", np.float16, shape)
    start = 0
    for batch in batches:
        maps[start : start + len(batch)] = batch
        start += len(batch)
    maps.flush()
    del maps  # Windows renames no file that is mapped
    writing.replace(file)
