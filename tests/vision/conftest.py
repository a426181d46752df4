"""The detector that ships, loaded once."""

from __future__ import annotations

import pytest

from facesearch.vision.detector.detector import Detector, load_detector


@pytest.fixture(scope="session")
def detector() -> Detector:
    """On the CPU. Do not change it."""
    return load_detector()
