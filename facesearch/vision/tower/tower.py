"""The trained tower: aligned crops in, embeddings out. OpenVINO on a CPU or an NPU, Keras on a GPU.

A tower is a folder with `tower.keras` and its card `tower.json`. Refuses weights that are not those of the card, and
never decides who a face is. On a CPU no framework is imported.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np

from facesearch import gpu_driver
from facesearch.errors import TowerError
from facesearch.evaluation.cohort import Cohort
from facesearch.records import Device, Floats, Pixels
from facesearch.vision.runtime import Precision, fastest_precision, has_int8, has_npu
from facesearch.vision.tower.card import (
    CARD_NAME,
    WEIGHTS_NAME,
    TowerCard,
    check_weights,
    read_card,
    weights_sha256,
    write_card,
)
from facesearch.vision.tower.networks import AcceleratedNetwork, NpuNetwork, OpenVinoNetwork, TowerNetwork

__all__ = ["CARD_NAME", "WEIGHTS_NAME", "Tower", "TowerCard", "read_card", "weights_sha256", "write_card"]

TOWER_VARIABLE = "FACESEARCH_TOWER"
SHIPPED_TOWER = Path(__file__).parents[2] / "weights"
NO_NPU = (
    "no NPU that OpenVINO sees: install Intel's driver for it (intel-driver-compiler-npu and intel-level-zero-npu on "
    "Linux), or run with `--device cpu`"
)


class Tower:
    """A network that turns a crop into 32 numbers whose distances tell people apart. Load it with `Tower.load`."""

    def __init__(self, card: TowerCard, network: TowerNetwork) -> None:
        self.card = card
        self.cohort = Cohort.from_card(card.cohort)
        self._network = network
        self._preparing = threading.Lock()

    @classmethod
    def load(
        cls, path: Path | None = None, device: Device = "auto", precision: Precision = "f32", *, prepared: bool = True
    ) -> Tower:
        """The tower of a folder: of `path`, else of the environment's FACESEARCH_TOWER, else the one shipped.

        device: "cpu", "gpu", or "npu", or "auto" for an NVIDIA GPU where there is one. precision: what it
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


def _network(weights: Path, card: TowerCard, device: Device, precision: Precision) -> TowerNetwork:
    if device == "cpu" or (device == "auto" and gpu_driver.asked() != "seen"):
        return OpenVinoNetwork(weights, card, precision)
    if device == "npu":
        if not has_npu():
            raise TowerError(NO_NPU)
        return NpuNetwork(weights, card)
    from facesearch.vision.accelerator import find_accelerator, why_none

    accelerator = find_accelerator(device)
    if accelerator is not None:
        return AcceleratedNetwork(weights, card, accelerator)
    if device == "gpu":
        raise TowerError(why_none())
    return OpenVinoNetwork(weights, card, precision)
