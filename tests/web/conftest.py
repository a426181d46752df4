"""One library of drawn people for all tests of the page; a copy of it for each file, and a server of that."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx
    from support.web_server import Serving


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


@pytest.fixture(scope="module")
def server(album_and_library: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """It may index what is in the album."""
    from support.web_server import serving

    album, library = album_and_library
    with serving(library, tmp_path_factory.mktemp("temporary"), "--device", "cpu", "--root", str(album)) as running:
        yield running


@pytest.fixture
def client(server: Serving) -> Iterator[httpx.Client]:
    """Asks the server, with its token."""
    with server.client() as client:
        yield client
