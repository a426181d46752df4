"""Measures `facesearch serve` on a large library of drawn people: first paint, scrolling, requests, memory.

    python scripts/bench_page.py --people 10000 --photos 100000

Needs Debian's Chromium and the development tools. A few drawn portraits are indexed, and then copied: every photo is a
file of its own, with its own content, and shows its person. --keep FOLDER builds the library there, or measures the one
that is there; otherwise nothing but a temporary folder is written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from large_page import Server, make_library, memory_mb, serving

_FRAMES = """async (pixels) => {
    const times = [];
    let before = performance.now(), at = scrollY;
    const end = document.documentElement.scrollHeight - innerHeight;
    while (at < end && times.length < 300) {
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


def requests(server: Server, what: str, paths: Sequence[str], at_once: int) -> None:
    """Print how many a second, how long they take, and what of that the server used itself."""
    took = np.empty(len(paths))

    def timed(number: int) -> None:
        started = time.perf_counter()
        server.ask(paths[number])
        took[number] = time.perf_counter() - started

    ran_before, waited_before = server.ran_s()
    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(timed, range(len(paths))))
    rate = len(paths) / (time.perf_counter() - started)
    ran, waited = server.ran_s()
    middle, last = np.percentile(took, [50, 99]) * 1000
    own = 1000 * (ran - ran_before) / len(paths)
    print(
        f"{what}, {at_once} at once: {rate:,.0f} a second, median {middle:.0f} ms, 99th percentile {last:.0f} ms; "
        f"{own:.1f} ms of a core each, and {1000 * (waited - waited_before) / len(paths):.1f} ms waiting for one",
        flush=True,
    )


def once(server: Server, what: str, path: str) -> Any:
    """Print how long one request takes; returns the answer."""
    started = time.perf_counter()
    answer = server.ask(path)
    print(f"{what}: {1000 * (time.perf_counter() - started):.0f} ms", flush=True)
    return answer


def in_browser(address: str, token: str) -> None:
    """First paint, and frames while people and photos are scrolled through."""
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
        for what, path in (("people", "/"), ("photos", "/photos")):
            page.goto(f"{address}{path}")
            page.wait_for_selector(".card")
            if what == "photos":
                print(
                    f"photos: first contentful paint after {page.evaluate(_PAINTED)['first-contentful-paint']:.0f} ms"
                )
            for words, pixels in (("slowly", 40), ("fast", 400)):
                scroll(page, f"{what} scrolled {words} ({pixels} px a frame)", pixels)
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            started = time.perf_counter()
            page.wait_for_selector(".card:not(.blank) >> nth=-1")
            while page.locator(".blank").count():
                page.wait_for_timeout(10)
            print(
                f"{what}: the end shown {1000 * (time.perf_counter() - started):.0f} ms after a jump to it", flush=True
            )
        browser.close()


def scroll(page: Any, what: str, pixels: int) -> None:
    """Print how long frames take while the page is scrolled from its top."""
    measuring = page.context.new_cdp_session(page)
    measuring.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    before = _work_s(measuring)
    frames = np.array(page.evaluate(_FRAMES, pixels))
    worked = 1000 * (_work_s(measuring) - before) / len(frames)
    middle, last = np.percentile(frames, [50, 99])
    print(
        f"{what}: {len(frames)} frames, median {middle:.1f} ms, 99th percentile {last:.1f} ms, "
        f"{(frames > 50).mean():.1%} over 50 ms; {worked:.1f} ms of a core a frame; "
        f"{page.locator('.card').count()} cards at once",
        flush=True,
    )


def _work_s(measuring: Any) -> float:
    """How long the page's main thread has run on a core."""
    found = measuring.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in found if each["name"] == "TaskDuration"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-page-") as name:
        folder = arguments.keep or Path(name)
        library = folder / "library"
        if not library.exists():
            make_library(folder, arguments.people, arguments.photos)
        with serving(library) as server:
            print(f"{arguments.people:,} people, {arguments.photos:,} photos, {os.cpu_count()} cores")
            print(f"memory after the start: {memory_mb(server.pid):.0f} MB", flush=True)
            measure_requests(server, arguments.requests)
            in_browser(server.address, server.token)
            print(f"memory at the end: {memory_mb(server.pid):.0f} MB, at most {memory_mb(server.pid, 'VmHWM'):.0f} MB")


def measure_requests(server: Server, count: int) -> None:
    """What the pages ask for, one after the other and many at once."""
    once(server, "60 people, the first time", "/api/v1/people?count=60")
    people = once(server, "1,000 people, the first time", "/api/v1/people?count=1000")["people"]
    numbers = [each["person_id"] for each in people]
    server.ask(f"/api/v1/people/{numbers[0]}/name", {"name": "Somebody Else"})
    once(server, "60 people, the first time after a change", "/api/v1/people?count=60")
    once(server, "60 people, again", "/api/v1/people?count=60")
    names = quote(people[1]["name"] or f"#{numbers[1]}")
    once(server, "photos of one person within ten years", f"/api/v1/photos?person={names}&since=2005&until=2014")
    all_photos = once(server, "all photos, the first time", "/api/v1/photos?count=60")
    once(server, "all photos, the next 60", "/api/v1/photos?start=60&count=60")
    once(server, "all photos, 60 from the middle", f"/api/v1/photos?start={all_photos['found'] // 2}&count=60")
    once(server, "all photos as CSV", "/api/v1/photos.csv")
    pictures = [f"/api/v1/faces/{each['cover_face_id']}/picture" for each in people][: min(count, 300)]
    requests(server, "pictures of faces made", pictures, 8)
    requests(server, "the same pictures", [pictures[number % len(pictures)] for number in range(count)], 8)
    requests(server, "people by a part of their names", [f"/api/v1/people?text={n:04d}" for n in range(count)], 8)
    requests(server, "a person", [f"/api/v1/people/{numbers[n % len(numbers)]}" for n in range(count)], 8)
    requests(server, "60 people", ["/api/v1/people?count=60"] * count, 8)
    requests(server, "60 people", ["/api/v1/people?count=60"] * 200, 200)
    requests(server, "a person", [f"/api/v1/people/{number}" for number in numbers[:200]], 200)


if __name__ == "__main__":
    main()
