"""Import Keras and its backend without the messages that TensorFlow's C++ code prints while it is loaded.

Silences nothing else: exceptions pass, and so does all output after the import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from facesearch import gpu_driver
from facesearch.errors import TowerError

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_keras_quietly() -> None:
    """Import Keras and its backend. If the user set TF_CPP_MIN_LOG_LEVEL, silences nothing.
    Raises TowerError if NVIDIA's driver is stuck: the backend would wait for it forever."""
    if gpu_driver.asked() == "stuck":
        raise TowerError("NVIDIA's driver does not answer, and training would wait for it forever: restart the machine")
    if _LEVEL in os.environ or "keras" in sys.modules:
        return
    os.environ[_LEVEL] = "3"  # later messages, about processors and missing GPUs
    with _stderr_silenced():
        import keras  # noqa: F401


@contextmanager
def _stderr_silenced() -> Iterator[None]:
    """Discard what is written to file descriptor 2: absl writes to it before it reads any setting."""
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
