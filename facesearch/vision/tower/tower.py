"""The trained tower: aligned crops in, embeddings out. OpenVINO on a CPU, Keras on a GPU.

A tower is a folder with `tower.keras` and its card `tower.json`. Refuses weights that are not those of the card, and
never decides who a face is. On a CPU no framework is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facesearch import gpu_driver
from facesearch.errors import TowerError
from facesearch.evaluation.cohort import Cohort
from facesearch.records import Device, Floats, Pixels
from facesearch.vision.runtime import (
    CompiledNetwork,
    Precision,
    RuntimeSettings,
    available_cores,
    fastest_precision,
    has_int8,
    load_network,
)
from facesearch.vision.tower.card import (
    CARD_NAME,
    WEIGHTS_NAME,
    TowerCard,
    check_weights,
    read_card,
    weights_sha256,
    write_card,
)

if TYPE_CHECKING:
    import openvino

    from facesearch.vision.accelerator import Accelerator

__all__ = ["CARD_NAME", "WEIGHTS_NAME", "Tower", "TowerCard", "read_card", "weights_sha256", "write_card"]

TOWER_VARIABLE = "FACESEARCH_TOWER"
SHIPPED_TOWER = Path(__file__).parents[2] / "weights"
# Part of the cached network's key: raise it when keras_archive builds another graph from the same file.
_GRAPH_VERSION = 1
_CPU_BATCH = 16  # the fastest on a CPU; what does not fill a batch runs one by one
# To load a network takes 140 ms, 230 for two cores, and a crop 2 ms less in a batch: that pays for whoever has asked
# for so many crops, or comes with so many at once and so with more to follow.
_MANY_SO_FAR = 128
_MANY_AT_ONCE = 64


class _Network(Protocol):
    precision: Precision

    @property
    def device(self) -> str: ...

    def prepare(self) -> None: ...

    def embed(self, crops: Pixels) -> Floats: ...


class Tower:
    """A network that turns a crop into 32 numbers whose distances tell people apart. Load it with `Tower.load`."""

    def __init__(self, card: TowerCard, network: _Network) -> None:
        self.card = card
        self.cohort = Cohort.from_card(card.cohort)
        self._network = network
        self._preparing = threading.Lock()

    @classmethod
    def load(
        cls, path: Path | None = None, device: Device = "auto", precision: Precision = "f32", *, prepared: bool = True
    ) -> Tower:
        """The tower of a folder: of `path`, else of the environment's FACESEARCH_TOWER, else the one shipped.

        device: "cpu", "gpu", or "auto" for an NVIDIA GPU where there is one. precision: what it
        computes in on a CPU; the figures on the card are those of "f32". A tower whose card knows no ranges for "int8"
        takes the processor's fastest instead. prepared: False leaves the network itself to `prepare` or the first
        `embed`. Raises TowerError when a file is missing or damaged, the two files do not
        belong together, or there is no such device.
        """
        folder = chosen_tower(path)
        card = read_card(folder / CARD_NAME)
        weights = folder / WEIGHTS_NAME
        check_weights(weights, card)
        tower = cls(card, _network(weights, card, device, precision))
        if prepared:
            tower.prepare()
        return tower

    def prepare(self) -> None:
        """Load the network before the first crop, also in another thread than the one that embeds. Raises TowerError
        where it is not what its card says."""
        with self._preparing:
            self._network.prepare()

    @property
    def identity(self) -> str:
        """The weights' SHA-256: embeddings of two towers can be compared only when theirs are equal."""
        return self.card.sha256

    @property
    def device(self) -> str:
        """What it runs on, in words."""
        return self._network.device

    @property
    def precision(self) -> Precision:
        """What it computes in: "f32", "bf16" or "int8", whose distances differ by some 1 %."""
        return self._network.precision

    def embed(self, crops: Pixels) -> Floats:
        """Where each face lies in the distance space: uint8 (N, 112, 112, 3) RGB -> float32 (N, 32).

        Crops are those of `vision.alignment`. Memory stays bounded for any N. Raises ValueError for other shapes.
        """
        side = self.card.input_size_px
        if crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3):
            raise ValueError(f"crops must be uint8 (N, {side}, {side}, 3), not {crops.dtype} {crops.shape}")
        if not len(crops):
            return np.empty((0, self.card.embedding_size), dtype=np.float32)
        self.prepare()
        return self._network.embed(crops)

    def local_scale(self, embeddings: Floats) -> Floats:
        """How far apart strangers lie around each face, about 1 on average: float32 (N, 32) -> float32 (N,).

        The judged distance of two faces is their plain distance divided by the mean of both: about 1 divides one
        person from two, whichever group they belong to. A tower without a cohort knows plain distances only: every
        scale is 1 then.
        """
        if self.cohort is None:
            return np.ones(len(embeddings), dtype=np.float32)
        return self.cohort.local_scale(embeddings)


def chosen_tower(path: Path | None) -> Path:
    """The folder of the tower: `path`, else the environment's FACESEARCH_TOWER, else the one shipped."""
    return path or Path(os.path.expanduser(os.environ.get(TOWER_VARIABLE) or SHIPPED_TOWER))  # noqa: PTH111


