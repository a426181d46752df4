"""What opening, asking, indexing, checking and forgetting cost in a library of many faces, without their photos.

    python scripts/bench_library_size.py --faces 1e6 --keep DIR

Rows stand in for photos: 2.4 faces each on average, half of the faces with a person, of twenty faces each. Each step
runs in a process of its own; networks are loaded before its time begins. Prints a row of a table for each step: seconds
on the clock, seconds of the processor, and the most memory that the process held. --keep uses the library in a folder,
or writes it there; a step changes it by one photo.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.api.library import FaceLibrary, open_library
from facesearch.demo import draw_portrait, random_people
from facesearch.library import DATABASE_NAME, Library
from facesearch.library.folder import size_bytes
from facesearch.library.spaces import tower_space
from facesearch.records import EMBEDDING_SIZE, Floats, Ints, Models

WRITE = "write the library"
FACES_OF_A_PERSON = 20
FACES_OF_A_PHOTO = 2.4
FACES_AT_ONCE = 50_000
SPREAD, WITHIN = 0.3, 0.1  # standard deviations of people, and of one person's faces, in each of 32 numbers


def main() -> None:
    """Write the library, or find it, and run the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=float, default=1e5)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--steps", nargs="*", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--step", choices=[WRITE, *STEPS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == WRITE:
        write_library(options.keep, int(options.faces))
        return
    if options.step:
        run_step(options.keep, options.step)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if not (folder / "library").exists():
            # In a process of its own: Linux would count its memory as that of the steps, which this one starts.
            command = [sys.executable, __file__, "--keep", str(folder), "--faces", str(options.faces), "--step", WRITE]
            begun = time.monotonic()
            subprocess.run(command, check=True)
            spent = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor = spent.ru_utime + spent.ru_stime
            print(f"written in {time.monotonic() - begun:.0f} s ({processor:.0f} s of the processor)", flush=True)
        print(f"{size_bytes(folder / 'library') / 1e6:,.0f} MB, load {os.getloadavg()[0]:.1f}", flush=True)
        for step in options.steps:
            command = [sys.executable, __file__, "--keep", str(folder), "--step", step]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            print(ran.stdout.strip().splitlines()[-1], flush=True)


def run_step(folder: Path, name: str) -> None:
    """Prepare a step, take its time, and print it."""
    with open_library(folder / "library", device="cpu") as library:
        step = STEPS[name](folder, library)
        clock, processor = time.perf_counter(), time.process_time()
        step()
        spent = time.perf_counter() - clock, time.process_time() - processor
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"| {name} | {spent[0]:.2f} s | {spent[1]:.2f} s | {peak_mb:,.0f} MB |")


