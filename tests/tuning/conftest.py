"""What the tests of teaching share."""

from __future__ import annotations

import pytest


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is done with a head: it helps here after few steps too."""
    monkeypatch.setattr("facesearch.tuning.teaching.learning._STEPS", 15)
