"""What every test of training starts from."""

from __future__ import annotations

import keras
import pytest


@pytest.fixture(autouse=True)
def the_same_first_weights_in_every_run() -> None:
    """New networks begin with the same weights each time, so that a test that compares numbers decides the same way."""
    keras.utils.set_random_seed(1)
