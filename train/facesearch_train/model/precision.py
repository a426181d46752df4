"""Which numbers the network computes with: bfloat16 where the processor or GPU has units for it, else float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras


def has_accelerator() -> bool:
    """Whether Keras computes on a GPU or TPU here."""
    if keras.backend.backend() == "torch":  # for which keras.distribution knows no devices
        return str(keras.ops.zeros(1).device).startswith("cuda")
    return not all(device.startswith("cpu") for device in keras.distribution.list_devices())


def has_bfloat16() -> bool:
    """Whether bfloat16 is faster here: an accelerator, or a processor that multiplies in it (AMX or AVX-512 BF16)."""
    if has_accelerator():
        return True
    try:
        features = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
        return "amx_bf16" in features or "avx512_bf16" in features
    except OSError:
        return False


@contextmanager
def training_precision(precision: str) -> Iterator[str]:
    """Build networks in "float32" or "bfloat16" ("auto" chooses) while the context lasts; yields Keras' policy name."""
    chosen = "bfloat16" if precision == "bfloat16" or (precision == "auto" and has_bfloat16()) else "float32"
    policy = "mixed_bfloat16" if chosen == "bfloat16" else "float32"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield policy
    finally:
        keras.config.set_dtype_policy(before)
