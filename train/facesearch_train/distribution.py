"""Several accelerators at once: splits every batch among all that JAX sees, by `keras.distribution.DataParallel`.

Keras shares batches under JAX only; under TensorFlow and Torch a run stays on one device. The loss of a batch of people
compares all of it, across devices too, so that a run gives the same numbers, rounding aside, on one device and on many.
`KERAS_BACKEND=jax facesearch train ...` is all it takes. The batch must be a multiple of the number of devices.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import keras

_log = logging.getLogger(__name__)


@contextmanager
def data_parallel(batch_size: int) -> Iterator[int]:
    """Split batches among the devices for networks built within the context; yields the number of devices.

    One device, a backend that cannot share, or a batch_size that is no multiple of the devices: nothing changes (1).
    """
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    if len(devices) > 1 and batch_size % len(devices):
        _log.warning("a batch of %d cannot be shared among %d devices: only one trains", batch_size, len(devices))
        devices = []
    if len(devices) < 2:
        yield 1
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    try:
        yield len(devices)
    finally:
        keras.distribution.set_distribution(before)
