"""Compare facesearch with the parts it is made of, as one would put them together: one table, both columns of one run.

python scripts/bench_pipeline.py --photos ~/photos

Stock is the mtcnn package, Keras' `predict`, Pillow, one process, a photo after the other; both write the same rows.
The photos (without --photos: drawn people) are saved at most 1024 px large, as often as it takes to make --count.
Each figure comes from a process of its own; what is compiled at first use is compiled before the clock starts, and so
is what is loaded, except where a fresh process is what is measured. Processor time is that of all threads and
processes: it says how the two compare where other programs keep the machine busy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from stock_parts import photos_in, stock_detector, stock_index, stock_query, stock_tower

from facesearch.demo import write_album
from facesearch.library import Library
from facesearch.photos import read_photo
from facesearch.records import DetectedFace, EmbeddedFace, Models, NewPhoto, PhotoFile, Pixels
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.runtime import fastest_precision
from facesearch.vision.tower.tower import Tower, usable_precision

SIDE_PX = 1024
BATCH = 64
FACESEARCH = [sys.executable, "-c", "from facesearch.__main__ import main; main()"]
Measure = Callable[[Path], dict[str, Any]]


def prepare(source: Path, album: Path, count: int, side_px: int) -> None:
    """`count` distinct photos in folders of 200, each at most side_px large: those of `source`, over and over."""
    files = photos_in(source)
    images = []
    for file in files[:count]:
        image = Image.fromarray(read_photo(file, SIDE_PX).pixels)
        image.thumbnail((side_px, side_px))
        images.append(image)
    for number in range(count):
        path = album / f"{number // 200:03}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        images[number % len(images)].save(path, quality=90, comment=f"{number}".encode())


def write_library(place: Path, faces: int) -> None:
    """A library of `faces` faces at random places, a photo each."""
    tower = Tower.load(precision=usable_precision(None))
    embeddings = np.random.default_rng(0).normal(size=(faces, 32)).astype(np.float32)
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    with Library.create(place, Models.of(load_detector(), tower)) as library:
        with library.changing():
            for number, embedding in enumerate(embeddings):
                photo = NewPhoto(f"{number:064x}", 640, 480, [EmbeddedFace(face, embedding)])
                file = PhotoFile(Path(f"/photos/{number}.jpg"), number, number)
                library.files.put(file, library.catalog.add_photo(photo))
        library.save_vectors()


def timed(action: Callable[[], object], units: int, rounds: int = 5) -> dict[str, Any]:
    """Seconds and processor seconds a unit, the medians of some rounds; one more before them is not timed."""
    action()
    spent = []
    for _ in range(rounds):
        started, busy = time.perf_counter(), time.process_time()
        action()
        spent.append(((time.perf_counter() - started) / units, (time.process_time() - busy) / units))
    seconds, processor = (statistics.median(each) for each in zip(*spent, strict=True))
    return {"s": seconds, "cpu_s": processor}


def decoded(work: Path) -> list[Pixels]:
    return [read_photo(file).pixels for file in photos_in(work / "album")[:40]]


def detection(detect: Callable[[Pixels], list[DetectedFace]], photos: list[Pixels]) -> dict[str, Any]:
    """One photo after the other, and how many faces were found."""
    faces = sum(len(detect(pixels)) for pixels in photos)
    return {**timed(lambda: [detect(pixels) for pixels in photos], len(photos), 3), "faces": faces}


_lane: dict[str, Any] = {}


def prepare_lane(work: Path) -> None:
    """In a process of its own: the detector and the photos."""
    _lane.update(detect=load_detector().detect, photos=decoded(work))


def detect_in_lane(number: int) -> float:
    """Detect on one of the photos; the processor's seconds."""
    busy = time.process_time()
    _lane["detect"](_lane["photos"][number])
    return time.process_time() - busy


def lanes(work: Path) -> dict[str, Any]:
    """As the indexer detects: a photo on each core, a process each."""
    cores, numbers = len(os.sched_getaffinity(0)), range(len(photos_in(work / "album")[:40]))
    spent = []
    with ProcessPoolExecutor(cores, get_context("spawn"), prepare_lane, (work,)) as pool:
        for _ in range(5):  # the first two for every process to have met every size
            started = time.perf_counter()
            busy = sum(pool.map(detect_in_lane, numbers))
            spent.append(((time.perf_counter() - started) / len(numbers), busy / len(numbers)))
    seconds, processor = (statistics.median(each) for each in zip(*spent[2:], strict=True))
    return {"s": seconds, "cpu_s": processor}


def embedding(embed: Callable[[Pixels], object]) -> dict[str, Any]:
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, 112, 112, 3), np.uint8)
    return timed(lambda: embed(crops), BATCH)


PARTS: dict[str, Measure] = {
    "stock-detection": lambda work: detection(stock_detector(), decoded(work)),
    "detection": lambda work: detection(load_detector().detect, decoded(work)),
    "lanes": lanes,
    "stock-embedding": lambda _: embedding(partial(stock_tower().predict, verbose=0)),
    "embedding-f32": lambda _: embedding(Tower.load().embed),
    "embedding-bf16": lambda _: embedding(Tower.load(precision="bf16").embed),
    "embedding-int8": lambda _: embedding(Tower.load(precision="int8").embed),
    "stock-index": stock_index,
    "stock-query": stock_query,
}


