"""How long it takes to find the photos of people in a large library of numbers, without a single photo.

python scripts/bench_photos.py --faces 1e6

Rows stand in for photos: one to five faces each, of as many people as a tenth of the photos, a few of them on very many
photos, the others on few, as it is in albums; every tenth face has no person. Prints the median and the longest of some
runs of each question, in milliseconds of the processor (other programs do not
count), with how many photos it found.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facesearch.library import Library
from facesearch.people import PhotoWish, list_photos, seen_together
from facesearch.records import Models

MODELS = Models("none", "0" * 64, "none", 1.0)
RUNS = 7


def fill(library: Library, faces: int) -> int:
    """Write the rows; returns how many photos these are."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 6, faces // 3 + 1)
    counts = counts[: int(np.searchsorted(np.cumsum(counts), faces)) + 1]
    photos = len(counts)
    photo_of = np.repeat(np.arange(1, photos + 1), counts)[:faces]
    people = max(10, photos // 10)
    person_of = np.minimum(rng.zipf(1.3, len(photo_of)), people)
    person_of[rng.random(len(photo_of)) < 0.1] = 0
    blob = bytes(16), bytes(40), bytes(128)
    with library.changing():
        write = library._database.execute_many
        write(
            "INSERT INTO people (id, name, created_at) VALUES (?, ?, '2026-01-01')",
            ((number, f"Person {number}") for number in range(1, people + 1)),
        )
        write(
            "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count, taken_at, taken_source) "
            "VALUES (?, ?, 4000, 3000, '2026-01-01', ?, ?, 'exif')",
            (
                (number, f"{number:064x}", int(count), f"{2000 + number % 25}-{1 + number % 12:02}-15T12:00:00")
                for number, count in enumerate(counts.tolist(), start=1)
            ),
        )
        write(
            "INSERT INTO files (path, size_bytes, mtime_ns, photo_id) VALUES (?, 1, 1, ?)",
            ((f"/photos/{number % 1000:04}/{number:08}.jpg".encode(), number) for number in range(1, photos + 1)),
        )
        write(
            "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, person_id, person_source) "
            "VALUES (?, ?, ?, 0.9, ?, ?, ?, ?)",
            (
                (photo, blob[0], blob[1], quality, blob[2], person or None, "user" if person else None)
                for photo, person, quality in zip(
                    photo_of.tolist(), person_of.tolist(), rng.random(len(photo_of)).tolist(), strict=True
                )
            ),
        )
    return photos


def report(what: str, ask: Callable[[], int]) -> None:
    """A line with how long a question took."""
    elapsed_ms = []
    for _ in range(RUNS):
        started = time.process_time()
        found = ask()
        elapsed_ms.append(1000 * (time.process_time() - started))
    print(f"| {what} | {found:,} | {statistics.median(elapsed_ms):.1f} | {max(elapsed_ms):.1f} |", flush=True)


def main() -> None:
    """Parse, fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=float, default=1e6)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Library.create(Path(folder) / "library", MODELS) as library:
        photos = fill(library, int(arguments.faces))
        print(f"{int(arguments.faces):,} faces on {photos:,} photos\n\n| question | found | median, ms | longest, ms |")
        print("| --- | --- | --- | --- |")
        wishes = {
            "two people of many photos, of one year": PhotoWish(people=(3, 4), since="2019", until="2019"),
            "two people of some photos": PhotoWish(people=(30, 40)),
            "somebody, without somebody of many photos": PhotoWish(people=(200,), without=(2,)),
            "somebody alone": PhotoWish(people=(200,), only=True),
            "somebody of some photos, best faces first": PhotoWish(people=(100,), sort="quality"),
            "somebody of very many photos, of one month": PhotoWish(people=(2,), since="2019-07", until="2019-07"),
        }
        for what, wish in wishes.items():
            report(what, lambda wish=wish: len(list_photos(library, wish).photos))  # type: ignore[misc]
        report("who is seen with somebody", lambda: len(seen_together(library, 100)))
        report("who is seen with whom, in all", lambda: len(seen_together(library, top=20)))


if __name__ == "__main__":
    main()
