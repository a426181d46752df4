"""Measure FAISS on a GPU beside the bandwidth of its memory: exact search, and partitions that are made on the GPU.

python scripts/check_gpu_search.py --faces 1e6 1e7 --bandwidth 3350

A part of `check_gpu.py`, by itself. --bandwidth: of the card's memory, in GB a second.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import faiss
import numpy as np
from bench_limit import median_s
from bench_search import faces

from facesearch.records import Floats

RECALL_WANTED = 0.99
NEIGHBOURS, BATCH = 10, 1000


def pieces(count: int) -> Iterator[Floats]:
    """So many faces of people, a million at a time: the same people, turned each time."""
    size = min(count, 10**6)
    base = faces(size, 0, size // 20)
    for number in range(count // size):
        rng = np.random.default_rng(number)
        yield np.ascontiguousarray(base[:, rng.permutation(32)] * rng.choice(np.array([-1, 1], np.float32), 32))


def search(count: int, bandwidth_gb_s: float | None, *, on_gpu: bool) -> dict[str, Any]:
    """Exact search and partitions over so many faces, and how near exact search comes to the memory's bandwidth."""
    resources = faiss.StandardGpuResources() if on_gpu else None
    flat = faiss.IndexFlatL2(32)
    build_s = timed(lambda: [flat.add(piece) for piece in pieces(count)])
    placed = [flat]
    copy_s = timed(lambda: placed.append(moved(resources, flat)))
    exact = placed[-1]
    probes = next(pieces(count))[:BATCH] + np.float32(0.1)
    _, right = exact.search(probes, NEIGHBOURS)
    figures = {"build_s": build_s, "copy_s": copy_s} | speeds("exact", exact, probes)
    gb_s = count * 128 / 1e6 / figures["exact_query_ms"]
    figures["exact_gb_s"] = round(gb_s, 1)
    if bandwidth_gb_s:
        figures["times_the_bandwidths_time"] = round(bandwidth_gb_s / gb_s, 2)
    _, by_cpu = flat.search(probes[:10], NEIGHBOURS)
    figures["exact_recall"] = recall(right[:10], by_cpu)
    lists = round(2 * count**0.5)
    trained = moved(resources, faiss.IndexIVFFlat(faiss.IndexFlatL2(32), 32, lists))
    sample = next(pieces(count))[: 64 * lists]
    figures["partitions_build_s"] = timed(lambda: trained.train(sample)) + timed(
        lambda: [trained.add(piece) for piece in pieces(count)]
    )
    for nprobe in (8, 16, 32, 64, 128, 256, 512):
        trained.nprobe = min(nprobe, lists)
        figures |= {"looked_into": nprobe, "partitions_recall": recall(trained.search(probes, NEIGHBOURS)[1], right)}
        if figures["partitions_recall"] >= RECALL_WANTED:
            break
    return {"partitions": lists} | figures | speeds("partitions", trained, probes)


def moved(resources: Any, index: Any) -> Any:
    return index if resources is None else faiss.index_cpu_to_gpu(resources, 0, index)


def recall(found: Any, right: Any) -> float:
    shared = [len(set(one) & set(other)) / NEIGHBOURS for one, other in zip(found, right, strict=True)]
    return round(float(np.mean(shared)), 4)


def speeds(name: str, index: Any, probes: Floats) -> dict[str, float]:
    return {
        f"{name}_query_ms": round(1000 * median_s(lambda: index.search(probes[:1], NEIGHBOURS), 9), 3),
        f"{name}_batch_{BATCH}_ms": round(1000 * median_s(lambda: index.search(probes, NEIGHBOURS), 3), 1),
    }


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return round(time.perf_counter() - started, 3)


def main() -> None:
    """Measure each size, and print a line of JSON for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=float, nargs="+", default=[1e6], help="sizes (1e6)")
    parser.add_argument("--bandwidth", type=float, required=True, help="of the memory, in GB a second")
    parser.add_argument("--cpu", action="store_true", help="on the CPU")
    options = parser.parse_args()
    for count in map(int, options.faces):
        print(json.dumps({"faces": count} | search(count, options.bandwidth, on_gpu=not options.cpu)))


if __name__ == "__main__":
    main()
