"""The C library's memory: keep what a training step frees for the next one. Changes no result. Works with glibc only.

TensorFlow takes a step's large buffers from malloc and frees them within it. glibc maps each from the kernel and gives
it back at once, so that every step pays for the same zeroed pages again. Figures: train/README.md.
"""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h. Source: the manual page mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def keep_freed_memory() -> bool:
    """Stop glibc from returning freed memory to the kernel in this process. Returns whether that worked.

    The process then never shrinks. Elsewhere (macOS, Windows, musl) nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    never = -1
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: never, _M_ARENA_MAX: 2}
    accepted = [library.mallopt(name, value) for name, value in settings.items()]
    return all(accepted)
