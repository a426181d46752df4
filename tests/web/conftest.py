"""One library of drawn people for all tests of the page; a copy of it for each file, and a server of that."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from support.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def open_page(browser: Any, server: Serving) -> Iterator[Callable[..., Any]]:
    """Opens pages, which must not break a policy, throw an error, or ask for anything beyond the server."""
    from support.page import AT_MOST_MS, WIDE

    faults: list[str] = []
    contexts = []

    def is_own(url: str) -> bool:
        return url.startswith((server.address, "blob:", "data:"))

    def opened(path: str, **options: Any) -> Any:
        context = browser.new_context(viewport=options.pop("viewport", WIDE), **options)
        context.set_default_timeout(AT_MOST_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        page.on("request", lambda asked: faults.append(asked.url) if not is_own(asked.url) else None)
        page.goto(f"{server.address}{path}{'&' if '?' in path else '?'}token={server.token}")
        page.wait_for_selector("#content")
        page.wait_for_load_state("load")  # before its scripts are there, what is clicked waits for them
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