def _open(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    def step() -> None:
        with Library.open(library.path) as opened:
            opened.nearest()

    import faiss  # noqa: F401

    return step


def _status(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    import faiss  # noqa: F401

    return library.status


def _query(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    import faiss  # noqa: F401

    probe = library.probe(_portrait(folder, 0))
    library.close()
    return lambda: library.ask(probe)


def _query_again(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    probe = library.probe(_portrait(folder, 0))
    library.ask(probe)
    return lambda: library.ask(probe)


def _index(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    import faiss  # noqa: F401

    library.tower.prepare()
    photo = _portrait(folder, time.time_ns() % 1_000_000)

    def step() -> None:
        assert library.index(photo, group=False).photos_new == 1

    return step


def _index_unchanged(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    library.tower.prepare()
    photo = _portrait(folder, 0)
    library.index(photo, group=False)
    return lambda: library.index(photo, group=False)


def _forget(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    photo = _portrait(folder, time.time_ns() % 1_000_000)
    library.index(photo, group=False)
    return lambda: library.forget(photo)


def _verify(folder: Path, library: FaceLibrary) -> Callable[[], object]:
    library.tower.prepare()

    def step() -> None:
        assert library.verify().sound

    return step


STEPS: dict[str, Callable[[Path, FaceLibrary], Callable[[], object]]] = {
    "open": _open,
    "status": _status,
    "query, the first": _query,
    "query, a further one": _query_again,
    "index one photo": _index,
    "index one unchanged photo": _index_unchanged,
    "forget one photo": _forget,
    "verify": _verify,
}


def _portrait(folder: Path, number: int) -> Path:
    """A drawn photo in a folder of its own."""
    path = folder / "photos" / str(number) / "portrait.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        (person,) = random_people(1, seed=number % 7)
        Image.fromarray(draw_portrait(person, np.random.default_rng(number)).pixels).save(path)
    return path


def write_library(folder: Path, faces: int) -> None:
    """A library with its file of vectors, of the tower and the detector that ship."""
    path = folder / "library"
    folder.mkdir(parents=True, exist_ok=True)
    opened = open_library(path, device="cpu")
    models = Models.of(opened.detector, opened.tower)
    space = tower_space(models)
    assert space.cohort is not None
    Library.create(path, models).close()
    rng = np.random.default_rng(0)
    with closing(sqlite3.connect(path / DATABASE_NAME)) as rows, _bulk_writing(rows):
        _write_photos(rows, np.bincount(_photos_of(0, faces))[1:].tolist())
        for start in range(0, faces, FACES_AT_ONCE):
            count = min(FACES_AT_ONCE, faces - start)
            centres = SPREAD * rng.normal(size=(-(-count // FACES_OF_A_PERSON), EMBEDDING_SIZE))
            whose = rng.integers(0, len(centres), count)
            points = (centres[whose] + WITHIN * rng.normal(size=(count, EMBEDDING_SIZE))).astype("<f4")
            scales = space.cohort.local_scale(points).tolist()
            _write_faces(rows, start, points, scales, (whose + start // FACES_OF_A_PERSON + 1).tolist())
        rows.execute("INSERT INTO settings VALUES ('scales', ?)", (space.measure,))  # that the rows have them
    with Library.open(path, writable=True) as library:
        library.train_vectors()
        library.save_vectors(finish_training=True)


@contextmanager
def _bulk_writing(rows: sqlite3.Connection) -> Iterator[None]:
    """Inside, rows are inserted without indices, triggers and a journal; what those keep is made at the end."""
    for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -1000000"):
        rows.execute(f"PRAGMA {setting}")
    aside = rows.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).fetchall()
    for kind, name, _ in aside:
        rows.execute(f"DROP {kind} {name}")
    yield
    rows.execute(
        "UPDATE counts SET photos = (SELECT count(*) FROM photos), files = (SELECT count(*) FROM files), "
        "people = (SELECT count(*) FROM people), people_named = (SELECT count(name) FROM people), "
        "faces = (SELECT count(*) FROM faces), faces_with_person = (SELECT count(person_id) FROM faces)"
    )
    for _, _, sql in aside:
        rows.execute(sql)
    rows.commit()
    rows.execute("PRAGMA journal_mode = WAL")  # as the program leaves it


def _photos_of(start: int, stop: int) -> Ints:
    """The ids of the photos of some faces, which are counted from 0: int64 (stop - start,)."""
    return (np.arange(start, stop) / FACES_OF_A_PHOTO).astype(np.int64) + 1


def _write_photos(rows: sqlite3.Connection, face_counts: list[int]) -> None:
    """Photos, each with its file. face_counts: of each photo."""
    rows.executemany(
        "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count, taken_at, taken_source) "
        "VALUES (?, ?, 4000, 3000, '2026-01-01', ?, ?, 'exif')",
        (
            (each, f"{each * 0x9E3779B97F4A7C15 % (1 << 64):064x}", faces, f"{2000 + each % 25}-07-04T12:00:00")
            for each, faces in enumerate(face_counts, start=1)
        ),
    )
    rows.executemany(
        "INSERT INTO files (path, size_bytes, mtime_ns, photo_id) VALUES (?, ?, 1, ?)",
        (
            (f"/photos/{each // 1000:06}/{each:09}.jpg".encode(), 2_000_000 + each % 999_983, each)
            for each in range(1, len(face_counts) + 1)
        ),
    )


def _write_faces(rows: sqlite3.Connection, start: int, points: Floats, scales: list[float], people: list[int]) -> None:
    """FACES_AT_ONCE faces at most, each second one with its person. start: how many there are already."""
    count = len(people)
    rows.executemany(
        "INSERT OR IGNORE INTO people (id, created_at) VALUES (?, '2026-01-01')",
        ((each,) for each in sorted(set(people))),
    )
    blobs, size = points.tobytes(), 4 * EMBEDDING_SIZE
    rows.executemany(
        "INSERT INTO faces (id, photo_id, box, landmarks, score, quality, embedding, local_scale, person_id, "
        "person_source) VALUES (?, ?, zeroblob(16), zeroblob(40), 0.9, ?, ?, ?, ?, ?)",
        zip(
            range(start + 1, start + count + 1),
            _photos_of(start, start + count).tolist(),
            (each % 100 / 100 for each in range(count)),
            (blobs[at : at + size] for at in range(0, len(blobs), size)),
            scales,
            (person if each % 2 else None for each, person in enumerate(people)),
            ("user" if each % 2 else None for each in range(count)),
            strict=True,
        ),
    )


if __name__ == "__main__":
    main()
