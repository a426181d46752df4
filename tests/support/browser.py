"""Debian's Chromium, driven by Playwright; tests that need it are skipped, with the reason, where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = os.environ.get("FACESEARCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


_running: list[Any] = []


@contextmanager
def _playwright() -> Iterator[Any]:
    """Playwright, once in a process: the loop that its synchronous form runs allows no second one."""
    if _running:
        yield _running[0]
        return
    with api.sync_playwright() as playwright:
        _running.append(playwright)
        try:
            yield playwright
        finally:
            _running.clear()


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """A browser, with further options of its command line. Skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in FACESEARCH_CHROMIUM")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with _playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(Path(CHROMIUM)), args=[*sandbox, *options])
        try:
            yield browser
        finally:
            browser.close()
