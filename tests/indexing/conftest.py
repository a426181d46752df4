"""A new library for each test of indexing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tiles import MODELS

from facesearch.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Without a photo, open for writing."""
    with Library.create(tmp_path / "library", MODELS) as library:
        yield library
