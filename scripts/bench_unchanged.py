"""Index a folder in which nothing changed; print seconds and photos a second.

python scripts/bench_unchanged.py --photos 100000

Writes as many small distinct files, puts a row of each into a library as a run would (one face each), and times
`facesearch index` over them as a user runs it, in a process of its own: with start-up, and the part of the run alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facesearch.api.library import open_library
from facesearch.library import Library
from facesearch.photos import photo_file
from facesearch.records import DetectedFace, EmbeddedFace, Models, NewPhoto

_A_FOLDER = 500
_A_TRANSACTION = 1000


def write_files(folder: Path, count: int) -> list[Path]:
    """Files named like photos, 500 a folder; their content is their number."""
    paths = []
    for number in range(count):
        place = folder / f"{number // _A_FOLDER:04}"
        if number % _A_FOLDER == 0:
            place.mkdir(parents=True)
        paths.append(place / f"{number:07}.jpg")
        paths[-1].write_bytes(b"%d" % number)
    return paths


def fill(library: Library, paths: list[Path]) -> None:
    """A row for each file, its photo and one face."""
    embeddings = np.random.default_rng(0).normal(size=(len(paths), 32)).astype(np.float32)
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    for start in range(0, len(paths), _A_TRANSACTION):
        with library.changing():
            for number in range(start, min(start + _A_TRANSACTION, len(paths))):
                photo = NewPhoto(f"{number:064x}", 640, 480, [EmbeddedFace(face, embeddings[number])])
                library.files.put(photo_file(paths[number]), library.catalog.add_photo(photo))
    library.save_vectors()


def main() -> None:
    """Parse, prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000, help="how many files")
    parser.add_argument("--rounds", type=int, default=3, help="how often to run; the least time counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        album, place = Path(name) / "album", Path(name) / "library"
        opened = open_library()
        with Library.create(place, Models.of(opened.detector, opened.tower)) as library:
            fill(library, write_files(album, arguments.photos))
        command = [sys.executable, "-c", "from facesearch.cli import main; main()", "index", str(album), "--json"]
        whole, run = [], []
        for _ in range(arguments.rounds):
            started = time.perf_counter()
            ran = subprocess.run([*command, "--library", str(place)], check=True, capture_output=True)
            whole.append(time.perf_counter() - started)
            summary = json.loads(ran.stdout)
            assert summary["photos_unchanged"] == arguments.photos, summary
            run.append(summary["elapsed_s"])
    rate = arguments.photos / min(run)
    print(f"{arguments.photos:,} unchanged photos passed over in {min(run):.2f} s: {rate:,.0f} a second")
    print(f"the whole command with start-up: {min(whole):.2f} s")


if __name__ == "__main__":
    main()
