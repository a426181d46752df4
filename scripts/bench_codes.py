"""What float32, float16 and 8-bit codes cost in a library of many faces, and how many of the nearest faces they find.

    python scripts/bench_library_size.py --faces 1e6 --keep DIR --steps open
    python scripts/bench_codes.py --library DIR/library

Codes of each kind are set, trained and asked in a process of their own, as `index --codes` and `query` do. Prints a row
of a table for each: the file that searches keep in memory, seconds of the clock and of the processor to train it, the
most memory that this took, milliseconds of a search for 10 and for 64 faces (median of 200, warm), and recall@10 as the
training measured it on the library's faces and of 200 probes that are not in the library. The library is left with what
was trained last.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from facesearch.library import Library
from facesearch.library.index.codes import CODES
from facesearch.library.index.vector_file import INDEX_NAME
from facesearch.library.index.vectors import Vectors
from facesearch.records import Floats

PROBES = 200
NOISE = 0.1  # a probe is a face of the library, so far off in each of 32 numbers: as faces of one person are


def main() -> None:
    """Each kind of codes in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--codes", nargs="*", default=list(CODES), choices=CODES)
    parser.add_argument("--one", choices=CODES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        train(options.library, options.one)
        ask(options.library, options.one)
        return
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    print("| codes | file | training: clock, processor | most memory | 10 nearest | 64 nearest | recall@10 |")
    for codes in options.codes:
        subprocess.run([sys.executable, __file__, "--library", str(options.library), "--one", codes], check=True)


def train(path: Path, codes: str) -> None:
    """Set the codes, and train the search in them, in any case again."""
    (path / INDEX_NAME).unlink(missing_ok=True)
    clock, processor = time.perf_counter(), time.process_time()
    with Library.open(path, writable=True) as library:
        with library.changing():
            library.search_codes.want(codes)
        library.train_vectors()
        library.save_vectors(finish_training=True)
    spent = time.perf_counter() - clock, time.process_time() - processor
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    file_mb = (path / INDEX_NAME).stat().st_size / 1e6
    print(f"| {codes} | {file_mb:,.0f} MB | {spent[0]:.0f} s, {spent[1]:.0f} s | {peak_mb:,.0f} MB", end=" | ")


def ask(path: Path, codes: str) -> None:
    """Searches of the file, as a query makes them."""
    with Library.open(path) as library, library.snapshot():
        vectors = library.vectors()
        assert vectors.training is not None
        assert vectors.training.codes == codes
        ids, embeddings = library.catalog.embeddings()
        rng = np.random.default_rng(1)
        probes = embeddings[rng.choice(len(ids), PROBES)]
        probes += NOISE * rng.standard_normal(probes.shape, np.float32)
        exact = Vectors.build(ids, embeddings)
        found = [{face.face_id for face in vectors.search(probe, 10)} for probe in probes]
        right = [{face.face_id for face in each} for each in exact.search_batch(probes, 10)]
        recall = np.mean([len(one & other) / 10 for one, other in zip(found, right, strict=True)])
        times_ms = [median_ms(vectors, probes, k) for k in (10, 64)]
        nprobe = vectors.description.split(",")[0]
    measured = f"{vectors.training.recall:.4f}, {recall:.4f} ({nprobe})"
    print(f"{times_ms[0]:.2f} ms | {times_ms[1]:.2f} ms | {measured} |", flush=True)


def median_ms(vectors: Vectors, probes: Floats, k: int) -> float:
    """Of one search for k faces, by the processor's time of this thread."""
    spent = []
    for probe in probes:
        begun = time.thread_time()
        vectors.search(probe, k)
        spent.append(1000 * (time.thread_time() - begun))
    return float(np.median(spent))


if __name__ == "__main__":
    main()
