"""Makes the pictures of docs/guide/page.md: the page over an album of drawn people.

    python scripts/update_page_pictures.py

Needs Debian's Chromium and the development tools. Nothing but the pictures and a temporary folder is written.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

from facesearch.api.library import open_library
from facesearch.demo import write_album

PICTURES = Path(__file__).parents[1] / "docs" / "guide"
_IS_LOADED = """[...document.images].filter((each) => each.getBoundingClientRect().top < innerHeight)
    .every((each) => each.complete)"""  # those below the screen are loaded when they come near
_SIZE: ViewportSize = {"width": 1120, "height": 700}


def make_library(folder: Path) -> tuple[Path, Path]:
    """Twelve people, four of whom have no name yet; one has a face of somebody else's."""
    album = write_album(folder / "album", 12, 6, seed=7, groups=3).directory
    people = sorted((album / "people").iterdir())
    with open_library(folder / "library", device="cpu") as library:
        for person in people[:8]:
            library.index(person, people_from_folders=True)
        library.index(album)
        library.people.group()
    return album, folder / "library"


def save(page: Any, name: str) -> None:
    page.wait_for_timeout(500)
    while not page.evaluate(_IS_LOADED):
        page.wait_for_timeout(200)
    picture = Image.open(io.BytesIO(page.screenshot()))
    path = PICTURES / f"page-{name}.webp"
    picture.convert("RGB").save(path, "WEBP", quality=72, method=6)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "apt-get install chromium"
    with tempfile.TemporaryDirectory(prefix="page-pictures-") as name:
        album, library = make_library(Path(name))
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "facesearch",
                "serve",
                "--port",
                "0",
                "--no-open",
                "--library",
                str(library),
                "--root",
                str(album),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        server = address.partition("/?")[0]
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
            page = browser.new_page(viewport=_SIZE)
            page.set_default_timeout(120_000)
            page.goto(address)
            page.wait_for_selector(".card")
            save(page, "people")
            page.goto(f"{server}/people/1")
            save(page, "person")
            page.goto(f"{server}/find")
            page.set_input_files("#file", min((album / "groups").iterdir()))
            page.wait_for_url("**/find/*")
            save(page, "find")
            browser.close()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


if __name__ == "__main__":
    main()