class Memory(threading.Thread):
    """The memory of a process and its children in MB while it runs, each shared page counted once (Linux's Pss)."""

    def __init__(self, process_id: int) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []
        self._folder = Path(f"/proc/{process_id}")

    def run(self) -> None:
        while self._folder.exists():
            try:
                lists = [path.read_text() for path in self._folder.glob("task/*/children")]
                family = [self._folder, *(Path(f"/proc/{child}") for text in lists for child in text.split())]
                texts = [(member / "smaps_rollup").read_text() for member in family]
                self.samples.append(sum(int(text.split("\nPss:")[1].split()[0]) for text in texts) / 1024)
            except (OSError, IndexError):  # one of them has just ended
                pass
            time.sleep(0.1)


def run(command: list[str]) -> tuple[dict[str, Any], list[float]]:
    """What a command printed as JSON, with its own seconds and processor seconds; and its memory while it ran."""
    started, before = time.perf_counter(), os.times()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        memory = Memory(process.pid)
        memory.start()
        printed = process.communicate()[0].decode()
        seconds = time.perf_counter() - started
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    answer = json.loads(printed[printed.index("{") :])
    return {"s": seconds, "cpu_s": spent, **answer}, memory.samples


def run_part(name: str, work: Path) -> dict[str, Any]:
    return run([sys.executable, __file__, "--part", name, "--work", str(work)])[0]


def run_index(album: Path, place: Path) -> tuple[dict[str, Any], list[float]]:
    """An index run into a new library, whose processor time is with start-up, and whose seconds are without."""
    summary, memory = run([*FACESEARCH, "index", str(album), "--library", str(place), "--json"])
    photos = summary["photos_new"]
    return {**summary, "s": summary["elapsed_s"] / photos, "cpu_s": summary["cpu_s"] / photos}, memory


def row(name: str, stock: dict[str, Any], ours: dict[str, Any]) -> str:
    times = (f"{1000 * each['s']:.4g} ms" for each in (stock, ours))
    return " | ".join([f"| {name}", *times, *(f"{stock[key] / ours[key]:.1f}" for key in ("s", "cpu_s"))]) + " |"


def detection_rows(work: Path) -> list[str]:
    stock, ours = run_part("stock-detection", work), run_part("detection", work)
    faces = f"{stock['faces']} and {ours['faces']} faces"
    return [
        row(f"detection, a photo after the other ({faces})", stock, ours),
        row("detection, a photo on each core", stock, run_part("lanes", work)),
    ]


def embedding_rows(work: Path) -> list[str]:
    stock = run_part("stock-embedding", work)
    precisions = dict.fromkeys(("f32", fastest_precision(), usable_precision(None)))
    return [
        row(f"embedding, a crop of {BATCH}, {precision}", stock, run_part(f"embedding-{precision}", work))
        for precision in precisions
    ]


def index_rows(work: Path) -> list[str]:
    stock = run_part("stock-index", work)
    run_index(work / "album", work / "first")  # compiles what is new
    ours, memory = run_index(work / "album", work / "ours")
    faces = f"{stock['faces']} and {ours['faces_new']} faces"
    return [
        row(f"index, a photo of {ours['photos_new']} ({faces})", stock, ours),
        f"\nmemory of index, {len(photos_in(work / 'album'))} photos: at most {max(memory):.0f} MB\n",
    ]


def query_rows(work: Path) -> list[str]:
    ask = [*FACESEARCH, "query", str(work / "probe.jpg"), "--library", str(work / "library"), "--json"]
    stock = sorted((run_part("stock-query", work) for _ in range(3)), key=itemgetter("s"))[1]
    ours = sorted((run(ask)[0] for _ in range(7)), key=itemgetter("s"))[3]
    return [row("query, a fresh process", stock, ours)]


def memory_rows(work: Path, many: int) -> list[str]:
    """Of an index run over many small photos."""
    summary, memory = run_index(work / "many", work / "many-library")
    quarters = ", ".join(f"{max(part):.0f}" for part in np.array_split(memory, 4))
    rate = f"{1 / summary['s']:.0f} photos/s"
    return [f"memory of index, {many} photos of 256 px, {rate}: at most {quarters} MB in the quarters of the time"]


ROWS: dict[str, Callable[[Path], list[str]]] = {
    "detection": detection_rows,
    "embedding": embedding_rows,
    "query": query_rows,
    "index": index_rows,
}


def machine() -> str:
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    model = text.split("model name")[1].split(":")[1].splitlines()[0].strip() if "model name" in text else "unknown"
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "openvino", "mtcnn", "numpy"))
    load = f"load before the run {os.getloadavg()[0]:.1f}"
    units = [
        flag
        for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
        if f" {flag} " in text.replace("\n", " ")
    ]
    return f"{os.cpu_count()} cores of {model} ({', '.join(units)}); {packages}; {load}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of photos with faces (drawn people)")
    parser.add_argument("--count", type=int, default=87, help="photos to index (87)")
    parser.add_argument("--faces", type=int, default=10_000, help="faces in the library that is queried (10,000)")
    parser.add_argument("--many", type=int, default=3000, help="small photos to index for the memory (3,000); 0: none")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, help="what to measure (all)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        print(json.dumps(PARTS[options.part](options.work)))
        return
    described = machine()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source = options.photos or write_album(work / "drawn", 6, 4, seed=1).directory
        prepare(source, work / "album", options.count, SIDE_PX)
        prepare(source, work / "many", options.many, 256)
        probe = next(file for file in photos_in(work / "album") if load_detector().detect(read_photo(file).pixels))
        (work / "probe.jpg").write_bytes(probe.path.read_bytes())
        write_library(work / "library", options.faces)
        print(f"{described}\n\n| | stock | facesearch | times as fast | by processor time |")
        print("| --- | --- | --- | --- | --- |", flush=True)
        for rows in options.rows:
            print("\n".join(ROWS[rows](work)), flush=True)
        if options.many:
            print("\n".join(memory_rows(work, options.many)))


if __name__ == "__main__":
    main()
