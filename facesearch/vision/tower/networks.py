"""What runs a tower: OpenVINO on a CPU or an NPU, Keras on a GPU. Refuses a network that is not what its card says."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from facesearch.errors import TowerError
from facesearch.records import Floats, Pixels
from facesearch.vision.runtime import (
    CompiledNetwork,
    Precision,
    RuntimeSettings,
    available_cores,
    fastest_precision,
    load_network,
)
from facesearch.vision.tower.card import TowerCard

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import openvino

    from facesearch.vision.accelerator import Accelerator

log = logging.getLogger(__name__)

# Part of the cached network's key: raise it when keras_archive builds another graph from the same file.
_GRAPH_VERSION = 1
_CPU_BATCH = 16  # the fastest on a CPU; what does not fill a batch runs one by one
# Loading a network for batches takes 140 ms, 230 for two cores, and saves 2 ms a crop. It pays once a caller has asked
# for _MANY_SO_FAR crops, or asks for _MANY_AT_ONCE and is likely to ask for more.
_MANY_SO_FAR = 128
_MANY_AT_ONCE = 64


class TowerNetwork(Protocol):
    """Crops to embeddings, wherever."""

    precision: Precision

    @property
    def device(self) -> str: ...

    def prepare(self) -> None: ...

    def embed(self, crops: Pixels) -> Floats: ...


class OpenVinoNetwork:
    """The tower by OpenVINO: one network a batch size, since a fixed size runs faster than an open one.

    Batches are for runs over many crops; a crop comes out the same in them to within rounding.
    """

    def __init__(
        self, weights: Path, card: TowerCard, precision: Precision, runs_on: Literal["CPU", "NPU"] = "CPU"
    ) -> None:
        self._weights, self._card, self._runs_on = weights, card, runs_on
        self._ranges = card.int8_ranges if precision == "int8" else None
        self.precision: Precision = fastest_precision() if precision == "int8" and self._ranges is None else precision
        self._networks: dict[int, CompiledNetwork] = {}
        self._asked = 0
        self._pool: ThreadPoolExecutor | None = None

    @property
    def device(self) -> str:
        """Where it runs, in words."""
        return f"{self._runs_on.lower()} (OpenVINO)"

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
            from concurrent.futures import ThreadPoolExecutor  # only runs over many crops need it

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
        lanes = available_cores() if is_batch else 1
        settings = RuntimeSettings(lanes, self.precision, loads_fast=not is_batch, device=self._runs_on)
        key = f"{self._card.sha256}-tower-{_GRAPH_VERSION}-batch{batch_size}"
        if self._ranges is not None:
            key += f"-{hashlib.sha256(json.dumps(self._ranges, sort_keys=True).encode()).hexdigest()}"
        return load_network(key, build, settings)


class NpuNetwork:
    """The tower on an NPU, which computes in float16; on the CPU, once the NPU fails."""

    precision: Precision = "f32"

    def __init__(self, weights: Path, card: TowerCard) -> None:
        self._network = OpenVinoNetwork(weights, card, self.precision, "NPU")
        self._on_cpu = OpenVinoNetwork(weights, card, self.precision)
        self._failing = threading.Lock()

    @property
    def device(self) -> str:
        return (
            f"{self._network.device}, after the NPU failed" if self._network is self._on_cpu else self._network.device
        )

    def prepare(self) -> None:
        try:
            self._network.prepare()
        except RuntimeError as error:
            self._fail(error)
            self._on_cpu.prepare()

    def embed(self, crops: Pixels) -> Floats:
        try:
            return self._network.embed(crops)
        except RuntimeError as error:
            self._fail(error)
            return self._on_cpu.embed(crops)

    def _fail(self, error: RuntimeError) -> None:
        """Go on without the NPU, and say so once."""
        with self._failing:
            if self._network is self._on_cpu:
                return
            self._network = self._on_cpu
        # OpenVINO says first where in its own code that was, and last what.
        reason = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
        log.warning("the NPU failed (%s): going on with the CPU", reason[:200])


class AcceleratedNetwork:
    """The tower on a GPU, by Keras, which is imported here and nowhere else."""

    precision: Precision = "f32"

    def __init__(self, weights: Path, card: TowerCard, accelerator: Accelerator) -> None:
        self._weights, self._card = weights, card
        self._network = accelerator.network(self._built, lambda: OpenVinoNetwork(weights, card, self.precision).embed)

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
