"""Measure what grouping costs at the end of `index`: the first time, and when a few faces have come to a large library.

python scripts/bench_new_faces.py --faces 1e4 1e5

A library of synthetic people (as in bench_search.py) is written with rows and trained vectors, one face a photo. Each
step is a process of its own, as `index` is one: "first" groups all faces; "new" adds some faces, a third of them of
others than the library's, and groups what is new. Prints for the grouping alone seconds, seconds of processors (what
counts where other programs run) and the peak of memory, and as open_... what it took before that: to open the library,
to search once, to add the faces. --as-drawn: the people are those who were drawn, instead of the groups of a first
grouping, which takes minutes for 1e6 faces.
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
from bench_search import FACES_A_PERSON, PIECE, faces, memory_mb

from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.people import group_people
from facesearch.people.grouping import SOURCE
from facesearch.records import DetectedFace, EmbeddedFace, Models, NewPhoto

MODELS = Models("none", "0" * 64, "none", 4.5)
# A person's pairs lie around 2.8 apart, and those of strangers around 8.
CALIBRATION = Calibration((2.0, 4.0, 6.0), (16.0, 8.0, 0.0))
BOX, LANDMARKS = np.array([0, 0, 100, 100], np.float32), np.zeros((5, 2), np.float32)


def fill(path: Path, count: int, *, as_drawn: bool) -> None:
    """Write a library of so many faces."""
    people = count // FACES_A_PERSON
    with Library.create(path, MODELS) as library:
        write = library._database.execute_many
        with library.changing():
            if as_drawn:
                write(
                    "INSERT INTO people (id, created_at) VALUES (?, '2026-01-01')",
                    ((number,) for number in range(1, people + 1)),
                )
            for start in range(0, count, PIECE):
                size = min(PIECE, count - start)
                embeddings = faces(size, start, people)
                drawn = (people * np.random.default_rng((start, 1)).random(size, np.float32) ** 2).astype(np.int64)
                write(
                    "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count) "
                    "VALUES (?, ?, 100, 100, '2026-01-01', 1)",
                    ((number, f"{number:064x}") for number in range(start + 1, start + size + 1)),
                )
                write(
                    "INSERT INTO faces (id, photo_id, box, landmarks, score, quality, embedding, person_id, "
                    "person_source) VALUES (?, ?, ?, ?, 0.9, 0.9, ?, ?, ?)",
                    (
                        (
                            number,
                            number,
                            BOX.tobytes(),
                            LANDMARKS.tobytes(),
                            embedding.tobytes(),
                            person + 1 if as_drawn else None,
                            SOURCE if as_drawn else None,
                        )
                        for number, embedding, person in zip(
                            range(start + 1, start + size + 1), embeddings, drawn.tolist(), strict=True
                        )
                    ),
                )
            if as_drawn:
                library.grouped.note(count)
        library.vectors()
        library.train_vectors()
        library.save_vectors(finish_training=True)


def add(library: Library, count: int, new: int) -> None:
    """Faces that come to a library: two thirds of its people, one third of others."""
    people = count // FACES_A_PERSON
    known, others = faces(new - new // 3, count, people), faces(new // 3, count + 1, max(1, new // 15)) + np.float32(9)
    with library.changing():
        for number, embedding in enumerate(np.concatenate([known, others]), start=1):
            face = EmbeddedFace(DetectedFace(BOX, LANDMARKS, 0.9), embedding, 0.9)
            library.catalog.add_photo(NewPhoto(f"{count + number:064x}", 100, 100, [face]))


def step(path: Path, count: int, new: int) -> dict[str, float]:
    """Open the library, search once, add `new` faces, and group what is new: all where nothing was grouped yet."""
    start, start_cpu = time.perf_counter(), time.process_time()
    with Library.open(path, MODELS, writable=True) as library:
        library.vectors().search_batch(faces(1, 0, 1), 10)
        if new:
            add(library, count, new)
        opened, opened_cpu, before_mb = time.perf_counter(), time.process_time(), memory_mb("VmHWM")
        summary = group_people(library, CALIBRATION, only_new=True)
        return {
            "faces": count,
            "new": new,
            "open_cpu_s": opened_cpu - start_cpu,
            "open_s": opened - start,
            "cpu_s": time.process_time() - opened_cpu,
            "seconds": time.perf_counter() - opened,
            "peak_mb": memory_mb("VmHWM"),
            "open_mb": before_mb,
            "joined": summary.joined,
            "grouped": summary.grouped,
            "groups": sum(each.is_new for each in summary.people),
        }


def main() -> None:
    """Write libraries, start a process a step, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=float, nargs="+", required=True)
    parser.add_argument("--new", type=int, default=100, help="faces that come later (100)")
    parser.add_argument("--as-drawn", action="store_true", help="no first grouping: people are those who were drawn")
    parser.add_argument("--step", type=Path, help="a library that was written already: do one step in it")
    options = parser.parse_args()
    if options.step is not None:
        print(json.dumps(step(options.step, int(options.faces[0]), options.new)), flush=True)
        return
    for size in options.faces:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder) / "library", int(size), as_drawn=options.as_drawn)
            for new in ([] if options.as_drawn else [0]) + [options.new]:
                own = ["--faces", str(size), "--new", str(new), "--step", str(Path(folder) / "library")]
                subprocess.run([sys.executable, __file__, *own], check=True)


if __name__ == "__main__":
    main()
