"""Training data and a network small enough that a test trains in seconds: people who are patches of colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from facesearch_train.config import Stage, TrainConfig
from facesearch_train.crop_data import CropData
from facesearch_train.model.network import DenseNetShape
from facesearch_train.presets import one_cycle

# A stage takes as long as its network has weights: Keras traces what happens to each.
NETWORK = DenseNetShape(units=(1,), growth_rate=4, bn_momentum=0.9)
TWO_BLOCKS = replace(NETWORK, units=(1, 1))  # the first of which can stand still
STAGE = Stage(epochs=2, input_size_px=28, schedule=one_cycle(2, 2e-3), contrastive=0.5, softmax=1.0, identity=0.3)


def tiny_config(**settings: Any) -> TrainConfig:
    """Two stages of two epochs and one, batches of eight; settings replace its own."""
    config = TrainConfig(
        name="tiny",
        stages=(STAGE, replace(STAGE, epochs=1)),
        sampling="people",
        batch_size=8,
        memory=16,
        hardness=1.0,
        network=NETWORK,
        precision="float32",
    )
    return replace(config, **settings)


def coloured_people(people: int, photos: int = 4, seed: int = 0) -> CropData:
    """Each person a colour of their own, each photo with noise: uint8 (people * photos, 112, 112, 3)."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(50, 205, (people, 1, 1, 1, 3))
    noise = rng.normal(0, 20, (people, photos, 112, 112, 3))
    crops = np.clip(colours + noise, 0, 255).astype(np.uint8).reshape(-1, 112, 112, 3)
    return CropData(crops, np.repeat(np.arange(people), photos).astype(np.int32))


@contextmanager
def without_graph() -> Iterator[None]:
    """Let TensorFlow run each step operation by operation, to the same numbers: to trace the graph of one stage's steps
    takes as long as twenty of them. Also decorates a test."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
