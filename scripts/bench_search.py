"""Measure the search over faces against bare FAISS, on synthetic embeddings with people in them.

python scripts/bench_search.py --faces 1e4 1e5 1e6

Faces lie around their people, whose numbers of faces differ widely. Every size runs in a process of its own, so that
its memory is its own. Times are the best of several, taken in turns with FAISS's, because other programs may be
running; recall is that of probes which the index has not seen, against the exact answer. 1e7 faces take 4 GB of memory
and some minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from facesearch.library.index.partitions import partitioned
from facesearch.library.index.vectors import INDEX_NAME, Stamp, Vectors
from facesearch.records import Chunk, Chunks, Floats

FACES_A_PERSON = 20
WITHIN_A_PERSON = 0.35  # standard deviation of a face around its person, in units of that of the people
PIECE = 100_000
CHANGED = 1000  # faces added, and removed, at a time
K = 10


def faces(count: int, seed: int, people: int) -> Floats:
    """float32 (count, 32) of people 0..people-1: a person's place follows from its number alone."""
    rng = np.random.default_rng((seed, 1))
    person = (people * rng.random(count, np.float32) ** 2).astype(np.int64)  # the lower the number, the more faces
    centres = np.empty((count, 32), np.float32)
    for column in range(32):  # a hash of person and column to a number that is nearly normal
        mixed = (person.astype(np.uint64) * np.uint64(64) + np.uint64(2 * column)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
        parts = mixed.view(np.uint16).reshape(-1, 4).astype(np.float32)
        centres[:, column] = (parts.sum(axis=1) / 65536 - 2) * np.sqrt(3)
    return centres + WITHIN_A_PERSON * rng.standard_normal((count, 32), np.float32)


def pieces(count: int) -> Chunks:
    """All faces of a library of this size, made new each time."""

    def chunks() -> Iterator[Chunk]:
        for start in range(0, count, PIECE):
            size = min(PIECE, count - start)
            yield np.arange(start, start + size), faces(size, start, count // FACES_A_PERSON)

    return chunks


def best_ms(*actions: Callable[[], object], times: int) -> list[float]:
    """The shortest time of each action, taken in turns."""
    best = [float("inf")] * len(actions)
    for _ in range(times):
        for number, action in enumerate(actions):
            start = time.perf_counter()
            action()
            best[number] = min(best[number], 1000 * (time.perf_counter() - start))
    return best


def once_s(action: Callable[[], object]) -> float:
    return best_ms(action, times=1)[0] / 1000


def memory_mb(field: str = "VmRSS") -> float:
    """What this process holds (VmRSS), or has held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000


def compare_searches(name: str, vectors: Vectors, bare: Any, probes: Floats, times: int) -> dict[str, float]:
    """A single probe and a batch of 100, by us and by bare FAISS in turns: with its defaults, and held to one core."""
    some = iter(range(10**9))

    def probe() -> Floats:
        row: Floats = probes[next(some) % len(probes)]
        return row

    turns = (lambda: vectors.search(probe(), K)), (lambda: bare.search(probe()[None], K))
    _, bare_ms = best_ms(*turns, times=times)
    cores = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # no thread of the turn before is in the way of the next one
    ours_ms, one_core_ms = best_ms(*turns, times=times)
    faiss.omp_set_num_threads(cores)
    batch_ms, bare_batch_ms = best_ms(
        lambda: vectors.search_batch(probes[:100], K), lambda: bare.search(probes[:100], K), times=max(3, times // 30)
    )
    return {
        f"{name}_query_ms": ours_ms,
        f"{name}_query_faiss_ms": bare_ms,
        f"{name}_query_faiss_one_core_ms": one_core_ms,
        f"{name}_query_ratio": ours_ms / bare_ms,
        f"{name}_query_ratio_one_core": ours_ms / one_core_ms,
        f"{name}_batch_100_ms": batch_ms,
        f"{name}_batch_100_faiss_ms": bare_batch_ms,
    }


def measure_changes(name: str, vectors: Vectors, count: int) -> dict[str, float]:
    """Adding and removing some faces among all the others."""
    ids = np.arange(count, count + CHANGED)
    some = faces(CHANGED, 7, count // FACES_A_PERSON)
    added_ms = 1000 * once_s(lambda: vectors.add(ids, some))
    removed_ms = 1000 * once_s(lambda: vectors.remove(ids))
    return {f"{name}_add_{CHANGED}_ms": added_ms, f"{name}_remove_{CHANGED}_ms": removed_ms}


def measure_file(name: str, vectors: Vectors, probe: Floats) -> dict[str, float]:
    """Writing the file, and what a first query in a new process costs before it is answered."""
    stamp = Stamp("bench", 1, len(vectors))
    with tempfile.TemporaryDirectory() as folder:
        saved_s = once_s(lambda: vectors.save(Path(folder), stamp))
        opened_s = once_s(lambda: Vectors.load(Path(folder), stamp).search(probe, K))
        size_mb = (Path(folder) / INDEX_NAME).stat().st_size / 1e6
    return {f"{name}_file_mb": size_mb, f"{name}_save_s": saved_s, f"{name}_open_and_query_s": opened_s}


def recall(vectors: Vectors, exact: Vectors, probes: Floats) -> float:
    found = vectors.search_batch(probes, K)
    right = [{face.face_id for face in each} for each in exact.search_batch(probes, K)]
    return float(
        np.mean([len(each & {face.face_id for face in some}) / K for each, some in zip(right, found, strict=True)])
    )


def measure_exact(count: int, exact: Vectors, probes: Floats) -> dict[str, float]:
    """Fill an exact search, and bare FAISS beside it."""
    empty_mb = memory_mb()
    flat = faiss.IndexFlatL2(32)
    ours_s = bare_s = 0.0
    for ids, embeddings in pieces(count)():
        bare_s += once_s(partial(flat.add, embeddings))
        ours_s += once_s(partial(exact.add, ids, embeddings))
    figures = {"exact_build_s": ours_s, "exact_build_faiss_s": bare_s}
    figures["exact_memory_mb"] = (memory_mb() - empty_mb) / 2  # there are two of them
    times = int(np.clip(3e7 / count, 5, 300))
    return figures | compare_searches("exact", exact, flat, probes, times)


def measure_trained(count: int, exact: Vectors, probes: Floats) -> dict[str, float]:
    """Train partitions for the same faces, and compare their answers with the exact ones."""
    before_mb = memory_mb()
    started = time.perf_counter()
    index, training = partitioned(pieces(count), count, lambda: True)
    figures = {"trained_build_s": time.perf_counter() - started, "trained_memory_mb": memory_mb() - before_mb}
    vectors = Vectors(index, training)
    figures |= {"partitions": index.nlist, "looked_into": index.nprobe, "recall_of_tuning": training.recall}
    figures["recall_at_10"] = recall(vectors, exact, probes)
    figures |= compare_searches("trained", vectors, index, probes, int(np.clip(1e9 / count, 100, 1000)))
    return figures | measure_changes("trained", vectors, count) | measure_file("trained", vectors, probes[0])


def measure(count: int, *, train: bool) -> dict[str, float]:
    """All figures for a library of this size."""
    probes = faces(200, 10**9, count // FACES_A_PERSON)
    exact = Vectors.build(np.empty(0, np.int64), np.empty((0, 32), np.float32))
    figures = {"faces": float(count)} | measure_exact(count, exact, probes)
    figures |= measure_changes("exact", exact, count) | measure_file("exact", exact, probes[0])
    if train:
        figures |= measure_trained(count, exact, probes)
        figures["trained_times_faster"] = figures["exact_query_faiss_ms"] / figures["trained_query_ms"]
    return figures | {"peak_memory_mb": memory_mb("VmHWM")}


def main() -> None:
    """Measure one size here, several in a process each; print a line a figure, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=float, nargs="+", default=[1e4, 1e5, 1e6], help="sizes (1e4 1e5 1e6)")
    parser.add_argument("--train-from", type=float, default=1e6, help="sizes that are partitioned too (from 1e6)")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a size")
    options = parser.parse_args()
    if len(options.faces) > 1:
        passed = ["--train-from", str(options.train_from), *(["--json"] if options.json else [])]
        for size in options.faces:
            subprocess.run([sys.executable, __file__, "--faces", str(size), *passed], check=True)
        return
    count = int(options.faces[0])
    figures = measure(count, train=count >= options.train_from)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:26} {value:12,.4g}" if value < 1e4 else f"{name:26} {value:12,.0f}")
    print()


if __name__ == "__main__":
    main()