def usable_precision(recorded: str | None) -> Precision:
    """The precision that a library recorded; where it has not yet, or the processor lacks it, the processor's own."""
    if recorded in (None, "int8") and has_int8():
        return "int8"
    return "f32" if recorded == "f32" else fastest_precision()


def _network(weights: Path, card: TowerCard, device: Device, precision: Precision) -> _Network:
    if device == "cpu" or (device == "auto" and gpu_driver.asked() != "seen"):
        return _OpenVinoNetwork(weights, card, precision)
    from facesearch.vision.accelerator import find_accelerator, why_none

    accelerator = find_accelerator(device)
    if accelerator is not None:
        return _AcceleratedNetwork(weights, card, accelerator)
    if device == "gpu":
        raise TowerError(why_none())
    return _OpenVinoNetwork(weights, card, precision)


class _OpenVinoNetwork:
    """The tower on the CPU: one network a batch size, since a fixed size runs faster than an open one.

    Batches are for runs over many crops; a crop comes out the same in them to within rounding.
    """

    device = "cpu (OpenVINO)"

    def __init__(self, weights: Path, card: TowerCard, precision: Precision) -> None:
        self._weights, self._card = weights, card
        self._ranges = card.int8_ranges if precision == "int8" else None
        self.precision: Precision = fastest_precision() if precision == "int8" and self._ranges is None else precision
        self._networks: dict[int, CompiledNetwork] = {}
        self._asked = 0
        self._pool: ThreadPoolExecutor | None = None

    def prepare(self) -> None:
        self._of_size(1)

    def embed(self, crops: Pixels) -> Floats:
        self._asked += len(crops)
        is_long = self._asked > _MANY_SO_FAR or len(crops) >= _MANY_AT_ONCE
        whole = len(crops) - len(crops) % _CPU_BATCH if is_long else 0
        batches = [crops[start : start + _CPU_BATCH] for start in range(0, whole, _CPU_BATCH)]
        singles = [crops[place : place + 1] for place in range(whole, len(crops))]
        return np.concatenate([*self._in_lanes(batches), *map(self._embed_batch, singles)])

    def _in_lanes(self, batches: list[Pixels]) -> list[Floats]:
        """Each batch on a core."""
        if len(batches) < 2:
            return list(map(self._embed_batch, batches))
        self._of_size(_CPU_BATCH)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="embed")
        return list(self._pool.map(self._embed_batch, batches))

    def _embed_batch(self, crops: Pixels) -> Floats:
        return self._of_size(len(crops))(crops.astype(np.float32))[0].copy()

    def _of_size(self, batch_size: int) -> CompiledNetwork:
        if batch_size not in self._networks:
            self._networks[batch_size] = self._load(batch_size)
        return self._networks[batch_size]

    def _load(self, batch_size: int) -> CompiledNetwork:
        def build() -> openvino.Model:
            from facesearch.vision.tower.keras_archive import read_keras_archive  # seldom: the network is cached
            from facesearch.vision.tower.quantisation import quantise

            model = read_keras_archive(self._weights)
            _check_shapes(self._weights, self._card, model.input(0).partial_shape, model.output(0).partial_shape)
            side = self._card.input_size_px
            model.reshape([batch_size, side, side, 3])
            if self._ranges is not None:
                quantise(model, self._ranges)
            return model

        is_batch = batch_size > 1
        settings = RuntimeSettings(available_cores() if is_batch else 1, self.precision, loads_fast=not is_batch)
        key = f"{self._card.sha256}-tower-{_GRAPH_VERSION}-batch{batch_size}"
        if self._ranges is not None:
            key += f"-{hashlib.sha256(json.dumps(self._ranges, sort_keys=True).encode()).hexdigest()}"
        return load_network(key, build, settings)


class _AcceleratedNetwork:
    """The tower on a GPU, by Keras, which is imported here and nowhere else."""

    precision: Precision = "f32"

    def __init__(self, weights: Path, card: TowerCard, accelerator: Accelerator) -> None:
        self._weights, self._card = weights, card
        self._network = accelerator.network(self._built, lambda: _OpenVinoNetwork(weights, card, self.precision).embed)

    @property
    def device(self) -> str:
        return self._network.device

    def prepare(self) -> None:
        self._network.prepare()

    def embed(self, crops: Pixels) -> Floats:
        return self._network(crops)

    def _built(self) -> Any:
        import keras

        try:
            model = keras.saving.load_model(self._weights, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError) as error:
            raise TowerError(f"{self._weights} cannot be loaded by Keras ({error}): export the tower again") from error
        _check_shapes(self._weights, self._card, model.input_shape, model.output_shape)
        return model


def _check_shapes(weights: Path, card: TowerCard, taken: Any, given: Any) -> None:
    """Raise TowerError unless the network takes the card's crops and gives the card's embeddings."""
    expected = ([card.input_size_px, card.input_size_px, 3], [card.embedding_size])
    found = tuple([int(str(side)) for side in list(shape)[1:]] for shape in (taken, given))
    if found != expected:
        raise TowerError(
            f"{weights} turns {found[0]} into {found[1]}, its card says {expected[0]} into {expected[1]}: "
            "export the tower again"
        )
