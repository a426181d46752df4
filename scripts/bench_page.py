"""Measures `facesearch serve` on a large library of drawn people: first paint, scrolling, requests, memory.

    python scripts/bench_page.py --people 10000 --photos 100000

Needs Debian's Chromium and the development tools. A few drawn portraits are indexed, and then copied: every photo is a
file of its own, with its own content, and shows its person. Nothing but a temporary folder is written.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np

from facesearch.api.library import open_library
from facesearch.demo import write_album
from facesearch.library import DATABASE_NAME

_FRAMES = """async (pixels) => {
    const times = [];
    let before = performance.now(), at = scrollY;
    const end = document.documentElement.scrollHeight - innerHeight;
    while (at < end && times.length < 600) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - before);
        before = now;
        at += pixels;
        scrollTo(0, at);
    }
    return times;
}"""
_PAINTED = "Object.fromEntries(performance.getEntriesByType('paint').map((each) => [each.name, each.startTime]))"


def make_library(folder: Path, people: int, photos: int) -> Path:
    """A library of so many people, photos shared out evenly among them."""
    album = write_album(folder / "album", 6, 4, seed=2).directory / "people"
    with open_library(folder / "library", device="cpu") as library:
        library.index(album, people_from_folders=True)
    originals = {path.name + path.parent.name: path.read_bytes() for path in sorted(album.rglob("*.jpg"))}
    copies = folder / "photos"
    copies.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "library" / DATABASE_NAME)) as rows, rows:
        patterns = rows.execute(
            "SELECT files.path, width_px, height_px, box, landmarks, score, quality, embedding FROM faces "
            "JOIN photos ON photos.id = faces.photo_id JOIN files ON files.photo_id = photos.id"
        ).fetchall()
        (first,) = rows.execute("SELECT max(id) + 1 FROM people").fetchone()
        (photo,) = rows.execute("SELECT max(id) + 1 FROM photos").fetchone()
        rows.executemany(
            "INSERT INTO people (id, name, created_at) VALUES (?, ?, '2026-01-01T00:00:00+00:00')",
            [(first + number, f"Person {number:06d}" if number % 4 else None) for number in range(people)],
        )
        for number, pattern in zip(range(photos), itertools.cycle(patterns), strict=False):
            path, width, height, *face = pattern
            original = Path(os.fsdecode(path))
            content = originals[original.name + original.parent.name] + number.to_bytes(8, "big")
            copy = copies / f"{number // 1000:04d}" / f"{number:07d}.jpg"
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(content)
            sha256, stat = hashlib.sha256(content).hexdigest(), copy.stat()
            rows.execute(
                "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count) VALUES (?, ?, ?, ?, '', 1)",
                (photo + number, sha256, width, height),
            )
            rows.execute(
                "INSERT INTO files (path, size_bytes, mtime_ns, photo_id) VALUES (?, ?, ?, ?)",
                (os.fsencode(copy), stat.st_size, stat.st_mtime_ns, photo + number),
            )
            rows.execute(
                "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, person_id, person_source) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'user')",
                (photo + number, *face, first + number % people),
            )
        rows.execute("UPDATE settings SET value = value + 1 WHERE key = 'generation'")
    return folder / "library"


@contextlib.contextmanager
def serving(library: Path) -> Iterator[tuple[str, str, int]]:
    """The server as a process of its own: address, token, process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facesearch", "serve", "--port", "0", "--no-open", "--library", str(library)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    parts = urlsplit(process.stdout.readline().strip())
    try:
        yield f"http://{parts.netloc}", parse_qs(parts.query)["token"][0], process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Of a process, by Linux."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


def requests(ask: Callable[[int], Any], count: int, at_once: int) -> str:
    """How many a second, and how long they take."""
    took = np.empty(count)

    def timed(number: int) -> None:
        started = time.perf_counter()
        ask(number).raise_for_status()
        took[number] = time.perf_counter() - started

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(timed, range(count)))
    rate = count / (time.perf_counter() - started)
    middle, last = np.percentile(took, [50, 99]) * 1000
    return f"{rate:,.0f} a second, median {middle:.0f} ms, 99th percentile {last:.0f} ms"


def in_browser(address: str, token: str) -> None:
    """First paint, and frames while the people are scrolled through."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium is not None, "apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/?token={token}")
        page.wait_for_selector(".card")
        for again in ("first", "second"):
            page.goto(address)
            page.wait_for_selector(".card")
            painted = page.evaluate(_PAINTED)["first-contentful-paint"]
            print(f"{again} visit: first contentful paint after {painted:.0f} ms")
        for words, pixels in (("slowly", 40), ("fast", 400)):
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(500)
            frames = np.array(page.evaluate(_FRAMES, pixels))
            middle, last = np.percentile(frames, [50, 99])
            late = (frames > 50).mean()
            print(
                f"scrolled {words} ({pixels} px a frame): {len(frames)} frames, median {middle:.1f} ms, "
                f"99th percentile {last:.1f} ms, {late:.1%} over 50 ms; {page.locator('.card').count()} cards at once"
            )
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-page-") as name:
        library = make_library(Path(name), arguments.people, arguments.photos)
        with serving(library) as (address, token, pid):
            print(f"{arguments.people:,} people, {arguments.photos:,} photos, {os.cpu_count()} cores")
            print(f"memory after the start: {memory_mb(pid):.0f} MB")
            client = httpx.Client(
                base_url=f"{address}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                timeout=120,
                limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            )
            started = time.perf_counter()
            people = client.get("/people", params={"count": 1000}).raise_for_status().json()["people"]
            print(f"people, asked for the first time: {time.perf_counter() - started:.2f} s")
            faces = [each["cover_face_id"] for each in people]
            count = arguments.requests
            print("pictures made:", requests(lambda n: client.get(f"/faces/{faces[n]}/picture"), min(count, 300), 8))
            print("pictures again:", requests(lambda n: client.get(f"/faces/{faces[n % 300]}/picture"), count, 8))
            print("people by name:", requests(lambda n: client.get("/people", params={"text": f"{n:04d}"}), count, 8))
            ids = [each["person_id"] for each in people]
            print("a person:", requests(lambda n: client.get(f"/people/{ids[n % len(ids)]}"), count, 8))
            print("200 at once:", requests(lambda n: client.get("/people", params={"count": 60}), 200, 200))
            in_browser(address, token)
            print(f"memory at the end: {memory_mb(pid):.0f} MB, at most {memory_mb(pid, 'VmHWM'):.0f} MB")


if __name__ == "__main__":
    main()
