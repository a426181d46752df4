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


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """A browser, with further options of its command line. Skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in FACESEARCH_CHROMIUM")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(Path(CHROMIUM)), args=[*sandbox, *options])
        try:
            yield browser
        finally:
            browser.close()
