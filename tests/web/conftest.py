"""One library of drawn people for all tests of the page, and a copy of it for each file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An album and a library of it, not to be changed."""
    from support.web_server import make_library

    return make_library(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def album_and_library(drawn: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The album, and a library of this file's own."""
    album, library = drawn
    return album, Path(shutil.copytree(library, tmp_path_factory.mktemp("web") / "library"))
