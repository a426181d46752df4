"""Import Keras and its backend without the messages that TensorFlow's C++ code prints while it is loaded."""

from __future__ import annotations

from facesearch import gpu_driver
from facesearch.errors import TowerError
from facesearch.first_use import imported_quietly


def import_keras_quietly() -> None:
    """Import Keras and its backend. If the user set TF_CPP_MIN_LOG_LEVEL, silences nothing.
    Raises TowerError if NVIDIA's driver is stuck: the backend would wait for it forever."""
    if gpu_driver.asked() == "stuck":
        raise TowerError("NVIDIA's driver does not answer, and training would wait for it forever: restart the machine")
    imported_quietly("keras")
