"""A stand-in for a GPU: Keras on the CPU, which fails on demand as a GPU does."""

from __future__ import annotations

from typing import Any

from facesearch.records import Floats, Pixels
from facesearch.vision.accelerator import Accelerator, Network


class StandInGpu(Accelerator):
    """room: how many inputs of a batch its memory holds; works_for: how many batches it answers before it is gone."""

    def __init__(self, room: int = 1000, works_for: int = 1_000_000) -> None:
        super().__init__("tensorflow")
        self.room, self.works_for = room, works_for
        self.batches: list[tuple[int, ...]] = []
        """The shapes of the batches that it answered."""

    def compiled(self, model: Any) -> Network:
        answer = self.answering(model)

        def run(batch: Pixels) -> Floats:
            if len(batch) > self.room:
                raise ResourceExhaustedError(f"OOM when allocating tensor with shape{batch.shape}")
            if len(self.batches) >= self.works_for:
                raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered\nmore of it")
            self.batches.append(batch.shape)
            return answer(batch)

        return run

    def answering(self, model: Any) -> Network:
        """What answers where nothing fails."""
        return super().compiled(model)


class ResourceExhaustedError(Exception):
    """As TensorFlow names it."""
