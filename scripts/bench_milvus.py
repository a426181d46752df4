"""How fast faces are published to a Milvus server, and a query there against FAISS here, over a synthetic library.

    .venv/milvus-lite/bin/milvus-lite server --data-dir DIR --host 127.0.0.1 --port 19530
    python scripts/bench_milvus.py --milvus http://127.0.0.1:19530 --server PID --faces 1e5

Writes a library of random people into a temporary folder. For each index publishes it, once more without a change, asks
for 50 faces both ways, and removes its faces from the server. Prints seconds on the clock and, in brackets, of the
processor: here, and in the server.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from facesearch.library import DATABASE_NAME, Library
from facesearch.milvus import MilvusPlace, MilvusSearch, publish, withdraw
from facesearch.records import EMBEDDING_SIZE, Floats, Models, Neighbour

Result = TypeVar("Result")

FACES_OF_A_PERSON = 20
PROBES = 50
FACES_AT_ONCE = 50_000
NEAREST = 64  # what a query with judged distances asks for


def main() -> None:
    """Print the figures of one size and one index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--milvus", required=True, help="address of the server")
    parser.add_argument("--collection", default="bench")
    parser.add_argument("--faces", type=float, default=1e5)
    parser.add_argument("--server", type=int, default=0, help="the server's process, for its processor time")
    parser.add_argument("--index", nargs="*", default=["flat", "hnsw", "sq8"], choices=["flat", "hnsw", "sq8"])
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library"
        probes = write_library(path, int(options.faces))
        for index in options.index:
            place = MilvusPlace(options.milvus, f"{options.collection}_{index}")
            measure(path, place, index, probes, Clock(options.server))


def measure(path: Path, place: MilvusPlace, index: str, probes: Floats, clock: Clock) -> None:
    """Print the figures of one index."""
    with Library.open(path) as library:
        first, taken = clock.of(lambda: publish(library, place, index))
        rate = first.added / first.elapsed_s
        print(f"{first.index}: {first.added:,} faces published in {taken}: {rate:,.0f} a second", flush=True)
        print(f"  recall@10 {first.recall}")
        _, taken = clock.of(lambda: publish(library, place))
        print(f"  again, unchanged: {taken}", flush=True)
        vectors = library.vectors()
        with MilvusSearch(library, place) as there, library.snapshot():
            here_ms, here = timed(vectors.search, probes)
            (there_ms, found), taken = clock.of(lambda: timed(there.search, probes))
        same = sum(a == b for a, b in zip(here, found, strict=True))
        kept = sum(len(set(a) & set(b)) for a, b in zip(here, found, strict=True)) / (PROBES * NEAREST)
        print(
            f"  the {NEAREST} nearest: FAISS here {here_ms:.2f} ms, Milvus {there_ms:.2f} ms; {PROBES + 1} in {taken}\n"
            f"  {same} of {PROBES} with the same ids in the same order, {100 * kept:.2f} % of all ids"
        )
        print(f"  removed: {clock.of(lambda: withdraw(library, place))[1]}", flush=True)


@dataclass(frozen=True)
class Clock:
    """Takes times: on the clock, of this process, and of the server's."""

    server: int
    """Its process; 0 for an unknown one."""

    def of(self, work: Callable[[], Result]) -> tuple[Result, str]:
        """What the work gives, and how long it takes, in words."""
        before = time.perf_counter(), time.process_time(), self._server_s()
        result = work()
        clock, here, there = (
            after - was
            for after, was in zip((time.perf_counter(), time.process_time(), self._server_s()), before, strict=True)
        )
        return result, f"{clock:.1f} s ({here:.1f} s here" + (f", {there:.1f} s there)" if self.server else ")")

    def _server_s(self) -> float:
        if not self.server:
            return 0.0
        fields = Path(f"/proc/{self.server}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_library(path: Path, faces: int) -> Floats:
    """A library with its file of vectors; returns PROBES of its embeddings, float32 (P, 32), a little moved."""
    rng = np.random.default_rng(0)
    Library.create(path, Models("bench", "0" * 64, "bench", 1.0)).close()
    box, landmarks = np.zeros(4, "<f4").tobytes(), np.zeros(10, "<f4").tobytes()
    kept = []
    with closing(sqlite3.connect(path / DATABASE_NAME)) as rows, rows:
        for start in range(1, faces + 1, FACES_AT_ONCE):
            ids = range(start, min(start + FACES_AT_ONCE, faces + 1))
            people = rng.normal(size=(len(ids) // FACES_OF_A_PERSON + 1, EMBEDDING_SIZE))
            near = people[rng.integers(0, len(people), len(ids))] + 0.35 * rng.normal(size=(len(ids), EMBEDDING_SIZE))
            embeddings = near.astype("<f4")
            kept.append(embeddings[:PROBES])
            rows.executemany(
                "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count) VALUES (?, ?, 8, 8, '', 1)",
                ((number, f"{number:064}") for number in ids),
            )
            rows.executemany(
                "INSERT INTO faces (id, photo_id, box, landmarks, score, embedding) VALUES (?, ?, ?, ?, 0.9, ?)",
                (
                    (number, number, box, landmarks, each.tobytes())
                    for number, each in zip(ids, embeddings, strict=True)
                ),
            )
        rows.execute("UPDATE settings SET value = value + 1 WHERE key = 'generation'")
    with Library.open(path, writable=True) as library:
        library.save_vectors()
    chosen = rng.permutation(np.concatenate(kept))[:PROBES]
    return (chosen + 0.05 * rng.normal(size=chosen.shape)).astype(np.float32)


def timed(search: Callable[[Floats, int], list[Neighbour]], probes: Floats) -> tuple[float, list[list[int]]]:
    """The median milliseconds of a search, and the ids found for each probe."""
    search(probes[0], NEAREST)
    taken, found = [], []
    for probe in probes:
        begin = time.perf_counter()
        near = search(probe, NEAREST)
        taken.append(1000 * (time.perf_counter() - begin))
        found.append([each.face_id for each in near])
    return statistics.median(taken), found


if __name__ == "__main__":
    main()
